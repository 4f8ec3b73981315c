"""Declarations of kernels: a name, a signature and where the body stands, readable without Numba.

A kernel takes addresses and numbers, allocates nothing and raises nothing. Its machine code comes from the
cache; only when it is not there, Numba and the module of the body are imported and the kernel is compiled.
"""

import importlib
import re
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels import cache, load
from tinytensor.kernels.forks import KERNELS, hold_across_forks

__all__ = ["SHORT", "Kernel", "Signature", "by_dtype", "kernel", "kernels", "parse", "register"]

NUMBER = r"[iu](?:8|16|32|64)|f(?:32|64)"
SIGNATURE = re.compile(rf"(void|i64)\(((?:(?:data|(?:{NUMBER})\*?)(?:, |(?=\))))*)\)")
SHORT: dict[np.dtype[Any], str] = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}
PLAIN = ("data", "i64", "f32", "f64")
lock = threading.RLock()  # held while a kernel is loaded or compiled
hold_across_forks(KERNELS, lock)


class Signature(NamedTuple):
    """The kinds of a kernel's result, void or i64, and of its arguments.

    They are i64, f32, f64, a pointer such as f32*, or data: an address as an i64. From Python a pointer and
    data are an integer or an array, whose first element is meant.
    """

    result: str
    arguments: tuple[str, ...]


def parse(text: str) -> Signature:
    """Read a signature, written as C would: `i64(i64, f32*, f64)`.

    Raises:
        ValueError: it is not written so.
    """
    found = SIGNATURE.fullmatch(text)
    arguments = tuple(found[2].split(", ")) if found and found[2] else ()
    if not found or not all(each.endswith("*") or each in PLAIN for each in arguments):
        raise ValueError(f"expected a signature such as 'i64(i64, f32*, f64)', got {text!r}")
    return Signature(found[1], arguments)


class Kernel:
    """A compiled function, loaded or compiled when first used."""

    address: int  # where the machine code starts, for another kernel that calls it; see `kernels.call`
    function: Callable[..., Any]  # what Python calls: a built-in function

    def __init__(
        self, name: str, signature: str, body: Callable[[], Callable[..., Any]], cached: bool = True
    ):
        self.name, self.signature, self.body, self.cached = name, signature, body, cached
        parse(signature)

    @property
    def key(self) -> str:
        """Its name in the cache."""
        return f"{self.name} {self.signature}"

    def load(self) -> None:
        """Load or compile it now."""
        # no functools.cached_property: Python 3.11 holds a lock of its own, which a fork would leave held
        with lock:
            if "function" not in vars(self):
                code = load.load(self.name, self.object_file())
                self.address, self.function = code

    def __getattr__(self, name: str) -> Any:
        if name not in ("address", "function"):
            raise AttributeError(name)
        self.load()
        return getattr(self, name)

    def __call__(self, *arguments: Any) -> Any:
        """Run the kernel; `function` without this step takes a tenth of a microsecond less."""
        return self.function(*arguments)

    def object_file(self) -> bytes:
        """The machine code, from the cache if it is there."""

        def compiled() -> bytes:
            from tinytensor.kernels.compile import compile_kernel

            return compile_kernel(self.name, parse(self.signature), self.body(), runtime=not self.cached)

        return cache.kept(self.key, compiled) if self.cached else compiled()

    def __repr__(self) -> str:
        return f"<kernel {self.name}: {self.signature}>"


kernels: dict[tuple[str, str], Kernel] = {}


def kernel(name: str, signature: str) -> Kernel:
    """Declare the function of that name, as `driver.run`, in `tinytensor.kernels`."""
    module, _, function = name.partition(".")

    def body() -> Callable[..., Any]:
        return getattr(importlib.import_module(f"tinytensor.kernels.{module}"), function)  # type: ignore[no-any-return]

    return register(Kernel(name, signature, body))


def register(declared: Kernel) -> Kernel:
    """Note a kernel, so that `warmup` compiles it."""
    key = declared.name, declared.signature
    if key in kernels:
        raise ValueError(f"two kernels are {declared.name}: {declared.signature}")
    kernels[key] = declared
    return declared


def by_dtype(name: str, signature: str) -> dict[np.dtype[Any], Kernel]:
    """Declare a function twice, with `T` in its signature replaced by f32 and by f64."""
    return {dtype: kernel(name, re.sub(r"\bT\b", short, signature)) for dtype, short in SHORT.items()}
