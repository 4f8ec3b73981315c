"""Elementwise maps: one compiled loop for each scalar function.

Every loop has the same form, `loop(x, y, count, parameters)`, where y may be x; one of a function of two
values is `loop(a, b, y, count)`, and one of several `loop(addresses of the operands, y, count)`. A program
knows no more of it than its machine address, so a user's activation is called exactly as a built-in one is.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import FLOAT32, Array, broadcast_shape, number
from tinytensor.kernels.declare import SHORT, Kernel, kernels, register
from tinytensor.kernels.load import KernelRaised
from tinytensor.kernels.scalar_source import Read, reads, still

__all__ = [
    "MAX_PARAMETERS", "MOST_OPERANDS", "apply", "apply_several", "is_current", "loop_address", "loop_kernels",
    "pair_address", "pair_kernels", "read_by", "several_address", "several_kernels",
]  # fmt: skip

MAX_PARAMETERS = 4
MOST_OPERANDS = 8  # of a function of several values
Kernels = dict[np.dtype[Any], Kernel]


def in_sources(function: Callable[..., Any]) -> bool:
    """Whether the cache's stamp changes with this function, so that what is compiled from it may be kept."""
    package, _, module = (function.__module__ or "").rpartition(".")  # one made by exec may have no module
    return package == "tinytensor.kernels" or (
        package.partition(".")[0] == "tinytensor" and module == "activations"
    )


def arity(function: Any) -> int:
    """How many arguments a scalar function takes."""
    return int(function.__code__.co_argcount + function.__code__.co_kwonlyargcount)


def loops(kind: str, signature: str, function: Callable[..., Any], body: Callable[[], Any]) -> Kernels:
    """Kernels of a function's loop; ours are kept on disk under their name, a user's live in this process."""
    ours = in_sources(function)
    name = f"{kind}_{(function.__module__ or '').rpartition('.')[2]}_{function.__qualname__}"
    found = {
        dtype: Kernel(name, signature.replace("T", short), body, cached=ours)
        for dtype, short in SHORT.items()
    }
    return {dtype: registered(each) if ours else each for dtype, each in found.items()}


def registered(each: Kernel) -> Kernel:
    """A kernel of ours, declared once however often its loop is asked for."""
    return kernels.get((each.name, each.signature)) or register(each)


@cache
def loop_kernels(function: Callable[..., Any]) -> Kernels:
    """The loop of a function of one value and of parameters."""

    def body() -> Callable[..., None]:
        from tinytensor.kernels.loop import make_loop
        from tinytensor.kernels.scalar_function import compile_scalar

        return make_loop(compile_scalar(function), arity(function) - 1)

    return loops("loop", "void(T*, T*, i64, T*)", function, body)


@cache
def pair_kernels(function: Callable[..., Any]) -> Kernels:
    """The loop of a function of two values."""

    def body() -> Callable[..., None]:
        from tinytensor.kernels.loop import make_pair_loop
        from tinytensor.kernels.scalar_function import compile_scalar

        return make_pair_loop(compile_scalar(function))

    return loops("pair", "void(T*, T*, T*, i64)", function, body)


@cache
def several_kernels(function: Callable[..., Any]) -> Kernels:
    """The loop of a function of several values."""

    def body() -> Callable[..., None]:
        from tinytensor.kernels.loop import make_several_loop
        from tinytensor.kernels.scalar_function import compile_scalar

        return make_several_loop(compile_scalar(function), arity(function))

    return loops("several", "void(i64*, T*, i64)", function, body)


@cache
def read_by(function: Callable[..., Any]) -> list[Read]:
    """What the loop of a user's function was compiled with; of ours nothing, as it is constant.

    Raises:
        ArgumentError: the function calls itself.
    """
    if in_sources(function):
        return []
    try:
        return reads(function)  # type: ignore[arg-type]
    except ArgumentError as error:
        raise ArgumentError(f"{function.__name__}: {error}") from None


def is_current(function: Callable[..., Any]) -> bool:
    """Whether what a function reads is still what it was compiled with; if not, it will be compiled anew."""
    if still(read_by(function)):
        return True
    from tinytensor.kernels.scalar_function import compile_scalar

    for each in (loop_kernels, several_kernels, read_by, loaded, compile_scalar):
        each.cache_clear()
    return False


@cache
def loaded(kernels_of: Callable[..., Kernels], function: Callable[..., Any], dtype: np.dtype[Any]) -> Kernel:
    """The compiled loop of a scalar function; compiles it if need be.

    Raises:
        ArgumentError: the function does what Numba cannot compile, calls itself, or returns no number.
    """
    read_by(function)
    found = kernels_of(function)[dtype]
    try:
        found.load()
    except Exception as error:  # Numba's own, AttributeError, … : as many types as there are mistakes
        raise ArgumentError(f"{function.__name__}: {why_not(function)}") from error
    return found


def loop_address(function: Callable[..., Any], dtype: np.dtype[Any]) -> int:
    """Where the compiled loop of a scalar function of one value starts.

    Raises:
        ArgumentError: the function does what Numba cannot compile, or returns no number.
    """
    return loaded(loop_kernels, function, dtype).address


def several_address(function: Callable[..., Any], dtype: np.dtype[Any]) -> int:
    """Where the compiled loop of a scalar function of several values starts; raises as `loop_address`."""
    return loaded(several_kernels, function, dtype).address


def pair_address(function: Callable[..., Any], dtype: np.dtype[Any]) -> int:
    """Where the compiled loop of a function of two values starts; compiles it if need be."""
    return pair_kernels(function)[dtype].address


def why_not(function: Callable[..., Any]) -> str:
    """The reason why a scalar function does not compile, from an attempt to compile it alone."""
    from numba import float32

    from tinytensor.kernels.scalar_function import compile_scalar

    scalar, arguments = compile_scalar(function), (float32,) * arity(function)
    try:
        scalar.compile(arguments)
    except Exception as error:
        lines = [line.strip(" >") for line in str(error).splitlines()]
        told = [line for line in lines if line and not line.startswith("Failed in nopython")] or [repr(error)]
        return f"Numba cannot compile it: {' '.join(told[: 1 + told[0].endswith(':')])}"
    return f"expected a number from it, got {scalar.overloads[arguments].signature.return_type}"


def apply(function: Callable[..., Any], x: Array, parameters: Sequence[float] = ()) -> Array:
    """function(x, *parameters) for every element of a float32 or float64 array, as a new array."""
    if read_by(function):
        is_current(function)
    run, y = loaded(loop_kernels, function, x.dtype).function, np.empty(x.shape, x.dtype)
    x = np.ascontiguousarray(x)
    given = np.array([number(each, x.dtype) for each in parameters], x.dtype) if parameters else 0
    try:
        run(x, y, x.size, given)
    except KernelRaised:
        raise_again(function, run, x, parameters, given)
    return y


def apply_several(function: Callable[..., Any], operands: Sequence[Any]) -> Array:
    """function(a, b, …) for every element of operands that broadcast, in a new array of the common dtype."""
    if read_by(function):
        is_current(function)
    arrays = [each for each in operands if isinstance(each, np.ndarray)]
    dtype = np.result_type(*arrays, np.float32) if arrays else FLOAT32
    shape = broadcast_shape(function.__name__, *map(np.shape, operands))
    run, y = loaded(several_kernels, function, dtype).function, np.empty(shape, dtype)
    given = [
        np.ascontiguousarray(
            np.broadcast_to(each if isinstance(each, np.ndarray) else number(each, dtype), shape), dtype
        )
        for each in operands
    ]
    try:
        run(np.array([each.ctypes.data for each in given], np.int64), y, y.size)
    except KernelRaised:
        for values in zip(*(each.ravel().tolist() for each in given), strict=True):
            function(*values)
        raise
    return y


def raise_again(
    function: Callable[..., Any], run: Callable[..., None], x: Array, parameters: Sequence[float], given: Any
) -> None:
    """Raise in Python what the function raised in compiled code, for the first element for which it does."""
    y = np.empty(1, x.dtype)
    for i in range(x.size):
        value = x.reshape(-1)[i : i + 1]
        try:
            run(value, y, 1, given)
        except KernelRaised:
            function(value[0], *parameters)
            raise
