"""Steps that need not be taken: constants, identities, and what nothing reads."""

import math
from typing import Any

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.io.onnx.program import Program, Step
from tinytensor.kernels.boundary import Array
from tinytensor.operators.table import OPERATORS
from tinytensor.tensor import Tensor

__all__ = ["drop_unread", "simplify"]

VIEWS = {"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}  # of weights: they copy nothing
FOLDED = 256  # numbers that other operations may take to be computed in advance, as shapes are
RESULT = 1 << 16


def simplify(program: Program) -> None:
    """Compute what depends on constants alone, and let the others read through identities."""
    others: dict[str, str] = {}
    kept = []
    for step in program.steps:
        step.inputs = [others.get(name, name) for name in step.inputs]
        if step.op == "Constant":
            continue
        same = same_as(program, step)
        if same is not None:
            others[step.outputs[0]] = same
            continue
        values = folded(program, step)
        if values is None:
            kept.append(step)
        else:
            program.constants.update(zip(step.outputs, values, strict=False))
    program.steps = kept
    program.outputs = [others.get(name, name) for name in program.outputs]


def same_as(program: Program, step: Step) -> str | None:
    """The name of the value that the step's only result is."""
    if [name for name in step.outputs if name] != step.outputs[:1]:
        return None
    source = step.inputs[0] if step.inputs else ""
    if step.op == "Cast" and source in program.constants:
        return source if program.constants[source].dtype == step.attributes["to"] else None
    return source if step.op == "Identity" or (step.op in {"Max", "Min"} and len(step.inputs) == 1) else None


def folded(program: Program, step: Step) -> tuple[Array, ...] | None:
    """The results of a step that reads constants only, if they are small or views."""
    if not all(name in program.constants for name in filter(None, step.inputs)) or not any(step.inputs):
        return None
    operands = [program.constants.get(name) for name in step.inputs]
    shapes = [each.shape for each in operands if each is not None]
    if step.op not in VIEWS and not is_small(shapes):
        return None
    try:
        y: Any = OPERATORS[step.op](
            *(None if each is None else Tensor._wrap(each) for each in operands), **step.attributes
        )
    except (TinyTensorError, KeyError):  # an activation, or what fails when the model is called
        return None
    arrays = tuple(each.numpy() for each in (y if isinstance(y, tuple) else (y,)))
    return None if len(arrays) < len(step.outputs) else arrays


def is_small(shapes: list[tuple[int, ...]]) -> bool:
    """Whether any of our operations gives few numbers for operands of these shapes."""
    try:
        broadcast = math.prod(np.broadcast_shapes(*shapes))
    except ValueError:
        broadcast = 0
    return sum(map(math.prod, shapes)) <= FOLDED and broadcast <= RESULT


def drop_unread(program: Program) -> None:
    """Remove the steps, and the constants, that no output depends on."""
    wanted = set(program.outputs)
    kept = []
    for step in reversed(program.steps):
        if not wanted.isdisjoint(step.outputs):
            wanted.update(step.inputs)
            kept.append(step)
    program.steps = kept[::-1]
    program.constants = {name: array for name, array in program.constants.items() if name in wanted}
