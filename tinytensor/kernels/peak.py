"""How fast this CPU multiplies and adds: with nothing else to do, and in our micro-kernel."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, int32
from numba.extending import intrinsic
from numba.types import CPointer, intp, void

from tinytensor.kernels._jit import array, kernel, out
from tinytensor.kernels.listed import PANEL, TALLEST, sample_tile
from tinytensor.kernels.microkernel import (
    Memory,
    accumulate,
    full_width,
    pointer_to,
    vector_type,
)

__all__ = ["measure"]

INPUTS = 96  # of a panel that stays in L1
CALLS = 400  # of the micro-kernel in one measurement, of about a millisecond
TRIES = 60  # a neighbour on the host leaves a few of them alone


@intrinsic
def multiply_and_add(typing_context: Any, x: Any, y: Any, count: Any) -> Any:
    """A tile of accumulators, each count times a ← a + x · y, all in registers."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        x, y, count = values
        memory = Memory(builder, vector_type(signature.args[0].dtype))
        width = memory.vector.count
        start = [memory.load(y, row * PANEL * width) for row in range(TALLEST)] * PANEL
        lanes = [memory.load(x, column * width) for column in range(PANEL)]
        sums = accumulate(builder, start, TALLEST, count, lambda i: (lanes, lambda row: x))
        for row, each in enumerate(sums):
            memory.store(each, y, row * width)
        return context.get_dummy_value()

    pointer = CPointer(x.dtype)
    return void(pointer, pointer, intp), generate


@kernel("peak", void(out(float32, 1), out(float32, 1), intp))
def peak(x: Any, y: Any, count: int) -> None:
    multiply_and_add(pointer_to(x, 0), pointer_to(y, 0), count)


@kernel("tile_speed", void(array(float32, 1), array(int32, 1), out(float32, 1), intp))
def tile_speed(x: Any, order: Any, y: Any, calls: int) -> None:
    # the panel stands for the weights, too: what the numbers are does not matter
    for _ in range(calls):
        sample_tile(pointer_to(x, 0), pointer_to(x, 0), pointer_to(x, 0), pointer_to(order, 0), order.size,
                    pointer_to(y, 0), TALLEST, pointer_to(x, 0))  # fmt: skip


@kernel("lanes_of_float32", intp(array(float32, 1)))
def lanes_of_float32(x: Any) -> int:
    return full_width(x)  # type: ignore[no-any-return]


def best(call: Callable[[], None]) -> float:
    """The least seconds of several tries."""
    took = []
    for _ in range(TRIES):
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return min(took)


def measure() -> tuple[float, float]:
    """GFLOP/s of one thread in float32: the CPU's, and the micro-kernel's."""
    x = np.zeros(INPUTS * PANEL * 16, np.float32)
    tile = TALLEST * PANEL * lanes_of_float32(x)
    y, order, count = np.zeros(tile, np.float32), np.arange(INPUTS, dtype=np.int32), CALLS * INPUTS
    operations = 2e-9 * tile * count
    return (
        operations / best(lambda: peak(x, y, count)),
        operations / best(lambda: tile_speed(x, order, y, CALLS)),
    )
