"""Primitives on bytes in plain NumPy; their source goes into a model's Python file.

Each function uses `np`, functions of this module and of `tinytensor.io.python.images`, nothing else. Sums are
of whole numbers below 2⁵³ in float64, so they are exact: every result has the bits that tinytensor gives.
"""

from typing import Any

import numpy as np

from tinytensor.io.python.images import averages, channels_back, channels_first, convolved

__all__: list[str] = []


def as_bytes(y: Any, output: Any) -> Any:
    """The bytes of numbers, rounded half to even, between two bounds; NaN gives the lower one."""
    if output is None:
        return y
    zero_point, low, high = output
    within = np.fmin(np.fmax(y, np.float32(low - zero_point)), np.float32(high - zero_point))
    return (np.rint(within).astype(np.int32) + zero_point).astype(np.uint8)


def quantize(x: Any, scale: Any, output: Any) -> Any:
    """The bytes of x / scale."""
    return as_bytes(x.astype(np.float32) / np.float32(scale), output)


def quantized_linear(x: Any, weight: Any, bias: Any, multiplier: Any, zero_point: int, output: Any) -> Any:
    """(bias + Σ (x - zero_point) · weight) · multiplier."""
    sums = (x.astype(np.float64) - zero_point) @ weight.T.astype(np.float64) + bias
    return as_bytes(sums.astype(np.float32) * multiplier, output)


def quantized_convolution(
    x: Any, weight: Any, bias: Any, multiplier: Any, zero_point: int, output: Any, stride: Any, padding: Any,
    dilation: Any, groups: int, channels_last: bool,
) -> Any:  # fmt: skip
    """The same over the windows of a convolution."""
    image = channels_first(x, channels_last).astype(np.float64) - zero_point
    sums = convolved(image, weight.astype(np.float64), bias, stride, padding, dilation, groups)
    y = as_bytes(sums.astype(np.float32) * multiplier[:, None, None], output)
    return channels_back(y, channels_last)


def quantized_add(a: Any, b: Any, zero_points: Any, multipliers: Any, output: Any) -> Any:
    """The sum of two values, each in units of the result."""
    first = (a.astype(np.float32) - np.float32(zero_points[0])) * np.float32(multipliers[0])
    second = (b.astype(np.float32) - np.float32(zero_points[1])) * np.float32(multipliers[1])
    return as_bytes(first + second, output)


def quantized_average(
    x: Any, zero_point: int, multiplier: Any, output: Any, size: Any, stride: Any, padding: Any,
    dilation: Any, ceil: bool, counts_padding: bool, channels_last: bool,
) -> Any:  # fmt: skip
    """The mean of every window · multiplier."""
    image = channels_first(x, channels_last).astype(np.float64) - zero_point
    mean = averages(image, size, stride, padding, dilation, ceil, counts_padding)
    y = as_bytes(mean.astype(np.float32) * np.float32(multiplier), output)
    return channels_back(y, channels_last)
