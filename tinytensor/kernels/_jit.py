"""The only home of compile options.

Kernels compile on first need, for signatures that are written down, and are kept on disk.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import float32, float64, types
from numba.core.compiler import Compiler, CompilerBase
from numba.core.registry import CPUDispatcher
from numba.extending import overload

from tinytensor.kernels._cache import KernelCache

__all__ = [
    "Kernel",
    "array",
    "by_dtype",
    "inline",
    "kernel",
    "kernels",
    "out",
    "strided",
    "subroutine",
]

# error_model: with Python's, a division may raise and the loop does not vectorise (16 times slower).
# No fastmath (it breaks NaN and the rule of one order), no parallel (threads come from Python).
OPTIONS = {"nopython": True, "nogil": True, "error_model": "numpy"}
# LLVM leaves a long scalar function as a call, and the loop around it scalar: 10 times slower.
INLINE_OPTIONS = OPTIONS | {"forceinline": True}

Function = TypeVar("Function", bound=Callable[..., Any])


def array(dtype: types.Type, ndim: int) -> types.Array:
    """A C-contiguous input: both writable and read-only arrays convert to it without a compilation."""
    return types.Array(dtype, ndim, "C", readonly=True)


def strided(dtype: types.Type, ndim: int) -> types.Array:
    """An input of any layout."""
    return types.Array(dtype, ndim, "A", readonly=True)


def out(dtype: types.Type, ndim: int) -> types.Array:
    """A C-contiguous array that the kernel writes."""
    return types.Array(dtype, ndim, "C")


class Kernel(CPUDispatcher):
    """A compiled function with a fixed list of signatures, each compiled when first needed."""

    def __init__(
        self,
        py_func: Callable[..., Any],
        name: str,
        signatures: tuple[types.Type, ...],
        pipeline: type[CompilerBase] = Compiler,
        cached: bool = True,
    ):
        super().__init__(py_func, targetoptions=dict(OPTIONS), pipeline_class=pipeline)
        self.kernel_name, self.declared = name, signatures
        if cached:
            self._cache = KernelCache(name)

    def _compile_for_args(self, *args: Any, **kwargs: Any) -> Any:
        # Numba's dispatcher calls this when no compiled signature matches. It would compile for exactly
        # these arguments (three layouts × read-only × two arguments = ten versions). A Kernel compiles
        # the declared signature that they convert to and enters it once more under the types given:
        # the unboxing code belongs to the declared types, which hold any array that converts to them.
        given = tuple(map(self.typeof_pyval, args))
        for signature in self.declared:
            if len(given) == len(signature.args) and all(
                self.typingctx.can_convert(got, wanted) is not None
                for got, wanted in zip(given, signature.args, strict=True)
            ):
                self.compile(signature)
                entry_point = self.overloads[signature.args].entry_point
                if given != signature.args:  # else it is found twice, which is an ambiguity, at 900 µs a call
                    self._insert([type_._code for type_ in given], entry_point, False)
                return entry_point
        raise TypeError(f"kernel {self.kernel_name} takes {self.declared}, got {given}")

    def entry_point(self, signature: Any) -> Callable[..., Any]:
        """One signature as a C function: 0.4 µs a call less, for arguments of just those types."""
        self.compile(signature)
        return self.overloads[signature.args].entry_point  # type: ignore[no-any-return]


kernels: dict[str, Kernel] = {}


def kernel(name: str, *signatures: types.Type) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorate a function over arrays: compiled lazily for each of `signatures`, cached on disk as `name`."""

    def decorate(function: Callable[..., Any]) -> Kernel:
        if name in kernels:
            raise ValueError(f"two kernels are named {name!r}")
        kernels[name] = Kernel(function, name, signatures)
        return kernels[name]

    return decorate


def inline(function: Function) -> Function:
    """Decorate a scalar helper that compiled code calls: LLVM inlines it into the loop."""
    return CPUDispatcher(function, targetoptions=dict(INLINE_OPTIONS))  # type: ignore[no-any-return]


class Part(CPUDispatcher):
    """A function that compiled code calls, compiled once for integers, whether constants or not."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What Numba asks for when it infers the types of a call."""
        return super().get_call_template(tuple(map(types.unliteral, args)), kws)


def subroutine(function: Function) -> Function:
    """Decorate a part of a kernel that works on pointers: LLVM inlines it where that pays."""
    return Part(function, targetoptions=dict(OPTIONS))


def by_dtype(stub: Function) -> Callable[[Callable[..., Any], Callable[..., Any]], Function]:
    """Make `stub` callable from compiled code: the first function for float32, the second for float64."""

    def register(single: Callable[..., Any], double: Callable[..., Any]) -> Function:
        implementations = {float32: single, float64: double}
        overload(stub, jit_options=INLINE_OPTIONS, strict=False)(
            lambda *args: implementations[args[0]].py_func  # type: ignore[attr-defined]
        )
        return stub

    return register
