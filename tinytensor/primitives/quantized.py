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

from tinytensor.kernels.boundary import FLOAT32, FLOATS, INT8, UINT8, Array
from tinytensor.kernels.bytes_arrays import average_bytes, convolve_bytes, multiply_bytes
from tinytensor.kernels.bytes_convolution import Rescaling
from tinytensor.kernels.convolution import NO_PADDING
from tinytensor.kernels.images import Pair
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol
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


def is_of_floats(node: Node) -> bool:
    """Whether a program can quantise it."""
    return node.symbols[0].dtype == FLOAT32


def is_of_bytes(node: Node) -> bool:
    """Whether a program can compute it: of bytes, and of at least one of them."""
    return all(each.dtype == UINT8 for each in node.symbols) and 0 not in node.result.sample


def compute_quantize(x: Array, scale: np.float32, output: Output) -> Array:
    """clip(rint(x / scale) + zero_point, low, high)."""
    return rounded(x.astype(np.float32, copy=False) / np.float32(scale), output)


quantize = Primitive(
    "quantize", compute_quantize, lambda x, **_: Result(x.sample, UINT8),
    lambda program, node: program.quantize(node, **node.parameters), is_of_floats,
)  # fmt: skip


def compute_lookup(x: Array, table: Array) -> Array:
    """table[x] for a table of 256 values, uint8 or float32: any function of one byte, dequantisation too."""
    return table[x]


def is_table(node: Node) -> bool:
    """Whether a program can look it up."""
    return is_of_bytes(node) and node.result.dtype in (UINT8, FLOAT32)


lookup = Primitive(
    "lookup", compute_lookup, lambda x, table: Result(x.sample, table.dtype),
    lambda program, node: program.lookup(node, *node.operands[1:], **node.parameters), is_table,
    numpy="{1}[{0}]",
)  # fmt: skip


def compute_flip(x: Array) -> Array:
    """int8 as the uint8 that is 128 higher, and back: the first bit is another."""
    return x.view(np.uint8) ^ np.uint8(128) if x.dtype == INT8 else (x ^ np.uint8(128)).view(np.int8)


flip = Primitive(
    "flip", compute_flip, lambda x: Result(x.sample, UINT8 if x.dtype == INT8 else INT8),
    lambda program, node: program.flip(node), lambda node: 0 not in node.result.sample,
)  # fmt: skip


# Sums of products


def compute_linear(
    x: Array, weight: Array, bias: Array, multiplier: Array, *, zero_point: int, output: Output | None
) -> Array:
    """y = float32(bias + Σ (x - zero_point) · weight) · multiplier.

    x uint8 (…, in), weight int8 (out, in), bias int32 (out,), multiplier float32 (out,).
    """
    return multiply_bytes(x, weight, Rescaling(bias, multiplier, zero_point, output))


def linear_result(x: Symbol, weight: Array, bias: Array, multiplier: Array, **parameters: Any) -> Result:
    """(…, out_features)."""
    return Result((*x.sample[:-1], len(weight)), result_dtype(parameters["output"]))


quantized_linear = Primitive(
    "quantized_linear", compute_linear, linear_result,
    lambda program, node: program.quantized_linear(node, *node.operands[1:], **node.parameters), is_of_bytes,
)  # fmt: skip


def compute_convolution(
    x: Array, weight: Array, bias: Array, multiplier: Array, *, zero_point: int, output: Output | None,
    stride: Pair, padding: tuple[Pair, Pair] = NO_PADDING, dilation: Pair = (1, 1), groups: int = 1,
    channels_last: bool = False,
) -> Array:  # fmt: skip
    """As `quantized_linear` over the taps of windows; taps in the padding are left out.

    x uint8 (n, channels, height, width), or (n, height, width, channels) with `channels_last`, and y alike;
    weight int8 (out, channels / groups, kh, kw), bias int32 and multiplier float32 (out,).
    """
    how = Rescaling(bias, multiplier, zero_point, output)
    return convolve_bytes(x, weight, how, stride, padding, dilation, groups, channels_last=channels_last)


STILL: dict[str, Any] = {"padding": NO_PADDING, "dilation": (1, 1), "groups": 1, "channels_last": False}


def convolution_result(x: Symbol, weight: Array, bias: Array, multiplier: Array, **parameters: Any) -> Result:
    """An image of out_channels."""
    parameters = STILL | parameters
    axes = convolution_axes(x, weight, parameters)
    sample = result_of(x, axes, len(weight), parameters["channels_last"]).sample
    return Result(sample, result_dtype(parameters["output"]))


def lower_convolution(program: Any, node: Node) -> None:
    """One instruction; its result has its channels last."""
    x, weight, bias, multiplier = node.operands
    parameters = STILL | node.parameters
    axes = convolution_axes(x, weight, parameters)
    how = Rescaling(bias, multiplier, parameters["zero_point"], parameters["output"])
    program.quantized_convolution(node, axes, weight, how, parameters["groups"], parameters["channels_last"])


quantized_convolution = Primitive(
    "quantized_convolution", compute_convolution, convolution_result, lower_convolution, is_of_bytes,
)  # fmt: skip


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


def is_of_one_shape(node: Node) -> bool:
    """Whether a program can add it: two values of bytes, neither repeated."""
    alike = all(type(each) is Symbol and each.sample == node.result.sample for each in node.operands)
    return alike and is_of_bytes(node)


quantized_add = Primitive(
    "quantized_add", compute_add, lambda a, b, **_: Result(joint_sample((a, b)), UINT8),
    lambda program, node: program.quantized_add(node, **node.parameters), is_of_one_shape,
)  # fmt: skip


def compute_average(
    x: Array, *, zero_point: int, multiplier: float, output: Output | None, size: Pair, stride: Pair,
    padding: tuple[Pair, Pair] = NO_PADDING, dilation: Pair = (1, 1), counts_padding: bool = False,
    outputs: Pair | None = None, channels_last: bool = False,
) -> Array:  # fmt: skip
    """float32(Σ (x - zero_point) / taps) · multiplier: the mean is a double, rounded once to float32.

    Parameters as of `pool`. Padding counts as zero_point, or not at all.
    """
    return average_bytes(
        x, zero_point, multiplier, output, size, stride, padding, dilation,
        counts_padding=counts_padding, outputs=outputs, channels_last=channels_last,
    )  # fmt: skip


WHOLE: dict[str, Any] = {"dilation": (1, 1), "padding": NO_PADDING, "outputs": None, "channels_last": False}


def average_result(x: Symbol, **parameters: Any) -> Result:
    """An image of as many channels."""
    last = parameters.get("channels_last", False)
    channels = x.sample[-1] if last else x.sample[0]
    sample = result_of(x, pooled_axes(x, WHOLE | parameters), channels, last).sample
    return Result(sample, result_dtype(parameters["output"]))


def lower_average(program: Any, node: Node) -> None:
    """One instruction on images with channels last."""
    parameters = {"counts_padding": False} | WHOLE | node.parameters
    names = ("zero_point", "multiplier", "output", "counts_padding")
    axes = pooled_axes(node.operands[0], parameters)
    program.quantized_average(node, axes, *(parameters[name] for name in names), parameters["channels_last"])


quantized_average = Primitive(
    "quantized_average", compute_average, average_result, lower_average, is_of_bytes,
)  # fmt: skip


def is_exact(weight: Array) -> bool:
    """Whether no sum of an output can overflow int32."""
    return bool(np.prod(weight.shape[1:]) <= MOST_TERMS) and weight.dtype not in FLOATS
