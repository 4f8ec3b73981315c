"""Primitives and operations of images in plain NumPy; their source goes into a model's Python file.

Each function uses `np`, `math`, functions of this module and of `tinytensor.operators.pads` and `positions`.
Operations have the names that they have in ONNX.
"""

import math
from typing import Any

import numpy as np

from tinytensor.operators.pads import automatic_pads, transposed_pads
from tinytensor.operators.positions import positions_of_largest

__all__: list[str] = []


def spans_of(kernel: Any, dilation: Any) -> Any:
    """How far a window reaches along each axis."""
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]


def positions_of(lengths: Any, spans: Any, stride: Any, pads: Any, ceil: bool) -> Any:
    """How many positions a window has along each axis; none that starts in the padding after the image."""
    found = []
    for n, span, step, (before, after) in zip(lengths, spans, stride, pads, strict=True):
        room = n + before + after - span
        more = ceil and room % step and (room // step + 1) * step < n + before
        found.append(room // step + 1 + bool(more))
    return found


def taps(x: Any, kernel: Any, stride: Any, pads: Any, dilation: Any, counts: Any, fill: Any) -> Any:
    """For every place in a window its elements at all positions, with images padded."""
    reach = [
        (c - 1) * s + span for c, s, span in zip(counts, stride, spans_of(kernel, dilation), strict=True)
    ]
    widths = [(a, max(b, far - n - a)) for (a, b), far, n in zip(pads, reach, x.shape[2:], strict=True)]
    padded = np.pad(x, [(0, 0), (0, 0), *widths], constant_values=fill)
    for place in np.ndindex(*kernel):
        starts = [k * d for k, d in zip(place, dilation, strict=True)]
        index = [slice(a, a + (c - 1) * s + 1, s) for a, c, s in zip(starts, counts, stride, strict=True)]
        yield place, padded[(slice(None), slice(None), *index)]


def convolved(x: Any, weight: Any, bias: Any, stride: Any, pads: Any, dilation: Any, groups: int) -> Any:
    """The convolution of images with their channels first."""
    kernel, n = weight.shape[2:], x.shape[0]
    counts = positions_of(x.shape[2:], spans_of(kernel, dilation), stride, pads, False)
    parted = weight.reshape(groups, -1, *weight.shape[1:])
    y = np.zeros((n, groups, parted.shape[1], *counts), np.result_type(x, weight))
    for place, part in taps(x, kernel, stride, pads, dilation, counts, 0):
        grouped = part.reshape(n, groups, -1, *counts)
        y += np.einsum("ngc...,goc->ngo...", grouped, parted[(..., *place)])
    y = y.reshape(n, -1, *counts)
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(kernel))


def painted(
    x: Any, weight: Any, bias: Any, stride: Any, pads: Any, extra: Any, dilation: Any, groups: int
) -> Any:
    """The transposed convolution of images with their channels first."""
    kernel, lengths, n = weight.shape[2:], x.shape[2:], x.shape[0]
    spans = spans_of(kernel, dilation)
    whole = [
        (m - 1) * s + span + more for m, s, span, more in zip(lengths, stride, spans, extra, strict=True)
    ]
    parted = weight.reshape(groups, -1, *weight.shape[1:])
    y: Any = np.zeros((n, groups, parted.shape[2], *whole), np.result_type(x, weight))
    grouped = x.reshape(n, groups, -1, *lengths)
    for place in np.ndindex(*kernel):
        starts = [k * d for k, d in zip(place, dilation, strict=True)]
        index = [slice(a, a + (m - 1) * s + 1, s) for a, m, s in zip(starts, lengths, stride, strict=True)]
        y[(..., *index)] += np.einsum("ngc...,gco->ngo...", grouped, parted[(..., *place)])
    kept = [slice(a, size - b) for (a, b), size in zip(pads, whole, strict=True)]
    y = y.reshape(n, -1, *whole)[(..., *kept)]
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(kernel))


def largest(x: Any, kernel: Any, stride: Any, pads: Any, dilation: Any, ceil: bool) -> Any:
    """The largest element of every window; NaN where there is one."""
    counts = positions_of(x.shape[2:], spans_of(kernel, dilation), stride, pads, ceil)
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    y = np.full((*x.shape[:2], *counts), least, x.dtype)
    for _, part in taps(x, kernel, stride, pads, dilation, counts, least):
        y = np.maximum(y, part)
    return y


def averages(
    x: Any, kernel: Any, stride: Any, pads: Any, dilation: Any, ceil: bool, counts_padding: bool
) -> Any:
    """The mean of every window, over the pixels in the image or in the padding too."""
    counts = positions_of(x.shape[2:], spans_of(kernel, dilation), stride, pads, ceil)
    ones = np.ones((1, 1, *x.shape[2:]))
    if counts_padding:
        ones = np.pad(ones, [(0, 0), (0, 0), *pads], constant_values=1)
    none = [(0, 0)] * len(kernel) if counts_padding else pads
    sums = sum(part for _, part in taps(x.astype(np.float64), kernel, stride, pads, dilation, counts, 0))
    pixels = sum(part for _, part in taps(ones, kernel, stride, none, dilation, counts, 0))
    return (sums / pixels).astype(x.dtype)


def channels_first(x: Any, channels_last: bool) -> Any:
    """Images with their channels first."""
    return np.moveaxis(x, -1, 1) if channels_last else x


def channels_back(y: Any, channels_last: bool) -> Any:
    """Images with their channels where they were."""
    return np.ascontiguousarray(np.moveaxis(y, 1, -1)) if channels_last else y


def convolve(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int, channels_last: bool
) -> Any:
    """The convolution of images."""
    y = convolved(channels_first(x, channels_last), weight, bias, stride, padding, dilation, groups)
    return channels_back(y, channels_last)


def convolve_transposed(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, dilation: Any,
    groups: int, channels_last: bool,
) -> Any:  # fmt: skip
    """The transposed convolution of images."""
    images = channels_first(x, channels_last)
    y = painted(images, weight, bias, stride, padding, output_padding, dilation, groups)
    return channels_back(y, channels_last)


def pool(
    x: Any, kind: str, size: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, counts_padding: bool,
    channels_last: bool,
) -> Any:  # fmt: skip
    """The largest element or the mean of every window."""
    images = channels_first(x, channels_last)
    if kind == "max":
        return channels_back(largest(images, size, stride, padding, dilation, ceil), channels_last)
    return channels_back(
        averages(images, size, stride, padding, dilation, ceil, counts_padding), channels_last
    )


def global_pool(x: Any, kind: str, channels_last: bool) -> Any:
    """The largest element or the mean of all pixels, an image of one."""
    axes = (1, 2) if channels_last else (2, 3)
    return (
        x.max(axes, keepdims=True)
        if kind == "max"
        else x.mean(axes, np.float64, keepdims=True).astype(x.dtype)
    )


def node_window(kernel: Any, auto_pad: str, dilations: Any, pads: Any, strides: Any, lengths: Any) -> Any:
    """Kernel, stride, padding and dilation of a node for each axis."""
    stride, dilation = strides or [1] * len(kernel), dilations or [1] * len(kernel)
    padding = automatic_pads(auto_pad, pads, lengths, spans_of(kernel, dilation), stride)
    return list(kernel), stride, padding, dilation


def Conv(
    x: Any, weight: Any, bias: Any = None, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
    kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """The convolution of images."""
    _, stride, padding, rates = node_window(weight.shape[2:], auto_pad, dilations, pads, strides, x.shape[2:])
    return convolved(x, weight, bias, stride, padding, rates, group)


def ConvTranspose(
    x: Any, weight: Any, bias: Any = None, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
    kernel_shape: Any = None, output_padding: Any = None, output_shape: Any = None, pads: Any = None,
    strides: Any = None,
) -> Any:  # fmt: skip
    """The transposed convolution of images."""
    kernel = weight.shape[2:]
    stride, dilation = strides or [1] * len(kernel), dilations or [1] * len(kernel)
    padding, extra = transposed_pads(
        auto_pad, pads, x.shape[2:], spans_of(kernel, dilation), stride, output_padding, output_shape
    )
    return painted(x, weight, bias, stride, padding, extra, dilation, group)


def MaxPool(
    x: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: Any = None, kernel_shape: Any = None,
    pads: Any = None, storage_order: int = 0, strides: Any = None, indices: int = 0,
) -> Any:  # fmt: skip
    """The largest element of every window; with `indices` where it is, too."""
    kernel, stride, padding, rates = node_window(
        kernel_shape, auto_pad, dilations, pads, strides, x.shape[2:]
    )
    y = largest(x, kernel, stride, padding, rates, bool(ceil_mode) and auto_pad in ("NOTSET", ""))
    if not indices:
        return y
    return y, positions_of_largest(x, y, kernel, stride, padding, rates, bool(storage_order))


def AveragePool(
    x: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0, count_include_pad: int = 0, dilations: Any = None,
    kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """The mean of every window."""
    kernel, stride, padding, rates = node_window(
        kernel_shape, auto_pad, dilations, pads, strides, x.shape[2:]
    )
    ceil = bool(ceil_mode) and auto_pad in ("NOTSET", "")
    return averages(x, kernel, stride, padding, rates, ceil, bool(count_include_pad))


def GlobalAveragePool(x: Any) -> Any:
    """The mean of all pixels of each channel."""
    return x.mean(tuple(range(2, x.ndim)), np.float64, keepdims=True).astype(x.dtype)


def GlobalMaxPool(x: Any) -> Any:
    """The largest of all pixels of each channel."""
    return x.max(tuple(range(2, x.ndim)), keepdims=True)


def standard(rows: Any, epsilon: float) -> Any:
    """(x - mean) / √(variance + epsilon) along the last axis, in float64."""
    wide = rows.astype(np.float64)
    deviation = wide - wide.mean(-1, keepdims=True)
    return (deviation / np.sqrt((deviation * deviation).mean(-1, keepdims=True) + epsilon)).astype(rows.dtype)


def InstanceNormalization(x: Any, scale: Any, bias: Any, epsilon: float = 1e-5) -> Any:
    """Every channel of every image standardized, · scale + bias."""
    y = standard(x.reshape(*x.shape[:2], math.prod(x.shape[2:])), epsilon).reshape(x.shape)
    side = (-1, *(1,) * (x.ndim - 2))
    return y * scale.reshape(side) + bias.reshape(side)


def GroupNormalization(
    x: Any, scale: Any, bias: Any, num_groups: int, epsilon: float = 1e-5, per_group: int = 0
) -> Any:
    """Every group of channels of every image standardized, · scale + bias."""
    y = standard(x.reshape(x.shape[0], num_groups, math.prod(x.shape[1:]) // num_groups), epsilon)
    if per_group:
        return (y * scale.reshape(-1, 1) + bias.reshape(-1, 1)).reshape(x.shape)
    side = (-1, *(1,) * (x.ndim - 2))
    return y.reshape(x.shape) * scale.reshape(side) + bias.reshape(side)
