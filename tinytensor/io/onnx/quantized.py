"""Layers on bytes in the place of DequantizeLinear, operations on numbers, and QuantizeLinear.

What lies between is computed with bytes where a layer does that: products with a constant weight, sums of two
values, means of windows, with ReLU and other bounds after them; any function of one value as a table of
256; what only moves elements. The arithmetic is that of `tinytensor.primitives.quantized`, within one step
of a byte of the file's own. Everything else runs as the file says, with `Dequantize` before and `Quantize`
after it.
"""

import numpy as np

from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.onnx.quantized_products import PRODUCTS, RULES, Output
from tinytensor.io.onnx.quantized_values import Quantity, Reader, computed, layer
from tinytensor.io.onnx.shapes import Values
from tinytensor.io.onnx.simplify import drop_unread
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.quantized import Output as Bytes
from tinytensor.primitives.quantized import quantize

__all__ = ["put_layers_on_bytes"]

BOUNDS = ("Clip", "Relu")
MAX_BOUNDS = 16


def put_layers_on_bytes(program: Program, values: Values) -> bool:
    """Put layers on bytes in the place of steps; whether there were any to look at.

    What is known of new values is added to `values`.
    """
    if not any(step.op in ("QuantizeLinear", "DequantizeLinear") for step in program.steps):
        return False
    reader = Reader(program, values)
    for step in program.steps:
        replace(reader, step)
    program.steps = reader.steps
    drop_unread(program)
    reader = Reader(program, values)
    for step in program.steps:
        finish(reader, step)
    program.steps = reader.steps
    drop_unread(program)
    return True


def replace(reader: Reader, step: Step) -> None:
    """Note what takes the place of a step, or the step."""
    reader.look_at(step)
    if step.op == "QuantizeLinear" and reader.values[step.inputs[0]].dtype == "float32":
        scaling = reader.scaling(step.inputs[1], step.inputs[2], reader.values[step.outputs[0]].dtype)
        if scaling is not None:
            quantize_linear(reader, step, Quantity(step.outputs[0], *scaling))
            return
    reader.steps.append(step)


def quantize_linear(reader: Reader, step: Step, target: Quantity) -> None:
    """Steps that compute the bytes of a QuantizeLinear, and its int8 for those who read that."""
    name, shape = step.outputs[0], reader.shape(step.outputs[0])
    signed = reader.values[name].dtype == "int8"
    found = fused(reader, step, target) or looked_up(reader, step, target)
    if found is None or not reader.program.afford(found.size()):
        found = layer("Quantize", [step.inputs[0]], scale=target.scale, zero_point=target.zero_point)
    result = reader.emit(step, found, shape, result="" if signed else name)
    if signed:
        reader.stored[name] = result
        reader.emit(step, layer("ToInt8", [result]), shape, "int8", name)


def fused(reader: Reader, step: Step, target: Quantity) -> Step | None:
    """A layer that computes the bytes from bytes, bounds after it included."""
    name, bounds = step.inputs[0], list[Step]()
    while (before := reader.producer.get(name)) is not None and before.op in BOUNDS:
        bounds.append(before)
        name = before.inputs[0]
        if len(bounds) > MAX_BOUNDS:
            return None
    if before is not None and before.op == "Concat" and not bounds:
        return concatenated(reader, before, target)
    ends = smallest_and_largest(reader, bounds)
    if before is None or ends is None or before.op not in RULES:
        return None
    low, high = bytes_of(ends, target).tolist()
    output: Output = {
        "output_scale": target.scale, "output_zero_point": target.zero_point, "low": low, "high": high,
    }  # fmt: skip
    return RULES[before.op](reader, before, output)


def smallest_and_largest(reader: Reader, bounds: list[Step]) -> Array | None:
    """What is between bounds, which are steps from the last one to the first."""
    ends: Array | None = np.repeat(np.array([-np.inf, np.inf], np.float32), 128)
    for step in reversed(bounds):
        operands = [reader.number(name) for name in step.inputs[1:]]
        known = all(each is not None for each, name in zip(operands, step.inputs[1:], strict=True) if name)
        ends = computed(step, [ends, *operands]) if known and ends is not None else None
    return None if ends is None else ends[[0, -1]]


def bytes_of(numbers: Array, target: Quantity) -> Array:
    """Numbers as bytes of a scale and a zero point."""
    return np.asarray(quantize(numbers, scale=np.float32(target.scale), output=Bytes(target.zero_point)))


def looked_up(reader: Reader, step: Step, target: Quantity) -> Step | None:
    """A table, if the bytes depend on single bytes."""
    found = reader.curve(step.inputs[0])
    return None if found is None else table(*found, target)


def table(source: Quantity, numbers: Array, target: Quantity) -> Step:
    """What gives for each byte the byte of its number."""
    entries = bytes_of(numbers, target)
    if np.array_equal(entries, np.arange(256)):
        return Step("", "Identity", [source.name], [])
    return layer("Lookup", [source.name], {"table": entries})


def concatenated(reader: Reader, step: Step, target: Quantity) -> Step | None:
    """A Concat of bytes, each operand with the scale and the zero point of the result."""
    curves = [reader.curve(name) for name in step.inputs]
    found = [each for each in curves if each is not None]
    if len(found) < len(curves):
        return None
    names = [
        reader.emit(step, table(*curve, target), reader.shape(name))
        for curve, name in zip(found, step.inputs, strict=True)
    ]
    return Step("", "Concat", names, [], dict(step.attributes))


def finish(reader: Reader, step: Step) -> None:
    """Products of bytes that are read as numbers, and the numbers of bytes."""
    reader.look_at(step)
    found = None
    if step.op in PRODUCTS and step.parameters is None:
        found = PRODUCTS[step.op](reader, step, {})
    elif step.op == "Gather":
        found = entries(reader, step)
    elif step.op == "DequantizeLinear" and step.inputs[0] not in reader.constants:
        source = reader.quantity(step.outputs[0])
        if source is not None:
            found = layer("Dequantize", [source.name], scale=source.scale, zero_point=source.zero_point)
    if found is None or not reader.program.afford(found.size()):
        reader.steps.append(step)
    else:
        name = step.outputs[0]
        reader.emit(step, found, reader.shape(name), reader.values[name].dtype, name)


def entries(reader: Reader, step: Step) -> Step | None:
    """The layer for the entries of a table whose positions are bytes."""
    values, cast = reader.constants.get(step.inputs[0]), reader.step(step.inputs[1], "Cast")
    if values is None or values.shape != (256,) or values.dtype.name not in ("uint8", "float32"):
        return None
    if cast is None or reader.values[cast.inputs[0]].dtype != "uint8" or step.attributes.get("axis", 0) != 0:
        return None
    return layer("Lookup", [cast.inputs[0]], {"table": values})
