"""The matrix product: arguments checked, and the kernel that fits chosen (see `product`)."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tinytensor import workers
from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels import record
from tinytensor.kernels.boundary import FLOATS, broadcast_shape, joint_shape
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.declared import (
    column_product,
    column_range,
    describe_product,
    direct_product,
    direct_range,
    product_range,
)
from tinytensor.kernels.layer import Layout, aligned, layout, layout_of_few, write_layer
from tinytensor.kernels.memory import LINE
from tinytensor.kernels.native import address
from tinytensor.kernels.specs import Matvec
from tinytensor.threads import get_num_threads

__all__ = ["matmul", "packed"]

empty, uint8 = np.empty, np.uint8  # found 30 ns sooner, of the 1 µs that a small product takes
DIRECT_ROWS = 32  # up to so many, to copy B takes as long as the product; half as many on several threads
ALONE = 2_000_000  # multiplications; with fewer, to share them takes longer than to do them
ALONE_MATRIX = 400_000  # numbers of a matrix that is used once: such a product is bound by the memory
COLUMN_PIECES = 8  # for each thread: one that comes 10 µs late leaves its rows to the others
COLUMN_BYTES = 2**18  # of a piece, at most: every second product begins with those that L2 still holds
DIRECT_INPUTS = 32  # rows of B: as many lie apart without missing the TLB
DIRECT_SIZE = 10_000  # numbers of B, which L1 holds or nearly: it streams without a copy
DIRECT_SIZE_ONCE = 40_000  # from L2; a copy pays where more than ROWS_ONCE rows read it
ROWS_ONCE = 256
# the kernel, a plan's or code's address, a bias of zeros, and whether rows are lanes
Direct = tuple[Callable[..., None], int, np.ndarray, bool]
READY: dict[tuple[Any, int, int], Direct] = {}  # by dtype, columns, and rows, 0 if these are many
MOST_READY = 4096
IDLE: list[np.ndarray] = []  # scratch memory that no thread uses now


@cache
def plan_of(dtype: np.dtype[Any], columns: int) -> tuple[int, int, np.ndarray]:
    """The tiles of a product by a copy of B: the plan's address, how many pages, and the plan."""
    return written(dtype, layout(dtype, columns))


@cache
def direct_plan(dtype: np.dtype[Any], columns: int, rows: int, wide: bool) -> tuple[int, int, np.ndarray]:
    """The same where B is read where it lies, for so many rows, or for many: 0."""
    if not rows:
        return written(dtype, layout(dtype, columns, False))
    return written(dtype, layout_of_few(dtype, columns, rows, wide))


def written(dtype: np.dtype[Any], form: Layout) -> tuple[int, int, np.ndarray]:
    """A plan of that layout."""
    plan = aligned((record.PLAN,), np.int64)
    write_layer(plan, form, 1, dtype.name, False)
    plan[[record.END_LANES, record.TAILS_FROM, record.C_ROW]] = (
        max(form.end, 0),
        form.tails_from,
        form.outputs * dtype.itemsize,
    )
    return plan.ctypes.data, form.pages, plan


def prepare(dtype: np.dtype[Any], columns: int, rows: int) -> Direct:
    """Compile, or load from the cache, what a product needs that reads B where it lies, as a column is."""
    if len(READY) >= MOST_READY:
        READY.clear()
    by_columns = columns <= few_columns(dtype, rows)
    if by_columns:
        run, code = column_product.function, address(matvec(dtype, columns))
    else:
        run, code = direct_product.function, direct_plan(dtype, columns, rows, True)[0]
    READY[dtype, columns, rows] = run, code, np.zeros(columns, dtype), by_columns
    return READY[dtype, columns, rows]


def few_columns(dtype: np.dtype[Any], rows: int) -> int:
    """Up to how many columns of B the rows of A are lanes: half a vector's; one, where they fill none."""
    lanes = vectors().width(dtype.itemsize)
    return max(1, lanes // 2) if rows == 0 or rows >= lanes else 1


def scratch() -> np.ndarray:
    """Scratch memory of one product, to be given back to IDLE."""
    try:
        return IDLE.pop()
    except IndexError:
        return aligned((record.SCRATCH,), uint8)


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
        few = m if m <= DIRECT_ROWS else 0
        run, plan_at, zeros, by_columns = READY[dtype, n, few]
    except (KeyError, ValueError):
        return general_matmul(a, b, bias)
    if k != inner or b.dtype is not dtype or not (m and k):
        return general_matmul(a, b, bias)
    c = empty((m, n), dtype)
    start = zeros if bias is None else start_from(bias, n, dtype)
    (a_row, a_step), (b_row, b_step), size = a.strides, b.strides, dtype.itemsize
    if by_columns:
        if a_step == b_step == size and b_row == n * size and m * k <= ALONE_MATRIX:
            run(plan_at, a, a_row, m, k, b, start, c)
        else:
            column(a, b, start, c, run, plan_at)
        return c
    if (
        a_step != size
        or b_step != size
        or not (m * k * n <= ALONE and k * n <= ALONE_MATRIX and (few or reads_directly(m, k, n)))
    ):
        product(a, b, start, c)
        return c
    try:
        room = IDLE.pop()
    except IndexError:
        room = aligned((record.SCRATCH,), uint8)
    run(plan_at, a, a_row, b, b_row, start, c, m, k, size, room)
    IDLE.append(room)
    return c


def reads_directly(m: int, k: int, n: int) -> bool:
    """Whether more than DIRECT_ROWS rows are multiplied without a copy of B."""
    return k <= DIRECT_INPUTS or k * n <= (DIRECT_SIZE_ONCE if m <= ROWS_ONCE else DIRECT_SIZE)


def start_from(bias: np.ndarray, n: int, dtype: np.dtype[Any]) -> np.ndarray:
    """The bias as the kernel reads it: n numbers of the dtype, in order."""
    if bias.shape != (n,):
        raise ShapeError(f"matmul: expected a bias of shape ({n},), got {bias.shape}")
    return np.ascontiguousarray(bias, dtype)


def general_matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """All others: vectors, stacks, mixed dtypes, integers, no elements; and what has not been prepared."""
    if a.ndim == b.ndim == 2 and a.dtype is b.dtype and a.dtype in FLOATS and a.shape[1] == b.shape[0]:
        n = b.shape[1]
        if a.size and n:  # a product by copies of B is never prepared
            c = np.empty((len(a), n), a.dtype)
            product(a, b, np.zeros(n, a.dtype) if bias is None else start_from(bias, n, a.dtype), c)
            return c
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
    if a.ndim > 2 == b.ndim:  # one product with many rows
        return stacks(a.reshape(math.prod(a.shape[:-1]), k), b, bias).reshape(*a.shape[:-1], n)
    batch = broadcast_shape("matmul", a.shape[:-2], b.shape[:-2])
    c = np.empty((*batch, m, n), dtype)
    if not (k and c.size):
        c[:] = bias + 0  # the 0 makes a bias of -0 a 0, as in the micro-kernel
        return c
    if not batch:
        product(a, b, bias, c)
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
    few = m if m <= DIRECT_ROWS else 0
    if n <= few_columns(dtype, few):
        run, code, *_ = READY.get((dtype, n, few)) or prepare(dtype, n, few)
        column(a, b, bias, c, run, code)
        return
    threads = get_num_threads() if m * k * n > ALONE or k * n > ALONE_MATRIX else 1
    by_rows = a.strides[1] == b.strides[1] == dtype.itemsize
    few = DIRECT_ROWS if threads == 1 else DIRECT_ROWS // 2
    if by_rows and (m <= few or (threads == 1 and reads_directly(m, k, n))):
        direct(a, b, bias, c, threads)
    else:
        packed(a, b, bias, c, threads)


def direct(a: np.ndarray, b: np.ndarray, bias: np.ndarray, c: np.ndarray, threads: int) -> None:
    """The same with A and B where they lie, both row by row; threads share the pages of columns."""
    (m, k), n, size, room = a.shape, b.shape[1], a.itemsize, scratch()
    few, done = m if m <= DIRECT_ROWS else 0, False
    # with threads, too: matmul tells by it that such a product is an ordinary one
    run, plan_at, *_ = READY.get((a.dtype, n, few)) or prepare(a.dtype, n, few)
    if threads > 1:
        shared_at, pages, _ = direct_plan(a.dtype, n, few, False)
        call_at = describe_product.function(room, shared_at, size, b, *b.strides, bias, k, m, 1)
        job = call_at, a, a.strides[0], c, n * size, pages, -(-pages // threads), threads
        done = pages > 1 and workers.run(direct_range.address, *job, record.SCRATCH)
    if not done:
        run(plan_at, a, a.strides[0], b, b.strides[0], bias, c, m, k, size, room)
    IDLE.append(room)


def packed(a: np.ndarray, b: np.ndarray, bias: np.ndarray, c: np.ndarray, threads: int) -> None:
    """The same by pages of B; threads share the pages, or the rows of A where there are few pages."""
    (m, k), n, room = a.shape, b.shape[1], scratch()
    plan_at, pages, _ = plan_of(a.dtype, n)
    by_pages = pages >= 2 * threads
    call_at = describe_product.function(room, plan_at, a.strides[1], b, *b.strides, bias, k, m, by_pages)
    job, count = (call_at, a, a.strides[0], c, n * c.itemsize), pages if by_pages else m
    run = product_range[a.dtype]
    if threads == 1 or not workers.run(
        run.address, *job, count, -(-count // threads), threads, record.SCRATCH
    ):
        run.function(*job, 0, count, room)
    IDLE.append(room)


def column(
    a: np.ndarray, b: np.ndarray, bias: np.ndarray, c: np.ndarray, run: Callable[..., None], code: int
) -> None:
    """A product with one column of B, or a few, which would leave the lanes of a tile empty.

    A large one is done in pieces, which threads share. What Python does before is kept short: it takes three
    times as long as in a small product, since the matrix has driven the interpreter out of the caches.
    """
    (m, k), n, size = a.shape, b.shape[1], a.itemsize
    if a.strides[1] != size:
        a = np.ascontiguousarray(a)
    if b.strides != (n * size, size):
        b = np.ascontiguousarray(b)
    if m * k > ALONE_MATRIX:
        threads, room, whole = get_num_threads(), scratch(), LINE // size  # rows: whole vectors
        most = COLUMN_BYTES // (k * size * whole) + 1
        rows = min(-(-m // (COLUMN_PIECES * threads * whole)), most) * whole
        call_at = describe_product.function(room, code, 0, b, 0, 0, bias, k, m, 0)
        done = workers.run(column_range.address, call_at, a, a.strides[0], c, n * size, m, rows, threads, 0)
        IDLE.append(room)
        if done:
            return
    run(code, a, a.strides[0], m, k, b, bias, c)


def matvec(dtype: np.dtype[Any], columns: int) -> Matvec:
    """What computes a product with so few columns."""
    return Matvec(dtype.name, vectors().width(dtype.itemsize), columns)


def common_matvecs() -> list[Matvec]:
    """Those for every number of few columns."""
    return [matvec(dtype, n) for dtype in FLOATS for n in range(1, few_columns(dtype, 0) + 1)]
