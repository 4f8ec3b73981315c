"""Operations along axes, in plain NumPy, by their names in ONNX.

Sums of floats are in float64 over arrays in C order, so that neither the layout nor the batch decides their
order; the result is rounded once.
"""

from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.inference import first, reduction, reduction_of_axis, top_k

__all__: list[str] = []


def folded(function: Any, x: Any, axes: Any, keepdims: int, noop: int) -> Any:
    """A fold along axes, of all if none are named."""
    named = () if axes is None else tuple(int(n) for n in axes.ravel())
    if not named and not noop:
        named = tuple(range(x.ndim))
    wide = np.array(x, np.float64 if x.dtype.kind == "f" else x.dtype, order="C")
    return np.asarray(function(wide, named, bool(keepdims))).astype(x.dtype)


@operation(20, reduction)
def ReduceMin(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The smallest element along axes; ∞, the largest integer or True of nothing."""
    integer = x.dtype.kind in "iu"
    largest = np.iinfo(x.dtype).max if integer else (True if x.dtype.kind == "b" else np.inf)

    def fold(y: Any, axis: Any, keep: bool) -> Any:
        return np.min(y, axis, keepdims=keep, initial=largest)

    return folded(fold, x, axes, keepdims, noop_with_empty_axes)


@operation(18, reduction)
def ReduceProd(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The product along axes."""

    def fold(y: Any, axis: Any, keep: bool) -> Any:
        return np.prod(y, axis, keepdims=keep, dtype=y.dtype)

    return folded(fold, x, axes, keepdims, noop_with_empty_axes)


def summed(x: Any, axis: Any, keep: bool) -> Any:
    """A sum in the dtype of x."""
    return np.sum(x, axis, keepdims=keep, dtype=x.dtype)


@operation(18, reduction)
def ReduceL1(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """Σ |x| along axes."""

    def fold(y: Any, axis: Any, keep: bool) -> Any:
        return summed(np.abs(y), axis, keep)

    return folded(fold, x, axes, keepdims, noop_with_empty_axes)


@operation(18, reduction)
def ReduceL2(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """√Σ x² along axes."""

    def fold(y: Any, axis: Any, keep: bool) -> Any:
        return np.sqrt(summed(y * y, axis, keep))

    return folded(fold, x, axes, keepdims, noop_with_empty_axes)


@operation(18, reduction)
def ReduceSumSquare(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """Σ x² along axes."""

    def fold(y: Any, axis: Any, keep: bool) -> Any:
        return summed(y * y, axis, keep)

    return folded(fold, x, axes, keepdims, noop_with_empty_axes)


@operation(28, reduction)
def ReduceLogSum(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """log Σ x along axes."""

    def fold(y: Any, axis: Any, keep: bool) -> Any:
        return np.log(summed(y, axis, keep))

    return folded(fold, x, axes, keepdims, noop_with_empty_axes)


@operation(28, reduction)
def ReduceLogSumExp(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """log Σ e^x along axes, without overflow."""

    def fold(y: Any, axis: Any, keep: bool) -> Any:
        largest = np.max(y, axis, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(largest), largest, 0)
        return np.log(summed(np.exp(y - shift), axis, keep)) + (shift if keep else np.squeeze(shift, axis))

    return folded(fold, x, axes, keepdims, noop_with_empty_axes)


@operation(13, reduction_of_axis, "int64")
def ArgMin(x: Any, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
    """Where the smallest element is: the first of them, or the last."""
    if not select_last_index:
        return np.argmin(x, axis, keepdims=bool(keepdims))
    return x.shape[axis] - 1 - np.argmin(np.flip(x, axis), axis, keepdims=bool(keepdims))


@operation(14, first)
def CumSum(x: Any, axis: Any, exclusive: int = 0, reverse: int = 0) -> Any:
    """The sums of all elements up to each, or before it if `exclusive`; from the end if `reverse`."""
    along = int(axis.ravel()[0])
    y = np.moveaxis(np.flip(x, along) if reverse else x, along, 0)
    sums = np.cumsum(y, 0, dtype=np.float64 if x.dtype.kind == "f" else x.dtype).astype(x.dtype)
    if exclusive:
        sums = np.concatenate([np.zeros_like(sums[:1]), sums[:-1]])
    found = np.moveaxis(sums, 0, along)
    return np.flip(found, along) if reverse else found


@operation(24, top_k)
def TopK(x: Any, k: Any, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    """The k largest or smallest elements along an axis, and where they were; of equal ones the first."""
    count, n = int(k.ravel()[0]), x.shape[axis]
    if not 0 <= count <= n:
        raise ValueError(f"expected at most {n} of {n} elements, got k = {count}")
    y = np.moveaxis(x, axis, -1)
    if largest:
        order = n - 1 - np.argsort(y[..., ::-1], -1, kind="stable")[..., ::-1]
    else:
        order = np.argsort(y, -1, kind="stable")
    order = order[..., :count]
    values = np.take_along_axis(y, order, -1)
    return np.moveaxis(values, -1, axis), np.moveaxis(order, -1, axis).astype(np.int64)


@operation(13, first)
def Hardmax(x: Any, axis: int = -1, flatten: int = 0) -> Any:
    """1 for the first of the largest elements along an axis, else 0; `flatten`, over it and all after it."""
    y = x.reshape((*x.shape[:axis], -1)) if flatten else np.moveaxis(x, axis, -1)
    hot = np.zeros(y.shape, x.dtype)
    np.put_along_axis(hot, np.argmax(y, -1, keepdims=True), 1, -1)
    return hot.reshape(x.shape) if flatten else np.moveaxis(hot, -1, axis)


@operation(22, first)
def LpNormalization(x: Any, axis: int = -1, p: int = 2) -> Any:
    """X / (Σ |x|^p)^(1/p) along an axis, for p of 1 or 2; 0 where that is 0."""
    wide = np.array(x, np.float64, order="C")
    norm = summed(np.abs(wide), axis, True) if p == 1 else np.sqrt(summed(wide * wide, axis, True))
    return np.where(norm == 0, 0, wide / np.where(norm == 0, 1, norm)).astype(x.dtype)


@operation(23, first)
def RMSNormalization(x: Any, scale: Any, axis: int = -1, epsilon: float = 1e-5) -> Any:
    """X / √(mean x² + epsilon) · scale, over the axes from `axis` on."""
    wide = np.array(x, np.float64, order="C")
    axes = tuple(range(axis % x.ndim, x.ndim))
    mean = np.mean(wide * wide, axes, keepdims=True)
    return (wide / np.sqrt(mean + epsilon)).astype(x.dtype) * scale
