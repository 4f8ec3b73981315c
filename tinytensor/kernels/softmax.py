"""Softmax and its logarithm along one axis.

One order for every element: subtract the maximum, exponentiate, add over the classes in ascending order,
divide. Short rows are transposed in blocks, so that lanes are rows; any other axis lies like that already.
"""

from typing import Any

import numpy as np
from numba import float32, float64
from numba.types import boolean, void

from tinytensor.kernels import scalar
from tinytensor.kernels._jit import array, inline, kernel, out
from tinytensor.kernels.boundary import Array, single_axis
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.packing import aligned, pack_lanes
from tinytensor.kernels.pointers import pointer_to
from tinytensor.kernels.reduce import layout

__all__ = ["log_softmax", "softmax", "softmax_lanes"]

BYTES = vectors().bytes
LANES = 128  # columns at once: a row of them, its maxima and its sums stay in L1
LONG = 512  # classes; from there on a row fills vectors by itself, and a transposed block leaves L1


@inline
def softmax_lanes(x: Any, stride: int, classes: int, lanes: int, log: bool, largest: Any, total: Any) -> None:
    """In place, x[class, lane]: e^(x - max) / Σ over the classes of each lane, or its logarithm."""
    for lane in range(lanes):
        largest[lane] = x[lane]
        total[lane] = 0
    for c in range(1, classes):
        row = pointer_to(x, c * stride)
        for lane in range(lanes):
            largest[lane] = row[lane] if row[lane] > largest[lane] else largest[lane]
    for c in range(classes):
        row = pointer_to(x, c * stride)
        for lane in range(lanes):
            shifted = row[lane] - largest[lane]
            power = scalar.exp(shifted)
            row[lane] = shifted if log else power
            total[lane] += power
    if log:
        for lane in range(lanes):
            total[lane] = scalar.log(total[lane])
    for c in range(classes):
        row = pointer_to(x, c * stride)
        for lane in range(lanes):
            row[lane] = row[lane] - total[lane] if log else row[lane] / total[lane]


@inline
def softmax_row(x: Any, classes: int, log: bool, y: Any, powers: Any) -> None:
    """The same of one row, vectors along the classes."""
    largest = x[0]
    for c in range(1, classes):
        largest = x[c] if x[c] > largest else largest
    for c in range(classes):
        y[c] = x[c] - largest
        powers[c] = scalar.exp(y[c])
    total = powers[0]
    for c in range(1, classes):
        total += powers[c]
    if log:
        total = scalar.log(total)
    for c in range(classes):
        y[c] = y[c] - total if log else powers[c] / total


@kernel("softmax", *[void(array(t, 3), boolean, out(t, 3)) for t in (float32, float64)])
def run(x: Any, log: bool, y: Any) -> None:
    outer, n, inner = x.shape
    width = BYTES // x.itemsize
    panel = 2 * width
    if inner == 1 and (n >= LONG or outer < width):
        powers = np.empty(n, y.dtype)
        for i in range(outer):
            softmax_row(pointer_to(x, i * n), n, log, pointer_to(y, i * n), pointer_to(powers, 0))
        return
    block, largest, total = aligned(n * panel, y), aligned(LANES, y), aligned(LANES, y)
    for i in range(0, outer, panel if inner == 1 else 1):
        source, target = pointer_to(x, i * n * inner), pointer_to(y, i * n * inner)
        rows = min(panel, outer - i)
        for column in range(0, inner, LANES):
            if inner == 1:
                lanes, stride, working = rows, panel, pointer_to(block, 0)
                pack_lanes(source, 1, n, n, rows, width, working, panel)
            else:
                lanes, stride, working = min(LANES, inner - column), inner, pointer_to(target, column)
                for c in range(n):
                    for lane in range(lanes):
                        working[c * inner + lane] = source[c * inner + column + lane]
            softmax_lanes(working, stride, n, lanes, log, pointer_to(largest, 0), pointer_to(total, 0))
            if inner == 1:
                pack_lanes(working, 1, panel, rows, n, width, target, n)


def along(name: str, x: Array, axis: int, log: bool) -> Array:
    """Check, run, and give the result the shape of x."""
    merged = layout(name, x.shape, single_axis(name, axis, x.ndim), False).merged
    y = np.empty(x.shape, x.dtype)
    if y.size:
        run(np.ascontiguousarray(x).reshape(merged), log, y.reshape(merged))
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
