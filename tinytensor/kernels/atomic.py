"""Numbers that several threads read and write, each operation seen by all in one order."""

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils
from numba.extending import intrinsic
from numba.types import boolean, int64, intp, void

__all__ = ["compare_exchange", "fetch_add", "give_way", "load", "pause", "store"]

ORDER, ALIGNMENT = "seq_cst", 8
TRIPLE = binding.get_process_triple()


@intrinsic
def load(typing_context: Any, numbers: Any, place: Any) -> Any:
    """numbers[place], of int64 behind a pointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(builder.gep(values[0], [values[1]]), ORDER, ALIGNMENT)

    return int64(numbers, intp), generate


@intrinsic
def store(typing_context: Any, numbers: Any, place: Any, value: Any) -> Any:
    """numbers[place] = value."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store_atomic(values[2], builder.gep(values[0], [values[1]]), ORDER, ALIGNMENT)
        return context.get_dummy_value()

    return void(numbers, intp, int64), generate


@intrinsic
def fetch_add(typing_context: Any, numbers: Any, place: Any, amount: Any) -> Any:
    """numbers[place], to which amount is added in the same moment."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", builder.gep(values[0], [values[1]]), values[2], ORDER)

    return int64(numbers, intp, int64), generate


@intrinsic
def pause(typing_context: Any) -> Any:
    """Tell the CPU that this is a loop that waits."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if "x86" in TRIPLE:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return void(), generate


@intrinsic
def compare_exchange(typing_context: Any, numbers: Any, place: Any, expected: Any, value: Any) -> Any:
    """Set numbers[place] to a value if it is the expected one; whether it was."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = builder.gep(values[0], [values[1]])
        found = builder.cmpxchg(pointer, values[2], values[3], ORDER, ORDER)
        return builder.extract_value(found, 1)

    return boolean(numbers, intp, int64, int64), generate


@intrinsic
def give_way(typing_context: Any) -> Any:
    """Let another thread run on this core, if one wants to."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        name = "SwitchToThread" if "windows" in TRIPLE else "sched_yield"
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return void(), generate
