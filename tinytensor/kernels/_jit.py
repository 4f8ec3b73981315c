"""The only home of compile options, and of the disk cache of compiled kernels.

Kernels compile on first need, for signatures that are written down, and are kept in the user's cache
folder. A damaged or unwritable folder costs a compilation, never an exception.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numba.core.event
from numba import float32, float64, types
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.compiler import Compiler, CompilerBase
from numba.core.registry import CPUDispatcher
from numba.extending import overload

from tinytensor.cache import cache_folder

__all__ = [
    "Kernel",
    "array",
    "by_dtype",
    "inline",
    "kernel",
    "kernels",
    "out",
    "source_stamp",
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


@cache
def source_stamp() -> str:
    """A digest of everything a cached kernel depends on besides the CPU, which Numba looks at itself."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {config.BOUNDSCHECK}".encode())
    for source in [*sorted((package / "kernels").rglob("*.py")), package / "activations.py"]:
        if source.exists():
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def kernel_folder() -> Path:
    """Where this version's compiled kernels are kept."""
    return cache_folder() / f"kernels-{source_stamp()}"


def private(folder: Path) -> bool:
    """Whether nobody else may write into `folder`: what is unpickled from there runs as code."""
    if os.name != "posix":
        return True
    status = folder.lstat()
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.getuid()
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


class KernelFolder(_CacheLocator):
    """Numba's idea of where one kernel's cache lies and what it depends on."""

    def get_cache_path(self) -> str:
        return str(kernel_folder())

    def ensure_cache_path(self) -> None:
        kernel_folder().mkdir(mode=0o700, parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        return source_stamp()

    def get_disambiguator(self) -> str:
        return ""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "KernelFolder":
        return cls()


class KernelCacheImpl(CompileResultCacheImpl):
    """A kernel's files are named for the kernel, not for the source line it stands on."""

    def __init__(self, name: str):
        self._locator = KernelFolder()
        self._filename_base = f"{name}.py{sys.version_info[0]}{sys.version_info[1]}"


class KernelCache(FunctionCache):
    """Loads what can be loaded; whatever is wrong with the folder, the kernel is compiled instead."""

    def __init__(self, py_func: Callable[..., Any], name: str):
        self.kernel_name = name
        self._impl_class = lambda _: KernelCacheImpl(name)
        super().__init__(py_func)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # Numba hashes closures by pickling them, which differs from process to process for a closure
        # over a dispatcher; our name and the source stamp say as much.
        return sig, codegen.magic_tuple(), self.kernel_name

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context) if private(kernel_folder()) else None
        except FileNotFoundError:
            found = None
        except Exception:
            # A damaged file fails anywhere between unpickling and LLVM, each place with its own error.
            shutil.rmtree(kernel_folder(), ignore_errors=True)
            found = None
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            self._impl.locator.ensure_cache_path()
            if private(kernel_folder()):
                super().save_overload(sig, data)


@cache
def announce_compilation() -> None:
    """One line a process, on a terminal only: a pause without a word looks like a hang."""
    if sys.stderr.isatty():
        print("tinytensor: compiling kernels for this CPU, once", file=sys.stderr, flush=True)


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
            self._cache = KernelCache(py_func, name)

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

    def compile(self, signature: Any) -> Any:
        """Load one signature from the cache, or compile it."""
        with contextlib.ExitStack() as stack:
            if not self.overloads.get(tuple(signature.args)):
                stack.enter_context(numba.core.event.install_listener("numba:compile", Announcer()))
            return super().compile(signature)


class Announcer(numba.core.event.Listener):
    """Says so when Numba really compiles."""

    def on_start(self, event: Any) -> None:
        announce_compilation()

    def on_end(self, event: Any) -> None:
        pass


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
