"""The only home of compile options, and what a kernel's body may call."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import float32, float64, types
from numba.core.registry import CPUDispatcher
from numba.extending import overload

__all__ = ["INLINE_OPTIONS", "OPTIONS", "by_dtype", "inline", "subroutine"]

# error_model: with Python's, a division may raise and the loop does not vectorise (16 times slower).
# No fastmath (it breaks NaN and the rule of one order), no parallel (threads are ours).
# Kernels call them and Python does not, so there is nothing to wrap.
OPTIONS = {
    "nopython": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
# LLVM leaves a long scalar function as a call, and the loop around it scalar: 10 times slower.
INLINE_OPTIONS = OPTIONS | {"forceinline": True}

Function = TypeVar("Function", bound=Callable[..., Any])


class Part(CPUDispatcher):
    """A function that compiled code calls; in Python it is the function that it was made of."""

    def __call__(self, *args: Any) -> Any:
        return self.py_func(*args)


class Subroutine(Part):
    """The same, compiled once for integers, whether constants or not."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What Numba asks for when it infers the types of a call."""
        return super().get_call_template(tuple(map(types.unliteral, args)), kws)


def inline(function: Function) -> Function:
    """Decorate a scalar helper that compiled code calls: LLVM inlines it into the loop."""
    return Part(function, targetoptions=dict(INLINE_OPTIONS))


def subroutine(function: Function) -> Function:
    """Decorate a part of a kernel that works on pointers: LLVM inlines it where that pays."""
    return Subroutine(function, targetoptions=dict(OPTIONS))


def by_dtype(stub: Function) -> Callable[[Callable[..., Any], Callable[..., Any]], Function]:
    """Make `stub` callable from compiled code: the first function for float32, the second for float64."""

    def register(single: Callable[..., Any], double: Callable[..., Any]) -> Function:
        implementations = {float32: single, float64: double}
        overload(stub, jit_options=INLINE_OPTIONS, strict=False)(
            lambda *args: implementations[args[0]].py_func  # type: ignore[attr-defined]
        )
        return stub

    return register
