"""An ONNX graph as steps over named values, checked: every name is defined once, before it is read."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.onnx.external import Files
from tinytensor.io.onnx.tensors import DTYPES, HALVES, STRING, array_of, dtype_of, strings_of
from tinytensor.kernels.boundary import Array
from tinytensor.operators.definition import Value

__all__ = ["MICROSOFT", "ML", "OLDEST", "Program", "Step", "program_of"]

OLDEST = 6
DOMAINS = {"", "ai.onnx"}
ML, MICROSOFT = "ai.onnx.ml", "com.microsoft"
HALVES_HELP = 'float16 or bfloat16; to compute it in float32: tt.from_onnx(path, halves="widen")'
WIDENED = "float16 or bfloat16 is computed in float32, which rounds less and overflows later"
ALLOWANCE = 16 << 20  # bytes that may be computed when a file is read, beside four times its weights
NODE_LIMIT = 10_000
FLOAT, INT, TEXT, TENSOR, FLOATS, INTS, TEXTS = 1, 2, 3, 4, 6, 7, 8  # ONNX's numbers of attribute types


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
    results: list[Value] | None = None  # what is known of its results, if no rule has to find it out

    def size(self) -> int:
        """Bytes of its parameters."""
        return sum(array.nbytes for array in (self.parameters or {}).values())


@dataclass
class Program:
    """A graph."""

    inputs: dict[str, Value]
    outputs: list[str]
    steps: list[Step]
    constants: dict[str, Array]
    halves: set[str]  # names of inputs and constants in float16 or bfloat16
    names: set[str]  # all that are taken
    opsets: dict[
        str, int
    ]  # of ONNX's own operations, "", and of those for machine learning, if they are used
    budget: int  # bytes that may still be computed when the file is read
    widen: bool  # whether halves are computed in float32
    words: dict[str, list[str]] = field(default_factory=dict)  # of values that are positions in these strings
    notes: list[str] = field(default_factory=list)  # what is not quite as the file says

    def afford(self, size: int) -> bool:
        """Whether the budget has as many bytes; then they are gone."""
        enough = size <= self.budget
        self.budget -= size if enough else 0
        return enough

    def name(self, step: Step) -> str:
        """A name that nothing has."""
        name = f"{step.outputs[0]}:{len(self.names)}"
        while name in self.names:
            name += ":"
        self.names.add(name)
        return name

    def constant(self, step: Step, value: Array) -> str:
        """A new constant; its name."""
        name = self.name(step)
        self.constants[name] = value
        return name

    def note(self, text: str) -> None:
        """Say something, once."""
        if text not in self.notes:
            self.notes.append(text)


def program_of(model: Any, files: Files, widen: bool) -> Program:
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
    opsets = opsets_of(model)
    if graph.sparse_initializer:
        raise UnsupportedOp("sparse initializers; dense ones would help")
    constants: dict[str, Array] = {}
    halves = set()
    words = {}
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in constants:
            raise ModelFormatError(f"initializer {tensor.name!r:.80}: expected a name of its own")
        if tensor.data_type == STRING:
            words[tensor.name] = strings_of(tensor, f"initializer {tensor.name!r:.80}")
            constants[tensor.name] = np.arange(len(words[tensor.name])).reshape(tensor.dims)
            continue
        constants[tensor.name] = array_of(tensor, f"initializer {tensor.name!r:.80}", files)
        if DTYPES[tensor.data_type] in HALVES:
            halves.add(tensor.name)
    inputs: dict[str, Value] = {}
    for each in graph.input:
        if each.name not in constants:
            if not each.name or each.name in inputs:
                raise ModelFormatError(f"input {each.name!r:.80}: expected a name of its own")
            inputs[each.name] = value_of(each, f"input {each.name!r:.80}")
            if inputs[each.name].dtype == "bfloat16" and not widen:
                raise UnsupportedOp(f"input {each.name!r:.80}: {HALVES_HELP}")
    steps = [step_of(node, position, files) for position, node in enumerate(graph.node)]
    outputs = [each.name for each in graph.output]
    halves.update(name for name, value in inputs.items() if value.dtype in HALVES)
    halves.update(name for node in graph.node if holds_halves(node) for name in node.output)
    names = {*inputs, *constants, ""}
    refuse_undefined(steps, names, outputs)
    budget = ALLOWANCE + sum(array.nbytes * (8 if array.itemsize == 1 else 4) for array in constants.values())
    return Program(inputs, outputs, steps, constants, halves, names, opsets, budget, widen, words)


def holds_halves(node: Any) -> bool:
    """Whether a node has a tensor of halves as an attribute, as a Constant may."""
    return any(each.type == TENSOR and DTYPES.get(each.t.data_type) in HALVES for each in node.attribute)


def opsets_of(model: Any) -> dict[str, int]:
    """The versions of ONNX's own operations, and of those for machine learning, that the model uses."""
    found: dict[str, set[int]] = {"": set(), ML: set(), MICROSOFT: set()}
    for each in model.opset_import:
        found.get("" if each.domain in DOMAINS else each.domain, set()).add(each.version)
    domains = sorted({each.domain for each in model.opset_import})
    if domains and not any(found.values()):
        raise UnsupportedOp(f"operations of {domains!r:.80} alone; ONNX's own would help")
    if any(len(versions) > 1 for versions in found.values()) or not domains:
        versions = sorted(set().union(*found.values()))
        raise ModelFormatError(f"expected one version of ONNX's operations, got {versions!r:.80}")
    opsets = {domain: versions.pop() for domain, versions in found.items() if versions}
    opset = opsets.get("", OLDEST)
    if opset < OLDEST:
        raise UnsupportedOp(
            f"opset {opset}: tinytensor reads {OLDEST} and later; onnx.version_converter would help"
        )
    if model.functions:
        raise UnsupportedOp(
            "functions within the model; onnx.inliner.inline_local_functions(model) would help"
        )
    return opsets


def value_of(info: Any, who: str) -> Value:
    """What a graph says of one of its inputs."""
    if info.type.WhichOneof("value") != "tensor_type":
        raise UnsupportedOp(f"{who}: expected a tensor, no sequence, map or optional value")
    tensor = info.type.tensor_type
    dtype = dtype_of(tensor.elem_type, who)
    if not tensor.HasField("shape"):
        return Value(dtype, None)
    return Value(dtype, tuple(length_of(dim) for dim in tensor.shape.dim))


def length_of(dim: Any) -> int | None:
    """A length that is a number."""
    return int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else None


def step_of(node: Any, position: int, files: Files) -> Step:
    """One node, its attributes as Python values."""
    name = f"node {node.name or position!r:.80} ({node.op_type:.40})"
    op = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
    attributes: dict[str, Any] = {}
    for each in node.attribute:
        if each.name in attributes:
            raise ModelFormatError(f"{name}: attribute {each.name!r:.80} stands twice")
        attributes[each.name] = attribute(each, f"{name}: attribute {each.name!r:.80}", files)
    return Step(name, op, list(node.input), list(node.output), attributes)


def attribute(proto: Any, who: str, files: Files) -> Any:
    """The value of an attribute, None if it is of a kind that no operation of ours has."""
    if proto.ref_attr_name:
        raise ModelFormatError(f"{who}: refers to a function's argument, outside of a function")
    readers: dict[int, Callable[[], Any]] = {
        FLOAT: lambda: proto.f,
        INT: lambda: proto.i,
        TEXT: lambda: proto.s.decode("utf-8", "replace"),
        TENSOR: lambda: array_of(proto.t, who, files),
        FLOATS: lambda: list(proto.floats),
        INTS: lambda: list(proto.ints),
        TEXTS: lambda: [each.decode("utf-8", "replace") for each in proto.strings],
    }
    return readers[proto.type]() if proto.type in readers else None


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
