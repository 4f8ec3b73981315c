"""Steps that need not be taken: constants, identities, and what nothing reads.

What is computed here is counted before, in the one budget of the file, and only what something reads.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.onnx.shapes import Values, lengths_of, results_of
from tinytensor.kernels.boundary import Array
from tinytensor.operators.definition import Value
from tinytensor.operators.table import OPERATORS
from tinytensor.tensors import Tensor

__all__ = ["drop_unread", "simplify"]

VIEWS = {"Shape", "Size", "Squeeze", "Transpose", "Unsqueeze"}  # of weights: they copy nothing
COPIES = {"Flatten", "Reshape"}  # of weights that are not in C order, else views
PRODUCTS = {"Einsum", "Gemm", "MatMul"}  # take longer than their operands and results are large
SMALL = 1 << 16  # bytes of operands and results of a product that is computed in advance


def simplify(program: Program, kept_ops: Collection[str] = ()) -> Values:
    """Compute what depends on constants alone, and let the others read through identities.

    Operations in `kept_ops` stay.

    Returns what is known of every value.
    """
    values = dict(program.inputs)
    values |= {name: constant(array) for name, array in program.constants.items()}
    others: dict[str, str] = {}
    certain = {"", *program.constants}  # values whose dtype does not depend on what a caller gives
    kept = []
    for step in program.steps:
        step.inputs = [others.get(name, name) for name in step.inputs]
        certain.update(step.outputs if step.op == "Cast" or certain.issuperset(step.inputs) else ())
        same = same_as(program, step, values, certain)
        if same is not None:
            others[step.outputs[0]] = same
            continue
        operands = [values[name] if name else None for name in step.inputs]
        if step.op == "Resize" and narrowed(program, step, operands):
            operands[3] = values[step.inputs[3]] = constant(program.constants[step.inputs[3]])
        results = results_of(step, operands)
        arrays = None if step.op in kept_ops else folded(program, step, results)
        if arrays is None:
            results[0].content = lengths_of(step, operands, results[0])
            arrays = complete(results)
        if arrays is None:
            kept.append(step)
            values.update(zip(step.outputs, results, strict=False))
        else:
            found = dict(zip(step.outputs, arrays, strict=False))
            program.constants.update(found)
            values.update({name: constant(array) for name, array in found.items()})
    program.steps = kept
    program.outputs = [others.get(name, name) for name in program.outputs]
    return values


def narrowed(program: Program, step: Step, operands: Sequence[Value | None]) -> bool:
    """Leave out the axes that a Resize to sizes keeps as they are, that of the samples for one."""
    shape = operands[0].shape if operands[0] is not None else None
    sizes = program.constants.get(step.inputs[3]) if len(step.inputs) > 3 else None
    policy = step.attributes.get("keep_aspect_ratio_policy", "stretch")
    plain = policy == "stretch" and not any(step.inputs[1:2]) and "axes" not in step.attributes
    if shape is None or sizes is None or sizes.shape != (len(shape),) or not plain:
        return False
    axes = [axis for axis, n in enumerate(shape) if n != sizes[axis]]
    if len(axes) in (0, len(shape)):
        return False
    name = f"{step.outputs[0]}.sizes"
    if name in program.constants or not program.afford(sizes.nbytes):
        return False
    program.constants[name] = np.ascontiguousarray(sizes[axes])
    step.attributes["axes"] = axes
    step.inputs[3] = name
    return True


def constant(array: Array) -> Value:
    """All is known."""
    return Value(array.dtype.name, array.shape, array)


def complete(results: list[Value]) -> tuple[Array, ...] | None:
    """Lengths of axes that are all known."""
    content = results[0].content
    if content is None or np.isnan(content).any():
        return None
    return (np.asarray(content.astype(results[0].dtype)),)


def same_as(program: Program, step: Step, values: Values, certain: set[str]) -> str | None:
    """The name of the value that the step's only result is."""
    if [name for name in step.outputs if name] != step.outputs[:1]:
        return None
    source = step.inputs[0] if step.inputs else ""
    if step.op == "Cast" and source in certain:
        return source if values[source].dtype == step.attributes["to"] else None
    alone = step.op in {"Max", "Min", "Sum"} and len(step.inputs) == 1
    return source if step.op == "Identity" or alone else None


def folded(program: Program, step: Step, results: Sequence[Value]) -> tuple[Array, ...] | None:
    """The results of a step that reads constants only, if the budget allows it."""
    if not all(name in program.constants for name in filter(None, step.inputs)) or not any(step.inputs):
        return None
    operands = [program.constants.get(name) for name in step.inputs]
    cost = cost_of(step, [each for each in operands if each is not None], results)
    if step.op not in OPERATORS or cost is None or not program.afford(cost):
        return None
    try:
        y: Any = OPERATORS[step.op](
            *(None if each is None else Tensor._wrap(each) for each in operands), **step.attributes
        )
    except TinyTensorError:  # it fails when the model is called, too
        return None
    arrays = tuple(each.numpy() for each in (y if isinstance(y, tuple) else (y,)))
    return None if len(arrays) < len(step.outputs) else arrays


def cost_of(step: Step, operands: list[Array], results: Sequence[Value]) -> int | None:
    """Bytes of operands and results, if all are known and it is worth while to compute them in advance."""
    in_order = all(each.flags.c_contiguous for each in operands[:1])
    if step.op in VIEWS or (step.op in COPIES and in_order):
        return 0
    size = sum(each.nbytes for each in operands)
    for result in results:
        if result.shape is None or any(n is None or n < 0 for n in result.shape):
            return None
        size += math.prod(n for n in result.shape if n is not None) * np.dtype(result.dtype).itemsize
    return None if step.op in PRODUCTS and size > SMALL else size


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
