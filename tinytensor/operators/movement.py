"""Operations that move, repeat or pick elements, in plain NumPy, by their names in ONNX."""

from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.inference import (
    first,
    gather_nd,
    like_second,
    number_line,
    one_hot,
    padded,
    repeated,
    scalar,
    slices,
    splits,
    to_shape,
    unknown,
)
from tinytensor.operators.samples import padded_samples, sliced_samples

__all__: list[str] = []


def whole(values: Any) -> Any:
    """Axes, lengths or positions as Python numbers."""
    return [int(n) for n in values.ravel()]


@operation(13, slices, of_samples=sliced_samples)
def Slice(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """x[start:end:step] along axes, as in Python."""
    named = whole(axes) if axes is not None else range(starts.size)
    every = whole(steps) if steps is not None else [1] * starts.size
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(whole(starts), whole(ends), named, every, strict=True):
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


@operation(18, splits, "first", "first")
def Split(x: Any, split: Any = None, axis: int = 0, num_outputs: Any = None) -> Any:
    """Parts along an axis, of these lengths; or as many parts, the last of which may be shorter."""
    n, parts = x.shape[axis], num_outputs if split is None else split.size
    if not parts or parts != (num_outputs or parts):
        raise ValueError(f"expected {num_outputs} parts, got {parts}")
    ends = np.minimum(np.arange(1, parts + 1) * -(-n // parts), n) if split is None else np.cumsum(split)
    if ends[-1] != n:
        raise ValueError(f"parts of {ends[-1]} elements together, along an axis of {n}")
    return tuple(np.split(x, ends[:-1], axis))


@operation(13, to_shape)
def Expand(x: Any, shape: Any) -> Any:
    """X repeated along axes of length 1, so that it has the shape that both broadcast to."""
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(whole(shape)))).copy()


@operation(13, repeated)
def Tile(x: Any, repeats: Any) -> Any:
    """X repeated along each axis as often as is said."""
    if repeats.size != x.ndim:
        raise ValueError(f"expected {x.ndim} numbers of repeats, got {repeats.size}")
    return np.tile(x, whole(repeats))


@operation(27, number_line)
def Range(start: Any, limit: Any, delta: Any) -> Any:
    """start + i · delta for i = 0, 1, …, before the limit."""
    first, last, step = (each.ravel()[0].item() for each in (start, limit, delta))
    if step == 0:
        raise ValueError("expected a delta that is not 0")
    count = max(int(np.ceil((last - first) / step)), 0)
    return (first + np.arange(count) * step).astype(start.dtype)


@operation(25, scalar, "int64")
def Size(x: Any) -> Any:
    """The number of elements."""
    return np.array(x.size, np.int64)


@operation(14, first)
def Trilu(x: Any, k: Any = None, upper: int = 1) -> Any:
    """The elements on the k-th diagonal and above, or below, of every matrix; 0 elsewhere."""
    diagonal = 0 if k is None else int(k.ravel()[0])
    diagonal = min(max(diagonal, -(1 << 40)), 1 << 40)
    return np.triu(x, diagonal) if upper else np.tril(x, diagonal)


@operation(28, one_hot, "third")
def OneHot(indices: Any, depth: Any, values: Any, axis: int = -1) -> Any:
    """values[1] at the index along a new axis, else values[0]; an index out of reach is nowhere."""
    n = int(depth.ravel()[0])
    index = np.expand_dims(indices, axis)
    shape = [1] * index.ndim
    shape[axis] = n
    here = np.arange(n).reshape(shape)
    return np.where((index == here) | (index + n == here), values[1], values[0])


@operation(13, like_second)
def GatherElements(x: Any, indices: Any, axis: int = 0) -> Any:
    """For each index the element of x there along an axis."""
    return x[along(x, indices, axis)]


def along(x: Any, indices: Any, axis: int) -> Any:
    """Indices of x: those of an array, and where each stands along the other axes."""
    index = list(np.indices(indices.shape, sparse=True))
    index[axis] = indices
    if len(index) != x.ndim:
        raise ValueError(f"expected indices with {x.ndim} axes, got {len(index)}")
    return tuple(index)


@operation(13, gather_nd)
def GatherND(x: Any, indices: Any, batch_dims: int = 0) -> Any:
    """The slices of x that tuples along the last axis of the indices name."""
    batch = np.indices((*x.shape[:batch_dims], *[1] * (indices.ndim - 1 - batch_dims)), sparse=True)
    return x[(*batch[:batch_dims], *np.moveaxis(indices, -1, 0))]


@operation(18, first)
def ScatterElements(x: Any, indices: Any, updates: Any, axis: int = 0, reduction: str = "none") -> Any:
    """X with elements along an axis replaced, or combined with updates."""
    return updated(x, along(x, indices, axis), updates, reduction)


@operation(18, first)
def ScatterND(x: Any, indices: Any, updates: Any, reduction: str = "none") -> Any:
    """X with slices replaced that tuples along the last axis of the indices name."""
    return updated(x, tuple(np.moveaxis(indices, -1, 0)), updates, reduction)


def updated(x: Any, index: Any, updates: Any, reduction: str) -> Any:
    """A copy of x with updates at an index: later ones last."""
    y = x.copy()
    if reduction == "none":
        y[index] = updates
    else:
        ufuncs: Any = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
        ufuncs[reduction].at(y, index, updates)
    return y


@operation(28, first)
def ReverseSequence(x: Any, lengths: Any, batch_axis: int = 1, time_axis: int = 0) -> Any:
    """The first elements of every sequence in reverse, as many as its length."""
    y = np.moveaxis(x, (batch_axis, time_axis), (0, 1)).copy()
    for row, n in zip(y, whole(lengths), strict=True):
        row[:n] = row[:n][::-1].copy()
    return np.moveaxis(y, (0, 1), (batch_axis, time_axis))


@operation(13, unknown, "int64")
def NonZero(x: Any) -> Any:
    """The indices of the elements that are not 0, a column for each."""
    return np.array(np.nonzero(x), np.int64)


@operation(25, padded, of_samples=padded_samples)
def Pad(x: Any, pads: Any, value: Any = None, axes: Any = None, mode: str = "constant") -> Any:
    """X with elements before and after it along axes; fewer where a number is negative."""
    named = whole(axes) if axes is not None else list(range(x.ndim))
    before, after = [0] * x.ndim, [0] * x.ndim
    for axis, left, right in zip(named, pads[: len(named)], pads[len(named) :], strict=True):
        before[axis], after[axis] = int(left), int(right)
    for axis, n in enumerate(x.shape):
        cut = max(-before[axis], 0) + max(-after[axis], 0)
        if cut > n:
            raise ValueError(f"{before[axis], after[axis]} cuts off more than all of an axis of {n}")
    kept = [
        slice(max(-left, 0), n - max(-right, 0))
        for left, right, n in zip(before, after, x.shape, strict=True)
    ]
    widths = [(max(left, 0), max(right, 0)) for left, right in zip(before, after, strict=True)]
    if mode == "constant":
        fill = 0 if value is None else value.ravel()[0]
        return np.pad(x[tuple(kept)], widths, constant_values=fill)
    return np.pad(x[tuple(kept)], widths, mode)  # type: ignore[call-overload]
