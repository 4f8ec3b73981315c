"""The matrix product: blocks for the caches around the tile (see `tile` and `linear`).

Lanes are C's columns, rows are A's rows, and B is the weights. Few rows, or a small B: the tile reads B where
it lies, one row of B after the other. Otherwise blocks of B, K_BLOCK rows deep, are copied into pages a few
vectors wide, so that a tile streams them, and each page serves ROW_BLOCK rows of A before the next one comes;
later blocks go on from what earlier ones have summed, so the order of the sum is that of k. Rows of A that are
not contiguous, or whose distance is a power of two, are copied as well: the caches have few places for them.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import float32, float64
from numba.types import int64, intp, void

from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels._jit import array, kernel, out, strided, subroutine
from tinytensor.kernels.address import bytes_of, integers_at
from tinytensor.kernels.boundary import FLOATS, broadcast_shape, joint_shape
from tinytensor.kernels.call import address_of
from tinytensor.kernels.instructions import pointers
from tinytensor.kernels.layer import aligned, layout, write_layer
from tinytensor.kernels.linear import multiply
from tinytensor.kernels.microkernel import full_width, pointer_to
from tinytensor.kernels.packing import pack_lanes
from tinytensor.kernels.record import (
    INIT_STRIDE,
    LAYER,
    LEFT,
    OUT_STRIDE,
    PAGE_BYTES,
    PAGE_OUTPUTS,
    PAGES,
    TAIL,
    WEIGHT_STRIDE,
    X_STRIDE,
)
from tinytensor.kernels.team import run_alone

__all__ = ["matmul"]

empty = np.empty  # found 30 ns sooner, of the 1 µs that a small product takes
DIRECT_ROWS = 32  # with fewer rows, to copy B takes as long as the product
DIRECT_SIZE = 4096  # numbers of B, which L1 holds: it streams without a copy
K_BLOCK = 512  # a page of four vectors is 128 KiB then, and streams from L2
ROW_BLOCK = 120
PACKED_BYTES = 1 << 20  # of B, which L2 or L3 holds
ROOM = 8 * (K_BLOCK + 16)  # bytes from row to row of A's copy, at most

# Scratch memory of a product: its record, tails, rows of A, pages of B.
TAILS_AT = 4096
ROWS_AT = TAILS_AT + K_BLOCK * 64
PAGES_AT = ROWS_AT + ROW_BLOCK * ROOM
SCRATCH = PAGES_AT + PACKED_BYTES + 16 * ROOM + 4096

# A plan: a layer's fields, then these.
END_LANES, TAILS_FROM = LAYER, LAYER + 1  # lanes of a tail, and the first column that lies in one
PLAN = LAYER + 2

# A call, for threads: addresses and strides in bytes of what is not A's rows or C's; numbers of rows or pages.
PLAN_AT, A_COLUMN, B, B_ROW, B_COLUMN, BIAS, K_COUNT, ROW_COUNT, BY_PAGES = range(9)


@subroutine
def pack_pages(
    b: Any, b_row: int, b_column: int, plan: Any, k_count: int, first: int, stop: int, packed: Any, tail: Any
) -> None:
    """Pages first … stop - 1 of some rows of B, and the tail if the last page is among them."""
    width, size = full_width(b), bytes_of(b)
    across, columns = plan[PAGE_OUTPUTS] // size, plan[TAILS_FROM]
    for page in range(first, stop):
        left = page * across
        pack_lanes(pointer_to(b, left * b_column), b_row, b_column, k_count, min(across, columns - left), width,
                   pointer_to(packed, (page - first) * across * k_count), across)  # fmt: skip
    if stop == plan[PAGES] and plan[END_LANES] > 0:
        lanes, left = plan[END_LANES], plan[LEFT]
        for k in range(k_count):
            for lane in range(lanes):
                tail[k * lanes + lane] = b[k * b_row + (columns + lane) * b_column] if lane < left else 0


@subroutine
def copy_rows(a: Any, a_row: int, a_column: int, rows: int, k_count: int, target: Any, stride: int) -> None:
    """Rows of A one after the other, `stride` apart."""
    pack_lanes(a, a_row, a_column, rows, k_count, full_width(a), target, stride)


SIGNATURES = [
    int64(intp, strided(t, 2), strided(t, 2), array(t, 1), out(t, 2), intp) for t in (float32, float64)
]


@kernel("direct_product", *SIGNATURES)
def direct_product(plan_at: int, a: Any, b: Any, bias: Any, c: Any, scratch: int) -> int:
    """C = AB + bias with A and B where they lie; 1 if they do not lie like that, and nothing is done."""
    size = c.itemsize
    if b.strides[1] != size or a.strides[1] != size:
        return 1
    plan, product = integers_at(plan_at), integers_at(scratch)
    product[WEIGHT_STRIDE], product[PAGE_BYTES], product[LEFT] = b.strides[0], plan[PAGE_OUTPUTS], plan[LEFT]
    product[TAIL], product[INIT_STRIDE] = b.ctypes.data, 0
    product[X_STRIDE], product[OUT_STRIDE] = a.strides[0], c.strides[0]
    multiply(plan, product, a.shape[1], a.ctypes.data, b.ctypes.data, bias.ctypes.data, c.ctypes.data,
             a.shape[0], 0, plan[PAGES], scratch)  # fmt: skip
    return 0


def make_product(numbers_at: Any) -> Callable[..., None]:
    """For one dtype, as `team` calls it: rows or pages first … last - 1 of a product."""

    def product_range(
        call_at: int, a: int, a_row: int, c: int, c_row: int, first: int, last: int, scratch: int
    ) -> None:
        call, product = integers_at(call_at), integers_at(scratch)
        plan = integers_at(call[PLAN_AT])
        b, tails, rows_at, packed = (
            numbers_at(call[B]), numbers_at(scratch + TAILS_AT), numbers_at(scratch + ROWS_AT),
            numbers_at(scratch + PAGES_AT),
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
        product[TAIL], product[OUT_STRIDE] = scratch + TAILS_AT, c_row
        while page < page_stop:
            stop = min(page + together, page_stop)
            for k in range(0, k_total, block):
                count = min(block, k_total - k)
                product[PAGE_BYTES] = count * across * size
                pack_pages(pointer_to(b, k * b_row), b_row, b_column, plan, count, page, stop, packed, tails)
                for top in range(row, row_stop, ROW_BLOCK):
                    rows = min(ROW_BLOCK, row_stop - top)
                    x, product[X_STRIDE] = a + top * a_row + k * call[A_COLUMN], a_row
                    if copies:
                        stride = count + 16
                        copy_rows(numbers_at(x), a_row // size, call[A_COLUMN] // size, rows, count, rows_at, stride)
                        x, product[X_STRIDE] = scratch + ROWS_AT, stride * size
                    target, start, product[INIT_STRIDE] = c + top * c_row, call[BIAS], 0
                    if k > 0:
                        start, product[INIT_STRIDE] = target, c_row
                    multiply(plan, product, count, x, scratch + PAGES_AT, start, target, rows, page, stop, scratch)
            page = stop

    return product_range


RANGE = void(intp, intp, intp, intp, intp, intp, intp, intp)
product_ranges = {
    np.dtype(element.name): kernel(f"product_{element.name}", RANGE)(make_product(pointers(element)))
    for element in (float32, float64)
}


class Direct(NamedTuple):
    """What a product that reads B where it lies needs, for one dtype and number of columns."""

    call: Callable[..., int]
    plan_at: int
    zeros: np.ndarray


READY: dict[tuple[Any, int], Direct] = {}
MOST_READY = 4096
IDLE: list[tuple[int, Any]] = []  # scratch memory that no thread uses now: its address, and what keeps it


@cache
def plan_of(dtype: np.dtype[Any], columns: int, tails: bool) -> np.ndarray:
    """The tiles of a product with so many columns."""
    form = layout(dtype, columns, tails)
    plan = aligned((PLAN,), np.int64)
    write_layer(plan, form, 1, dtype.name, False, False)
    plan[END_LANES], plan[TAILS_FROM] = max(form.end, 0), form.tails_from
    return plan


def prepare(dtype: np.dtype[Any], columns: int) -> Direct:
    """Compile, or load from the cache, what a product needs that reads B where it lies."""
    if len(READY) >= MOST_READY:
        READY.clear()
    plan = plan_of(dtype, columns, False)
    entry = direct_product.entry_point(direct_product.declared[FLOATS.index(dtype)])
    READY[dtype, columns] = Direct(entry, plan.ctypes.data, np.zeros(columns, dtype))
    return READY[dtype, columns]


def scratch() -> tuple[int, Any]:
    """Scratch memory of one product, to be given back to IDLE."""
    if IDLE:
        return IDLE.pop()
    room = aligned((SCRATCH,), np.uint8)
    return room.ctypes.data, room


def matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """C = AB (+ bias): c_ij = bias_j + Σ_k a_ik b_kj by fma in ascending k; (…, m, k) @ (…, k, n).

    float32 or float64, both alike, of any layout; a vector stands for one row of A or one column of B, as
    in NumPy. |C - AB| ≤ γ_k |A||B| in every element, with γ_k = k·u / (1 - k·u) and u = 2⁻²⁴ or 2⁻⁵³.

    Raises:
        ShapeError: the inner axes differ, or the leading ones do not broadcast.
        DtypeError: not float32 twice or float64 twice.

    Source: Higham, Accuracy and stability of numerical algorithms, section 3.5.

    >>> matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])).tolist()
    [[19.0, 22.0], [43.0, 50.0]]
    """
    # What follows is most of the time of a small product (2.5 µs for 1 × 100 by 100 × 10, as in NumPy),
    # so an ordinary one is told from all others by as little as possible.
    dtype = a.dtype
    try:
        m, k = a.shape
        inner, n = b.shape
        call, plan_at, zeros = READY[dtype, n]
    except (KeyError, ValueError):
        return general_matmul(a, b, bias)
    if k != inner or b.dtype is not dtype or not (m and k) or (m > DIRECT_ROWS and k * n > DIRECT_SIZE):
        return general_matmul(a, b, bias)
    c = empty((m, n), dtype)
    room = IDLE.pop() if IDLE else scratch()
    failed = call(plan_at, a, b, zeros if bias is None else start_from(bias, n, dtype), c, room[0])
    IDLE.append(room)
    return general_matmul(a, b, bias) if failed else c


def start_from(bias: np.ndarray, n: int, dtype: np.dtype[Any]) -> np.ndarray:
    """The bias as the kernel reads it: n numbers of the dtype, in order."""
    if bias.shape != (n,):
        raise ShapeError(f"matmul: expected a bias of shape ({n},), got {bias.shape}")
    return np.ascontiguousarray(bias, dtype)


def general_matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """What is no ordinary product of two matrices: vectors, stacks, mixed dtypes, integers, no elements."""
    refuse(a, b)
    dtype = np.result_type(a, b)
    if dtype not in FLOATS:
        return np.asarray(np.matmul(a, b) if bias is None else np.matmul(a, b) + bias)
    left = a[None] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    n = right.shape[-1]
    start = np.zeros(n, dtype) if bias is None else start_from(bias, n, dtype)
    c = stacks(left.astype(dtype, copy=False), right.astype(dtype, copy=False), start)
    shape = c.shape
    return c.reshape(shape[:-2] + (() if a.ndim == 1 else shape[-2:-1]) + (() if b.ndim == 1 else shape[-1:]))


def refuse(a: np.ndarray, b: np.ndarray) -> None:
    """Raise if a @ b is not defined for these shapes and dtypes."""
    if any(x.dtype not in FLOATS and x.dtype.kind not in "biu" for x in (a, b)):
        raise DtypeError(f"matmul: expected float32, float64 or integer arrays, got {a.dtype} and {b.dtype}")
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul: expected at least one axis, got {a.shape} @ {b.shape}; use * for scalars")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        hint = "; did you mean a @ b.T?" if b.ndim > 1 and a.shape[-1] == b.shape[-1] else ""
        raise ShapeError(
            f"matmul: expected (…, m, k) @ (…, k, n), got {a.shape} @ {b.shape}: "
            f"k is {a.shape[-1]} on the left and {inner} on the right{hint}"
        )
    if joint_shape(a.shape[:-2], b.shape[:-2]) is None:
        raise ShapeError(f"matmul: the leading axes of {a.shape} and {b.shape} do not broadcast")


def stacks(a: np.ndarray, b: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(…, m, k) @ (…, k, n) + bias, the leading axes broadcast."""
    (m, k), n, dtype = a.shape[-2:], b.shape[-1], a.dtype
    if n == 1 < m:  # a lone column would leave the lanes empty: Cᵀ = BᵀAᵀ
        return stacks(b.mT, a.mT, np.repeat(bias, m)).mT
    if a.ndim > 2 == b.ndim:  # one product with many rows
        return stacks(a.reshape(math.prod(a.shape[:-1]), k), b, bias).reshape(*a.shape[:-1], n)
    batch = broadcast_shape("matmul", a.shape[:-2], b.shape[:-2])
    c = np.empty((*batch, m, n), dtype)
    if not (k and c.size):
        c[:] = bias + 0  # the 0 makes a bias of -0 a 0, as in the micro-kernel
        return c
    count = math.prod(batch)
    left = np.broadcast_to(a, (*batch, m, k)).reshape(count, m, k)
    right = np.broadcast_to(b, (*batch, k, n)).reshape(count, k, n)
    flat = c.reshape(count, m, n)
    for i in range(count):
        product(left[i], right[i], bias, flat[i])
    return c


def product(a: np.ndarray, b: np.ndarray, bias: np.ndarray, c: np.ndarray) -> None:
    """C = AB + bias for two matrices with at least one element each."""
    dtype, (m, k), n = a.dtype, a.shape, b.shape[1]
    room = scratch()
    try:
        if m <= DIRECT_ROWS or k * n <= DIRECT_SIZE:
            ready = READY.get((dtype, n)) or prepare(dtype, n)
            if not ready.call(ready.plan_at, a, b, bias, c, room[0]):
                return
        plan = plan_of(dtype, n, True)
        call = np.array(
            [plan.ctypes.data, a.strides[1], b.ctypes.data, *b.strides, bias.ctypes.data, k, m, False], np.int64
        )
        compiled = product_ranges[dtype]
        at = address_of(compiled, compiled.declared[0])
        alone = run_alone.entry_point(run_alone.declared[FLOATS.index(dtype)])
        alone(at, call.ctypes.data, a, c, 0, m, room[1])
    finally:
        IDLE.append(room)
