"""Operations on quantised values, in plain NumPy, by their names in ONNX.

A whole number q stands for (q - zero point) · scale. Products of whole numbers are summed in float64, where
they are exact; results are rounded half to even and saturate. `tinytensor.io.onnx.quantized` puts layers in
the place of these operations wherever scales and weights are constants.
"""

from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.image_shapes import convolution
from tinytensor.operators.inference import Attributes, Operands, first, matmul, shape_of
from tinytensor.operators.pads import automatic_pads

__all__: list[str] = []


def first_and_scalars(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The shape of the first operand, then single numbers."""
    return [shape_of(operands), *[()] * (results - 1)]


def matmul_of_quantized(operands: Operands, attributes: Attributes, results: int) -> Any:
    """A product whose operands have a scale and a zero point each."""
    return matmul([operands[0], operands[3]], attributes, results)


def convolution_of_quantized(operands: Operands, attributes: Attributes, results: int) -> Any:
    """A convolution whose operands have a scale and a zero point each."""
    return convolution([operands[0], operands[3]], attributes, results)


def beside(values: Any, x: Any, axis: int, block_size: int = 0) -> Any:
    """Scales or zero points beside x: one number, one for each position of an axis, or one for each block."""
    if values is None or values.size == 1:
        return 0 if values is None else values.reshape(())
    if block_size:
        return np.take(np.repeat(values, block_size, axis), range(x.shape[axis]), axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    return values.reshape(shape)


def saturated(y: Any, zero_point: Any, dtype: Any) -> Any:
    """rint(y) + zero point as whole numbers of that dtype; NaN becomes the smallest."""
    limits = np.iinfo(dtype)
    whole = np.rint(y).astype(np.float64) + zero_point
    return np.fmin(np.fmax(whole, limits.min), limits.max).astype(dtype)


def shifted(x: Any, zero_point: Any) -> Any:
    """X minus its zero point in float64."""
    return x.astype(np.float64) if zero_point is None else x.astype(np.float64) - zero_point


@operation(28, first, "third")
def QuantizeLinear(x: Any, scale: Any, zero_point: Any, axis: int = 1, block_size: int = 0) -> Any:
    """saturate(rint(x / scale) + zero point)."""
    y = x.astype(scale.dtype) / beside(scale, x, axis, block_size)
    return saturated(y, beside(zero_point, x, axis, block_size), zero_point.dtype)


@operation(28, first, "second")
def DequantizeLinear(x: Any, scale: Any, zero_point: Any = None, axis: int = 1, block_size: int = 0) -> Any:
    """(x - zero point) · scale, each rounded once."""
    numbers = shifted(x, beside(zero_point, x, axis, block_size)).astype(scale.dtype)
    return numbers * beside(scale, x, axis, block_size)


@operation(11, first_and_scalars, "uint8", ("float32", "uint8"))
def DynamicQuantizeLinear(x: Any) -> Any:
    """X as bytes of the scale and zero point that its smallest and largest element ask for, and these."""
    low = np.minimum(np.min(x, initial=0), np.float32(0))
    high = np.maximum(np.max(x, initial=0), np.float32(0))
    scale = (high - low) / np.float32(255) or np.float32(1)
    zero_point = saturated(np.clip(-low / scale, 0, 255), 0, np.uint8)
    return saturated(x / scale, zero_point, np.uint8), np.asarray(scale, np.float32), np.asarray(zero_point)


def as_int32(sums: Any) -> Any:
    """Sums as int32, which wrap around."""
    return sums.astype(np.int64).astype(np.int32)


def of_rows(values: Any) -> Any:
    """A number, or one for each row of a matrix."""
    return values[:, None] if values is not None and values.ndim == 1 and values.size > 1 else values


@operation(10, matmul, "int32")
def MatMulInteger(a: Any, b: Any, a_zero_point: Any = None, b_zero_point: Any = None) -> Any:
    """(A - its zero point) @ (B - its zero point)."""
    return as_int32(shifted(a, of_rows(a_zero_point)) @ shifted(b, b_zero_point))


def of_channels(values: Any, weight: Any) -> Any:
    """A number, or one for each row of a weight."""
    if values is None or values.size == 1:
        return values
    return values.reshape(-1, *(1,) * (weight.ndim - 1))


def sums_of_windows(
    x: Any, weight: Any, auto_pad: str, dilations: Any, group: int, pads: Any, strides: Any
) -> Any:
    """The convolution of images (batch, channels, *lengths) in float64; the padding is zeros."""
    kernel, n = weight.shape[2:], x.shape[0]
    stride, dilation = strides or [1] * len(kernel), dilations or [1] * len(kernel)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = automatic_pads(auto_pad, pads, x.shape[2:], spans, stride)
    padded = np.pad(x, [(0, 0), (0, 0), *padding])
    counts = [(m - far) // step + 1 for m, far, step in zip(padded.shape[2:], spans, stride, strict=True)]
    parted = weight.reshape(group, -1, *weight.shape[1:])
    y = np.zeros((n, group, parted.shape[1], *counts))
    for place in np.ndindex(*kernel):
        starts = [k * d for k, d in zip(place, dilation, strict=True)]
        index = [slice(a, a + (c - 1) * s + 1, s) for a, c, s in zip(starts, counts, stride, strict=True)]
        part = padded[(slice(None), slice(None), *index)].reshape(n, group, -1, *counts)
        y += np.einsum("ngc...,goc->ngo...", part, parted[(..., *place)])
    return y.reshape(n, -1, *counts)


@operation(10, convolution, "int32")
def ConvInteger(
    x: Any, weight: Any, x_zero_point: Any = None, w_zero_point: Any = None, auto_pad: str = "NOTSET",
    dilations: Any = None, group: int = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """The convolution of x - its zero point and weight - its zero point; padding adds nothing."""
    numbers, taps = shifted(x, x_zero_point), shifted(weight, of_channels(w_zero_point, weight))
    return as_int32(sums_of_windows(numbers, taps, auto_pad, dilations, group, pads, strides))


def requantized(sums: Any, factor: Any, zero_point: Any) -> Any:
    """saturate(rint(sum · factor) + zero point), with the sum and the factor rounded to float32 first."""
    y = as_int32(sums).astype(np.float32) * np.asarray(factor, np.float32)
    return saturated(y, of_rows(zero_point), zero_point.dtype)


@operation(21, matmul_of_quantized, "eighth")
def QLinearMatMul(
    a: Any, a_scale: Any, a_zero_point: Any, b: Any, b_scale: Any, b_zero_point: Any, y_scale: Any,
    y_zero_point: Any,
) -> Any:  # fmt: skip
    """`MatMulInteger` · scale of a · scale of b / scale of y."""
    sums = shifted(a, of_rows(a_zero_point)) @ shifted(b, b_zero_point)
    factor = of_rows(a_scale).astype(np.float64) * b_scale / of_rows(y_scale)
    return requantized(sums, factor, y_zero_point)


@operation(10, convolution_of_quantized, "eighth")
def QLinearConv(
    x: Any, x_scale: Any, x_zero_point: Any, weight: Any, w_scale: Any, w_zero_point: Any, y_scale: Any,
    y_zero_point: Any, bias: Any = None, auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1,
    kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """(`ConvInteger` + bias) · scale of x · scale of the weight / scale of y."""
    numbers, taps = shifted(x, x_zero_point), shifted(weight, of_channels(w_zero_point, weight))
    sums = sums_of_windows(numbers, taps, auto_pad, dilations, group, pads, strides)
    if bias is not None:
        sums = sums + bias.reshape(-1, *(1,) * (x.ndim - 2))
    factor = x_scale.astype(np.float64) * of_channels(w_scale, weight[:, 0]) / y_scale
    return requantized(sums, factor, y_zero_point)
