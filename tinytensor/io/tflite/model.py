"""Tensors and operators of a TFLite file as Python values, checked: sizes, and who reads what.

Source: the schema of TensorFlow Lite, read by the tflite package.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, TinyTensorError, UnsupportedOp, require
from tinytensor.io.tflite.flatbuffer import expect_tables
from tinytensor.kernels.boundary import Array

__all__ = ["Model", "Operation", "Scaling", "TensorOf", "model_of"]

DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8",
    10: "float64",
}  # fmt: skip
MAX_AXES = 8
CUSTOM = 32
NODE_LIMIT = 10_000


@dataclass
class Scaling:
    """Numbers are (q - zero_point) · scale, one for all, or one for each position of an axis."""

    scale: Array
    zero_point: Array
    axis: int


@dataclass
class TensorOf:
    """One tensor: its lengths are those of the file, None for one that varies."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    content: Array | None
    scaling: Scaling | None


@dataclass
class Operation:
    """One operator: numbers of tensors, -1 for one that is left out, and its options, if there are any."""

    name: str
    inputs: list[int]
    outputs: list[int]
    options: Any


@dataclass
class Model:
    """The main graph of a file."""

    tensors: list[TensorOf]
    inputs: list[int]
    outputs: list[int]
    operations: list[Operation]


@cache
def names_of(enumeration: str) -> dict[int, str]:
    """The names of the numbers of an enumeration of the schema."""
    values = vars(getattr(require("tflite", "tflite"), enumeration))
    return {value: name for name, value in values.items() if isinstance(value, int)}


def model_of(content: bytes) -> Model:
    """The main graph of a file.

    Raises:
        ModelFormatError: it is no file of TFLite's, or not well formed; says where.
        UnsupportedOp: it has types or subgraphs that tinytensor does not compute.
    """
    tflite = require("tflite", "tflite")
    if content[4:8] != b"TFL3":
        raise ModelFormatError("expected TFL3 at byte 4, as every TensorFlow Lite model has it")
    try:
        return parsed(tflite.Model.GetRootAs(expect_tables(content), 0))
    except TinyTensorError:
        raise
    except (TypeError, ValueError, IndexError, AttributeError) as error:  # of the package
        raise ModelFormatError(f"no TensorFlow Lite model: {error}") from error


def parsed(root: Any) -> Model:
    """The main graph of a file whose offsets are checked."""
    if root.SubgraphsLength() != 1:
        raise UnsupportedOp(f"{root.SubgraphsLength()} graphs; a model without control flow would help")
    graph = root.Subgraphs(0)
    if graph.OperatorsLength() > NODE_LIMIT:
        raise ModelFormatError(f"expected at most {NODE_LIMIT} operators, got {graph.OperatorsLength()}")
    tensors = [tensor_of(root, graph.Tensors(i), i) for i in range(graph.TensorsLength())]
    for tensor, name in zip(tensors, distinct([each.name for each in tensors]), strict=True):
        tensor.name = name
    operations = [operation_of(root, graph.Operators(i)) for i in range(graph.OperatorsLength())]
    inputs, outputs = numbers(graph, "Inputs"), numbers(graph, "Outputs")
    model = Model(tensors, inputs, outputs, operations)
    refuse_undefined(model)
    return model


def numbers(table: Any, name: str) -> list[int]:
    """A vector of numbers."""
    return [int(n) for n in getattr(table, f"{name}AsNumpy")()] if getattr(table, f"{name}Length")() else []


def distinct(names: list[str]) -> list[str]:
    """Names, with a number after those that others have too."""
    taken: set[str] = set()
    found = []
    for position, name in enumerate(names):
        own = name if name and name not in taken else f"{name}:{position}"
        while own in taken:
            own += ":"
        taken.add(own)
        found.append(own)
    return found


def tensor_of(root: Any, tensor: Any, position: int) -> TensorOf:
    """One tensor, with its values if it has any."""
    name = (tensor.Name() or b"").decode("utf-8", "replace")
    who = f"tensor {name or position!r:.80}"
    if tensor.Type() not in DTYPES:
        kind = names_of("TensorType").get(tensor.Type(), tensor.Type())
        raise UnsupportedOp(f"{who}: elements of type {kind}; float32, int8 or uint8 would help")
    if tensor.Sparsity() is not None or tensor.IsVariable():
        raise UnsupportedOp(f"{who}: sparse values or a state; a model without would help")
    dtype, shape = DTYPES[tensor.Type()], numbers(tensor, "Shape")
    if len(shape) > MAX_AXES or min(shape, default=0) < -1:
        raise ModelFormatError(f"{who}: expected at most {MAX_AXES} lengths, got {shape!r:.200}")
    signature = numbers(tensor, "ShapeSignature") or shape
    if len(signature) != len(shape):
        raise ModelFormatError(f"{who}: {signature!r:.80} are not the lengths of {shape!r:.80}")
    content = content_of(root, tensor, who, dtype, shape)
    known = tuple(None if -1 in pair else pair[0] for pair in zip(shape, signature, strict=True))
    return TensorOf(name, dtype, known, content, scaling_of(tensor.Quantization(), who, shape))


def content_of(root: Any, tensor: Any, who: str, dtype: str, shape: list[int]) -> Array | None:
    """The values of a tensor, None if it has none."""
    if not 0 <= tensor.Buffer() < root.BuffersLength():
        raise ModelFormatError(
            f"{who}: expected one of {root.BuffersLength()} buffers, got {tensor.Buffer()}"
        )
    buffer = root.Buffers(tensor.Buffer())
    if buffer.Offset() > 1:
        raise UnsupportedOp(f"{who}: values beside the tables; a file below 2 GB would help")
    stored = np.dtype(dtype).newbyteorder("<")
    if not buffer.DataLength():
        empty = 0 in shape and tensor.Buffer() > 0
        return np.zeros(shape, dtype) if empty else None
    needed = -1 if -1 in shape else math.prod(shape) * stored.itemsize
    if buffer.DataLength() != needed:
        got = f"the file {buffer.DataLength()}"
        raise ModelFormatError(f"{who}: {dtype} {shape!r:.200} has {needed} bytes, {got}")
    data: Array = np.asarray(buffer.DataAsNumpy(), np.uint8)
    if dtype == "bool" and (data > 1).any():
        raise ModelFormatError(f"{who}: expected bytes 0 and 1 as bools")
    return data.view(stored).astype(dtype, copy=False).reshape(shape)


def scaling_of(table: Any, who: str, shape: list[int]) -> Scaling | None:
    """What the values of a tensor stand for, None if for themselves."""
    if table is None or not table.ScaleLength():
        return None
    scale = np.array(table.ScaleAsNumpy(), np.float32)
    zero_point = np.array(table.ZeroPointAsNumpy() if table.ZeroPointLength() else [0], np.int64)
    axis = table.QuantizedDimension()
    several = max(scale.size, zero_point.size)
    if several > 1 and not (0 <= axis < len(shape) and shape[axis] == several):
        raise ModelFormatError(f"{who}: {several} scales are not those of axis {axis} of {shape!r:.200}")
    if scale.size not in (1, several) or zero_point.size not in (1, several):
        raise ModelFormatError(f"{who}: {scale.size} scales and {zero_point.size} zero points")
    if not ((scale > 0) & np.isfinite(scale)).all():
        raise ModelFormatError(f"{who}: expected positive, finite scales")
    return Scaling(scale, zero_point, axis)


def operation_of(root: Any, operator: Any) -> Operation:
    """One operator with its options."""
    tflite = require("tflite", "tflite")
    if not 0 <= operator.OpcodeIndex() < root.OperatorCodesLength():
        raise ModelFormatError(f"expected one of {root.OperatorCodesLength()} operator codes, got another")
    code = root.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = names_of("BuiltinOperator").get(number, f"operator {number}")
    if number == CUSTOM:
        name = f"the custom operator {(code.CustomCode() or b'').decode('utf-8', 'replace')!r:.80}"
    kind = names_of("BuiltinOptions").get(operator.BuiltinOptionsType(), "NONE")
    options = None
    if operator.BuiltinOptions() is not None and hasattr(tflite, kind):
        options = getattr(tflite, kind)()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
    return Operation(name, numbers(operator, "Inputs"), numbers(operator, "Outputs"), options)


def refuse_undefined(model: Model) -> None:
    """Raise unless every tensor is defined once, before it is read."""
    count = len(model.tensors)
    known = {i for i, each in enumerate(model.tensors) if each.content is not None} | {-1}
    for position, operation in enumerate([None, *model.operations]):
        read = [] if operation is None else operation.inputs
        defined = model.inputs if operation is None else operation.outputs
        who = "the inputs" if operation is None else f"operator {position - 1} ({operation.name})"
        if any(each not in known for each in read):
            missing = next(each for each in read if each not in known)
            raise ModelFormatError(f"{who}: reads tensor {missing}, which is not defined before it")
        if any(not 0 <= each < count or each in known for each in defined) or len(set(defined)) < len(
            defined
        ):
            raise ModelFormatError(f"{who}: expected new tensors, got {defined!r:.80}")
        known.update(defined)
    if not model.outputs or any(each not in known or each < 0 for each in model.outputs):
        raise ModelFormatError(f"the outputs are not all defined: {model.outputs!r:.80}")
