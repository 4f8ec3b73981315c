"""Functions of Tensors: of one, those that are methods too; of several, `where concatenate stack …`.

They take anything array-like. `tt.tanh` is an activation and lives with the others.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.kernels.boundary import as_operand, single_axis
from tinytensor.mapping import other_operand
from tinytensor.primitives import elementwise
from tinytensor.primitives.lookup import embed
from tinytensor.primitives.movement import moved
from tinytensor.tensors import Tensor

__all__ = [
    "channels_first", "channels_last", "clip", "concatenate", "embedding", "erf", "exp", "log", "maximum",
    "minimum", "sqrt", "stack", "where",
]  # fmt: skip


def tensor(x: Any) -> Tensor:
    """X itself if it is a Tensor, else a Tensor of it."""
    return x if type(x) is Tensor else Tensor(x)


def exp(x: Any) -> Tensor:
    """e^x, elementwise; see `Tensor.exp`.

    >>> import tinytensor as tt
    >>> tt.exp([0.0]).tolist()
    [1.0]
    """
    return tensor(x).exp()


def log(x: Any) -> Tensor:
    """The natural logarithm, elementwise; see `Tensor.log`.

    >>> import tinytensor as tt
    >>> tt.log([1.0]).tolist()
    [0.0]
    """
    return tensor(x).log()


def sqrt(x: Any) -> Tensor:
    """√x, elementwise; see `Tensor.sqrt`.

    >>> import tinytensor as tt
    >>> tt.sqrt([4.0]).tolist()
    [2.0]
    """
    return tensor(x).sqrt()


def erf(x: Any) -> Tensor:
    """The error function, elementwise; see `Tensor.erf`.

    >>> import tinytensor as tt
    >>> tt.erf([0.0]).tolist()
    [0.0]
    """
    return tensor(x).erf()


def clip(x: Any, low: Any = None, high: Any = None) -> Tensor:
    """min(max(x, low), high), elementwise; see `Tensor.clip`.

    >>> import tinytensor as tt
    >>> tt.clip([-1.0, 7.0], 0, 5).tolist()
    [0.0, 5.0]
    """
    return tensor(x).clip(low, high)


def maximum(x: Any, y: Any) -> Tensor:
    """max(x, y) of every pair, with broadcasting; NaN where either is NaN.

    >>> import tinytensor as tt
    >>> tt.maximum([1.0, 5.0], [3.0, 2.0]).tolist()
    [3.0, 5.0]
    """
    return tensor(x).maximum(y)


def minimum(x: Any, y: Any) -> Tensor:
    """min(x, y) of every pair, with broadcasting; NaN where either is NaN.

    >>> import tinytensor as tt
    >>> tt.minimum([1.0, 5.0], [3.0, 2.0]).tolist()
    [1.0, 2.0]
    """
    return tensor(x).minimum(y)


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """The elements of x where `condition` is true (not 0), else those of y, with broadcasting.

    >>> import tinytensor as tt
    >>> tt.where([True, False], 1.0, 2.0).tolist()
    [1.0, 2.0]
    """
    return Tensor._wrap(elementwise.where(other_operand(condition), other_operand(x), other_operand(y)))


def concatenate(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """The arrays joined along an existing axis.

    Raises:
        ShapeError: lengths differ along another axis, or there is no such axis.
        ArgumentError: no Tensor at all.

    >>> import tinytensor as tt
    >>> tt.concatenate([tt.zeros((1, 2)), tt.ones((2, 2))]).shape
    (3, 2)
    """
    return joined("concatenate", np.concatenate, tensors, axis, 0)


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """The arrays joined along a new axis.

    Raises:
        ShapeError: shapes differ, or there is no such axis.
        ArgumentError: no Tensor at all.

    >>> import tinytensor as tt
    >>> tt.stack([tt.zeros(2), tt.ones(2)], axis=1).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    return joined("stack", np.stack, tensors, axis, 1)


def joined(who: str, join: Callable[..., Any], tensors: Sequence[Any], axis: int, new_axes: int) -> Tensor:
    """What `concatenate` and `stack` have in common."""
    try:
        several = list(tensors)
    except TypeError:
        raise DtypeError(f"{who}: expected a sequence of Tensors, got {tensors!r}") from None
    arrays = [tensor(each)._array for each in several]
    if not arrays:
        raise ArgumentError(f"{who}: expected at least one Tensor, got none")
    axis = single_axis(who, axis, arrays[0].ndim + new_axes)

    def combine(*several: Any) -> Any:
        return join(several, axis=axis)

    combine.__name__ = who  # as `explain` shows it
    try:
        return Tensor._wrap(moved(combine, tuple(arrays)))
    except (ValueError, IndexError) as error:  # the latter at more than 64 axes
        shapes = ", ".join(str(each.shape) for each in arrays[:8])
        raise ShapeError(f"{who}: shapes {shapes} do not fit along axis {axis}: {error}") from error


def channels_last(x: Any) -> Tensor:
    """(batch, channels, …) → (batch, …, channels); shares memory.

    Raises:
        ShapeError: fewer than two axes.

    >>> import tinytensor as tt
    >>> tt.channels_last(tt.zeros((10, 3, 28, 32))).shape
    (10, 28, 32, 3)
    """
    return axis_moved("channels_last", x, 1, -1)


def channels_first(x: Any) -> Tensor:
    """(batch, …, channels) → (batch, channels, …); shares memory.

    Raises:
        ShapeError: fewer than two axes.

    >>> import tinytensor as tt
    >>> tt.channels_first(tt.zeros((10, 28, 32, 3))).shape
    (10, 3, 28, 32)
    """
    return axis_moved("channels_first", x, -1, 1)


def axis_moved(who: str, x: Any, source: int, destination: int) -> Tensor:
    """One axis at another place, the others in their order."""
    t = tensor(x)
    if t.ndim < 2:
        raise ShapeError(f"{who}: expected (batch, channels, …) or (batch, …, channels), got {t.shape}")
    return Tensor._wrap(moved(np.moveaxis, (t._array,), source, destination))


def embedding(indices: Any, weight: Any) -> Tensor:
    """y[…, :] = weight[indices[…], :]; (…) and (count, features) → (…, features).

    Args:
        indices: whole numbers from 0 to count - 1, of an integer or a float dtype.
        weight: (count, features).

    Raises:
        DtypeError: an index is no whole number.
        IndexingError: an index is negative, or count or larger.
        ShapeError: the weight has other axes.

    >>> import tinytensor as tt
    >>> tt.embedding([[1, 0]], [[1, 2], [3, 4]]).tolist()
    [[[3.0, 4.0], [1.0, 2.0]]]
    """
    table = tensor(weight)
    if table.ndim != 2:
        raise ShapeError(f"embedding: weight: expected (count, features), got {table.shape}")
    given = indices._array if type(indices) is Tensor else as_operand(indices)
    return Tensor._wrap(embed(given, table._array))
