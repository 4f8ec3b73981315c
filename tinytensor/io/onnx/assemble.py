"""Steps become a configuration: a Sequential if they are a chain, else a Graph."""

from typing import Any

from tinytensor.errors import UnsupportedOp
from tinytensor.io.config import Config, State
from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.onnx.shapes import Values
from tinytensor.kernels.boundary import Array
from tinytensor.operators.table import OPERATORS

__all__ = ["OUTPUT", "assemble"]

OUTPUT = "output"  # what we call the last value: its layer then has no name
FLOATS = ("float32", "float64")


def assemble(program: Program, values: Values) -> tuple[Config, State]:
    """The configuration and the state dict of a program.

    Raises:
        UnsupportedOp: an activation of integers.
    """
    for step in program.steps:
        if step.parameters is None and step.op not in OPERATORS:
            dtype = values[step.inputs[0]].dtype
            raise UnsupportedOp(f"{step.node}: of {dtype}; the model in float32 would help")
    return sequential(program) if is_chain(program) else graph(program)


def is_chain(program: Program) -> bool:
    """Whether each step reads what the one before computes, the first one the only input, and no constant."""
    value = next(iter(program.inputs), "")
    if len(program.inputs) != 1 or len(program.outputs) != 1 or program.inputs[value].dtype not in FLOATS:
        return False
    for step in program.steps:
        if step.inputs != [value] or [name for name in step.outputs if name] != step.outputs[:1]:
            return False
        value = step.outputs[0]
    return program.outputs == [value]


def sequential(program: Program) -> tuple[Config, State]:
    """A chain; layers are named as their results are, where that is a name."""
    results = [step.outputs[0] for step in program.steps]
    results = [*results[:-1], str(len(results) - 1)] if results[-1:] == [OUTPUT] else results
    positions = [str(position) for position in range(len(results))]
    named = all(name.isidentifier() or name == i for name, i in zip(results, positions, strict=True))
    names = results if named else positions
    state: dict[str, Array] = {}
    layers = []
    for name, step in zip(names, program.steps, strict=True):
        state |= {f"{name}.{key}": array for key, array in (step.parameters or {}).items()}
        layers.append({"name": name, **described(step)})
    return {"class": "Sequential", "config": {"layers": layers}}, state


def described(step: Step) -> Config:
    """The configuration of one layer."""
    if step.parameters is not None:
        return {"class": step.op, "config": step.attributes}
    return {"class": "Operator", "config": {"operation": step.op, "attributes": step.attributes}}


def graph(program: Program) -> tuple[Config, State]:
    """Constants first, then the steps in their order."""
    layers: list[Config] = [{"class": "Constant", "config": {}} for _ in program.constants]
    wires: list[Any] = [[[], [name]] for name in program.constants]
    state = {f"layers.{i}.value": array for i, array in enumerate(program.constants.values())}
    for step in program.steps:
        state |= {f"layers.{len(layers)}.{key}": array for key, array in (step.parameters or {}).items()}
        layers.append(described(step))
        wires.append([step.inputs, step.outputs])
    config = {
        "input_names": list(program.inputs),
        "output_names": program.outputs,
        "layers": layers,
        "wires": wires,
        "signature": [[value.dtype, value.shape and list(value.shape)] for value in program.inputs.values()],
    }
    return {"class": "Graph", "config": config}, state
