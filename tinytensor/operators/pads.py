"""Padding of operations of images, in plain Python, which a model's Python file holds too."""

from typing import Any

__all__ = ["automatic_pads", "paired", "transposed_pads"]


def paired(pads: Any, axes: int) -> Any:
    """(before, after) for each axis, from all numbers before and all after.

    >>> paired([1, 2, 3, 4], 2)
    ((1, 3), (2, 4))
    """
    numbers = pads or [0] * 2 * axes
    return tuple(zip(numbers[:axes], numbers[axes:], strict=True))


def automatic_pads(auto_pad: str, pads: Any, lengths: Any, spans: Any, stride: Any) -> Any:
    """The padding that `auto_pad` stands for: with SAME, ⌈length / stride⌉ windows.

    >>> automatic_pads("SAME_LOWER", None, (5,), [2], [1])
    ((1, 0),)
    """
    if not auto_pad.startswith("SAME"):
        return paired(None if auto_pad == "VALID" else pads, len(spans))
    found = []
    for n, span, step in zip(lengths, spans, stride, strict=True):
        found.append(halves(max((-(-n // step) - 1) * step + span - n, 0), auto_pad == "SAME_UPPER"))
    return tuple(found)


def halves(total: int, upper: bool) -> Any:
    """A padding on both sides, the larger part at the end, or at the beginning."""
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def transposed_pads(
    auto_pad: str, pads: Any, lengths: Any, spans: Any, stride: Any, output_padding: Any, output_shape: Any
) -> Any:  # fmt: skip
    """What is cut off from a transposed convolution's output, and how much longer it is at the end.

    `output_shape`, or with SAME length · stride, decides both: where the output would be shorter, it ends
    later.
    """
    axes = len(spans)
    extra = output_padding or [0] * axes
    same = auto_pad.startswith("SAME")
    if not same and not output_shape:
        return paired(None if auto_pad == "VALID" else pads, axes), extra
    wanted = (output_shape or [])[-axes:] or [n * step for n, step in zip(lengths, stride, strict=True)]
    totals = [
        (n - 1) * step + more + span - length
        for n, step, more, span, length in zip(lengths, stride, extra, spans, wanted, strict=True)
    ]
    cut = tuple(halves(max(total, 0), auto_pad == "SAME_UPPER") for total in totals)
    return cut, [more + max(-total, 0) for more, total in zip(extra, totals, strict=True)]
