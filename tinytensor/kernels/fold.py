"""The loops under reductions: an array [outer, n, inner] folded along n.

Elements are folded in one order whatever the layout: below LONG ascending; from there in PARTS interleaved
parts, element k in part k mod PARTS, each part ascending, then the parts by halves. So a single long row
fills vectors, a row gives the bits that it gives as a column, and errors grow with n / PARTS only.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import float32, float64
from numba.types import boolean, int64, void

from tinytensor.kernels._jit import Kernel, array, inline, kernel, out
from tinytensor.kernels.microkernel import pointer_to

__all__ = [
    "all_kernel",
    "any_kernel",
    "deviations_kernel",
    "find",
    "finish",
    "max_kernel",
    "min_kernel",
    "prod_kernel",
    "squares_kernel",
    "standardize_kernel",
    "sum_kernel",
]

DTYPES = (float32, float64)
LONG = 256  # from here on the additions of one row, each waiting for the last, would take longest
PARTS = 16
UNROLL = 8  # rows folded at once: one load and one store of a total for eight terms
WIDE = 1024  # columns folded at once: PARTS · WIDE totals of 8 bytes are 128 KiB, which L2 holds
L1_TOTALS = 2048

Fold = Callable[[Any, Any, Any], Any]
Combine = Callable[[Any, Any], Any]


def make_kernel(name: str, start: float, fold: Fold, combine: Combine, in_float64: bool = False) -> Kernel:
    """Fold [outer, n, inner] along n: total = fold(total, x, centre), from `start` on.

    y holds the centres before and the totals after. Parts of a total are folded by `combine`. Totals grow in
    the dtype of y or, `in_float64`, in that.
    """
    folded, combined = inline(fold), inline(combine)
    started = inline((lambda y: start) if in_float64 else (lambda y: y.dtype.type(start)))

    @inline
    def fold_rows(total: Any, x: Any, step: int, rows: int, columns: int, centre: Any) -> None:
        whole = rows - rows % UNROLL
        for k in range(0, whole, UNROLL):
            row = pointer_to(x, k * step)
            for c in range(columns):
                subtotal = total[c]
                for u in range(UNROLL):
                    subtotal = folded(subtotal, row[u * step + c], centre[c])
                total[c] = subtotal
        for k in range(whole, rows):
            row = pointer_to(x, k * step)
            for c in range(columns):
                total[c] = folded(total[c], row[c], centre[c])

    @inline
    def fold_block(x: Any, n: int, stride: int, columns: int, parts: int, centre: Any, total: Any) -> None:
        """total[c] = fold of x[0, c], …, x[n - 1, c]; total and centre have room for all parts."""
        rows, left = n // parts, n % parts
        whole = columns == stride and parts * columns <= L1_TOTALS  # then all parts together are one row
        for p in range(2 if whole else parts):
            if whole:
                begin, here = p * rows * parts * columns, (left if p else parts) * columns
                target, step, count = 0, parts * columns, 1 if p else rows
            else:
                begin, here = p * stride, columns
                target, step, count = p * columns, parts * stride, rows + (p < left)
            fold_rows(pointer_to(total, target), pointer_to(x, begin), step, count, here, centre)
        while parts > 1:
            parts //= 2
            others = pointer_to(total, parts * columns)
            for i in range(parts * columns):
                total[i] = combined(total[i], others[i])

    def loops(x: Any, y: Any) -> None:
        outer, n, inner = x.shape
        empty = started(y)
        parts = PARTS if n >= LONG else 1
        columns = min(inner, WIDE)
        first = 0
        if inner == 1 and parts == 1:
            first = outer - outer % 4
            for i in range(0, first, 4):  # four rows at once: one addition waits for the last
                row = pointer_to(x, i * n)
                a = b = c = d = empty
                for k in range(n):
                    a = folded(a, row[k], y[i, 0])
                    b = folded(b, row[n + k], y[i + 1, 0])
                    c = folded(c, row[2 * n + k], y[i + 2, 0])
                    d = folded(d, row[3 * n + k], y[i + 3, 0])
                y[i, 0], y[i + 1, 0], y[i + 2, 0], y[i + 3, 0] = a, b, c, d
        total, centre = np.full(parts * columns, empty), np.full(parts * columns, empty)
        for i in range(first, outer):
            for column in range(0, inner, columns):
                here = min(columns, inner - column)
                for p in range(0, parts * here, here):
                    for c in range(here):
                        total[p + c], centre[p + c] = empty, y[i, column + c]
                fold_block(pointer_to(x, i * n * inner + column), n, inner, here, parts,
                           pointer_to(centre, 0), pointer_to(total, 0))  # fmt: skip
                for c in range(here):
                    y[i, column + c] = total[c]

    dtypes = [(t, t) for t in DTYPES] + [(float32, float64)] * in_float64
    return kernel(f"reduce_{name}", *[void(array(x, 3), out(y, 2)) for x, y in dtypes])(loops)


def of_pairs(name: str, start: float, combine: Combine, in_float64: bool = False) -> Kernel:
    """Fold by total = combine(total, x)."""
    compiled = inline(combine)
    return make_kernel(name, start, lambda total, x, centre: compiled(total, x), combine, in_float64)


sum_kernel = of_pairs("sum", 0.0, lambda a, b: a + b, in_float64=True)
prod_kernel = of_pairs("prod", 1.0, lambda a, b: a * b, in_float64=True)
deviations_kernel = make_kernel(
    "deviations", 0.0, lambda total, x, centre: total + (x - centre), lambda a, b: a + b, True
)
squares_kernel = make_kernel(
    "squares", 0.0, lambda total, x, centre: total + (x - centre) * (x - centre), lambda a, b: a + b, True
)
min_kernel = of_pairs("min", math.inf, lambda a, b: b if (b < a) | (b != b) else a)
max_kernel = of_pairs("max", -math.inf, lambda a, b: b if (b > a) | (b != b) else a)
any_kernel = of_pairs("any", 0.0, lambda a, b: 1.0 if b != 0 else a)
all_kernel = of_pairs("all", 1.0, lambda a, b: 0.0 if b == 0 else a)


@kernel("reduce_finish", *[void(array(float64, 2), float64, boolean, out(t, 2)) for t in DTYPES])
def finish(totals: Any, divisor: float, root: bool, y: Any) -> None:
    """y = totals / divisor, or the root of that."""
    outer, inner = y.shape
    for i in range(outer):
        for c in range(inner):
            quotient = totals[i, c] / divisor
            y[i, c] = math.sqrt(quotient) if root else quotient


@kernel(
    "standardize",
    *[void(array(t, 3), array(float64, 2), array(float64, 2), array(float64, 2), out(t, 3)) for t in DTYPES],
)
def standardize_kernel(x: Any, means: Any, rests: Any, inverses: Any, y: Any) -> None:
    """y = ((x - mean) - rest) · inverse, in float64 and rounded once."""
    outer, n, inner = x.shape
    for i in range(outer):
        for k in range(n):
            for c in range(inner):
                y[i, k, c] = ((x[i, k, c] - means[i, c]) - rests[i, c]) * inverses[i, c]


@kernel("reduce_find", *[void(array(t, 3), array(t, 2), out(int64, 2)) for t in DTYPES])
def find(x: Any, values: Any, y: Any) -> None:
    """Where along n the value is, first of all; NaN is found as NaN."""
    outer, n, inner = x.shape
    for i in range(outer):
        if inner == 1:
            row, value, k = pointer_to(x, i * n), values[i, 0], 0
            if value == value:
                while row[k] != value:
                    k += 1
            else:
                while row[k] == row[k]:
                    k += 1
            y[i, 0] = k
        else:
            for k in range(n - 1, -1, -1):
                for c in range(inner):
                    a, value = x[i, k, c], values[i, c]
                    y[i, c] = k if (a == value) | ((a != a) & (value != value)) else y[i, c]
