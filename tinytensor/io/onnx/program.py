"""An ONNX graph as steps over named values, checked: every name is defined once, before it is read."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.onnx.tensors import DTYPES, HALVES, array_of, dtype_of
from tinytensor.kernels.boundary import Array

__all__ = ["OLDEST", "Program", "Step", "Value", "program_of"]

OLDEST = 6
DOMAINS = {"", "ai.onnx"}
NODE_LIMIT = 10_000
FLOAT, INT, STRING, TENSOR, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 6, 7, 8  # ONNX's numbers of attribute types


@dataclass
class Value:
    """What is known of a value before it is computed: a length may be unknown, or the whole shape."""

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass
class Step:
    """One operation; or a layer, if it has `parameters`, even none: then `op` is the name of its class."""

    node: str
    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Array] | None = None
    version: int = 0  # of the operation's definition in the file's opset


@dataclass
class Program:
    """A graph."""

    inputs: dict[str, Value]
    outputs: list[str]
    steps: list[Step]
    constants: dict[str, Array]
    halves: set[str]  # names of inputs and constants in float16 or bfloat16
    names: set[str]  # all that are taken
    opset: int


def program_of(model: Any, folder: Path | None) -> Program:
    """The main graph of a ModelProto.

    Raises:
        ModelFormatError: it is not well formed.
        UnsupportedOp: it is not made of tensors alone, or of an opset that is too old.
    """
    graph = model.graph
    if not graph.node and not graph.output:
        raise ModelFormatError("holds no graph")
    if len(graph.node) > NODE_LIMIT:
        raise ModelFormatError(f"expected at most {NODE_LIMIT} nodes, got {len(graph.node)}")
    opset = opset_of(model)
    if graph.sparse_initializer:
        raise UnsupportedOp("sparse initializers; dense ones would help")
    constants: dict[str, Array] = {}
    halves = set()
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in constants:
            raise ModelFormatError(f"initializer {tensor.name!r:.80}: expected a name of its own")
        constants[tensor.name] = array_of(tensor, f"initializer {tensor.name!r:.80}", folder)
        if DTYPES[tensor.data_type] in HALVES:
            halves.add(tensor.name)
    inputs: dict[str, Value] = {}
    for each in graph.input:
        if each.name not in constants:
            if not each.name or each.name in inputs:
                raise ModelFormatError(f"input {each.name!r:.80}: expected a name of its own")
            inputs[each.name] = value_of(each, f"input {each.name!r:.80}")
    steps = [step_of(node, position, folder) for position, node in enumerate(graph.node)]
    outputs = [each.name for each in graph.output]
    halves.update(name for name, value in inputs.items() if value.dtype in HALVES)
    names = {*inputs, *constants, ""}
    refuse_undefined(steps, names, outputs)
    return Program(inputs, outputs, steps, constants, halves, names, opset)


def opset_of(model: Any) -> int:
    """The version of ONNX's own operations that the model uses."""
    versions = {each.version for each in model.opset_import if each.domain in DOMAINS}
    if not versions and model.opset_import:
        domains = sorted({each.domain for each in model.opset_import})
        raise UnsupportedOp(f"operations of {domains!r:.80} alone; ONNX's own would help")
    if len(versions) != 1:
        raise ModelFormatError(f"expected one version of ONNX's operations, got {sorted(versions)!r:.80}")
    (opset,) = versions
    if opset < OLDEST:
        raise UnsupportedOp(
            f"opset {opset}: tinytensor reads {OLDEST} and later; onnx.version_converter would help"
        )
    if model.functions:
        raise UnsupportedOp(
            "functions within the model; onnx.inliner.inline_local_functions(model) would help"
        )
    return int(opset)


def value_of(info: Any, who: str) -> Value:
    """What a graph says of one of its inputs."""
    if info.type.WhichOneof("value") != "tensor_type":
        raise UnsupportedOp(f"{who}: expected a tensor, no sequence, map or optional value")
    tensor = info.type.tensor_type
    dtype = dtype_of(tensor.elem_type, who)
    if dtype == "bfloat16":
        raise UnsupportedOp(f"{who}: bfloat16, which NumPy does not have; the model in float32 would help")
    if not tensor.HasField("shape"):
        return Value(dtype, None)
    return Value(dtype, tuple(length_of(dim) for dim in tensor.shape.dim))


def length_of(dim: Any) -> int | None:
    """A length that is a number."""
    return int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else None


def step_of(node: Any, position: int, folder: Path | None) -> Step:
    """One node, its attributes as Python values."""
    name = f"node {node.name or position!r:.80} ({node.op_type:.40})"
    op = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
    attributes: dict[str, Any] = {}
    for each in node.attribute:
        if each.name in attributes:
            raise ModelFormatError(f"{name}: attribute {each.name!r:.80} stands twice")
        attributes[each.name] = attribute(each, f"{name}: attribute {each.name!r:.80}", folder)
    return Step(name, op, list(node.input), list(node.output), attributes)


def attribute(proto: Any, who: str, folder: Path | None) -> Any:
    """The value of an attribute, None if it is of a kind that no operation of ours has."""
    if proto.ref_attr_name:
        raise ModelFormatError(f"{who}: refers to a function's argument, outside of a function")
    readers: dict[int, Callable[[], Any]] = {
        FLOAT: lambda: proto.f,
        INT: lambda: proto.i,
        STRING: lambda: proto.s.decode("utf-8", "replace"),
        TENSOR: lambda: whole(proto.t, who, folder),
        FLOATS: lambda: list(proto.floats),
        INTS: lambda: list(proto.ints),
        STRINGS: lambda: [each.decode("utf-8", "replace") for each in proto.strings],
    }
    return readers[proto.type]() if proto.type in readers else None


def whole(tensor: Any, who: str, folder: Path | None) -> Array:
    """A tensor that is no half: what a Constant gives is not told apart by its type later."""
    if DTYPES.get(tensor.data_type) in HALVES:
        raise UnsupportedOp(f"{who}: float16 or bfloat16; the model in float32 would help")
    return array_of(tensor, who, folder)


def refuse_undefined(steps: list[Step], known: set[str], outputs: list[str]) -> None:
    """Raise unless every name is defined once, before it is read; adds them to those that are known."""
    for step in steps:
        missing = [name for name in step.inputs if name not in known]
        if missing:
            raise ModelFormatError(f"{step.node}: reads {missing[0]!r:.80}, which is not defined before it")
        defined = [name for name in step.outputs if name]
        twice = [name for name, count in Counter(defined).items() if count > 1 or name in known]
        if twice or not defined:
            raise ModelFormatError(f"{step.node}: expected new names as outputs, got {step.outputs!r:.200}")
        known.update(defined)
    missing = [name for name in outputs if not name or name not in known]
    if missing or not outputs:
        raise ModelFormatError(f"the graph's outputs are not all defined: {(missing or outputs)!r:.200}")
