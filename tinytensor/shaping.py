"""The methods of a Tensor that give the same elements another shape."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tinytensor.errors import ShapeError
from tinytensor.kernels.boundary import Array, Axis, normalize_axis, single_axis
from tinytensor.primitives.definition import Symbol
from tinytensor.primitives.movement import moved

if TYPE_CHECKING:
    from tinytensor.tensors import Tensor

__all__ = [
    "broadcast_to",
    "expand_dims",
    "flatten",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
]

Shape = int | tuple[int, ...] | list[int]


def elements(array: Any, key: Any) -> Any:
    """array[key], as an array even of one element."""
    if isinstance(array, Symbol) and not takes_all(key, array.ndim):
        array.tracer.refuse("forward takes some of the samples")
    return moved(chosen, (array,), key)


def takes_all(key: Any, ndim: int) -> bool:
    """Whether an index takes all samples, in their order."""
    keys = key if isinstance(key, tuple) else (key,)
    if keys and keys[0] is Ellipsis:
        others = [each for each in keys[1:] if each is not None]
        return len(others) < ndim and not any(np.ndim(each) for each in others if type(each) is not slice)
    return bool(keys) and type(keys[0]) is slice and keys[0] == slice(None)


def chosen(array: Array, key: Any) -> Array:
    """As NumPy indexes."""
    return np.asarray(array[key])


def flat(array: Array) -> Array:
    """One axis, in memory of its own."""
    return array.flatten()


def transposed(array: Array, *axes: Any) -> Array:
    """The axes in another order."""
    return array.transpose(*axes)


def reshape(self: "Tensor", *shape: Any) -> "Tensor":
    """The same elements in C order in another shape; one length may be -1. Shares memory if it can.

    Raises:
        ShapeError: the numbers of elements differ.

    >>> import tinytensor as tt
    >>> tt.Tensor([1, 2, 3, 4]).reshape(2, -1).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    wanted = shape[0] if len(shape) == 1 else shape
    try:
        return self._wrap(moved(np.reshape, (self._array,), wanted))
    except (TypeError, ValueError) as error:
        raise ShapeError(
            f"reshape: {self.size} elements of shape {self.shape} do not fit {wanted}; "
            f"did you mean reshape({self.shape[0] if self.shape else 1}, -1)?"
        ) from error


def flatten(self: "Tensor") -> "Tensor":
    """One axis, in C order, in memory of its own.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2], [3, 4]]).flatten().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    return self._wrap(moved(flat, (self._array,)))


def ravel(self: "Tensor") -> "Tensor":
    """One axis, in C order; shares memory if it can.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2], [3, 4]]).ravel().shape
    (4,)
    """
    return self._wrap(moved(np.ravel, (self._array,)))


def transpose(self: "Tensor", *axes: Any) -> "Tensor":
    """The axes in the order given, or reversed; shares memory.

    Raises:
        ShapeError: `axes` is not a permutation of all axes.

    >>> import tinytensor as tt
    >>> tt.Tensor([[[1, 2, 3]]]).transpose(2, 0, 1).shape
    (3, 1, 1)
    """
    try:
        return self._wrap(moved(transposed, (self._array,), *axes))
    except (TypeError, ValueError) as error:
        raise ShapeError(f"transpose: {axes} is no permutation of {self.ndim} axes: {error}") from error


def swapaxes(self: "Tensor", axis1: int, axis2: int) -> "Tensor":
    """Two axes exchanged; shares memory.

    Raises:
        ShapeError: there is no such axis.

    >>> import tinytensor as tt
    >>> tt.Tensor([[1, 2, 3]]).swapaxes(0, 1).shape
    (3, 1)
    """
    first, second = (single_axis("swapaxes", axis, self.ndim) for axis in (axis1, axis2))
    return self._wrap(moved(np.swapaxes, (self._array,), first, second))


def squeeze(self: "Tensor", axis: Axis = None) -> "Tensor":
    """Without the axes of length 1, or without those named; shares memory.

    Raises:
        ShapeError: an axis named has another length.

    >>> import tinytensor as tt
    >>> tt.Tensor([[[1, 2]]]).squeeze().shape, tt.Tensor([[[1, 2]]]).squeeze(0).shape
    ((2,), (1, 2))
    """
    axes = normalize_axis("squeeze", axis, self.ndim)
    ones = tuple(a for a in axes if self.shape[a] == 1)
    if axis is not None and ones != axes:
        raise ShapeError(f"squeeze: expected length 1 along axis {axis}, got shape {self.shape}")
    return self._wrap(moved(np.squeeze, (self._array,), ones))


def expand_dims(self: "Tensor", axis: Axis) -> "Tensor":
    """With axes of length 1 put in at `axis`, counted in the result; shares memory.

    Raises:
        ShapeError: the result has no such axis, or more than NumPy's 64.

    >>> import tinytensor as tt
    >>> tt.Tensor([1, 2]).expand_dims(0).shape, tt.Tensor([1, 2]).expand_dims(-1).shape
    ((1, 2), (2, 1))
    """
    new = len(axis) if isinstance(axis, tuple | list) else 1
    axes = normalize_axis("expand_dims", axis, self.ndim + new)
    try:
        return self._wrap(moved(np.expand_dims, (self._array,), axes))
    except (ValueError, RuntimeError) as error:
        raise ShapeError(f"expand_dims: {error}") from error


def broadcast_to(self: "Tensor", shape: Shape) -> "Tensor":
    """Repeated along axes of length 1 until it has that shape; shares memory.

    Raises:
        ShapeError: it does not broadcast to that shape.

    >>> import tinytensor as tt
    >>> tt.Tensor([1, 2]).broadcast_to((2, 2)).tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """
    try:
        if np.iterable(shape):
            shape = tuple(shape)
            if not all(isinstance(each, int | np.integer) for each in shape):  # of some, NumPy 2.0 warns only
                raise TypeError("expected whole numbers")
        return self._wrap(moved(np.broadcast_to, (self._array,), shape))
    except (TypeError, ValueError) as error:
        raise ShapeError(f"broadcast_to: {self.shape} does not broadcast to {shape}: {error}") from error
