"""What is known of the results of a step: dtypes, shapes as far as they are told, and lengths of axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.io.onnx.program import Step
from tinytensor.kernels.boundary import Array
from tinytensor.operators.definition import Value
from tinytensor.operators.table import OPERATIONS, OPERATORS
from tinytensor.tensors import Tensor

__all__ = ["Values", "lengths_of", "results_of"]

Values = dict[str, Value]
POSITIONS = {"first": 0, "second": 1, "third": 2, "eighth": 7}
MISFITS = (IndexError, ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError, KeyError)
SUMS = {"Add", "Sub", "Mul", "Concat"}  # of lengths and lengths
MOVES = {
    "Cast",
    "Gather",
    "Reshape",
    "Slice",
    "Squeeze",
    "Unsqueeze",
}  # of lengths, by numbers that are known
FEW = 64
EXACT = 2.0**53


def results_of(step: Step, operands: Sequence[Value | None]) -> list[Value]:
    """What is known of each result of a step."""
    if step.results is not None:
        return step.results
    first = next(each for each in operands if each is not None)
    operation = OPERATIONS.get(step.op)
    if operation is None:  # an activation, or a layer already
        return [Value(first.dtype, first.shape)]
    try:
        found = operation.shape(operands, step.attributes, len(step.outputs))
    except MISFITS:  # the step fails when the model is called
        found = None
    shapes = found if isinstance(found, list) else [found]
    shapes += [None] * (len(step.outputs) - len(shapes))
    others = operation.second
    more = [others] * (len(step.outputs) - 1) if isinstance(others, str) else others[: len(step.outputs) - 1]
    dtypes = [operation.dtype, *more]
    return [
        Value(dtype_of(dtype, step, operands), shape) for dtype, shape in zip(dtypes, shapes, strict=True)
    ]


def dtype_of(rule: str, step: Step, operands: Sequence[Value | None]) -> str:
    """The dtype that an operation's rule means."""
    if rule == "to":
        return str(step.attributes["to"])
    if rule not in POSITIONS:
        return rule
    value = operands[POSITIONS[rule]]
    return "float32" if value is None else value.dtype


def lengths_of(step: Step, operands: Sequence[Value | None], result: Value) -> Array | None:
    """The elements of a result that is computed from lengths of axes, NaN for those that are not known.

    The first length is never known: a model that was exported with a batch of 1 takes any batch.
    """
    if step.op == "Shape":
        shape = None if operands[0] is None else operands[0].shape
        if shape is None or len(shape) > FEW:
            return None
        every = [np.nan if n is None or i == 0 else float(n) for i, n in enumerate(shape)]
        return np.array(every[step.attributes.get("start", 0) : step.attributes.get("end")])
    if step.op not in SUMS | MOVES or not result.dtype.startswith("int"):
        return None
    contents = [None if each is None else content_of(each) for each in operands]
    if contents[0] is None or any(
        each is None and value is not None for each, value in zip(contents, operands, strict=True)
    ):
        return None
    if step.op == "Cast":
        return contents[0]
    read: list[Any] = [None if each is None else Tensor._wrap(each) for each in contents]
    if step.op in MOVES:
        if any(each is not None and np.isnan(each).any() for each in contents[1:]):
            return None
        read[1:] = [
            None if each is None else Tensor._wrap(np.asarray(each.astype(np.int64))) for each in contents[1:]
        ]
    try:
        y = OPERATORS[step.op](*read, **step.attributes).numpy()
    except (TinyTensorError, *MISFITS):
        return None
    return y if y.size <= FEW and not (np.abs(y) >= EXACT).any() else None


def content_of(value: Value) -> Array | None:
    """Integers that are known, as float64."""
    if value.content is None or value.content.size > FEW or not value.dtype.startswith("int"):
        return None
    wide = np.asarray(value.content, np.float64)
    return None if (np.abs(wide) >= EXACT).any() else wide
