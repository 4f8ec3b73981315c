"""Calling one kernel from another by its machine address.

Numba would compile the callee once more into every caller. An address is just a number: the callee is
compiled once, its caller is cached without it, and a table of steps can hold it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

__all__ = ["call_address", "call_fails"]


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


def call_fails(*arguments: types.Type) -> Any:
    """The same, whose result is whether the kernel, or a function that it calls, raised."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        convention = context.call_conv
        function_type = convention.get_function_type(types.void, arguments)
        callee = builder.inttoptr(values[0], function_type.as_pointer())
        status, _ = convention.call_function(builder, callee, types.void, arguments, values[1:])
        return status.is_error

    return types.boolean(types.intp, *arguments), generate
