"""What an operation meant in the opset of the file, said in its newest form.

A definition that is newer than the last one that was read when this was written raises, as nobody knows what
it says. Those between OLDEST and that one differ in the types that they allow, and in what `CHANGES` undoes.

Source: the operator changelog of ONNX.
"""

from functools import cache
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp, require
from tinytensor.io.onnx.activations import ACTIVATIONS
from tinytensor.io.onnx.changes import CHANGES
from tinytensor.io.onnx.learning import LEARNING
from tinytensor.io.onnx.microsoft import RUNTIME
from tinytensor.io.onnx.microsoft import definition as definition_of_runtime
from tinytensor.io.onnx.program import HALVES_HELP, MICROSOFT, ML, WIDENED, Program, Step
from tinytensor.io.onnx.tensors import HALVES, STRING
from tinytensor.operators.table import OPERATIONS
from tinytensor.text import listed

__all__ = ["NEWEST", "modernize"]

# The opset of the last definition of every operation that was read when this was written.
NEWEST = {
    "Constant": 25,
    "ConstantOfShape": 25,
    "Upsample": 9,
    **{name: newest for name, (_, _, newest) in ACTIVATIONS.items()},
    **{name: operation.newest for name, operation in OPERATIONS.items() if name not in LEARNING},
    **{f"{ML}.{name}": newest for name, (newest, _) in LEARNING.items()},
    **{f"{MICROSOFT}.{name}": 1 for name in RUNTIME},
}
INT32 = 2**31 - 1  # what the onnx package takes as a version
LISTED = 20  # problems, and nodes of each


def modernize(program: Program) -> None:
    """Turn every step into the newest form of its operation, or into several steps.

    Raises:
        ModelFormatError: a node is not what its operation's definition says.
        UnsupportedOp: names every node whose operation, or use of it, tinytensor does not compute.
    """
    problems: dict[str, list[str]] = {}
    steps = list[Step]()
    for step in program.steps:
        try:
            domain, _, op = step.op.rpartition(".")
            schema = definition(step, domain, op, program.opsets)
            refuse_malformed(step, schema)
            refuse_halves(program, step)
            step.version = schema.since_version
            follow_words(program, step)
            changed = change_of(domain, op)(program, step)
            steps += [step] if changed is None else changed
        except UnsupportedOp as error:
            problems.setdefault(str(error), []).append(step.node)
    program.steps = steps
    for value in program.inputs.values():
        value.dtype = "float32" if value.dtype in HALVES else value.dtype
    for name in program.outputs:
        if name in program.halves:
            widened(program, problems, f"output {name!r:.80}")
        if name in program.words:
            listed = ", ".join(map(repr, program.words[name]))
            program.note(f"output {name!r:.80}: strings become their positions in [{listed:.400}]")
    if problems:
        raise UnsupportedOp(described(problems, program.opsets))


def described(problems: dict[str, list[str]], opsets: dict[str, int]) -> str:
    """A line for each problem, with the nodes that have it."""
    lines = []
    for problem, nodes in problems.items():
        lines.append(f"{', '.join(listed(nodes, LISTED))}, opset {opsets.get('', 0)}: {problem}")
    return "\n  ".join(listed(lines, LISTED))


def change_of(domain: str, op: str) -> Any:
    """What gives an operation of a domain its newest form."""
    if domain == ML:
        return LEARNING[op][1]
    return RUNTIME[op][3] if domain == MICROSOFT else CHANGES.get(op, unchanged)


def unchanged(program: Program, step: Step) -> None:
    """The definition has not changed."""


def definition(step: Step, domain: str, op: str, opsets: dict[str, int]) -> Any:
    """ONNX's schema of the step's operation in the opset of its domain."""
    if step.op not in NEWEST:
        raise UnsupportedOp(f"tinytensor does not compute {step.op:.80}; {what_would_help(step.op)}")
    if domain not in opsets:
        raise ModelFormatError(f"{step.node}: the model does not say which version of {step.op:.80} it means")
    schema = definition_of_runtime(op) if domain == MICROSOFT else schema_of(op, opsets[domain], domain)
    if schema.since_version > NEWEST[step.op]:
        raise UnsupportedOp(
            f"tinytensor knows {step.op} up to its version {NEWEST[step.op]}, this is version "
            f"{schema.since_version}; exporting with an earlier opset would help"
        )
    return schema


@cache
def schema_of(op: str, opset: int, domain: str) -> Any:
    """The definition of an operation that the onnx package has."""
    defs = require("onnx.defs", "onnx")
    newest = defs.onnx_opset_version()
    if opset > newest and not domain:
        raise UnsupportedOp(f"the onnx package here knows opsets up to {newest}; a newer one would help")
    try:
        return defs.get_schema(op, min(opset, INT32), domain)
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
    """Note, or raise, if a half is read by anything but a Cast: computing in float32 gives other values."""
    if program.halves.isdisjoint(step.inputs) or step.op == "Cast":
        return
    if step.op == "Identity":
        program.halves.update(step.outputs)
    elif not program.widen:
        raise UnsupportedOp(HALVES_HELP)
    else:
        program.note(WIDENED)


def widened(program: Program, problems: dict[str, list[str]], who: str) -> None:
    """Note that an output is a half, or that it is refused."""
    if program.widen:
        program.note(WIDENED)
    else:
        problems.setdefault(HALVES_HELP, []).append(who)


def follow_words(program: Program, step: Step) -> None:
    """Positions stand for strings: what moves them moves these, nothing else takes them."""
    words = next((program.words[name] for name in step.inputs if name in program.words), None)
    if words is None:
        return
    op = step.op.removeprefix(f"{ML}.")
    if op == "Cast" and step.attributes["to"] == STRING:
        step.op, step.attributes = "Identity", {}
    elif op == "LabelEncoder":
        return
    elif op not in {
        "ArrayFeatureExtractor",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
    }:
        raise UnsupportedOp("it computes with strings; a model trained with numbers as classes would help")
    program.words[step.outputs[0]] = words


def what_would_help(op: str) -> str:
    """What to try for an operation that is unknown."""
    if op.startswith(f"{ML}."):
        return "linear models, networks and their scalers are what it computes of ai.onnx.ml"
    if "." in op:
        return "exporting to ONNX's own operations, before any runtime's optimizations, would help"
    if op in {"If", "Loop", "Scan"}:
        return "a graph without control flow would help: export with constant shapes"
    if op.startswith("Random") or op in {"Bernoulli", "Multinomial"}:
        return (
            "it draws random numbers; the model in evaluation mode, or with the noise as an input, would help"
        )
    return "docs/formats.md lists what it computes; a model made of that would help"
