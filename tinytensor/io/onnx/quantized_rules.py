"""How primitives on bytes are written in ONNX: DequantizeLinear, the operation on numbers, QuantizeLinear.

Runtimes put their own operations on bytes in the place of these three. The scales are those of the layer.
"""

from typing import Any

import numpy as np

from tinytensor.io.onnx.image_rules import window_of
from tinytensor.io.onnx.nodes import Values
from tinytensor.io.pooling import covers_all, has_partial_windows
from tinytensor.kernels.boundary import UINT8, Array
from tinytensor.layers.quantize import Dequantize
from tinytensor.layers.quantized_add import QuantizedAdd
from tinytensor.layers.quantized_avg_pool import QuantizedAvgPool2d, QuantizedGlobalAvgPool2d
from tinytensor.layers.quantized_conv import QuantizedConv2d
from tinytensor.layers.quantized_linear import QuantizedLinear
from tinytensor.primitives.definition import Node
from tinytensor.primitives.quantized import Output

__all__ = ["RULES"]

INT8, INT32, FLOAT32 = np.dtype(np.int8), np.dtype(np.int32), np.dtype(np.float32)
HIGHEST = 255


def numbers(values: Values, bytes_: str, scale: Any, zero_point: int, dtype: Any = UINT8) -> str:
    """What bytes stand for."""
    constants = values.take(scale, FLOAT32), values.take(zero_point, dtype)
    return values.nodes.add("DequantizeLinear", bytes_, *constants)


def quantized(values: Values, x: str, scale: Any, output: Output, y: str) -> str:
    """Numbers as bytes, between the bounds."""
    step, zero = float(np.float32(scale)), output.zero_point
    low, high = output.low, output.high
    if low == zero > 0 and high == HIGHEST:
        x = values.nodes.add("Relu", x)
    elif low > 0 or high < HIGHEST:
        bounds = [values.take((each - zero) * step, FLOAT32) for each in (low, high)]
        x = values.nodes.add("Clip", x, *bounds)
    return values.nodes.add("QuantizeLinear", x, values.take(scale, FLOAT32), values.take(zero, UINT8), to=y)


def quantize(values: Values, node: Node, y: str) -> str:
    """QuantizeLinear."""
    x = values.take(node.operands[0], FLOAT32)
    return quantized(values, x, node.parameters["scale"], node.parameters["output"], y)


def lookup(values: Values, node: Node, y: str) -> str:
    """DequantizeLinear, or the entries of a table by their positions."""
    x, table = node.operands
    layer = values.layer(node)
    if isinstance(layer, Dequantize):
        constants = values.take(layer.scale, FLOAT32), values.take(layer.zero_point, UINT8)
        return values.nodes.add("DequantizeLinear", values.take(x), *constants, to=y)
    return values.nodes.add("Gather", values.take(table), values.take(x, INT32), to=y, axis=0)


def flip(values: Values, node: Node, y: str) -> str:
    """int8 as uint8, or back: the same numbers of another zero point."""
    x = node.operands[0]
    zeros = (0, 128) if x.dtype == INT8 else (128, 0)
    found = numbers(values, values.take(x), 1.0, zeros[0], x.dtype)
    constants = values.take(1.0, FLOAT32), values.take(zeros[1], node.result.dtype)
    return values.nodes.add("QuantizeLinear", found, *constants, to=y)


def scales_of(values: Values, node: Node) -> tuple[float, Any, float]:
    """The scales of x, of the weight and of the result: those of the layer, or some of the same product."""
    layer = values.layer(node)
    if isinstance(layer, QuantizedLinear | QuantizedConv2d):
        return layer.input_scale, layer.weight_scale.numpy(), layer.output_scale or 1.0
    return 1.0, node.operands[3], 1.0


def weights(values: Values, weight: Array, scale: Array, axis: int, of: Array) -> str:
    """The numbers of a weight with a scale for each output."""
    zeros = values.take(np.zeros(len(scale), INT8), INT8)
    constants = values.take(weight, INT8, of=of), values.take(scale, FLOAT32), zeros
    return values.nodes.add("DequantizeLinear", *constants, axis=axis)


def bias_of(values: Values, node: Node, unit: Array) -> str:
    """The numbers of a bias of whole units."""
    constants = values.take(node.operands[2], INT32), values.take(unit, FLOAT32)
    return values.nodes.add("DequantizeLinear", *constants, axis=0)


def linear(values: Values, node: Node, y: str) -> str:
    """Gemm of matrices, MatMul and Add of others."""
    x, weight, *_ = node.operands
    source, scale, target = scales_of(values, node)
    output = node.parameters["output"]
    end = "" if output else y
    bias = bias_of(values, node, np.float64(source) * scale)
    numbers_of_x = numbers(values, values.take(x), source, node.parameters["zero_point"])
    if x.ndim == 2:
        factor = weights(values, weight, scale, 0, weight)
        found = values.nodes.add("Gemm", numbers_of_x, factor, bias, to=end, transB=1)
    else:
        factor = weights(values, weight.T, scale, 1, weight)
        product = values.nodes.add("MatMul", numbers_of_x, factor)
        found = values.nodes.add("Add", product, bias, to=end)
    return quantized(values, found, target, output, y) if output else found


def images_first(values: Values, node: Node) -> str:
    """The bytes of images with their channels first."""
    x = values.take(node.operands[0])
    if not node.parameters["channels_last"]:
        return x
    return values.nodes.add("Transpose", x, perm=[0, 3, 1, 2])


def images_back(values: Values, node: Node, found: str, scale: float, y: str) -> str:
    """Numbers of images as the result of a node: bytes if these are asked for, channels last likewise."""
    output, last = node.parameters["output"], node.parameters["channels_last"]
    found = quantized(values, found, scale, output, "" if last else y) if output else found
    return values.nodes.add("Transpose", found, to=y, perm=[0, 2, 3, 1]) if last else found


def convolution(values: Values, node: Node, y: str) -> str:
    """Conv."""
    weight = node.operands[1]
    source, scale, target = scales_of(values, node)
    x = numbers(values, images_first(values, node), source, node.parameters["zero_point"])
    factor = weights(values, weight, scale, 0, weight)
    bias = bias_of(values, node, np.float64(source) * scale)
    attributes = window_of(node.parameters, weight.shape[2:], 0) | {"group": node.parameters["groups"]}
    plain = node.parameters["output"] is None and not node.parameters["channels_last"]
    found = values.nodes.add("Conv", x, factor, bias, to=y if plain else "", **attributes)
    return images_back(values, node, found, target, y)


def add(values: Values, node: Node, y: str) -> str:
    """Add."""
    parameters, layer = node.parameters, values.layer(node)
    scales, target = (
        (layer.scales, layer.output_scale)
        if isinstance(layer, QuantizedAdd)
        else (parameters["multipliers"], 1.0)
    )
    operands = [
        numbers(values, values.take(each), scale, zero)
        for each, scale, zero in zip(node.operands, scales, parameters["zero_points"], strict=True)
    ]
    return quantized(values, values.nodes.add("Add", *operands), target, parameters["output"], y)


def average(values: Values, node: Node, y: str) -> str:
    """AveragePool, of whole images GlobalAveragePool."""
    parameters, layer = node.parameters, values.layer(node)
    source, target = parameters["multiplier"], 1.0
    if isinstance(layer, QuantizedAvgPool2d | QuantizedGlobalAvgPool2d):
        source, target = layer.input_scale, layer.output_scale or 1.0
    x = numbers(values, images_first(values, node), source, parameters["zero_point"])
    plain = parameters["output"] is None and not parameters["channels_last"]
    to = y if plain else ""
    if covers_all(node):
        found = values.nodes.add("GlobalAveragePool", x, to=to)
    else:
        attributes = window_of(parameters, parameters["size"], 0)
        del attributes["dilations"]  # which opset 19 has, and layers have not
        attributes["ceil_mode"] = int(has_partial_windows(node))
        attributes["count_include_pad"] = int(parameters["counts_padding"])
        found = values.nodes.add("AveragePool", x, to=to, **attributes)
    return images_back(values, node, found, target, y)


RULES = {
    "flip": flip,
    "lookup": lookup,
    "quantize": quantize,
    "quantized_add": add,
    "quantized_average": average,
    "quantized_convolution": convolution,
    "quantized_linear": linear,
}
