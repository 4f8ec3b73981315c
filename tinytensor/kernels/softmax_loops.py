"""Softmax and its logarithm along one axis.

One order for every element: subtract the maximum, exponentiate, add over the classes in ascending order,
divide. Short rows are transposed in blocks, so that lanes are rows; any other axis lies like that already.
"""

import math
from typing import Any

from tinytensor.kernels import scalar
from tinytensor.kernels._jit import inline
from tinytensor.kernels.address import numbers_at
from tinytensor.kernels.packing import pack_lanes
from tinytensor.kernels.pointers import full_width, pointer_to
from tinytensor.kernels.softmax import LANES, LONG

__all__ = ["softmax", "softmax_lanes", "softmax_row"]

FARTHEST = -87.0  # of a logarithm's exponents: e^x beyond is lost beside the sum, at least 1, and subnormal


@inline
def softmax_lanes(x: Any, stride: int, classes: int, lanes: int, log: bool, largest: Any, total: Any) -> None:
    """In place, x[class, lane]: e^(x - max) / Σ over the classes of each lane, or its logarithm."""
    total[0] = FARTHEST if log else -math.inf
    lowest = total[0]  # in the dtype of x
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
            power = scalar.exp(lowest if shifted < lowest else shifted)
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
    powers[0] = FARTHEST if log else -math.inf
    largest, lowest = x[0], powers[0]  # in the dtype of x
    for c in range(1, classes):
        largest = x[c] if x[c] > largest else largest
    for c in range(classes):
        y[c] = x[c] - largest
        powers[c] = scalar.exp(lowest if y[c] < lowest else y[c])
    total = powers[0]
    for c in range(1, classes):
        total += powers[c]
    if log:
        total = scalar.log(total)
    for c in range(classes):
        y[c] = y[c] - total if log else powers[c] / total


def softmax(x: Any, log: int, y: Any, scratch: int, outer: int, n: int, inner: int) -> None:
    """Along n of [outer, n, inner]; the scratch memory begins at a multiple of 64 bytes."""
    width, work = full_width(y), numbers_at(scratch, y)
    panel = 2 * width
    if inner == 1 and (n >= LONG or outer < width):
        for i in range(outer):
            softmax_row(pointer_to(x, i * n), n, log != 0, pointer_to(y, i * n), work)
        return
    largest, total, block = work, pointer_to(work, LANES), pointer_to(work, 2 * LANES)
    for i in range(0, outer, panel if inner == 1 else 1):
        source, target = pointer_to(x, i * n * inner), pointer_to(y, i * n * inner)
        rows = min(panel, outer - i)
        for column in range(0, inner, LANES):
            if inner == 1:
                lanes, stride, working = rows, panel, block
                pack_lanes(source, 1, n, n, rows, width, working, panel)
            else:
                lanes, stride, working = min(LANES, inner - column), inner, pointer_to(target, column)
                for c in range(n):
                    for lane in range(lanes):
                        working[c * inner + lane] = source[c * inner + column + lane]
            softmax_lanes(working, stride, n, lanes, log != 0, largest, total)
            if inner == 1:
                pack_lanes(working, 1, panel, rows, n, width, target, n)
