"""Arithmetic on quantised values: bytes that stand for numbers, sums of their products, exact to the bit.

A byte q stands for the number (q - zero_point) · scale. Weights are int8 with zero point 0 and a scale for
each output; activations are uint8. Sums are int32 and exact, so their order is free. Every result is

    y = float32(sum) · multiplier                    (one rounding to float32, one of the product)
    q = clip(rint(y) + zero_point, low, high)        (rint: half to even)

where the multiplier is scale_in · scale_weight / scale_out, or without an `Output` y itself is the result. So
the bits depend neither on batch, threads and CPU nor on what is fused. ReLU is `low = zero_point`, ReLU6 a
`high` below 255; any other function of one value is a table of 256.

int8 activations of a file are stored as uint8, 128 higher, zero point alike.
"""

from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels.boundary import FLOAT32, FLOATS, Array
from tinytensor.kernels.convolution import NO_PADDING, convolve
from tinytensor.kernels.images import Pair
from tinytensor.kernels.pooling import pool
from tinytensor.primitives.definition import Primitive, Result, Symbol
from tinytensor.primitives.elementwise import joint_sample
from tinytensor.primitives.windows import convolution_axes, pooled_axes, result_of

__all__ = [
    "MOST_TERMS",
    "Output",
    "flip",
    "lookup",
    "quantize",
    "quantized_add",
    "quantized_average",
    "quantized_convolution",
    "quantized_linear",
]

UINT8 = np.dtype(np.uint8)
MOST_TERMS = (2**31 - 1) // (255 * 127) // 2  # of a sum, which an int32 bias of 2³⁰ and these cannot overflow


class Output(NamedTuple):
    """How a float32 becomes a byte: clip(rint(y) + zero_point, low, high)."""

    zero_point: int = 0
    low: int = 0
    high: int = 255


def rounded(y: Array, output: Output | None) -> Array:
    """The bytes of numbers that are in units of the output's scale, or the numbers; NaN gives low."""
    if output is None:
        return y
    bounds = np.float32(output.low - output.zero_point), np.float32(output.high - output.zero_point)
    whole = np.rint(np.fmin(np.fmax(y, bounds[0]), bounds[1])).astype(np.int32)
    return (whole + output.zero_point).astype(np.uint8)


def result_dtype(output: Output | None) -> np.dtype[Any]:
    """Bytes, or numbers."""
    return FLOAT32 if output is None else UINT8


# From numbers to bytes, and from bytes by a table


def compute_quantize(x: Array, scale: np.float32, output: Output) -> Array:
    """clip(rint(x / scale) + zero_point, low, high)."""
    return rounded(x.astype(np.float32, copy=False) / np.float32(scale), output)


quantize = Primitive(
    "quantize", compute_quantize, lambda x, **_: Result(x.sample, UINT8),
)  # fmt: skip


def compute_lookup(x: Array, table: Array) -> Array:
    """table[x] for a table of 256 values, uint8 or float32: any function of one byte, dequantisation too."""
    return table[x]


lookup = Primitive("lookup", compute_lookup, lambda x, table: Result(x.sample, table.dtype))


def compute_flip(x: Array) -> Array:
    """int8 as the uint8 that is 128 higher, and back: the first bit is another."""
    return x.view(np.uint8) ^ np.uint8(128) if x.dtype == np.int8 else (x ^ np.uint8(128)).view(np.int8)


flip = Primitive(
    "flip", compute_flip, lambda x: Result(x.sample, UINT8 if x.dtype == np.int8 else np.dtype(np.int8))
)


# Sums of products


def compute_linear(
    x: Array, weight: Array, bias: Array, multiplier: Array, *, zero_point: int, output: Output | None
) -> Array:
    """y = float32(bias + Σ (x - zero_point) · weight) · multiplier.

    x uint8 (…, in), weight int8 (out, in), bias int32 (out,), multiplier float32 (out,).
    """
    # float64 is exact here: every partial sum is an integer below 2^53
    sums = (x.astype(np.float64) - zero_point) @ weight.T.astype(np.float64) + bias
    return rounded(sums.astype(np.float32) * multiplier, output)


def linear_result(x: Symbol, weight: Array, bias: Array, multiplier: Array, **parameters: Any) -> Result:
    """(…, out_features)."""
    return Result((*x.sample[:-1], len(weight)), result_dtype(parameters["output"]))


quantized_linear = Primitive("quantized_linear", compute_linear, linear_result)


def compute_convolution(
    x: Array, weight: Array, bias: Array, multiplier: Array, *, zero_point: int, output: Output | None,
    stride: Pair, padding: tuple[Pair, Pair] = NO_PADDING, dilation: Pair = (1, 1), groups: int = 1,
    channels_last: bool = False,
) -> Array:  # fmt: skip
    """As `quantized_linear` over the taps of windows; taps in the padding are left out.

    x uint8 (n, channels, height, width), or (n, height, width, channels) with `channels_last`, and y alike;
    weight int8 (out, channels / groups, kh, kw), bias int32 and multiplier float32 (out,).
    """
    numbers = x.astype(np.float64) - zero_point
    sums = convolve(
        numbers, weight.astype(np.float64), bias.astype(np.float64), stride, padding, dilation, groups,
        channels_last=channels_last,
    )  # fmt: skip
    scales = multiplier if channels_last else multiplier[:, None, None]
    return rounded(sums.astype(np.float32) * scales, output)


def convolution_result(x: Symbol, weight: Array, bias: Array, multiplier: Array, **parameters: Any) -> Result:
    """An image of out_channels."""
    axes = convolution_axes(x, weight, parameters)
    sample = result_of(x, axes, len(weight), parameters["channels_last"]).sample
    return Result(sample, result_dtype(parameters["output"]))


quantized_convolution = Primitive("quantized_convolution", compute_convolution, convolution_result)


# What follows sums: residual connections and pooling. Maxima are those of the bytes: `pool` takes uint8.


def compute_add(
    a: Array, b: Array, *, zero_points: Pair, multipliers: tuple[float, float], output: Output
) -> Array:
    """rint((a - zero_points[0]) · multipliers[0] + (b - zero_points[1]) · multipliers[1]); broadcast."""
    first, second = (
        (each.astype(np.float32) - np.float32(zero)) * np.float32(multiplier)
        for each, zero, multiplier in zip((a, b), zero_points, multipliers, strict=True)
    )
    return rounded(first + second, output)


quantized_add = Primitive("quantized_add", compute_add, lambda a, b, **_: Result(joint_sample((a, b)), UINT8))


def compute_average(
    x: Array, *, zero_point: int, multiplier: float, output: Output | None, size: Pair, stride: Pair,
    padding: tuple[Pair, Pair] = NO_PADDING, dilation: Pair = (1, 1), counts_padding: bool = False,
    outputs: Pair | None = None, channels_last: bool = False,
) -> Array:  # fmt: skip
    """float32(Σ (x - zero_point) / taps) · multiplier: the mean is a double, rounded once to float32.

    Parameters as of `pool`. Padding counts as zero_point, or not at all.
    """
    mean = pool(
        x.astype(np.float64) - zero_point, "average", size, stride, padding, dilation,
        counts_padding=counts_padding, outputs=outputs, channels_last=channels_last,
    )  # fmt: skip
    return rounded(mean.astype(np.float32) * np.float32(multiplier), output)


def average_result(x: Symbol, **parameters: Any) -> Result:
    """An image of as many channels."""
    last = parameters["channels_last"]
    channels = x.sample[-1] if last else x.sample[0]
    shape = {"dilation": (1, 1), "padding": NO_PADDING, "outputs": None, **parameters}
    sample = result_of(x, pooled_axes(x, shape), channels, last).sample
    return Result(sample, result_dtype(parameters["output"]))


quantized_average = Primitive("quantized_average", compute_average, average_result)


def is_exact(weight: Array) -> bool:
    """Whether no sum of an output can overflow int32."""
    return bool(np.prod(weight.shape[1:]) <= MOST_TERMS) and weight.dtype not in FLOATS
