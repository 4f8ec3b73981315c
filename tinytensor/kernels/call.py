"""Calling one kernel from another by its machine address.

Numba would compile the callee once more into every caller. An address is just a number: the callee is
compiled once, its caller is cached without it, and a table of steps can hold it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock

from tinytensor.kernels._jit import Kernel

__all__ = ["address_of", "call_address"]


def address_of(compiled: Kernel, signature: Any) -> int:
    """Where the machine code of one signature of a kernel starts; compiles it if need be."""
    with global_compiler_lock:  # LLVM links what it compiled now, and must not be asked by two threads
        compiled.compile(signature)
        found = compiled.overloads[signature.args]
        return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def call_address(*arguments: types.Type) -> Any:
    """What an intrinsic returns whose first argument is the address of a kernel that takes `arguments`."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        convention = context.call_conv
        function_type = convention.get_function_type(types.void, arguments)
        callee = builder.inttoptr(values[0], function_type.as_pointer())
        status, _ = convention.call_function(builder, callee, types.void, arguments, values[1:])
        with cgutils.if_unlikely(builder, status.is_error):  # a user's function may raise
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.intp, *arguments), generate
