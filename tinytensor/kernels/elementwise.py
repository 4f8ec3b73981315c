"""Elementwise maps: one compiled loop for each scalar function.

Every loop has the same form, `loop(x, y, count, parameters)`, where y may be x. Its machine address is all
that the fused plan and `apply` know of it, so a user's activation is called exactly as a built-in one is.
"""

from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from typing import Any

import numpy as np
from numba import float32, float64, types
from numba.extending import intrinsic
from numba.types import CPointer, intp, void

from tinytensor.errors import ArgumentError
from tinytensor.kernels._cache import cached_source
from tinytensor.kernels._jit import Kernel, array, kernel, kernels, out
from tinytensor.kernels.boundary import FLOATS, number
from tinytensor.kernels.call import address_of, call_address
from tinytensor.kernels.loop import make_loop
from tinytensor.kernels.microkernel import keep, pointer_to
from tinytensor.kernels.scalar_function import compile_scalar
from tinytensor.kernels.scalar_source import Read, reads, still

__all__ = ["MAX_PARAMETERS", "apply", "call_loop", "is_current", "loop_address", "read_by"]

MAX_PARAMETERS = 4
NONE = np.empty(0)


@cache
def loop_kernel(function: Callable[..., Any]) -> Kernel:
    """The loop of `function`; ours are cached on disk under their name, a user's live in this process."""
    parameters = len(signature(function).parameters) - 1
    signatures = tuple(
        void(CPointer(dtype), CPointer(dtype), intp, CPointer(dtype)) for dtype in (float32, float64)
    )
    ours = cached_source(function)
    name = f"loop_{(function.__module__ or '').rpartition('.')[2]}_{function.__qualname__}"
    loop = Kernel(make_loop(compile_scalar(function), parameters), name, signatures, cached=ours)
    if ours:
        kernels[name] = loop
    return loop


@cache
def read_by(function: Callable[..., Any]) -> list[Read]:
    """What the loop of a user's function was compiled with; of ours nothing, as it is constant.

    Raises:
        ArgumentError: the function raises, or calls itself.
    """
    try:
        return [] if cached_source(function) else reads(function)  # type: ignore[arg-type]
    except ArgumentError as error:
        raise ArgumentError(f"{function.__name__}: {error}") from None


retired: list[Kernel] = []  # programs hold addresses of their code


def is_current(function: Callable[..., Any]) -> bool:
    """Whether what a function reads is still what it was compiled with; if not, it will be compiled anew."""
    if still(read_by(function)):
        return True
    retired.append(loop_kernel(function))
    for each in (loop_kernel, read_by, loop_address, compiled, compile_scalar):
        each.cache_clear()
    return False


@cache
def loop_address(function: Callable[..., Any], dtype: np.dtype[Any]) -> int:
    """Where the compiled loop of a scalar function starts; compiles it if need be.

    Raises:
        ArgumentError: the function does what Numba cannot compile, may raise, calls itself, or returns no
            number.
    """
    read_by(function)
    loop = loop_kernel(function)
    declared = loop.declared[0 if dtype == np.float32 else 1]
    try:
        address = address_of(loop, declared)
    except Exception as error:  # Numba's own, AttributeError, … : as many types as there are mistakes
        raise ArgumentError(f"{function.__name__}: {why_not(function)}") from error
    if not cached_source(function) and may_raise(loop, declared):
        raise ArgumentError(
            f"{function.__name__}: for some x it would raise, as an index or a step of a range may; compiled "
            "code cannot, so write it so that it returns a number for every x"
        )
    return address


def may_raise(loop: Kernel, declared: Any) -> bool:
    """Whether the compiled loop ever returns another status than that all went well."""
    found = loop.overloads[declared.args]
    lines = found.library.get_llvm_str().split(f"@{found.fndesc.llvm_func_name}(", 1)
    if len(lines) < 2:
        lines = found.library.get_llvm_str().split(f'@"{found.fndesc.llvm_func_name}"(', 1)
    body = lines[1].split("\n}", 1)[0]
    return any(
        line.strip().startswith("ret i32") and line.strip() != "ret i32 0" for line in body.splitlines()
    )


def why_not(function: Callable[..., Any]) -> str:
    """The reason why a scalar function does not compile, from an attempt to compile it alone."""
    scalar, arguments = compile_scalar(function), (float32,) * len(signature(function).parameters)
    try:
        scalar.compile(arguments)
    except Exception as error:
        lines = [line.strip(" >") for line in str(error).splitlines()]
        told = [line for line in lines if line and not line.startswith("Failed in nopython")]
        return f"Numba cannot compile it: {' '.join(told[: 1 + told[0].endswith(':')])}"
    return f"expected a number from it, got {scalar.overloads[arguments].signature.return_type}"


@intrinsic
def call_loop(typing_context: Any, address: Any, x: Any, y: Any, count: Any, parameters: Any) -> Any:
    """Call the loop at `address` from compiled code: x, y and parameters are pointers, x may be y."""
    return call_address(x, y, types.intp, parameters)


@kernel("apply_loop", *[void(intp, array(t, 1), array(float64, 1), out(t, 1)) for t in (float32, float64)])
def apply_loop(address: int, x: Any, parameters: Any, y: Any) -> None:
    given = np.empty(parameters.size, y.dtype)
    for i in range(parameters.size):
        given[i] = parameters[i]
    call_loop(address, pointer_to(x, 0), pointer_to(y, 0), x.size, pointer_to(given, 0))
    keep(given)


@cache
def compiled(function: Callable[..., Any], dtype: np.dtype[Any]) -> tuple[Callable[..., None], int]:
    """`apply_loop` as a C function, and the address that it calls."""
    return apply_loop.entry_point(apply_loop.declared[FLOATS.index(dtype)]), loop_address(function, dtype)


def apply(function: Callable[..., Any], x: np.ndarray, parameters: Sequence[float] = ()) -> np.ndarray:
    """function(x, *parameters) for every element of a float32 or float64 array, as a new array."""
    # A call took 1.8 µs, as long as a thousand sigmoids: hence the C function, which takes arrays of just
    # its types, and parameters that become numbers of the dtype in compiled code.
    if read_by(function):
        is_current(function)
    run, address = compiled(function, x.dtype)
    y = np.empty(x.shape, x.dtype)
    run(address, x.ravel(), doubles(parameters) if parameters else NONE, y.ravel())
    return y


def doubles(parameters: Sequence[float]) -> np.ndarray:
    """The parameters in float64; an integer that is too large is infinite."""
    try:
        return np.array(parameters, np.float64)
    except OverflowError:
        return np.array([number(each, np.dtype(np.float64)) for each in parameters])
