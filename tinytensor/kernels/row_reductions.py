"""Instructions of the driver that reduce over the features: sum, mean or extreme of a row, standardizing it.

The order of a sum over a row is that of `fold`. Below LONG features it is one chain of additions, each of
which waits 4 cycles for the last. So as many rows as a vector has lanes are transposed into a block of
columns, and `fold` goes through all of them at once, as it does along the first axis of a matrix; a row has
the same bits as a column. From LONG features on, a row is 16 interleaved sums and fills vectors by itself.

The block lies in L1: 64 bytes a feature. 120 rows of 128 take 0.6 ns an element (2.7 one row at a time).
"""

import math
from typing import Any

from numba.extending import intrinsic
from numba.types import intp

from tinytensor.kernels import fold
from tinytensor.kernels._jit import inline, subroutine
from tinytensor.kernels.address import bytes_of, doubles_at, floats_at, integers_at, number_of, numbers_at
from tinytensor.kernels.call import call_address
from tinytensor.kernels.pointers import full_width, pointer_to, transpose
from tinytensor.kernels.record import (
    CONSTANT,
    DIVISOR,
    FEATURES,
    LOOP,
    REPEAT,
    ROW_BLOCK_AT,
    SOURCE,
    TARGET,
    TO,
    WORK_OFFSET,
)
from tinytensor.kernels.reduce import LONG

__all__ = ["reduce_rows", "standardize_rows"]

FEW = 4  # rows: fewer take less time one by one
LANES = 16  # numbers from one array of totals to the next
FOLD_AT = 4 * LANES  # where the totals of `fold` itself lie, of 8 bytes


@intrinsic
def call_fold(
    typing_context: Any, address: Any, x: Any, y: Any, total: Any, outer: Any, n: Any, inner: Any
) -> Any:
    """A loop of `fold` at its address; all numbers."""
    return call_address(intp, intp, intp, intp, intp, intp)


sum_of, deviations_of, squares_of = map(inline, (fold.sum_, fold.deviations, fold.squares))


@subroutine
def rows_to_columns(x: Any, stride: int, rows: int, n: int, block: Any) -> None:
    """block[k, row] = x[row, k] for at most as many rows as a vector has lanes; other lanes are 0."""
    lanes = full_width(block)
    if rows == lanes and n >= lanes:
        for first in range(0, n, lanes):
            k = min(first, n - lanes)  # the last square begins before its turn, and reads nothing beyond x
            transpose(pointer_to(x, k), stride, pointer_to(block, k * lanes), lanes)
        return
    for i in range(n * lanes):
        block[i] = 0
    for row in range(rows):
        for k in range(n):
            block[k * lanes + row] = x[row * stride + k]


@subroutine
def first_row(top: int, rows: int, lanes: int) -> int:
    """Where the block with row `top` begins: the last block may begin before its turn, to be full."""
    return max(0, min(top, rows - lanes))


@subroutine
def alone(rows: int, n: int) -> bool:
    """Whether rows are folded one by one."""
    return rows < FEW or n >= LONG


def reduce_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """One feature of the target = a fold of the source; a divisor means float64 totals, rounded once."""
    instruction, buffers = integers_at(instruction_at), integers_at(number_of(scratch))
    source, target, n = instruction[SOURCE], instruction[TARGET], instruction[FEATURES]
    work_at = number_of(scratch) + WORK_OFFSET
    x, y, totals = (
        numbers_at(buffers[2 * source], scratch),
        numbers_at(buffers[2 * target], scratch),
        numbers_at(work_at, scratch),
    )
    size, block = bytes_of(x), numbers_at(work_at + ROW_BLOCK_AT, scratch)
    repeat = instruction[REPEAT]
    x_stride = buffers[2 * source + 1] // size // repeat
    y_stride = buffers[2 * target + 1] // size // repeat
    rows *= repeat
    lanes = 1 if alone(rows, n) else full_width(block)
    top = 0
    while top < rows:
        first = first_row(top, rows, lanes)
        columns, last = pointer_to(x, first * x_stride), min(first + lanes, rows)
        if lanes > 1:
            rows_to_columns(columns, x_stride, last - first, n, block)
            columns = block
        call_fold(instruction[LOOP], number_of(columns), work_at, work_at + 8 * FOLD_AT, 1, n, lanes)
        for row in range(top, last):
            place = row * y_stride + instruction[TO]
            if instruction[DIVISOR] == 0:
                y[place] = totals[row - first]
            else:
                y[place] = doubles_at(work_at)[row - first] / instruction[DIVISOR]
        top = last


@inline
def moments(columns: Any, n: int, lanes: int, eps: float, work: Any) -> None:
    """Of each column the mean, what it lacks of the exact one, and 1 / √(var + eps), as `reduce` does it."""
    means, rests, inverses = work, pointer_to(work, LANES), pointer_to(work, 2 * LANES)
    total = pointer_to(work, FOLD_AT)
    sum_of(columns, means, total, 1, n, lanes)
    for lane in range(lanes):
        means[lane] = rests[lane] = inverses[lane] = means[lane] / n
    deviations_of(columns, rests, total, 1, n, lanes)
    squares_of(columns, inverses, total, 1, n, lanes)
    for lane in range(lanes):
        deviations = rests[lane]
        rest = deviations / n
        squares = inverses[lane] - rest * deviations
        squares = squares if squares > 0 or squares != squares else 0.0
        rests[lane], inverses[lane] = rest, 1 / math.sqrt(squares / n + eps)


def standardize_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Target = (source - mean) / √(var + eps), of float32 and in float64; the target may be the source."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    source, target, n = instruction[SOURCE], instruction[TARGET], instruction[FEATURES]
    eps, work = doubles_at(instruction[CONSTANT])[0], doubles_at(scratch + WORK_OFFSET)
    block = floats_at(scratch + WORK_OFFSET + ROW_BLOCK_AT)
    repeat = instruction[REPEAT]
    x_stride, y_stride = buffers[2 * source + 1] // repeat, buffers[2 * target + 1] // repeat
    rows *= repeat
    lanes = 1 if alone(rows, n) else full_width(block)
    top = 0
    while top < rows:
        first = first_row(top, rows, lanes)
        columns, last = floats_at(buffers[2 * source] + first * x_stride), min(first + lanes, rows)
        if lanes > 1:
            rows_to_columns(columns, x_stride // 4, last - first, n, block)
            moments(block, n, full_width(block), eps, work)
        else:
            moments(columns, n, 1, eps, work)
        for row in range(top, last):
            x, y = (
                floats_at(buffers[2 * source] + row * x_stride),
                floats_at(buffers[2 * target] + row * y_stride),
            )
            mean, rest, inverse = work[row - first], work[row - first + LANES], work[row - first + 2 * LANES]
            for k in range(n):
                y[k] = ((x[k] - mean) - rest) * inverse
        top = last
