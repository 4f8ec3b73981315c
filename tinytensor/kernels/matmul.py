"""The matrix product: packing and cache blocking around the micro-kernel.

One product can be computed in two ways that give the same bits: vector lanes along the columns of B, or
along the rows of A (the transposed product). `columns_in_lanes` takes the one that wastes fewer lanes.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numba import float32, float64
from numba.types import void

from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels._jit import Kernel, array, inline, kernel, out, strided
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.microkernel import WIDE_VECTORS, copy_two_vectors, make_tiles, pointer_to, transpose

__all__ = ["matmul"]

ROWS = vectors().tile_rows
WIDE_ROWS = (vectors().registers - 1 - WIDE_VECTORS) // WIDE_VECTORS
BYTES = vectors().bytes
K_BLOCK = 512  # one packed panel, 512 × two vectors, is 64 KiB: it streams from L2 at full speed
ROW_BLOCK = ROWS * max(1, 224 // ROWS)  # with K_BLOCK: 448 KiB of packed scalars, half of an L2
L1_BYTES = 32768
PACK_ROWS = 16
PANELS = 64  # packed panels of lanes held at once: 4 MiB, a part of L3
LANES_LIMIT = 1 << 18  # floats of B packed whole when the lanes are rows of A: 1 MiB, an L2

DTYPES = (float32, float64)
SIGNATURES = [void(strided(t, 2), strided(t, 2), array(t, 1), out(t, 2)) for t in DTYPES]

ZEROS = {np.dtype(t.name): np.zeros(1024, t.name) for t in DTYPES}

packed_vectors = make_tiles(2, ROWS, packed=True)
two_vectors = make_tiles(2, ROWS)
one_vector = make_tiles(1, ROWS, masked=True)
four_wide = make_tiles(4, WIDE_ROWS, masked=True)
three_wide = make_tiles(3, WIDE_ROWS, masked=True)
two_wide = make_tiles(2, WIDE_ROWS, masked=True)


@inline
def aligned(count: int, like: Any) -> Any:
    """Room for `count` elements, on a 64-byte line: a vector that straddles two lines costs twice."""
    room = np.empty(count + 32, like.dtype)
    return room[(-room.ctypes.data % 64) // room.itemsize :]


@inline
def tile_rows(rows: int, first: int) -> int:
    """Rows of the tile that starts at `first`: 50 rows are 13 + 13 + 12 + 12, not 14 + 14 + 14 + 8."""
    tiles = -(-rows // ROWS)
    small = rows // tiles
    large_tiles = rows - small * tiles
    return small + 1 if first < large_tiles * (small + 1) else small


@inline
def pack_lanes(source: Any, k_stride: int, lane_stride: int, k_count: int, lanes: int, width: int,
               panel: Any, panel_stride: int) -> None:  # fmt: skip
    """panel[k, lane] = source[k, lane]; lanes beyond the last are left as they are."""
    squares = 0
    if k_stride == 1:
        squares = lanes - lanes % width
        whole = k_count - k_count % width
        for lane in range(0, squares, width):
            for k in range(0, whole, width):
                square = pointer_to(source, lane * lane_stride + k)
                transpose(square, lane_stride, pointer_to(panel, k * panel_stride + lane), panel_stride)
            for k in range(whole, k_count):
                for i in range(width):
                    panel[k * panel_stride + lane + i] = source[k + (lane + i) * lane_stride]
    if squares == lanes:
        return
    for k in range(k_count):
        row, start = pointer_to(panel, k * panel_stride), pointer_to(source, k * k_stride)
        if lane_stride == 1 and lanes == 2 * width:
            copy_two_vectors(start, row)
        elif lane_stride == 1:
            for lane in range(squares, lanes):
                row[lane] = start[lane]
        else:
            for lane in range(squares, lanes):
                row[lane] = start[lane * lane_stride]


@inline
def pack_scalars(source: Any, row_stride: int, k_stride: int, rows: int, k_count: int, packed: Any,
                 width: int) -> None:  # fmt: skip
    """Micro-panels of one tile's rows each, stored k by k; one vector of slack behind the last."""
    first = 0
    while first < rows:
        count = tile_rows(rows, first)
        panel = pointer_to(packed, first * k_count)
        top = pointer_to(source, first * row_stride)
        whole = 0
        if k_stride == 1 and first + width <= rows:
            # a square has more rows than the tile: what it writes too far, the next k overwrites
            whole = k_count - k_count % width
            for k in range(0, whole, width):
                transpose(pointer_to(top, k), row_stride, pointer_to(panel, k * count), count)
        for k in range(whole, k_count):
            for row in range(count):
                panel[k * count + row] = top[row * row_stride + k * k_stride]
        first += count


@inline
def run_wide(lanes: Any, lanes_stride: int, lane_total: int, scalars: Any, row_stride: int, k_stride: int,
             rows: int, k_count: int, init: Any, init_stride: int, y: Any, y_stride: int,
             width: int) -> None:  # fmt: skip
    """Few rows: tiles four vectors wide, so that four accumulators a row hide the latency of fma."""
    for lane in range(0, lane_total, WIDE_VECTORS * width):
        left = min(lane_total - lane, WIDE_VECTORS * width)
        source, begin, target = pointer_to(lanes, lane), pointer_to(init, lane), pointer_to(y, lane)
        if left > 3 * width:
            four_wide(source, lanes_stride, scalars, row_stride, k_stride, k_count,
                      begin, init_stride, target, y_stride, rows, left - 3 * width)  # fmt: skip
        elif left > 2 * width:
            three_wide(source, lanes_stride, scalars, row_stride, k_stride, k_count,
                       begin, init_stride, target, y_stride, rows, left - 2 * width)  # fmt: skip
        elif left > width:
            two_wide(source, lanes_stride, scalars, row_stride, k_stride, k_count,
                     begin, init_stride, target, y_stride, rows, left - width)  # fmt: skip
        else:
            one_vector(source, lanes_stride, scalars, row_stride, k_stride, k_count,
                       begin, init_stride, target, y_stride, rows, left)  # fmt: skip


@inline
def run_tiles(lanes: Any, lanes_stride: int, lane_total: int, scalars: Any, row_stride: int, k_stride: int,
              packed: bool, rows: int, k_count: int, init: Any, init_stride: int, y: Any, y_stride: int,
              width: int) -> None:  # fmt: skip
    """All tiles of `rows` over lanes that lie as rows of vectors, the last vector masked."""
    lane = 0
    while lane < lane_total:
        left = lane_total - lane
        step = 2 * width if left >= 2 * width else min(width, left)
        source = pointer_to(lanes, lane)
        first = 0
        while first < rows:
            count = tile_rows(rows, first)
            operand = pointer_to(scalars, first * (k_count if packed else row_stride))
            between_rows, between_k = (1, count) if packed else (row_stride, k_stride)
            begin = pointer_to(init, first * init_stride + lane)
            target = pointer_to(y, first * y_stride + lane)
            if step != 2 * width:
                one_vector(source, lanes_stride, operand, between_rows, between_k, k_count,
                           begin, init_stride, target, y_stride, count, step)  # fmt: skip
            elif packed:
                packed_vectors(source, lanes_stride, operand, between_rows, between_k, k_count,
                               begin, init_stride, target, y_stride, count, 0)  # fmt: skip
            else:
                two_vectors(source, lanes_stride, operand, between_rows, between_k, k_count,
                            begin, init_stride, target, y_stride, count, 0)  # fmt: skip
            first += count
        lane += step


@inline
def columns_in_lanes(a: Any, b: Any, bias: Any, c: Any, width: int) -> None:
    """C = AB + bias with vectors along the columns of B and of C."""
    (m, k_total), n = a.shape, b.shape[1]
    size = a.itemsize
    a_row, a_k = a.strides[0] // size, a.strides[1] // size
    b_k, b_column = b.strides[0] // size, b.strides[1] // size
    blocks = -(-k_total // K_BLOCK)
    k_block = -(-k_total // blocks)
    in_place = b_column == 1 and (m <= 2 * ROWS or k_total * n * size <= L1_BYTES)
    if in_place and m <= WIDE_ROWS:
        run_wide(pointer_to(b, 0), b_k, n, pointer_to(a, 0), a_row, a_k, m, k_total,
                 pointer_to(bias, 0), 0, pointer_to(c, 0), n, width)  # fmt: skip
        return
    pack_a = m * k_total * size > 2 * L1_BYTES and n > 4 * width
    panels = min(PANELS, -(-n // (2 * width)))
    unused = c.reshape(c.size)
    lanes = unused if in_place else aligned(panels * 2 * width * k_block, c)
    scalars = aligned(min(m, ROW_BLOCK) * k_block, c) if pack_a else unused
    columns = n if in_place else panels * 2 * width
    for left in range(0, n, columns):
        columns_here = min(columns, n - left)
        for k in range(0, k_total, k_block):
            k_count = min(k_block, k_total - k)
            b_block = pointer_to(b, k * b_k + left * b_column)
            if not in_place:
                # few rows of B at a time: each lies on pages of its own, and the TLB is small
                for k_part in range(0, k_count, PACK_ROWS):
                    for lane in range(0, columns_here, 2 * width):
                        pack_lanes(pointer_to(b_block, lane * b_column + k_part * b_k), b_k, b_column,
                                   min(PACK_ROWS, k_count - k_part), min(2 * width, columns_here - lane),
                                   width, pointer_to(lanes, lane * k_count + k_part * 2 * width),
                                   2 * width)  # fmt: skip
            for top in range(0, m, ROW_BLOCK):
                rows = min(ROW_BLOCK, m - top)
                a_block = pointer_to(a, top * a_row + k * a_k)
                if pack_a:
                    pack_scalars(a_block, a_row, a_k, rows, k_count, pointer_to(scalars, 0), width)
                    a_block = pointer_to(scalars, 0)
                y = pointer_to(c, top * n + left)
                init = pointer_to(bias, left) if k == 0 else y
                init_stride = 0 if k == 0 else n
                if in_place:
                    run_tiles(b_block, b_k, columns_here, a_block, a_row, a_k, pack_a, rows, k_count,
                              init, init_stride, y, n, width)  # fmt: skip
                else:
                    for lane in range(0, columns_here, 2 * width):
                        run_tiles(pointer_to(lanes, lane * k_count), 2 * width,
                                  min(2 * width, columns_here - lane), a_block, a_row, a_k, pack_a, rows,
                                  k_count, pointer_to(init, lane), init_stride, pointer_to(y, lane), n,
                                  width)  # fmt: skip


@inline
def rows_in_lanes(a: Any, b: Any, bias: Any, c: Any, width: int) -> None:
    """C = AB + bias as Cᵀ = BᵀAᵀ + bias, with vectors along the rows of A."""
    (m, k_total), n = a.shape, b.shape[1]
    size = a.itemsize
    a_row, a_k = a.strides[0] // size, a.strides[1] // size
    b_k, b_column = b.strides[0] // size, b.strides[1] // size
    panel = 2 * width
    lanes, y, start = aligned(panel * k_total, c), aligned(panel * n, c), aligned(panel * n, c)
    for column in range(n):
        for lane in range(panel):
            start[column * panel + lane] = bias[column]
    pack_b = m > 4 * panel
    scalars = aligned(n * k_total, c) if pack_b else lanes
    b_block = pointer_to(b, 0)
    if pack_b:
        pack_scalars(b_block, b_column, b_k, n, k_total, pointer_to(scalars, 0), width)
        b_block = pointer_to(scalars, 0)
    for top in range(0, m, panel):
        rows = min(panel, m - top)
        pack_lanes(pointer_to(a, top * a_row), a_k, a_row, k_total, rows, width, pointer_to(lanes, 0), panel)
        run_tiles(pointer_to(lanes, 0), panel, rows, b_block, b_column, b_k, pack_b, n, k_total,
                  pointer_to(start, 0), panel, pointer_to(y, 0), panel, width)  # fmt: skip
        # C's block is the transpose of y: pack_lanes with rows and columns exchanged
        pack_lanes(pointer_to(y, 0), 1, panel, rows, n, width, pointer_to(c, top * n), n)


@kernel("gemm_columns", *SIGNATURES)
def gemm_columns(a: Any, b: Any, bias: Any, c: Any) -> None:
    columns_in_lanes(a, b, bias, c, BYTES // c.itemsize)


@kernel("gemm_rows", *SIGNATURES)
def gemm_rows(a: Any, b: Any, bias: Any, c: Any) -> None:
    rows_in_lanes(a, b, bias, c, BYTES // c.itemsize)


@kernel("gemm_stack", *[void(strided(t, 3), strided(t, 3), array(t, 1), out(t, 3)) for t in DTYPES])
def gemm_stack(a: Any, b: Any, bias: Any, c: Any) -> None:
    for i in range(c.shape[0]):
        columns_in_lanes(a[i], b[i], bias, c[i], BYTES // c.itemsize)


def refuse(a: np.ndarray, b: np.ndarray) -> None:
    """Raise if a @ b is not defined for these shapes and dtypes."""
    if a.dtype != b.dtype or a.dtype not in ZEROS:
        raise DtypeError(f"matmul: expected two float32 or two float64 arrays, got {a.dtype} and {b.dtype}")
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul: expected at least one axis, got {a.shape} @ {b.shape}; use * for scalars")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        hint = "; did you mean a @ b.T?" if b.ndim > 1 and a.shape[-1] == b.shape[-1] else ""
        raise ShapeError(
            f"matmul: expected (…, m, k) @ (…, k, n), got {a.shape} @ {b.shape}: "
            f"k is {a.shape[-1]} on the left and {inner} on the right{hint}"
        )


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
    if a.ndim == 2 == b.ndim:  # every call that matters, so with the least of Python
        (m, k), (inner, n), dtype = a.shape, b.shape, a.dtype
        if k == inner and dtype is b.dtype and m and k and n and dtype in ZEROS:
            gemm, zeros = best_kernel(m, k, n, dtype)
            c = np.empty((m, n), dtype)
            gemm(a, b, zeros if bias is None else bias, c)
            return c
    refuse(a, b)
    left = a[None] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    try:
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        raise ShapeError(f"matmul: the leading axes of {a.shape} and {b.shape} do not broadcast") from None
    c = stacks(left, right, bias, batch)
    shape = c.shape
    return c.reshape(shape[:-2] + (() if a.ndim == 1 else shape[-2:-1]) + (() if b.ndim == 1 else shape[-1:]))


def vector_cost(lanes: int, itemsize: int) -> float:
    """Cycles a row and k takes: two fma a cycle in pairs of vectors; a single one is bound by its loads."""
    pairs, left = divmod(lanes, 2 * BYTES // itemsize)
    return pairs + 0.75 * -(-left * itemsize // BYTES)


def columns_cost(m: int, k: int, n: int, itemsize: int) -> float:
    """About how many cycles `gemm_columns` takes, without what both ways have in common."""
    return vector_cost(n, itemsize) * m * k


def rows_cost(m: int, k: int, n: int, itemsize: int) -> float:
    """About how many cycles `gemm_rows` takes: transposing costs 0.35 cycles an element, measured."""
    return vector_cost(m, itemsize) * n * k + 0.35 * m * (k + n)


@lru_cache(maxsize=4096)
def best_kernel(m: int, k: int, n: int, dtype: np.dtype[Any]) -> tuple[Kernel, np.ndarray]:
    """The kernel that wastes fewer lanes on an m × k by k × n product, and zeros for C to start from."""
    if ZEROS[dtype].size < n:
        ZEROS[dtype] = np.zeros(2 * n, dtype)
    columns = m <= 2 * BYTES // dtype.itemsize or k * n > LANES_LIMIT
    if columns or columns_cost(m, k, n, dtype.itemsize) <= rows_cost(m, k, n, dtype.itemsize):
        return gemm_columns, ZEROS[dtype]
    return gemm_rows, ZEROS[dtype]


def stacks(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None, batch: tuple[int, ...]) -> np.ndarray:
    """Products of stacks of matrices, the leading axes broadcast."""
    count, (m, k), n = math.prod(batch), a.shape[-2:], b.shape[-1]
    c = np.empty((*batch, m, n), a.dtype)
    gemm, zeros = best_kernel(m, k, n, a.dtype)
    start = zeros if bias is None else bias
    if not (k and c.size):
        c[:] = start[:n]
    elif count == 1:
        gemm(a.reshape(m, k), b.reshape(k, n), start, c.reshape(m, n))
    else:
        left = np.broadcast_to(a, (*batch, m, k)).reshape(count, m, k)
        right = np.broadcast_to(b, (*batch, k, n)).reshape(count, k, n)
        gemm_stack(left, right, start, c.reshape(count, m, n))
    return c
