"""Shapes of the results of operations of images, as far as lengths are known."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor import windows
from tinytensor.operators.definition import Shape
from tinytensor.operators.inference import Attributes, Operands, at, integers, of_rank, shape_of
from tinytensor.operators.pads import automatic_pads, transposed_pads

__all__ = [
    "convolution",
    "depth_to_space",
    "global_pool",
    "pooling",
    "resized",
    "space_to_depth",
    "transposed_convolution",
]


def window_of(attributes: Attributes, kernel: Sequence[int]) -> tuple[list[int], list[int]]:
    """How far a window reaches along each axis, and its steps."""
    dilations = attributes.get("dilations") or [1] * len(kernel)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    return spans, attributes.get("strides") or [1] * len(kernel)


def slid(shape: Shape, channels: int | None, kernel: Sequence[int], attributes: Attributes) -> Shape:
    """Images of as many pixels as a window has positions."""
    if shape is None:
        return of_rank(len(kernel) + 2)
    spans, stride = window_of(attributes, kernel)
    auto_pad = attributes.get("auto_pad", "NOTSET")
    found: list[int | None] = []
    for axis, n in enumerate(shape[2:]):
        span, step = spans[axis], stride[axis]
        if n is None:
            found.append(None)
            continue
        pads = attributes.get("pads")
        own = None if pads is None else [pads[axis], pads[axis + len(kernel)]]
        pair = automatic_pads(auto_pad, own, (n,), [span], [step])
        ceil = bool(attributes.get("ceil_mode")) and auto_pad in ("NOTSET", "")
        window = windows.Window((span,), (step,), pair, (1,), ceil)
        found.extend(windows.window_lengths("", (n,), window))
    return (shape[0], channels, *found)


def kernel_of(operands: Operands, attributes: Attributes) -> list[int] | None:
    """The lengths of a kernel, from an attribute or the weight."""
    if attributes.get("kernel_shape"):
        return list(attributes["kernel_shape"])
    weight = shape_of(operands, 1)
    found = None if weight is None else [n for n in weight[2:] if n is not None]
    return found if found is not None and weight is not None and len(found) == len(weight) - 2 else None


def convolution(operands: Operands, attributes: Attributes, results: int) -> Any:
    """As many channels as the weight has rows."""
    x, weight, kernel = shape_of(operands), shape_of(operands, 1), kernel_of(operands, attributes)
    if kernel is None:
        return None if x is None else of_rank(len(x))
    return slid(x, weight[0] if weight else None, kernel, attributes)


def pooling(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The channels stay."""
    x = shape_of(operands)
    return [slid(x, x[1] if x else None, attributes["kernel_shape"], attributes)] * results


def global_pool(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Spatial axes have length 1."""
    x = shape_of(operands)
    return None if x is None else (*x[:2], *(1,) * (len(x) - 2))


def transposed_convolution(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Longer by the stride."""
    x, weight, kernel = shape_of(operands), shape_of(operands, 1), kernel_of(operands, attributes)
    if x is None or kernel is None or weight is None or weight[1] is None:
        return None if x is None else of_rank(len(x))
    channels = weight[1] * attributes.get("group", 1)
    spans, stride = window_of(attributes, kernel)
    if None in x[2:]:
        return (x[0], channels, *(None,) * len(kernel))
    given = (attributes.get("output_padding"), attributes.get("output_shape"))
    pads, extra = transposed_pads(
        attributes.get("auto_pad", "NOTSET"), attributes.get("pads"), x[2:], spans, stride, *given
    )
    found = [
        ((n or 0) - 1) * step + span - sum(pair) + more
        for n, step, span, pair, more in zip(x[2:], stride, spans, pads, extra, strict=True)
    ]
    return (x[0], channels, *found)


def depth_to_space(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Channels become pixels."""
    return by_blocks(shape_of(operands), attributes["blocksize"], 1)


def space_to_depth(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Pixels become channels."""
    return by_blocks(shape_of(operands), attributes["blocksize"], -1)


def by_blocks(shape: Shape, block: int, direction: int) -> Shape:
    """Height and width times the block, channels divided by its square, or the reverse."""
    if shape is None:
        return of_rank(4)
    batch, channels, height, width = shape
    if direction > 0:
        return batch, divided(channels, block**2), times(height, block), times(width, block)
    return batch, times(channels, block**2), divided(height, block), divided(width, block)


def times(n: int | None, factor: int) -> int | None:
    """A length times a number."""
    return None if n is None else n * factor


def divided(n: int | None, divisor: int) -> int | None:
    """A length divided by a number."""
    return None if n is None else n // divisor


def resized(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Lengths by scales or sizes that are known, where nothing is cropped."""
    shape = shape_of(operands)
    if shape is None:
        return None
    lengths: list[int | None] = [None] * len(shape)
    named = attributes.get("axes") or list(range(len(shape)))
    rest = [i for i in range(len(shape)) if i not in {axis % len(shape) for axis in named}]
    for i in rest:
        lengths[i] = shape[i]
    scales, plain = at(operands, 2), attributes.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    sizes = integers(at(operands, 3)) or []
    if attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize" or not plain:
        return tuple(lengths)
    for axis, size in zip(named, sizes, strict=False):
        lengths[axis] = size
    if not sizes and scales is not None and scales.content is not None:
        for axis, scale in zip(named, scales.content.tolist(), strict=False):
            n = shape[axis]
            lengths[axis] = None if n is None else math.floor(np.float32(n) * np.float32(scale))
    return tuple(lengths)
