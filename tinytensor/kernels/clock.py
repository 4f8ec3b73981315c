"""A counter that runs with time, read from compiled code in a few nanoseconds."""

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils
from numba.extending import intrinsic
from numba.types import int64

__all__ = ["read_clock"]

# The cycle counter of an ARM core is not for programs to read; x86 has no other.
COUNTER = "llvm.readcyclecounter" if "x86" in binding.get_process_triple() else "llvm.readsteadycounter"


@intrinsic
def read_clock(typing_context: Any) -> Any:
    """Ticks since some moment, at a rate that only a clock beside it can tell."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function_type = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, function_type, COUNTER), [])

    return int64(), generate
