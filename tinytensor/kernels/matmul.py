"""The matrix product: blocks for the caches around the micro-kernel.

C's columns lie in vector lanes. Two or three vectors of them are a panel, and a panel by a few rows is one
tile of the micro-kernel; one row alone takes up to eight vectors. What is read often is packed: B by panels,
A by strips of rows, k by k, so that a tile reads memory in order.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numba import float32, float64
from numba.extending import intrinsic
from numba.types import CPointer, boolean, intp, void

from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels._jit import array, kernel, out, strided, subroutine
from tinytensor.kernels.boundary import FLOATS, broadcast_shape, joint_shape
from tinytensor.kernels.call import address_of, call_address
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.microkernel import full_width, make_tiles, pointer_to, stride_of
from tinytensor.kernels.packing import aligned, pack_lanes

__all__ = ["matmul"]

empty = np.empty  # found 30 ns sooner, of the 1 µs that a small product takes
BYTES = vectors().bytes
ROWS = vectors().tile_rows
TRIPLE_ROWS = vectors().registers // 4  # of a tile three vectors wide
NARROW_ROWS = 4  # of a tile that is no wider than one vector
WIDE = 8  # vectors of a tile of one row
STRIP = vectors().registers  # rows packed together: tiles of 6 + 6 + 4 of them, or 14 + 14 + 4
K_BLOCK = 512  # a panel of two vectors is 64 KiB then, and streams from L2 at full speed
ROW_BLOCK = 14 * STRIP  # with K_BLOCK: 448 KiB of A, an L2
COLUMN_BLOCK = 1024  # with K_BLOCK: 2 MiB of B, a part of L3
L1_BYTES = 32768
PACK_ROWS = 16


def tile_shapes(width: int) -> Iterator[tuple[int, int, int]]:
    """Width of a vector, vectors and rows of every tile; heights are the tallest and powers of two."""
    for vectors_, tallest in ((2, ROWS), (3, TRIPLE_ROWS)):
        yield from ((width, vectors_, rows) for rows in {1, 2, 4, 8, tallest} if rows <= tallest)
    yield from ((width, vectors_, 1) for vectors_ in range(4, WIDE + 1))
    narrow = width // 2
    while narrow:
        yield from ((narrow, 2, rows) for rows in (1, 2, NARROW_ROWS))
        narrow //= 2
    yield from ((1, 1, rows) for rows in (1, 2, NARROW_ROWS))


tiles = make_tiles(tile_shapes)


@subroutine
def tile_rows(left: int, tallest: int) -> int:
    """Rows of the next tile: the tallest or, of fewer, the largest power of two."""
    if left >= tallest:
        return tallest
    rows = 8
    while rows > left:
        rows //= 2
    return rows


@subroutine
def panel_lanes(left: int, most: int, width: int) -> int:
    """Lanes of the next panel: at most that many vectors, and never one lane or vector alone at the end."""
    return left if left <= most * width else (most - 1) * width


@kernel(
    "macro_kernel",
    *[
        void(p, intp, boolean, p, intp, intp, boolean, intp, intp, intp, intp, p, intp, p, intp)
        for p in (CPointer(float32), CPointer(float64))
    ],
)
def macro_kernel(
    lanes: Any, lanes_stride: int, in_panels: bool, scalars: Any, row_stride: int, k_stride: int,
    in_strips: bool, k_count: int, rows: int, columns: int, most: int, init: Any, init_stride: int, y: Any,
    y_stride: int,
) -> None:  # fmt: skip
    # Y = init + AB for one block, tile by tile
    full = full_width(lanes)
    width, shift = 1, 0
    while 2 * width < columns and width < full:
        width, shift = 2 * width, shift + 1
    strip = STRIP if in_strips else rows
    left = 0
    while left < columns:
        count = panel_lanes(columns - left, most, full)
        across = (count + width - 1) >> shift
        tallest = 1 if across > 3 else TRIPLE_ROWS if across == 3 else ROWS if width == full else NARROW_ROWS
        panel = pointer_to(lanes, left * k_count if in_panels else left)
        for top in range(0, rows, strip):
            bottom = min(top + strip, rows)
            row = top
            while row < bottom:
                height = tile_rows(bottom - row, tallest)
                start = top * k_count + row - top if in_strips else row * row_stride
                begin, target = (
                    pointer_to(init, row * init_stride + left),
                    pointer_to(y, row * y_stride + left),
                )
                tiles(panel, count if in_panels else lanes_stride, pointer_to(scalars, start), row_stride,
                      k_stride, k_count, begin, init_stride, target, y_stride, count,
                      width, across, height)  # fmt: skip
                row += height
        left += count


@intrinsic
def call_macro_kernel(
    typing_context: Any, address: Any, lanes: Any, lanes_stride: Any, in_panels: Any, scalars: Any,
    row_stride: Any, k_stride: Any, in_strips: Any, k_count: Any, rows: Any, columns: Any, most: Any,
    init: Any, init_stride: Any, y: Any, y_stride: Any,
) -> Any:  # fmt: skip
    """`macro_kernel` at its address, so that its many tiles are compiled once."""
    return call_address(y, intp, boolean, y, intp, intp, boolean, intp, intp, intp, intp, y, intp, y, intp)


@subroutine
def pack_panels(b: Any, b_k: int, b_column: int, k_count: int, columns: int, most: int, width: int,
                packed: Any) -> None:  # fmt: skip
    """Panels of B one after the other, few rows at a time: each row lies on pages of its own, for the TLB."""
    for k in range(0, k_count, PACK_ROWS):
        left = 0
        while left < columns:
            lanes = panel_lanes(columns - left, most, width)
            pack_lanes(pointer_to(b, k * b_k + left * b_column), b_k, b_column, min(PACK_ROWS, k_count - k),
                       lanes, width, pointer_to(packed, left * k_count + k * lanes), lanes)  # fmt: skip
            left += lanes


@subroutine
def pack_strips(a: Any, a_row: int, a_k: int, k_count: int, rows: int, width: int, packed: Any) -> None:
    """Strips of A one after the other."""
    for top in range(0, rows, STRIP):
        pack_lanes(pointer_to(a, top * a_row), a_k, a_row, k_count, min(STRIP, rows - top), width,
                   pointer_to(packed, top * k_count), STRIP)  # fmt: skip


SIGNATURES = [void(intp, strided(t, 2), strided(t, 2), array(t, 1), out(t, 2)) for t in (float32, float64)]


@kernel("gemm", *SIGNATURES)
def gemm(macro_kernel_at: int, a: Any, b: Any, bias: Any, c: Any) -> None:
    m, k_total, n = a.shape[0], a.shape[1], b.shape[1]
    a_row, a_k, b_k, b_column = stride_of(a, 0), stride_of(a, 1), stride_of(b, 0), stride_of(b, 1)
    width = full_width(c)
    in_l1 = L1_BYTES * width // BYTES  # elements
    few = m <= 2 * STRIP
    pack_b = b_column != 1 or not (few or k_total * n <= in_l1)
    pack_a = n >= 8 * width and not (few or m * k_total <= 2 * in_l1)
    most = WIDE if m == 1 else 3
    column_block = WIDE * width if few else COLUMN_BLOCK
    most_columns = min(n, column_block + column_block // 2) if pack_b else n
    row_block = min(m, ROW_BLOCK) if pack_a else m
    k_block = -(-k_total // -(-k_total // K_BLOCK))
    packed_b = aligned(most_columns * k_block, c) if pack_b else c[0]
    packed_a = aligned((row_block + STRIP) * k_block, c) if pack_a else c[0]

    left = 0
    while left < n:
        columns = n - left if n - left <= most_columns else column_block
        for k in range(0, k_total, k_block):
            k_count = min(k_block, k_total - k)
            lanes = pointer_to(b, k * b_k + left * b_column)
            if pack_b:
                pack_panels(lanes, b_k, b_column, k_count, columns, most, width, pointer_to(packed_b, 0))
                lanes = pointer_to(packed_b, 0)
            for top in range(0, m, row_block):
                rows = min(row_block, m - top)
                scalars = pointer_to(a, top * a_row + k * a_k)
                if pack_a:
                    pack_strips(scalars, a_row, a_k, k_count, rows, width, pointer_to(packed_a, 0))
                    scalars = pointer_to(packed_a, 0)
                y = pointer_to(c, top * n + left)
                init, init_stride = (y, n) if k else (pointer_to(bias, left), 0)
                call_macro_kernel(macro_kernel_at, lanes, b_k, pack_b, scalars, 1 if pack_a else a_row,
                                  STRIP if pack_a else a_k, pack_a, k_count, rows, columns, most,
                                  init, init_stride, y, n)  # fmt: skip
        left += columns


STACKS = [void(intp, intp, strided(t, 3), strided(t, 3), array(t, 1), out(t, 3)) for t in (float32, float64)]


@intrinsic
def call_gemm(typing_context: Any, address: Any, macro: Any, a: Any, b: Any, bias: Any, c: Any) -> Any:
    """`gemm` at its address."""
    return call_address(intp, strided(c.dtype, 2), strided(c.dtype, 2), array(c.dtype, 1), out(c.dtype, 2))


@kernel("gemm_stack", *STACKS)
def gemm_stack(gemm_at: int, macro_kernel_at: int, a: Any, b: Any, bias: Any, c: Any) -> None:
    for i in range(c.shape[0]):
        call_gemm(gemm_at, macro_kernel_at, a[i], b[i], bias, c[i])


class Compiled(NamedTuple):
    """What a product needs, in one dtype: kernels as C functions, addresses, and a bias of zeros."""

    gemm: Callable[..., None]
    macro_kernel_at: int
    zeros: np.ndarray


MOST_ZEROS = 4096
READY: dict[np.dtype[Any], Compiled] = {}


def compiled(dtype: np.dtype[Any]) -> Compiled:
    """The kernels for one dtype; compiles them, or loads them from the cache, on first need."""
    if dtype not in READY:
        which = FLOATS.index(dtype)
        gemm_c, macro = (
            gemm.entry_point(gemm.declared[which]),
            address_of(macro_kernel, macro_kernel.declared[which]),
        )
        READY[dtype] = Compiled(gemm_c, macro, np.zeros(MOST_ZEROS, dtype))
    return READY[dtype]


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
        gemm_c, macro_kernel_at, zeros = READY[dtype]
    except (KeyError, ValueError):
        return general_matmul(a, b, bias)
    if k != inner or b.dtype is not dtype or not (m and k and 1 < n <= MOST_ZEROS):
        return general_matmul(a, b, bias)
    c = empty((m, n), dtype)
    gemm_c(macro_kernel_at, a, b, zeros if bias is None else start_from(bias, n, dtype), c)
    return c


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
    ready, count = compiled(dtype), math.prod(batch)
    if count == 1:
        ready.gemm(ready.macro_kernel_at, a.reshape(m, k), b.reshape(k, n), bias, c.reshape(m, n))
    else:
        left = np.broadcast_to(a, (*batch, m, k)).reshape(count, m, k)
        right = np.broadcast_to(b, (*batch, k, n)).reshape(count, k, n)
        gemm_at = address_of(gemm, gemm.declared[FLOATS.index(dtype)])
        gemm_stack(gemm_at, ready.macro_kernel_at, left, right, bias, c.reshape(count, m, n))
    return c
