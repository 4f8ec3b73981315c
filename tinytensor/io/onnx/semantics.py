"""What an operation meant in the opset of the file, said in its newest form.

`NEWEST` is the last definition of each operation that was read when this was written; a later one raises,
as nobody knows what it says. Definitions between OLDEST and that one differ in the types that they allow, and
in what `CHANGES` undoes.

Source: the operator changelog of ONNX.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp, require
from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.onnx.tensors import DTYPES, HALVES
from tinytensor.kernels.boundary import Array

__all__ = ["NEWEST", "modernize"]

NEWEST = {
    "Abs": 13, "Add": 14, "ArgMax": 13, "BatchNormalization": 15, "Cast": 28, "Celu": 28, "Clip": 13,
    "Concat": 13, "Constant": 25, "Div": 14, "Dropout": 22, "Elu": 22, "Erf": 13, "Exp": 13, "Flatten": 25,
    "Gather": 13, "Gelu": 20, "Gemm": 13, "Greater": 13, "GreaterOrEqual": 16, "HardSigmoid": 22,
    "HardSwish": 22, "Identity": 25, "LayerNormalization": 17, "LeakyRelu": 16, "Less": 13,
    "LessOrEqual": 16, "Log": 13, "LogSoftmax": 13, "MatMul": 13, "Max": 13, "Min": 13, "Mish": 22,
    "Mul": 14, "Neg": 13, "PRelu": 16, "Pow": 15, "ReduceMax": 20, "ReduceMean": 18, "ReduceSum": 13,
    "Relu": 14, "Reshape": 25, "Selu": 22, "Shape": 25, "Sigmoid": 13, "Softmax": 13, "Softplus": 22,
    "Softsign": 22, "Sqrt": 13, "Squeeze": 25, "Sub": 14, "Swish": 24, "Tanh": 13, "ThresholdedRelu": 22,
    "Transpose": 25, "Unsqueeze": 25, "Where": 16,
}  # fmt: skip

Change = Callable[[Program, Step], None]


def modernize(program: Program) -> None:
    """Turn every step into the newest form of its operation.

    Raises:
        ModelFormatError: a node is not what its operation's definition says.
        UnsupportedOp: names every node whose operation, or use of it, tinytensor does not compute.
    """
    problems = []
    for step in program.steps:
        try:
            schema = definition(step, program.opset)
            refuse_malformed(step, schema)
            refuse_halves(program, step)
            step.version = schema.since_version
            for change in CHANGES.get(step.op, ()):
                change(program, step)
        except UnsupportedOp as error:
            problems.append(f"{step.node}, opset {program.opset}: {error}")
    for name in program.halves.intersection(program.outputs):
        problems.append(f"output {name!r:.80}: float16 or bfloat16; the model in float32 would help")
    if problems:
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise UnsupportedOp("\n  ".join(problems[:20]) + more)


def definition(step: Step, opset: int) -> Any:
    """ONNX's schema of the step's operation in an opset."""
    if step.op not in NEWEST:
        raise UnsupportedOp(f"tinytensor does not compute {step.op:.80}; {what_would_help(step.op)}")
    schema = schema_of(step.op, opset)
    if schema.since_version > NEWEST[step.op]:
        raise UnsupportedOp(
            f"tinytensor knows {step.op} up to its version {NEWEST[step.op]}, this is version "
            f"{schema.since_version}; exporting with an earlier opset would help"
        )
    return schema


@cache
def schema_of(op: str, opset: int) -> Any:
    """The definition of an operation that the onnx package has."""
    defs = require("onnx.defs", "onnx")
    newest = defs.onnx_opset_version()
    if opset > newest:
        raise UnsupportedOp(f"the onnx package here knows opsets up to {newest}; a newer one would help")
    try:
        return defs.get_schema(op, opset, "")
    except defs.SchemaError as error:
        raise UnsupportedOp(f"ONNX had no {op} in this opset") from error


def refuse_malformed(step: Step, schema: Any) -> None:
    """Raise unless inputs, outputs and attributes are those of the operation's definition."""
    inputs, outputs = len(step.inputs), len(step.outputs)
    if not schema.min_input <= inputs <= schema.max_input or "" in step.inputs[: schema.min_input]:
        raise ModelFormatError(
            f"{step.node}: expected {schema.min_input} to {schema.max_input} inputs, got {step.inputs!r:.200}"
        )
    if not schema.min_output <= outputs <= schema.max_output or not step.outputs[0]:
        raise ModelFormatError(f"{step.node}: expected its result as output, got {step.outputs!r:.200}")
    for name, value in step.attributes.items():
        known = schema.attributes.get(name)
        if known is None or not of_type(value, known.type.name):
            raise ModelFormatError(f"{step.node}: has no attribute {name!r:.80} like {value!r:.80}")
    required = [name for name, each in schema.attributes.items() if each.required]
    missing = [name for name in required if name not in step.attributes]
    if missing:
        raise ModelFormatError(f"{step.node}: the attribute {missing[0]} is missing")


def of_type(value: Any, kind: str) -> bool:
    """Whether a Python value is what ONNX calls an INT, a list of INTS, and so on."""
    if kind.endswith("S"):
        return isinstance(value, list) and all(of_type(each, kind[:-1]) for each in value)
    kinds = {"INT": int, "FLOAT": float, "STRING": str, "TENSOR": np.ndarray}
    return value is None if kind not in kinds else isinstance(value, kinds[kind])


def refuse_halves(program: Program, step: Step) -> None:
    """Raise if a half is read by anything but a Cast: computing in float32 gives other values."""
    if program.halves.isdisjoint(step.inputs) or step.op == "Cast":
        return
    if step.op != "Identity":
        raise UnsupportedOp("float16 or bfloat16; the model in float32 would help")
    program.halves.update(step.outputs)


def what_would_help(op: str) -> str:
    """What to try for an operation that is unknown."""
    if "." in op:
        return "exporting to ONNX's own operations, before any runtime's optimizations, would help"
    if op in {"If", "Loop", "Scan"}:
        return "a graph without control flow would help: export with constant shapes"
    if "Quantize" in op or op.startswith("QLinear") or op.endswith("Integer"):
        return "the model as it was before quantization would help"
    return f"of the operations it computes ({', '.join(sorted(NEWEST))}) the model would have to be made"


def aligned_at_the_end(program: Program, step: Step) -> None:
    """Until opset 6 broadcasting had to be asked for, and B could be aligned with any axis of A."""
    if step.attributes.pop("broadcast", 0) and "axis" in step.attributes:
        raise UnsupportedOp("broadcasting along an axis; opset 7 or later would help")
    step.attributes.pop("axis", None)


def slopes_of_channels(program: Program, step: Step) -> None:
    """Until opset 6 the slopes of PRelu were those of axis 1, as our layer's."""
    if step.version < 7:
        slope = program.constants.get(step.inputs[1])
        if slope is None or slope.ndim != 1:
            raise UnsupportedOp("slopes that are computed; opset 7 or later would help")
        step.op, step.inputs, step.parameters = "PReLU", step.inputs[:1], {"weight": slope}


def axes_as_input(program: Program, step: Step) -> None:
    """Axes were an attribute: Squeeze and Unsqueeze until 12, ReduceSum too, other reductions until 17."""
    if "axes" in step.attributes:
        step.inputs.append(constant(program, step, np.array(step.attributes.pop("axes"), np.int64)))


def bounds_as_inputs(program: Program, step: Step) -> None:
    """Clip's bounds were attributes until opset 10."""
    if step.version < 11:
        for name in ("min", "max"):
            value = step.attributes.pop(name, None)
            step.inputs.append("" if value is None else constant(program, step, np.array(value, np.float32)))


def rows_as_attribute(program: Program, step: Step) -> None:
    """Until opset 12 softmax was over its axis and all after it together, and the axis was 1 by default."""
    if step.version < 13:
        step.attributes = {"axis": step.attributes.get("axis", 1), "flatten": 1}


def ratio_as_input(program: Program, step: Step) -> None:
    """Dropout's ratio was an attribute until opset 11."""
    if step.version < 7 and not step.attributes.pop("is_test", 0):
        raise UnsupportedOp("training; a model exported for inference would help")
    ratio = step.attributes.pop("ratio", None)
    step.attributes.pop("seed", None)
    if step.version < 10 and len(step.outputs) > 1:
        raise UnsupportedOp("a mask of numbers; opset 10 or later would help")
    if ratio is not None:
        step.inputs[1:] = [constant(program, step, np.array(ratio, np.float32))]
    training = step.inputs[2] if len(step.inputs) > 2 else ""
    if training and not (training in program.constants and not program.constants[training].any()):
        raise UnsupportedOp("training; a model exported for inference would help")


def inference_only(program: Program, step: Step) -> None:
    """BatchNormalization had a mean for every element until opset 8, and trained until 6 and since 14."""
    if step.version < 7 and not step.attributes.pop("is_test", 0):
        raise UnsupportedOp("training; a model exported for inference would help")
    if step.attributes.pop("training_mode", 0) or len([name for name in step.outputs if name]) > 1:
        raise UnsupportedOp("training; a model exported for inference would help")
    if step.attributes.pop("spatial", 1) != 1:
        raise UnsupportedOp("statistics of every element; those of channels would help")
    step.attributes.pop("momentum", None)


def target_by_name(program: Program, step: Step) -> None:
    """Cast's target was a number; how halves and bytes are rounded does not matter for other targets."""
    number = step.attributes["to"]
    to = DTYPES.get(number)
    if to is None or to in HALVES:
        raise UnsupportedOp(
            f"a cast to type {number} of ONNX; float32, float64, integers and bools would help"
        )
    step.attributes = {"to": to}


def computed_in_float32(program: Program, step: Step) -> None:
    """LayerNormalization says in which type statistics are computed: ours are in the input's, or better."""
    step.attributes.pop("stash_type", None)


def as_initializer(program: Program, step: Step) -> None:
    """A Constant is a constant."""
    kinds = {"value_float": "float32", "value_floats": "float32", "value_int": "int64", "value_ints": "int64"}
    (name, value), *others = step.attributes.items() or [("", None)]
    if others or value is None or (name != "value" and name not in kinds):
        raise UnsupportedOp(f"constants of {name!r:.40}; numbers would help")
    program.constants[step.outputs[0]] = value if name == "value" else np.array(value, kinds[name])


def constant(program: Program, step: Step, value: Array) -> str:
    """A new constant, by a name that nothing has."""
    name = f"{step.outputs[0]}:{len(program.names)}"
    while name in program.names:
        name += ":"
    program.names.add(name)
    program.constants[name] = value
    return name


CHANGES: dict[str, tuple[Change, ...]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Gemm"), (aligned_at_the_end,)),
    "PRelu": (slopes_of_channels,),
    "BatchNormalization": (inference_only,),
    "Cast": (target_by_name,),
    "Clip": (bounds_as_inputs,),
    "Constant": (as_initializer,),
    "Dropout": (ratio_as_input,),
    "LayerNormalization": (computed_in_float32,),
    "LogSoftmax": (rows_as_attribute,),
    "ReduceMax": (axes_as_input,),
    "ReduceMean": (axes_as_input,),
    "ReduceSum": (axes_as_input,),
    "Softmax": (rows_as_attribute,),
    "Squeeze": (axes_as_input,),
    "Unsqueeze": (axes_as_input,),
}
