"""Pixels put around images, or cut off."""

from typing import Any

import numpy as np

from tinytensor import windows
from tinytensor.errors import ArgumentError, ShapeError
from tinytensor.functions import tensor
from tinytensor.kernels.boundary import Array, number, real_number
from tinytensor.primitives.movement import moved
from tinytensor.primitives.resizing import pad as constant_pad
from tinytensor.shaping import elements
from tinytensor.tensors import Tensor
from tinytensor.windows import Pads

__all__ = ["pad"]

MODES = ("constant", "reflect", "edge")
CUT = -(2**62)  # the least padding: any number of pixels may be cut off


def pad(
    x: Any, padding: Any, mode: str = "constant", value: float = 0.0, channels_last: bool = False
) -> Tensor:
    """The images x with a border added; negative padding crops them.

    Args:
        x: (batch, channels, height, width) or (batch, channels, length).
        padding: a number, or one or a pair (before, after) for each spatial axis: ((top, bottom),
            (left, right)).
        mode: "constant" puts `value` there, "edge" the outermost pixel, "reflect" the pixels of the image in
            reverse order without the outermost one.
        value: see mode.
        channels_last: whether the channels are the last axis of x.

    Raises:
        ShapeError: x has other axes, nothing is left of it, or it has too few pixels to reflect.
        ArgumentError: another argument lies outside what is described here.

    >>> import tinytensor as tt
    >>> tt.pad([[[1, 2, 3]]], ((0, 2),)).tolist()
    [[[1.0, 2.0, 3.0, 0.0, 0.0]]]
    >>> tt.pad([[[1, 2, 3]]], ((2, -1),), mode="edge").tolist()
    [[[1.0, 1.0, 1.0, 2.0]]]
    """
    t, last = tensor(x), windows.flag("pad: channels_last", channels_last)
    pads, mode = pads_of(padding, max(t.ndim - 2, 1)), mode_of(mode)
    padded_shape(t.shape, pads, mode, last)
    widths = (*pads, (0, 0)) if last else ((0, 0), *pads)
    inside = [slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(t.shape[1:], widths, strict=True)]
    kept = elements(t._array, (slice(None), *inside)) if min(map(min, widths)) < 0 else t._array
    more = tuple((max(a, 0), max(b, 0)) for a, b in widths)
    if mode == "constant":
        constant = number(real_number("pad: value", value), t.dtype)
        return Tensor._wrap(constant_pad(kept, widths=more, value=constant))
    return Tensor._wrap(moved(mirrored, (kept,), more, mode))


def mirrored(array: Array, widths: Pads, mode: Any) -> Array:
    """Elements of the array itself around it."""
    return np.pad(array, [(0, 0), *widths], mode=mode)


def pads_of(value: Any, axes: int) -> Pads:
    """A padding as a pair for each spatial axis, checked."""
    found = windows.pads_of("pad: padding", value, min(axes, 2), least=CUT)
    assert not isinstance(found, str)
    return found


def mode_of(mode: Any) -> str:
    """What is put into the padding, checked."""
    if not isinstance(mode, str) or mode not in MODES:
        raise ArgumentError(f"pad: mode: expected one of {', '.join(MODES)}, got {mode!r:.80}")
    return str(mode)


def padded_shape(x: tuple[int, ...], pads: Pads, mode: str, channels_last: bool) -> tuple[int, ...]:
    """The shape that padding gives.

    Raises:
        ShapeError: as `pad`.

    >>> padded_shape((10, 3, 28, 28), ((1, 1), (0, 2)), "constant", False)
    (10, 3, 30, 30)
    """
    windows.expect_images("pad", x, len(pads), channels_last)
    lengths = windows.spatial_shape(x, channels_last)
    for n, sides in zip(lengths, pads, strict=True):
        left = n - sum(max(-side, 0) for side in sides)
        if left < 0 or (left == 0 and max(sides) < 1):
            raise ShapeError(f"pad: {sides} cuts off more than all of an axis of {n}; expected a smaller cut")
        if mode == "reflect" and left - 1 < max(sides):
            raise ShapeError(
                f"pad: {sides} reflects more pixels than there are inside an axis of {left}; "
                f'at most {max(left - 1, 0)}, or mode="edge"'
            )
        if mode == "edge" and left == 0:
            raise ShapeError(f"pad: an axis of length {n} has no edge")
    found = tuple(n + before + after for n, (before, after) in zip(lengths, pads, strict=True))
    return windows.joined_shape(x[0], x[-1] if channels_last else x[1], found, channels_last)
