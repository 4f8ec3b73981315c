"""The loops under reductions: an array [outer, n, inner] folded along n.

Elements are folded in one order whatever the layout: below LONG ascending; from there in PARTS interleaved
parts, element k in part k mod PARTS, each part ascending, then the parts by halves. So a single long row
fills vectors, a row gives the bits that it gives as a column, and errors grow with n / PARTS only.
"""

import math
from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from tinytensor.kernels._jit import inline
from tinytensor.kernels.pointers import pointer_to
from tinytensor.kernels.reduce import LONG, PARTS, WIDE

__all__ = [
    "all_", "any_", "deviations", "find", "finish", "max_", "min_", "prod", "squares", "standardize", "sum_",
]  # fmt: skip

UNROLL = 8  # rows folded at once: one load and one store of a total for eight terms
L1_TOTALS = 2048

Fold = Callable[[Any, Any, Any], Any]
Combine = Callable[[Any, Any], Any]


@intrinsic
def element(typing_context: Any, number: Any, items: Any) -> Any:
    """A number in the dtype of what is behind a pointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.cast(builder, values[0], types.float64, items.dtype)

    return items.dtype(types.float64, items), generate


def make_fold_rows(fold: Fold) -> Callable[..., None]:
    """Fold some rows into totals, one of each column."""
    folded = inline(fold)

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

    return fold_rows


def make_loops(start: float, fold: Fold, combine: Combine) -> Callable[..., None]:
    """Fold [outer, n, inner] along n: total = fold(total, x, centre), from `start` on.

    y holds the centres before and the totals after. Parts of a total are folded by `combine`. Totals grow in
    the dtype of the scratch memory, which has room for PARTS totals and centres of WIDE columns.
    """
    folded, combined, fold_rows = inline(fold), inline(combine), make_fold_rows(fold)

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

    def loops(x: Any, y: Any, total: Any, outer: int, n: int, inner: int) -> None:
        empty = element(start, total)
        parts = PARTS if n >= LONG else 1
        columns = min(inner, WIDE)
        first = 0
        if inner == 1 and parts == 1:
            first = outer - outer % 4
            for i in range(0, first, 4):  # four rows at once: one addition waits for the last
                row = pointer_to(x, i * n)
                a = b = c = d = empty
                for k in range(n):
                    a = folded(a, row[k], y[i])
                    b = folded(b, row[n + k], y[i + 1])
                    c = folded(c, row[2 * n + k], y[i + 2])
                    d = folded(d, row[3 * n + k], y[i + 3])
                y[i], y[i + 1], y[i + 2], y[i + 3] = a, b, c, d
        centre = pointer_to(total, parts * columns)
        for i in range(first, outer):
            for column in range(0, inner, columns):
                here = min(columns, inner - column)
                for p in range(0, parts * here, here):
                    for c in range(here):
                        total[p + c], centre[p + c] = empty, y[i * inner + column + c]
                fold_block(pointer_to(x, i * n * inner + column), n, inner, here, parts, centre, total)
                for c in range(here):
                    y[i * inner + column + c] = total[c]

    return loops


def of_pairs(start: float, combine: Combine) -> Callable[..., None]:
    """Fold by total = combine(total, x)."""
    compiled = inline(combine)
    return make_loops(start, lambda total, x, centre: compiled(total, x), combine)


sum_ = of_pairs(0.0, lambda a, b: a + b)
prod = of_pairs(1.0, lambda a, b: a * b)
deviations = make_loops(0.0, lambda total, x, centre: total + (x - centre), lambda a, b: a + b)
squares = make_loops(0.0, lambda total, x, centre: total + (x - centre) * (x - centre), lambda a, b: a + b)
min_ = of_pairs(math.inf, lambda a, b: b if (b < a) | (b != b) else a)
max_ = of_pairs(-math.inf, lambda a, b: b if (b > a) | (b != b) else a)
any_ = of_pairs(0.0, lambda a, b: 1.0 if b != 0 else a)
all_ = of_pairs(1.0, lambda a, b: 0.0 if b == 0 else a)


def finish(totals: Any, divisor: float, root: int, y: Any, count: int) -> None:
    """y = totals / divisor, or the root of that."""
    for i in range(count):
        quotient = totals[i] / divisor
        y[i] = math.sqrt(quotient) if root else quotient


def standardize(
    x: Any, means: Any, rests: Any, inverses: Any, y: Any, outer: int, n: int, inner: int
) -> None:
    """y = ((x - mean) - rest) · inverse, in float64 and rounded once."""
    for i in range(outer):
        for k in range(n):
            for c in range(inner):
                at, row = (i * n + k) * inner + c, i * inner + c
                y[at] = ((x[at] - means[row]) - rests[row]) * inverses[row]


def find(x: Any, values: Any, y: Any, outer: int, n: int, inner: int) -> None:
    """Where along n the value is, first of all; NaN is found as NaN."""
    for i in range(outer):
        block = pointer_to(x, i * n * inner)
        if inner == 1:
            value, k = values[i], 0
            if value == value:
                while block[k] != value:
                    k += 1
            else:
                while block[k] == block[k]:
                    k += 1
            y[i] = k
        else:
            wanted, found = pointer_to(values, i * inner), pointer_to(y, i * inner)
            for k in range(n - 1, -1, -1):
                for c in range(inner):
                    a, value = block[k * inner + c], wanted[c]
                    found[c] = k if (a == value) | ((a != a) & (value != value)) else found[c]
