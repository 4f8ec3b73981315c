"""What an operation of ONNX is here: the function that computes it, and what is known before it is computed.

Operations that are written in plain NumPy are defined once, by `@operation`: the same function runs on the
arrays of Tensors and goes, as source, into the Python file of a model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ShapeError
from tinytensor.kernels.boundary import Array
from tinytensor.tensors import Tensor

__all__ = ["NUMPY", "Operation", "Rule", "Shape", "Value", "operation"]

Shape = tuple[int | None, ...] | None


@dataclass
class Value:
    """What is known of a value before it is computed: a length may be unknown, or the whole shape.

    `content` is all of it, if it is a constant; or integers as float64 in which NaN is one that is not known.
    """

    dtype: str
    shape: Shape
    content: Array | None = None


# The shape of the result from the operands (None is one that is left out), the attributes, and the number of
# results; a list of shapes, if there are several.
Rule = Callable[[Sequence[Value | None], dict[str, Any], int], Any]


class Operation(NamedTuple):
    """One row of the table of operations."""

    compute: Callable[..., Any]  # of Tensors
    newest: int  # the opset of the last definition in ONNX that was read when this was written
    shape: Rule
    dtype: str = "first"  # "first", "second", …: that of an operand; "to": the attribute; or a name
    second: str | tuple[str, ...] = "int64"  # of further results


NUMPY: dict[str, Operation] = {}  # those that are defined by `@operation`, by their names in ONNX


def operation(
    newest: int,
    shape: Rule,
    dtype: str = "first",
    second: str | tuple[str, ...] = "int64",
    of_arrays: bool = True,
    of_samples: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function, named as the operation is, in the table: of arrays, or of these and Tensors alike.

    `of_samples` computes the same by a primitive, or gives None where it can't.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        compute = of_tensors(function, of_arrays, of_samples)
        NUMPY[function.__name__] = Operation(compute, newest, shape, dtype, second)
        return function

    return enter


def of_tensors(
    function: Callable[..., Any], of_arrays: bool, of_samples: Callable[..., Any] | None
) -> Callable[..., Any]:
    """The function of Tensors; what NumPy refuses are operands that do not fit."""

    @wraps(function)
    def compute(*operands: Tensor | None, **attributes: Any) -> Any:
        try:
            with np.errstate(all="ignore"):
                y = None if of_samples is None else of_samples(*operands, **attributes)
                if y is not None:
                    return Tensor._wrap(y)
                arrays = [each if each is None or not of_arrays else each.numpy() for each in operands]
                y = function(*arrays, **attributes)
        except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
            raise ShapeError(f"{function.__name__}: {error}") from error
        if isinstance(y, tuple):
            return tuple(Tensor._wrap(np.asarray(each)) for each in y)
        return y if isinstance(y, Tensor) else Tensor._wrap(np.asarray(y))

    return compute
