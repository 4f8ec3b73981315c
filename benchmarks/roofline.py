"""How fast this machine is: its peak of fused multiply-adds, and how fast it copies memory.

Both are measured, with as many threads as the peers get: a clock that is not what the data sheet says, or a
neighbour on a shared host, changes them as it changes what is compared with them.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["measure"]

START = 0.5  # of the first chain: from 1, which a·m + c gives again, LLVM would compute no chain
CHAINS = 12  # independent ones: more than latency times units, as few as leave registers on AVX2
STEPS = 2_000_000
COPIED = 64 << 20  # bytes a thread, beyond every cache
TRIES = 100  # of some milliseconds: a neighbour leaves a few of them alone


def width() -> int:
    """Floats in this CPU's widest vectors."""
    features = binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx") else 4


def fused() -> bool:
    """Whether the CPU has the operation: llvm.fma without it is a slow call."""
    return binding.get_host_cpu_features().get("fma", False) or "x86" not in binding.get_process_triple()


def burner(lanes: int) -> Callable[[int], float]:
    """A compiled function: CHAINS accumulators, each a ← a·m + c, so many steps."""
    F32, I64 = ir.FloatType(), ir.IntType(64)
    vector = ir.VectorType(F32, lanes)

    @intrinsic
    def burn(context: Any, steps: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def constant(number: float) -> Any:
                return ir.Constant(vector, [number] * lanes)

            def step(a: Any) -> Any:
                if fused():
                    return builder.call(fma, [a, constant(0.75), constant(0.25)])
                return builder.fadd(builder.fmul(a, constant(0.75)), constant(0.25))

            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f32"
            )
            before, loop, done = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            counter, chains = builder.phi(I64), [builder.phi(vector) for _ in range(CHAINS)]
            left = builder.sub(counter, ir.Constant(I64, 1))
            counter.add_incoming(arguments[0], before)
            counter.add_incoming(left, loop)
            new = [step(chain) for chain in chains]
            for number, (chain, value) in enumerate(zip(chains, new, strict=True)):
                chain.add_incoming(constant(number + START), before)
                chain.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed(">", left, ir.Constant(I64, 0)), loop, done)
            builder.position_at_end(done)
            total = new[0]
            for value in new[1:]:
                total = builder.fadd(total, value)
            return builder.extract_element(total, ir.Constant(I64, 0))

        return types.float32(types.int64), emit

    return numba.njit("float32(int64)", nogil=True)(lambda steps: burn(steps))  # type: ignore[no-any-return]


def best(work: Callable[[Any], Any], each: list[Any]) -> float:
    """The least seconds of several tries, each thread with its own part of the work."""
    with ThreadPoolExecutor(len(each)) as pool:
        took = []
        for _ in range(TRIES):
            begin = time.perf_counter()
            list(pool.map(work, each))
            took.append(time.perf_counter() - begin)
    return min(took)


def measure(threads: int) -> dict[str, float]:
    """GFLOP/s in float32, and GB/s of a copy, bytes read and bytes written together."""
    lanes = width()
    flop = 2.0 * lanes * CHAINS * STEPS * threads
    peak = flop / best(burner(lanes), [STEPS] * threads) / 1e9
    arrays = [np.ones((2, COPIED), np.uint8) for _ in range(threads)]
    copied = 2.0 * COPIED * threads / best(lambda pair: np.copyto(pair[0], pair[1]), arrays) / 1e9
    return {"peak_gflops": peak, "copy_gb_per_second": copied}
