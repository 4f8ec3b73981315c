"""Elementwise maps: one compiled loop for each scalar function, run over blocks that stay in L1.

Every loop has the same form, `loop(x, count, parameters)`, in place. Its machine address is all that the
fused plan and `apply` know of it, so a user's activation is called exactly as a built-in one is.
"""

from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, float64, types
from numba.extending import intrinsic
from numba.types import CPointer, intp, void

from tinytensor.kernels._jit import Kernel, array, kernel, kernels, out
from tinytensor.kernels.microkernel import pointer_to
from tinytensor.kernels.scalar_function import compile_scalar

__all__ = ["address_of", "apply", "call_address", "call_loop", "loop_address"]

BLOCK = 4096  # floats; in and out of a block together are half of a 32 KiB L1


def make_loop(function: Callable[..., Any], parameters: int) -> Callable[..., None]:
    """The loop over one scalar function of x and up to four parameters."""
    scalar = compile_scalar(function)

    def loop0(x: Any, count: int, p: Any) -> None:
        for i in range(count):
            x[i] = scalar(x[i])

    def loop1(x: Any, count: int, p: Any) -> None:
        a = p[0]
        for i in range(count):
            x[i] = scalar(x[i], a)

    def loop2(x: Any, count: int, p: Any) -> None:
        a, b = p[0], p[1]
        for i in range(count):
            x[i] = scalar(x[i], a, b)

    def loop3(x: Any, count: int, p: Any) -> None:
        a, b, c = p[0], p[1], p[2]
        for i in range(count):
            x[i] = scalar(x[i], a, b, c)

    def loop4(x: Any, count: int, p: Any) -> None:
        a, b, c, d = p[0], p[1], p[2], p[3]
        for i in range(count):
            x[i] = scalar(x[i], a, b, c, d)

    return (loop0, loop1, loop2, loop3, loop4)[parameters]


@cache
def loop_kernel(function: Callable[..., Any]) -> Kernel:
    """The loop of `function`; ours are cached on disk under their name, a user's live in this process."""
    parameters = len(signature(function).parameters) - 1
    signatures = tuple(void(CPointer(dtype), intp, CPointer(dtype)) for dtype in (float32, float64))
    ours = function.__module__.startswith("tinytensor.")
    name = f"loop_{function.__module__.rpartition('.')[2]}_{function.__qualname__}"
    loop = Kernel(make_loop(function, parameters), name, signatures, cached=ours)
    if ours:
        kernels[name] = loop
    return loop


@cache
def loop_address(function: Callable[..., Any], dtype: np.dtype[Any]) -> int:
    """Where the compiled loop of a scalar function starts; compiles it if need be.

    Raises:
        numba.core.errors.TypingError: the function uses what Numba cannot compile.
    """
    loop = loop_kernel(function)
    return address_of(loop, loop.declared[0 if dtype == np.float32 else 1])


def address_of(compiled: Kernel, signature: Any) -> int:
    """Where the machine code of one signature of a kernel starts; compiles it if need be."""
    compiled.compile(signature)
    found = compiled.overloads[signature.args]
    return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def call_address(*arguments: types.Type) -> Any:
    """What an intrinsic returns whose first argument is the address of a kernel that takes `arguments`."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        convention = context.call_conv
        function_type = convention.get_function_type(types.void, arguments)
        callee = builder.inttoptr(values[0], function_type.as_pointer())
        convention.call_function(builder, callee, types.void, arguments, values[1:])
        return context.get_dummy_value()

    return types.void(types.intp, *arguments), generate


@intrinsic
def call_loop(typing_context: Any, address: Any, x: Any, count: Any, parameters: Any) -> Any:
    """Call the loop at `address` from compiled code: x and parameters are pointers."""
    return call_address(x, types.intp, parameters)


@kernel("apply_loop", *[void(intp, array(t, 1), array(t, 1), out(t, 1)) for t in (float32, float64)])
def apply_loop(address: int, x: Any, parameters: Any, y: Any) -> None:
    for start in range(0, x.size, BLOCK):
        count = min(BLOCK, x.size - start)
        source, target = pointer_to(x, start), pointer_to(y, start)
        for i in range(count):
            target[i] = source[i]
        call_loop(address, target, count, pointer_to(parameters, 0))


def apply(function: Callable[..., Any], x: np.ndarray, parameters: Sequence[float] = ()) -> np.ndarray:
    """function(x, *parameters) for every element of a float32 or float64 array, as a new array."""
    y = np.empty(x.shape, x.dtype)
    source = np.ascontiguousarray(x)
    apply_loop(loop_address(function, x.dtype), source.ravel(), np.array(parameters, x.dtype), y.reshape(-1))
    return y
