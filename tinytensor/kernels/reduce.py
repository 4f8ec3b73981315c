"""Reductions over any axes: floats by our kernels, integers and bools by NumPy.

Neighbouring axes that are both kept or both reduced are merged, so that every array becomes
[outer, n, inner] and is reduced along n.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels.boundary import FLOATS, Array, Axis, normalize_axis, real_number, single_axis
from tinytensor.kernels.declare import Kernel, by_dtype, kernel

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "prod",
    "row_fold",
    "standardize",
    "std",
    "sum",
    "var",
]

SCALE, SMALLEST = 2.0**-600, 2.0**-1022  # squares of scaled numbers are finite; the least normal number

LONG = 256  # from here on the additions of one row, each waiting for the last, would take longest
PARTS = 16
WIDE = 1024  # columns folded at once: PARTS · WIDE totals of 8 bytes are 128 KiB, which L2 holds

Shape = tuple[int, ...]
Kernels = dict[tuple[np.dtype[Any], np.dtype[Any]], Kernel]  # for dtypes of elements and of totals
Reduction = Callable[[Array, Any, bool], Array]


class Layout(NamedTuple):
    """How the axes of one shape are merged."""

    axes: Shape  # those that are reduced
    order: Shape | None  # of all axes, so that those are neighbours; None if they are
    merged: Shape  # (outer, n, inner)
    result: Shape


@lru_cache(4096)
def layout(name: str, shape: Shape, axis: int | Shape | None, keepdims: bool) -> Layout:
    """How to reduce an array of that shape.

    Raises:
        ShapeError: there is no such axis.
        DtypeError: `axis` is not an integer, a tuple of integers or None.
    """
    axes = normalize_axis(name, axis, len(shape))
    kept = tuple(a for a in range(len(shape)) if a not in axes)
    first = axes[0] if axes else len(shape)
    neighbours = axes == tuple(range(first, first + len(axes)))
    outer = [shape[a] for a in kept if a < first or not neighbours]
    inner = [shape[a] for a in kept if a > first and neighbours]
    merged = math.prod(outer), math.prod(shape[a] for a in axes), math.prod(inner)
    result = tuple(length if a in kept else 1 for a, length in enumerate(shape) if keepdims or a in kept)
    return Layout(axes, None if neighbours else kept + axes, merged, result)


def merge(name: str, x: Array, axis: Axis, keepdims: bool) -> tuple[Array, Shape, bool]:
    """x as [outer, n, inner], the shape of the result, and whether that is the transpose of what is meant.

    Copies x if its elements lie in another order.
    """
    if axis is not None and type(axis) is not int:  # to be looked up: a list has no hash, and 1.0 == 1
        axis = normalize_axis(name, axis, x.ndim)
    refuse_no_bool(name, keepdims)
    axes, order, merged, result = layout(name, x.shape, axis, keepdims)
    if order is not None or not x.flags.c_contiguous:
        if x.flags.f_contiguous and len(axes) == 1:
            x, result, _ = merge(name, x.T, x.ndim - 1 - axes[0], keepdims)
            return x, result, True
        x = np.ascontiguousarray(x if order is None else x.transpose(order))
    return x.reshape(merged), result, False


def refuse_no_bool(name: str, keepdims: Any) -> None:
    """Raise for a keepdims that is neither True nor False."""
    if type(keepdims) is not bool and not isinstance(keepdims, np.bool):
        raise DtypeError(f"{name}: keepdims: expected True or False, got {keepdims!r}")


def in_own_dtype(name: str) -> Kernels:
    """A fold of float32 in float32, and of float64 in float64."""
    found = by_dtype(f"fold.{name}", "void(T*, T*, T*, i64, i64, i64)")
    return {(dtype, dtype): each for dtype, each in found.items()}


def in_float64(name: str) -> Kernels:
    """A fold in float64, rounded once at the end if at all."""
    single, double = FLOATS
    return {
        (x, y): kernel(f"fold.{name}", f"void({short_x}*, {short_y}*, f64*, i64, i64, i64)")
        for x, short_x, y, short_y in (
            (single, "f32", single, "f32"), (double, "f64", double, "f64"), (single, "f32", double, "f64"),
        )
    }  # fmt: skip


def fold(kernels: Kernels, x: Array, dtype: np.dtype[Any], centres: Array | None = None) -> Array:
    """[outer, inner] of a kernel over [outer, n, inner]."""
    outer, n, inner = x.shape
    totals = np.empty((outer, inner), dtype) if centres is None else centres
    if totals.size:
        scratch = np.empty(2 * (inner if inner < WIDE else WIDE) * (PARTS if n >= LONG else 1))
        kernels[x.dtype, dtype].function(x, totals, scratch, outer, n, inner)
    return totals


def shaped(totals: Array, shape: Shape, transposed: bool) -> Array:
    """[outer, inner] in the shape of the result."""
    return totals.reshape(shape).T if transposed else totals.reshape(shape)


def by_numpy(name: str, x: Array, axis: Axis, keepdims: bool) -> Array:
    """A reduction of integers or bools."""
    refuse_no_bool(name, keepdims)
    return np.asarray(getattr(np, name)(x, axis=normalize_axis(name, axis, x.ndim), keepdims=bool(keepdims)))


def total(name: str, kernels: Kernels) -> Reduction:
    """A sum or product, in float64 and rounded once."""

    def reduction(x: Array, axis: Axis, keepdims: bool) -> Array:
        if x.dtype not in FLOATS:
            return by_numpy(name, x, axis, keepdims)
        merged, shape, transposed = merge(name, x, axis, keepdims)
        return shaped(fold(kernels, merged, x.dtype), shape, transposed)

    return reduction


def truth(name: str, kernels: Kernels) -> Reduction:
    """Whether any element, or every one, is not 0."""

    def reduction(x: Array, axis: Axis, keepdims: bool) -> Array:
        if x.dtype not in FLOATS:
            return by_numpy(name, x, axis, keepdims)
        merged, shape, transposed = merge(name, x, axis, keepdims)
        return shaped(fold(kernels, merged, x.dtype).astype(bool), shape, transposed)

    return reduction


def extreme(name: str, kernels: Kernels) -> Reduction:
    """The smallest or largest element, or NaN."""

    def reduction(x: Array, axis: Axis, keepdims: bool) -> Array:
        merged, shape, transposed = merge(name, x, axis, keepdims)
        refuse_none(name, merged, axis)
        if x.dtype not in FLOATS:
            return by_numpy(name, x, axis, keepdims)
        return shaped(fold(kernels, merged, x.dtype), shape, transposed)

    return reduction


def position(name: str, kernels: Kernels) -> Reduction:
    """Where the smallest or largest element, or NaN, is first."""

    def reduction(x: Array, axis: int | None, keepdims: bool) -> Array:
        if axis is not None:
            axis = single_axis(name, axis, x.ndim)
        merged, shape, transposed = merge(name, x, axis, keepdims)
        refuse_none(name, merged, axis)
        if x.dtype not in FLOATS:
            return np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims))
        values = fold(kernels, merged, x.dtype)
        found = np.empty(values.shape, np.int64)
        find[x.dtype].function(merged, values, found, *merged.shape)
        return shaped(found, shape, transposed)

    return reduction


def refuse_none(name: str, merged: Array, axis: Axis) -> None:
    """Raise if there is no element to choose."""
    if not merged.shape[1]:
        raise ShapeError(f"{name}: nothing along axis {axis} of [outer, n, inner] = {merged.shape}")


sum_kernels, squares_kernels = in_float64("sum_"), in_float64("squares")
deviations_kernels = in_float64("deviations")
standardize_kernels = by_dtype("fold.standardize", "void(T*, f64*, f64*, f64*, T*, i64, i64, i64)")
min_kernels, max_kernels = in_own_dtype("min_"), in_own_dtype("max_")
finish = by_dtype("fold.finish", "void(f64*, f64, i64, T*, i64)")
find = by_dtype("fold.find", "void(T*, T*, i64*, i64, i64, i64)")

prod_kernels = in_float64("prod")
sum, prod = total("sum", sum_kernels), total("prod", prod_kernels)
any, all = truth("any", in_own_dtype("any_")), truth("all", in_own_dtype("all_"))
min, max = extreme("min", min_kernels), extreme("max", max_kernels)
argmin, argmax = position("argmin", min_kernels), position("argmax", max_kernels)


def row_fold(name: str, dtype: np.dtype[Any], features: int) -> dict[str, int]:
    """The fields that tell the instruction `reduce_rows` to compute a sum, prod, mean, min or max."""
    if name in ("min", "max"):
        return {"LOOP": (min_kernels if name == "min" else max_kernels)[dtype, dtype].address, "DIVISOR": 0}
    kernels = prod_kernels if name == "prod" else sum_kernels
    return {"LOOP": kernels[dtype, FLOATS[1]].address, "DIVISOR": features if name == "mean" else 1}


def divided(totals: Array, divisor: float, root: bool, dtype: Any) -> Array:
    """Totals in float64, divided, rounded once to `dtype`."""
    y = np.empty(totals.shape, dtype)
    finish[y.dtype].function(totals, divisor, root, y, y.size)
    return y


def mean(x: Array, axis: Axis, keepdims: bool) -> Array:
    """(Σ x) / n of floats."""
    merged, shape, transposed = merge("mean", x, axis, keepdims)
    totals = fold(sum_kernels, merged, FLOATS[1])
    return shaped(divided(totals, merged.shape[1], False, x.dtype), shape, transposed)


def moments(x: Array) -> tuple[Array, Array, Array]:
    """Of [outer, n, inner] in float64: the means, rounded, what they lack, and Σ (x - mean)².

    The corrected two-pass algorithm: what the rounded mean lacks is the mean of the deviations from it.
    """
    n = x.shape[1]
    double = FLOATS[1]
    means = divided(fold(sum_kernels, x, double), n, False, double)
    deviations = fold(deviations_kernels, x, double, centres=means.copy())
    squares = fold(squares_kernels, x, double, centres=means.copy())
    with np.errstate(all="ignore"):
        rests = deviations / n
        return means, rests, np.maximum(squares - rests * deviations, 0)


def var(x: Array, axis: Axis, keepdims: bool, ddof: float, root: bool = False) -> Array:
    """Σ (x - mean)² / (n - ddof) of floats, or its root."""
    name = "std" if root else "var"
    merged, shape, transposed = merge(name, x, axis, keepdims)
    freedom = merged.shape[1] - real_number(f"{name}: ddof", ddof)
    squares = moments(merged)[2]
    return shaped(divided(squares, freedom if freedom > 0 else math.nan, root, x.dtype), shape, transposed)


def standardize(x: Array, count: int, eps: float) -> tuple[Array, Array, Array]:
    """(x - mean) / √(var + eps) over the last `count` axes, the mean, and 1 / √(var + eps).

    Computed in float64 and rounded once. Where squares are too large for float64, as those of 1e200 are, the
    row is scaled by a power of two.
    """
    leading, lengths = x.shape[: x.ndim - count], x.shape[x.ndim - count :]
    merged = np.ascontiguousarray(x).reshape(math.prod(leading), math.prod(lengths), 1)
    y, mean, inverse = standardized(merged, eps)
    wrong = ~np.isfinite(inverse) | (inverse == 0)
    if x.dtype == FLOATS[1] and wrong.any():
        scaled = standardized(merged * SCALE, (eps * SCALE * SCALE or SMALLEST) if eps else 0.0)
        y = np.where(wrong[:, :, None], scaled[0], y)
        with np.errstate(all="ignore"):
            mean = np.where(wrong, scaled[1] / SCALE, mean)
            inverse = np.where(wrong, scaled[2] * SCALE, inverse)
    kept = (*leading, *(1,) * count)
    with np.errstate(all="ignore"):
        return y.reshape(x.shape), mean.astype(x.dtype).reshape(kept), inverse.astype(x.dtype).reshape(kept)


def standardized(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """The same of [outer, n, 1]; the mean and 1 / √(var + eps) as [outer, 1] of float64."""
    means, rests, squares = moments(x)
    y = np.empty(x.shape, x.dtype)
    with np.errstate(all="ignore"):
        inverses = 1 / np.sqrt(squares / (x.shape[1] or 1) + eps)
        mean = means + rests
    if y.size:
        standardize_kernels[x.dtype].function(x, means, rests, inverses, y, *x.shape)
    return y, mean, inverses


def std(x: Array, axis: Axis, keepdims: bool, ddof: float) -> Array:
    """√var of floats."""
    return var(x, axis, keepdims, ddof, root=True)
