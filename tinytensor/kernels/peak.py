"""How fast this CPU multiplies and adds: with nothing else to do, and in the tile."""

import ctypes
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from llvmlite import ir

from tinytensor.kernels import record
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.layer import aligned, layout
from tinytensor.kernels.native import address
from tinytensor.kernels.tile import Tile, build_tile
from tinytensor.kernels.vector import function

__all__ = ["measure"]

SUMS = 20  # of multiplications that do not wait for each other: FMA units need 8 to 10
INPUTS = 256  # of a tile that stays in L1
CALLS = 400  # of the tile in one measurement, of about a millisecond
TRIES = 60  # a neighbour on the host leaves a few of them alone


class Peak(NamedTuple):
    """A loop of fused multiply-adds in registers alone."""

    lanes: int

    @property
    def name(self) -> str:
        """A symbol."""
        return f"peak_{self.lanes}"


def build_peak(peak: Peak) -> ir.Module:
    """peak(x, count): SUMS sums, count times s ← s + x · x."""
    module, b = function(peak.name, 2)
    x, count = b.made.args
    vector = ir.VectorType(ir.FloatType(), peak.lanes)
    factor = b.load(x, vector)
    start = [b.load(x, vector, 4 * peak.lanes * i) for i in range(SUMS)]
    sums = b.loop(count, start, lambda i, state: [b.fma(factor, factor, each) for each in state])
    for i, each in enumerate(sums):
        b.store(each, x, 4 * peak.lanes * i)
    b.ir.ret_void()
    return module


def best(call: Callable[[], object]) -> float:
    """The least seconds of several tries."""
    took = []
    for _ in range(TRIES):
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return min(took)


def measure() -> tuple[float, float]:
    """GFLOP/s of one thread in float32: the CPU's, and the tile's."""
    lanes = vectors().width(4)
    integers = [ctypes.c_int64] * 7
    peak = ctypes.CFUNCTYPE(None, *integers[:2])(address(Peak(lanes), build_peak))
    room = aligned((SUMS * lanes,), np.float32)
    room_at, steps = room.ctypes.data, CALLS * INPUTS
    alone = 2e-9 * SUMS * lanes * steps / best(lambda: peak(room_at, steps))

    plan = layout(np.dtype(np.float32), 4 * lanes)
    shape = Tile("float32", lanes, plan.rows, plan.vectors)
    tile = ctypes.CFUNCTYPE(None, *integers)(address(shape, build_tile))
    product = aligned((record.PRODUCT,), np.int64)
    x, w = aligned((shape.rows, INPUTS + 16), np.float32), aligned((INPUTS, 4 * lanes), np.float32)
    out = aligned((shape.rows, 4 * lanes), np.float32)
    product[[record.WEIGHT_STRIDE, record.X_STRIDE, record.OUT_STRIDE]] = (
        4 * plan.page_outputs, x.strides[0], out.strides[0],
    )  # fmt: skip
    given = (product.ctypes.data, x.ctypes.data, w.ctypes.data, out.ctypes.data, out.ctypes.data, 0, INPUTS)
    took = best(lambda: [tile(*given) for _ in range(10)])
    return alone, 2e-9 * shape.sums * lanes * INPUTS * 10 / took
