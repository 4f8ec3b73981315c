"""`Watch`: what a traced forward reads that can change without an attribute of a layer being assigned.

Assigning an attribute of a layer or of its class is counted (`layers.changes`). Global and enclosing
variables that its code names, and lists and dicts among its attributes, are looked up again at each call. An
attribute of any other kind may change unseen: its layer is not traced.
"""

import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn

import numpy as np

from tinytensor.inference.traceable import Traceable
from tinytensor.kernels.elementwise import read_by
from tinytensor.kernels.scalar_source import Read, named, still
from tinytensor.tensor import Tensor

__all__ = ["Watch"]

RANDOM = {
    "random",
    "time",
    "datetime",
    "secrets",
    "uuid",
    "os",
}  # modules whose values differ from call to call
FIXED = (
    bool,
    int,
    float,
    str,
    Tensor,
    Traceable,
    np.dtype,
    np.generic,
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    np.ufunc,
    complex,
    bytes,
)


class Watch:
    """Values that traces were made with, and how to look them up again."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.layers: list[Traceable] = []  # that are used and are no attribute of a layer
        self.seen: set[int] = set()  # layers that are watched

    def add(self, layer: Traceable, refuse: Callable[[str], NoReturn]) -> None:
        """Watch what the layer's own code reads."""
        if id(layer) in self.seen:
            return
        self.seen.add(id(layer))
        for name, value in vars(layer).items():
            if name != "_plan":
                self.attribute(f"{type(layer).__name__}.{name}", value, refuse)
        seen: set[Any] = set()
        for function in functions_of(layer):
            self.function(function, seen, refuse)

    def attribute(self, who: str, value: Any, refuse: Callable[[str], NoReturn]) -> None:
        """Watch one attribute, if it can change unseen."""
        if isinstance(value, list | dict):
            self.reads.append(Read(partial(frozen, value), frozen(value)))
        if isinstance(value, list | tuple | dict):
            for each in value.values() if isinstance(value, dict) else value:
                self.attribute(who, each, refuse)
        elif value is not None and not isinstance(value, FIXED):
            refuse(f"{who} is of type {type(value).__name__}, which may change without notice")

    def function(self, function: Any, seen: set[Any], refuse: Callable[[str], NoReturn]) -> None:
        """Watch the variables that a function names, and those of the functions that it calls."""
        if function.__code__ in seen:
            return
        seen.add(function.__code__)
        for read in named(function):
            value = read.value
            if isinstance(value, types.ModuleType):
                if value.__name__ in RANDOM or value.__name__ == "numpy.random":
                    refuse(f"forward uses the module {value.__name__}")
                continue
            if isinstance(value, Traceable):
                self.layers += [value] if value not in self.layers else []
            if isinstance(getattr(value, "scalar", None), types.FunctionType):
                self.reads += read_by(value.scalar)
            if isinstance(value, types.FunctionType) and not ours(value):
                self.function(value, seen, refuse)
            if not (isinstance(value, type | types.BuiltinFunctionType) or ours(value)):
                self.reads.append(read)
            if isinstance(value, list | dict | set | np.ndarray):
                refuse(f"forward reads a global {type(value).__name__}, which may change without notice")

    def is_current(self) -> bool:
        """Whether everything is as it was."""
        return still(self.reads)


def ours(value: Any) -> bool:
    """Whether a function or class is part of tinytensor."""
    return (getattr(value, "__module__", "") or "").partition(".")[0] == "tinytensor"


def frozen(value: Any) -> Any:
    """The elements of lists and dicts, however deep, as tuples."""
    if isinstance(value, dict):
        return tuple((key, frozen(each)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    return value


def functions_of(layer: Traceable) -> Iterator[Any]:
    """The functions of a layer's classes that are not ours, and those among its attributes."""
    spaces = [vars(layer)]
    for cls in type(layer).__mro__:
        if cls is Traceable or ours(cls):
            break
        spaces.append(dict(vars(cls)))
    for space in spaces:
        for value in space.values():
            for each in (value, *(getattr(value, name, None) for name in ("fget", "__func__", "func"))):
                if isinstance(each, types.FunctionType) and not ours(each):
                    yield each
