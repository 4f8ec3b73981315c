"""Softmax and its logarithm along one axis; the loops stand in `softmax_loops`."""

from typing import Any

import numpy as np

from tinytensor.kernels.boundary import Array, single_axis
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.declare import by_dtype
from tinytensor.kernels.memory import LINE, new_memory
from tinytensor.kernels.reduce import layout

__all__ = ["LANES", "LONG", "log_softmax", "softmax"]

LANES = 128  # columns at once: a row of them, its maxima and its sums stay in L1
LONG = 512  # classes; from there on a row fills vectors by itself, and a transposed block leaves L1

kernels = by_dtype("softmax_loops.softmax", "void(T*, i64, T*, data, i64, i64, i64)")


def room(n: int, dtype: np.dtype[Any]) -> int:
    """Elements of scratch memory for so many classes."""
    return n * 2 * vectors().width(dtype.itemsize) + 2 * LANES


def along(name: str, x: Array, axis: int, log: bool) -> Array:
    """Check, run, and give the result the shape of x."""
    merged = layout(name, x.shape, single_axis(name, axis, x.ndim), False).merged
    y = np.empty(x.shape, x.dtype)
    if y.size:
        scratch = new_memory(room(merged[1], x.dtype) * x.itemsize, LINE)
        kernels[x.dtype].function(np.ascontiguousarray(x), log, y, scratch, *merged)
    return y


def softmax(x: Array, axis: int = -1) -> Array:
    """e^(x - max) / Σ e^(x - max) along `axis`, of float32 or float64.

    Raises:
        ShapeError: there is no such axis.
        DtypeError: `axis` is no integer.

    >>> softmax(np.array([[1e4, 1e4]])).tolist()
    [[0.5, 0.5]]
    """
    return along("softmax", x, axis, False)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """(x - max) - log Σ e^(x - max) along `axis`, of float32 or float64.

    Raises:
        ShapeError: there is no such axis.
        DtypeError: `axis` is no integer.

    >>> log_softmax(np.array([[0.0, -1000.0]])).tolist()
    [[0.0, -1000.0]]
    """
    return along("log_softmax", x, axis, True)
