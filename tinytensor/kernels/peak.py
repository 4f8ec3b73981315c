"""How fast this CPU multiplies and adds: with nothing else to do, and in the tile."""

import ctypes
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from llvmlite import ir

from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.matmul import packed
from tinytensor.kernels.native import address
from tinytensor.kernels.vector import function

__all__ = ["measure"]

ROWS, INPUTS = 1200, 64  # of a product whose B stays in L1
STEPS = 100_000  # of them in one measurement, of about a millisecond
TRIES = 60  # a neighbour on the host leaves a few of them alone


class Peak(NamedTuple):
    """A loop of fused multiply-adds in registers alone: so many sums do not wait for each other."""

    lanes: int
    sums: int

    @property
    def name(self) -> str:
        """A symbol."""
        return f"peak_{self.lanes}_{self.sums}"

    def build(self) -> ir.Module:
        """LLVM code of it."""
        return build_peak(self)


def build_peak(peak: Peak) -> ir.Module:
    """peak(x, count): count times s ← s + x · x, of each sum."""
    module, b = function(peak.name, 2)
    x, count = b.made.args
    vector = ir.VectorType(ir.FloatType(), peak.lanes)
    factor = b.load(x, vector)
    start = [b.load(x, vector, 4 * peak.lanes * i) for i in range(peak.sums)]
    sums = b.loop(count, start, lambda i, state: [b.fma(factor, factor, each) for each in state])
    for i, each in enumerate(sums):
        b.store(each, x, 4 * peak.lanes * i)
    b.ir.ret_void()
    return module


def best(*calls: Callable[[], object]) -> list[float]:
    """The least seconds of each of several tries; calls take turns, as the CPU's clock changes."""
    took = [float("inf")] * len(calls)
    for _ in range(TRIES):
        for i, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            took[i] = min(took[i], time.perf_counter() - begin)
    return took


def measure() -> tuple[float, float]:
    """GFLOP/s of one thread in float32: the CPU's, and the tile's."""
    lanes, sums = vectors().width(4), vectors().registers - 1  # one has the factor
    peak = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address(Peak(lanes, sums)))
    room = aligned((sums * lanes,), np.float32)
    room_at = room.ctypes.data
    a = np.zeros((ROWS, INPUTS), np.float32)
    b, bias = aligned((INPUTS, 4 * lanes), np.float32), aligned((4 * lanes,), np.float32)
    c = np.empty((ROWS, 4 * lanes), np.float32)
    alone, product = best(lambda: peak(room_at, STEPS), lambda: packed(a, b, bias, c, threads=1))
    return 2e-9 * sums * lanes * STEPS / alone, 2e-9 * ROWS * INPUTS * 4 * lanes / product
