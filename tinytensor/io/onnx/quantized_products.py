"""Layers on bytes for a step of numbers whose operands are quantities: products, sums and means."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.io.onnx import windows
from tinytensor.io.onnx.program import Step
from tinytensor.io.onnx.quantized_values import Quantity, Reader, Weight, layer, transposed
from tinytensor.kernels.boundary import Array
from tinytensor.layers.quantized import expect_exact
from tinytensor.operators.definition import Value

__all__ = ["PRODUCTS", "RULES", "Output"]

Output = dict[str, Any]  # output_scale, output_zero_point, low, high; nothing: the result is numbers
BEYOND_HALF = 1 + 2.0**-20  # a mean of fewer than 2¹¹ bytes that is half a step is rounded away from zero
SAME_UNIT = 1e-5  # relative difference of scales that were computed in float32
INT32 = 2**31 - 1


def whole_bias(reader: Reader, name: str, unit: Array, rounds: bool) -> Array | None:
    """A bias as int32 in these units, one for each output; only if `rounds` may it be rounded to them."""
    if not name:
        return np.zeros(len(unit), np.int32)
    stored = reader.weight(name)
    if stored is not None:
        if stored.whole.shape != unit.shape or stored.scale.size not in (1, unit.size):
            return None
        ratio = stored.scale.astype(np.float64) / unit
        ratio = np.where(np.abs(ratio - 1) < SAME_UNIT, 1.0, ratio)
        numbers = stored.whole.ravel() * ratio
        rounds = rounds or bool((ratio == 1).all())
    elif name in reader.constants:
        numbers = reader.constants[name].astype(np.float64).ravel() / unit
    else:
        return None
    whole = np.rint(numbers)
    fits = numbers.shape == unit.shape and rounds and bool((np.abs(whole) <= INT32).all())
    return whole.astype(np.int32) if fits else None


def product(
    reader: Reader, x: Quantity, weight: Weight, bias: str, output: Output
) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """Parameters and arguments of a layer of sums of products, if they are exact; outputs are axis 0."""
    whole, outputs = weight.whole, len(weight.whole)
    if weight.scale.size > 1 and weight.axis != 0:
        return None
    if 0 in whole.shape or int(whole.min()) < -128 or int(whole.max()) > 127:
        return None
    scale = np.broadcast_to(weight.scale, (outputs,))
    added = whole_bias(reader, bias, x.scale * scale.astype(np.float64), bool(output))
    if added is None:
        return None
    try:
        expect_exact("", whole, added, x.zero_point)
    except ArgumentError:
        return None
    parameters = {
        "weight": whole.astype(np.int8), "bias": added, "weight_scale": np.ascontiguousarray(scale),
    }  # fmt: skip
    return parameters, {"input_scale": x.scale, "input_zero_point": x.zero_point, **output}


def linear(reader: Reader, x: str, weight: Weight | None, bias: str, output: Output) -> Step | None:
    """A QuantizedLinear of a weight (out, in)."""
    source = reader.quantity(x)
    if source is None or weight is None or weight.whole.ndim != 2:
        return None
    found = product(reader, source, weight, bias, output)
    return None if found is None else layer("QuantizedLinear", [source.name], found[0], **found[1])


def gemm(reader: Reader, step: Step, output: Output) -> Step | None:
    """Its B is the weight."""
    plain = all(step.attributes.get(name, 1.0) == 1 for name in ("alpha", "beta"))
    weight = reader.weight(step.inputs[1])
    if not plain or step.attributes.get("transA"):
        return None
    weight = weight if step.attributes.get("transB") else transposed(weight)
    return linear(reader, step.inputs[0], weight, [*step.inputs, ""][2], output)


def matmul(reader: Reader, step: Step, output: Output) -> Step | None:
    """Its B is the weight, transposed."""
    return linear(reader, step.inputs[0], transposed(reader.weight(step.inputs[1])), "", output)


def add(reader: Reader, step: Step, output: Output) -> Step | None:
    """The bias of a MatMul before it, or the sum of two quantities."""
    for position in (0, 1):
        before = reader.step(step.inputs[position], "MatMul")
        if before is not None:
            weight, bias = transposed(reader.weight(before.inputs[1])), step.inputs[1 - position]
            found = linear(reader, before.inputs[0], weight, bias, output)
            if found is not None and reader.rank(bias) == 1:
                return found
    a, b = (reader.quantity(name) for name in step.inputs)
    if a is None or b is None or not output:
        return None
    names = [with_axes(reader, step, each.name) for each in (a, b)]
    pair: dict[str, Any] = {"scales": [a.scale, b.scale], "zero_points": [a.zero_point, b.zero_point]}
    return layer("QuantizedAdd", names, **pair, **output)


def with_axes(reader: Reader, step: Step, name: str) -> str:
    """A constant with as many axes as the result of a step, anything else as it is."""
    array, rank = reader.constants.get(name), reader.rank(step.outputs[0])
    if array is None or array.ndim >= rank:
        return name
    found = reader.program.constant(step, array.reshape((1,) * (rank - array.ndim) + array.shape))
    reader.values[found] = Value("uint8", reader.constants[found].shape, reader.constants[found])
    return found


def convolution(reader: Reader, step: Step, output: Output) -> Step | None:
    """A QuantizedConv2d; zeros around images are its padding."""
    weight, groups = reader.weight(step.inputs[1]), step.attributes.get("group", 1)
    lengths = windows.lengths_of(reader, step)
    if weight is None or weight.whole.ndim != 4 or lengths is None:
        return None
    kernel = list(weight.whole.shape[2:])
    found = windows.source_of(reader, step, 2, False, True)
    given = None if found is None else windows.arguments(step, kernel, lengths, found.pads)
    source = None if found is None else reader.quantity(found.name)
    stated = step.attributes.get("kernel_shape") or kernel
    if found is None or source is None or given is None or stated != kernel or groups < 1:
        return None
    made = product(reader, source, weight, [*step.inputs, ""][2], output)
    if made is None or len(weight.whole) % groups:
        return None
    given |= {"groups": groups, "channels_last": found.channels_last}
    return layer("QuantizedConv2d", [source.name], made[0], **made[1], **given)


def average(reader: Reader, step: Step, output: Output) -> Step | None:
    """A QuantizedAvgPool2d; halves may be rounded away from a byte that is 0 in the file."""
    source, pool = reader.quantity(step.inputs[0]), windows.pooling(reader, step)
    if source is None or pool is None or pool.op != "AvgPool2d" or not output:
        return None
    zero = step.attributes.get("halves_away_from")
    if zero is not None and (source.scale, source.zero_point) == (
        output["output_scale"],
        output["output_zero_point"],
    ):
        source = source._replace(scale=source.scale * BEYOND_HALF, zero_point=zero)
        output = output | {"output_zero_point": zero}
    return layer("QuantizedAvgPool2d", [source.name], **pool.attributes, **scaled(source), **output)


def scaled(source: Quantity) -> dict[str, Any]:
    """Arguments that say what the bytes of an operand are."""
    return {"input_scale": source.scale, "input_zero_point": source.zero_point}


def global_average(reader: Reader, step: Step, output: Output) -> Step | None:
    """A QuantizedGlobalAvgPool2d with axes of length 1."""
    source = reader.quantity(step.inputs[0])
    if source is None or reader.rank(step.inputs[0]) != 4 or not output:
        return None
    given = step.attributes
    shape: dict[str, Any] = {
        "keepdims": bool(given.get("keepdims", 1)), "channels_last": bool(given.get("channels_last")),
    }  # fmt: skip
    return layer("QuantizedGlobalAvgPool2d", [source.name], **shape, **scaled(source), **output)


def mean(reader: Reader, step: Step, output: Output) -> Step | None:
    """The mean of all pixels of images with their channels first."""
    source = reader.quantity(step.inputs[0])
    axes = reader.constants.get(step.inputs[1]) if len(step.inputs) > 1 else None
    if source is None or axes is None or not output or reader.rank(step.inputs[0]) != 4:
        return None
    if sorted(int(axis) % 4 for axis in axes.ravel()) != [2, 3]:
        return None
    keepdims = bool(step.attributes.get("keepdims", 1))
    return layer("QuantizedGlobalAvgPool2d", [source.name], keepdims=keepdims, **scaled(source), **output)


PRODUCTS: dict[str, Callable[[Reader, Step, Output], Step | None]] = {
    "Add": add, "Conv": convolution, "Gemm": gemm, "MatMul": matmul,
}  # fmt: skip
RULES: dict[str, Callable[[Reader, Step, Output], Step | None]] = {
    **PRODUCTS, "AveragePool": average, "GlobalAveragePool": global_average, "ReduceMean": mean,
}  # fmt: skip
