"""The matrix product, compiled: blocks for the caches around the tile (see `tile` and `linear`).

Lanes are C's columns, rows are A's rows, and B is the weights. Few rows, or a small B: the tile reads B where
it lies, one row of B after the other. Otherwise blocks of B, K_BLOCK rows deep, are copied into pages a few
vectors wide, so that a tile streams them, and each page serves ROW_BLOCK rows of A before the next one comes;
later blocks go on from what earlier ones have summed, so the order of the sum is that of k. Rows of A are
copied, too, if they are not contiguous or a power of two apart: the caches have few places for those.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

from typing import Any

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.address import bytes_of, integers_at, number_of, numbers_at
from tinytensor.kernels.linear import call_tile as call_matvec
from tinytensor.kernels.linear import multiply, rows_of_block
from tinytensor.kernels.packing import pack_lanes
from tinytensor.kernels.pointers import full_width, pointer_to
from tinytensor.kernels.record import (
    A_COLUMN,
    B_COLUMN,
    B_ROW,
    BIAS_AT,
    BY_PAGES,
    C_ROW,
    CALL_OFFSET,
    END_LANES,
    EPILOGUE,
    INIT_STRIDE,
    K_BLOCK,
    K_COUNT,
    LEFT,
    OUT_STRIDE,
    PACKED_BYTES,
    PAGE_BYTES,
    PAGE_OUTPUTS,
    PAGES,
    PAGES_AT,
    PLAN_AT,
    ROW_BLOCK,
    ROW_COUNT,
    ROWS_AT,
    TAIL,
    TAILS_AT,
    TAILS_FROM,
    WEIGHT_STRIDE,
    X_STRIDE,
    B,
)

__all__ = [
    "column_product",
    "column_range",
    "describe_product",
    "direct_product",
    "direct_range",
    "product_range",
]

STREAMS = 32  # rows of B that are read side by side: as many as the hardware follows
STREAMED_BYTES = 3 << 19  # of B; what L2 holds is read as fast in any order, without storing sums


@subroutine
def pack_pages(
    b: Any, b_row: int, b_column: int, plan: Any, k_count: int, first: int, stop: int, packed: Any, tail: Any
) -> None:
    """Pages first … stop - 1 of some rows of B, and the tail if the last page is among them."""
    width, size = full_width(b), bytes_of(b)
    across, columns = plan[PAGE_OUTPUTS] // size, plan[TAILS_FROM]
    for page in range(first, stop):
        left = page * across
        pack_lanes(pointer_to(b, left * b_column), b_row, b_column, k_count, min(across, columns - left),
                   width, pointer_to(packed, (page - first) * across * k_count), across)  # fmt: skip
    if stop == plan[PAGES] and plan[END_LANES] > 0:
        lanes, left = plan[END_LANES], plan[LEFT]
        for k in range(k_count):
            for lane in range(lanes):
                tail[k * lanes + lane] = b[k * b_row + (columns + lane) * b_column] if lane < left else 0


@subroutine
def copy_rows(a: Any, a_row: int, a_column: int, rows: int, k_count: int, target: Any, stride: int) -> None:
    """Rows of A one after the other, `stride` apart."""
    pack_lanes(a, a_row, a_column, rows, k_count, full_width(a), target, stride)


@subroutine
def multiply_directly(
    plan: Any, a: int, a_row: int, b: int, b_row: int, bias: int, c: int, rows: int, k_count: int, size: int,
    first: int, stop: int, scratch: int,
) -> None:  # fmt: skip
    """Pages first … stop - 1 with A and B where they lie, both row by row; numbers have `size` bytes.

    A large B is read STREAMS rows at a time: page after page goes on along the same rows, which the hardware
    prefetches, where a page of all rows would be a few lines here and there.
    """
    product, start, some = integers_at(scratch), bias, k_count
    product[WEIGHT_STRIDE], product[PAGE_BYTES], product[LEFT] = b_row, plan[PAGE_OUTPUTS], plan[LEFT]
    product[X_STRIDE], product[OUT_STRIDE], product[INIT_STRIDE] = a_row, plan[C_ROW], 0
    product[EPILOGUE] = 0
    if plan[PAGES] > 1 and k_count * plan[C_ROW] > STREAMED_BYTES:
        some = STREAMS
    for k in range(0, k_count, some):
        x, weights, count = a + k * size, b + k * b_row, min(some, k_count - k)
        product[TAIL] = weights
        multiply(plan, product, count, x, weights + first * plan[PAGE_OUTPUTS], start, c, rows, first, stop,
                 scratch)  # fmt: skip
        start, product[INIT_STRIDE] = c, plan[C_ROW]


def direct_product(
    plan_at: int, a: int, a_row: int, b: int, b_row: int, bias: int, c: int, rows: int, k_count: int,
    size: int, scratch: int,
) -> None:  # fmt: skip
    """C = AB + bias without a copy of B."""
    plan = integers_at(plan_at)
    multiply_directly(plan, a, a_row, b, b_row, bias, c, rows, k_count, size, 0, plan[PAGES], scratch)


def direct_range(
    call_at: int, a: int, a_row: int, c: int, c_row: int, first: int, last: int, scratch: int
) -> None:
    """A thread's pages of it."""
    call = integers_at(call_at)
    multiply_directly(integers_at(call[PLAN_AT]), a, a_row, call[B], call[B_ROW], call[BIAS_AT], c,
                      call[ROW_COUNT], call[K_COUNT], call[A_COLUMN], first, last, scratch)  # fmt: skip


def product_range(
    call_at: int, a: Any, a_row: int, c: Any, c_row: int, first: int, last: int, scratch_at: Any
) -> None:
    """Rows or pages first … last - 1 of a product."""
    scratch = number_of(scratch_at)
    call, product = integers_at(call_at), integers_at(scratch)
    plan = integers_at(call[PLAN_AT])
    b, tails, rows_at, packed = (
        numbers_at(call[B], a), numbers_at(scratch + TAILS_AT, a), numbers_at(scratch + ROWS_AT, a),
        numbers_at(scratch + PAGES_AT, a),
    )  # fmt: skip
    size, k_total, pages = bytes_of(b), call[K_COUNT], plan[PAGES]
    across = plan[PAGE_OUTPUTS] // size
    b_row, b_column = call[B_ROW] // size, call[B_COLUMN] // size
    row, row_stop, page, page_stop = first, last, 0, pages
    if call[BY_PAGES]:
        row, row_stop, page, page_stop = 0, call[ROW_COUNT], first, last
    copies = call[A_COLUMN] != size or (a_row % 2048 == 0 and row_stop - row > 1 and pages > 1)
    block = -(-k_total // -(-k_total // K_BLOCK))
    together = max(1, PACKED_BYTES // (block * across * size))  # pages
    product[WEIGHT_STRIDE], product[LEFT] = across * size, plan[LEFT]
    product[TAIL], product[OUT_STRIDE], product[EPILOGUE] = scratch + TAILS_AT, c_row, 0
    while page < page_stop:
        stop = min(page + together, page_stop)
        for k in range(0, k_total, block):
            count = min(block, k_total - k)
            product[PAGE_BYTES] = count * across * size
            pack_pages(pointer_to(b, k * b_row), b_row, b_column, plan, count, page, stop, packed, tails)
            top = row
            while top < row_stop:
                rows = rows_of_block(row_stop - top, ROW_BLOCK)
                x, product[X_STRIDE] = number_of(a) + top * a_row + k * call[A_COLUMN], a_row
                if copies:
                    stride = count + 16
                    copy_rows(
                        numbers_at(x, a), a_row // size, call[A_COLUMN] // size, rows, count, rows_at, stride
                    )
                    x, product[X_STRIDE] = scratch + ROWS_AT, stride * size
                target, start, product[INIT_STRIDE] = number_of(c) + top * c_row, call[BIAS_AT], 0
                if k > 0:
                    start, product[INIT_STRIDE] = target, c_row
                multiply(
                    plan, product, count, x, scratch + PAGES_AT, start, target, rows, page, stop, scratch
                )
                top += rows
        page = stop


def describe_product(
    scratch: int, plan_at: int, a_column: int, b: int, b_row: int, b_column: int, bias: int, k_count: int,
    rows: int, by_pages: int,
) -> int:  # fmt: skip
    """Write the operands where the functions of ranges read them; the address.

    To make an array of these numbers in Python takes ten times as long.
    """
    call_at = scratch + CALL_OFFSET
    call = integers_at(call_at)
    call[PLAN_AT], call[A_COLUMN], call[BIAS_AT] = plan_at, a_column, bias
    call[B], call[B_ROW], call[B_COLUMN] = b, b_row, b_column
    call[K_COUNT], call[ROW_COUNT], call[BY_PAGES] = k_count, rows, by_pages
    return call_at


def column_product(code: int, a: int, a_row: int, rows: int, inputs: int, b: int, start: int, y: int) -> None:
    """y = Ab + start, by `build_matvec`'s function at its address."""
    call_matvec(code, a, a_row, rows, inputs, b, start, y)


def column_range(
    call_at: int, a: int, a_row: int, y: int, y_row: int, first: int, last: int, scratch: int
) -> None:
    """A thread's rows of it."""
    call = integers_at(call_at)
    call_matvec(call[PLAN_AT], a + first * a_row, a_row, last - first, call[K_COUNT], call[B], call[BIAS_AT],
                y + first * y_row)  # fmt: skip
