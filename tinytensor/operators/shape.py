"""Operations that move elements: shapes and axes are Tensors of int64, as a graph may compute them."""

import math

import numpy as np

from tinytensor.errors import ShapeError
from tinytensor.functions import concatenate
from tinytensor.primitives.definition import Batch
from tinytensor.tensors import Tensor

__all__ = ["concat", "flatten", "gather", "integers", "reshape", "shape", "squeeze", "transpose", "unsqueeze"]


def integers(values: Tensor | None) -> tuple[int, ...] | None:
    """Axes or lengths as Python numbers."""
    return None if values is None else tuple(int(n) for n in values.numpy().ravel())


def transpose(x: Tensor, perm: list[int] | None = None) -> Tensor:
    """The axes in another order, by default reversed."""
    return x.T if perm is None else x.transpose(perm)


def reshape(x: Tensor, shape: Tensor, allowzero: int = 0) -> Tensor:
    """The elements in another shape; 0 stands for the length that x has there, unless `allowzero`.

    >>> reshape(Tensor([[1, 2], [3, 4]]), Tensor([0, 2, -1], int)).shape
    (2, 2, 1)
    """
    wanted = integers(shape) or ()
    if not allowzero:
        if any(n == 0 and i >= x.ndim for i, n in enumerate(wanted)):
            raise ShapeError(f"Reshape: {wanted} keeps an axis that {x.shape} does not have")
        wanted = tuple(x.shape[i] if n == 0 else n for i, n in enumerate(wanted))
    return x.reshape(wanted)


def flatten(x: Tensor, axis: int = 1) -> Tensor:
    """Two axes: those before `axis` as one, the others as one."""
    if not -x.ndim <= axis <= x.ndim:
        raise ShapeError(f"Flatten: {x.shape} has no axis {axis}")
    split = axis if axis >= 0 else axis + x.ndim
    rows = x.shape[0] if split == 1 else math.prod(x.shape[:split])
    return x.reshape((rows, math.prod(x.shape[split:])))


def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without axes of length 1: those named, or all."""
    return x.squeeze(integers(axes))


def unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    """With axes of length 1 where the result is to have them."""
    return x.expand_dims(integers(axes) or ())


def concat(*xs: Tensor, axis: int) -> Tensor:
    """One after the other along an axis."""
    return concatenate(xs, axis)


def shape(x: Tensor, start: int = 0, end: int | None = None) -> Tensor:
    """The lengths of the axes, int64."""
    lengths = [each.tracer.measure() if type(each) is Batch else each for each in x.shape[start:end]]
    return Tensor._wrap(np.array(lengths, np.int64))


def gather(x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
    """The slices of x along an axis that have these indices.

    >>> gather(Tensor([10, 20, 30]), Tensor([2, -1], int)).tolist()
    [30.0, 30.0]
    """
    try:
        return Tensor._wrap(np.asarray(np.take(x.numpy(), indices.numpy(), axis)))
    except IndexError as error:
        raise ShapeError(f"Gather: {error}") from error
