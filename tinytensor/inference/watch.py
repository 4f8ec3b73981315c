"""`Watch`: what a traced forward reads that can change without an attribute of a layer being assigned.

Assigning an attribute of a layer or of its class is counted (`layers.changes`). Global and enclosing
variables that its code names, and lists and dicts among its attributes, are looked up again at each call. An
attribute of any other kind may change unseen: its layer is not traced.
"""

import dis
import types
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NoReturn

import numpy as np

from tinytensor.creation import normal, uniform
from tinytensor.inference.calls import OURS, runs_foreign_code
from tinytensor.inference.traceable import Traceable
from tinytensor.kernels.elementwise import read_by
from tinytensor.kernels.scalar_source import Read, named, still
from tinytensor.tensor import Tensor

__all__ = ["Watch", "distinct"]

RANDOM = {"random", "time", "datetime", "secrets", "uuid", "os"}  # modules of values that differ by call
DRAWN = (normal, uniform)  # of ours
OUTSIDE = {"open", "input", "eval", "exec", "globals", "id"}  # builtins that look elsewhere
WRITES = {
    "STORE_ATTR": "assigns an attribute",
    "DELETE_ATTR": "deletes an attribute",
    "STORE_GLOBAL": "assigns a global variable",
    "IMPORT_NAME": "imports a module",
}
FIXED = (
    bool, int, float, complex, str, bytes, type(None), type(Ellipsis), slice, Tensor, Traceable, np.dtype,
    np.generic, np.ufunc, type(np.where), types.FunctionType,
)  # fmt: skip


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
        for child in layer.children().values():
            self.inside(child, refuse)

    def attribute(self, who: str, value: Any, refuse: Callable[[str], NoReturn]) -> None:
        """Watch one attribute, if it can change unseen."""
        if isinstance(value, list | dict):
            self.reads.append(Read(partial(frozen, value), frozen(value)))
        if isinstance(value, list | tuple | dict):
            for each in value.values() if isinstance(value, dict) else value:
                self.attribute(who, each, refuse)
        elif not is_fixed(value):
            refuse(f"{who} is of type {type(value).__name__}, which may change without notice")

    def function(self, function: Any, seen: set[Any], refuse: Callable[[str], NoReturn]) -> None:
        """Watch the variables that a function names, and those of the functions that it calls."""
        if function.__code__ in seen:
            return
        seen.add(function.__code__)
        check_code(function.__code__, refuse)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.variable("a default", value, refuse)
        for inner in functions_inside(function):
            self.function(inner, seen, refuse)
        for read in named(function):
            value = read.value
            if isinstance(value, types.ModuleType):
                if value.__name__ in RANDOM or value.__name__ == "numpy.random":
                    refuse(f"forward uses the module {value.__name__}")
                continue
            if isinstance(
                getattr(value, "scalar", None), types.FunctionType
            ):  # one of @tt.elementwise, or an activation
                self.reads += read_by(value.scalar)
            else:
                self.variable("a global", value, refuse)
            if isinstance(value, Traceable):
                self.layers += [value] if value not in self.layers else []
                self.inside(value, refuse)
            if isinstance(value, types.FunctionType) and not ours(value):
                self.function(value, seen, refuse)
            if not (isinstance(value, type | types.BuiltinFunctionType | types.FunctionType) and ours(value)):
                self.reads.append(read)

    def variable(self, kind: str, value: Any, refuse: Callable[[str], NoReturn]) -> None:
        """Refuse what a function reads if it may change in place, or is drawn at random."""
        if any(value is each for each in DRAWN):
            refuse(f"forward draws random numbers, by {value.__name__}")
        for each in value if isinstance(value, tuple) else (value,):
            if not is_fixed(each):
                refuse(f"forward reads {kind} {type(each).__name__}, which may change without notice")

    def inside(self, layer: Traceable, refuse: Callable[[str], NoReturn]) -> None:
        """Watch a layer and those in it, as far as they are not ours."""
        if runs_foreign_code(layer):
            self.add(layer, refuse)
        for child in layer.children().values():
            self.inside(child, refuse)

    def is_current(self) -> bool:
        """Whether everything is as it was."""
        return still(self.reads)


def distinct(reads: Iterable[Read]) -> list[Read]:
    """Each look-up once, though several traces read the same."""
    found = {}
    for each in reads:
        look_up: Any = each.look_up  # a partial
        found[look_up.func, *map(id, look_up.args), id(each.value)] = each
    return list(found.values())


def ours(value: Any) -> bool:
    """Whether a function or class is part of tinytensor."""
    return (getattr(value, "__module__", "") or "").partition(".")[0] == OURS


def is_fixed(value: Any) -> bool:
    """Whether a value cannot change in place, or its changes are noticed."""
    if isinstance(value, type):  # assigning an attribute of a layer's class is counted
        return issubclass(value, Traceable) or value.__module__.partition(".")[0] in (
            "builtins",
            "numpy",
            OURS,
        )
    if isinstance(value, types.BuiltinFunctionType):  # random.random is a method of a generator
        owner = value.__self__
        return owner is None or (isinstance(owner, types.ModuleType) and owner.__name__ not in RANDOM)
    return isinstance(value, FIXED)


def check_code(code: types.CodeType, refuse: Callable[[str], NoReturn]) -> None:
    """Refuse code that changes something, or looks where changes cannot be seen."""
    for each in dis.get_instructions(code):
        if each.opname in WRITES:
            refuse(f"forward {WRITES[each.opname]}")
        if each.opname == "STORE_DEREF" and each.argval in code.co_freevars:
            refuse("forward assigns an enclosing variable")
        if each.opname == "LOAD_GLOBAL" and each.argval in OUTSIDE:
            refuse(f"forward calls {each.argval}")


def functions_inside(function: Any) -> Iterator[Any]:
    """The comprehensions and functions that stand in a function, with its variables."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for code in function.__code__.co_consts:
        if isinstance(code, types.CodeType):
            closure = tuple(cells.get(name, types.CellType(None)) for name in code.co_freevars)
            yield types.FunctionType(code, function.__globals__, code.co_name, None, closure)


def frozen(value: Any) -> Any:
    """The elements of lists and dicts, however deep, as tuples."""
    if isinstance(value, dict):
        return tuple((key, frozen(each)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    return value


def functions_of(layer: Traceable) -> Iterator[Any]:
    """The functions of a layer's classes but `__init__` that are not ours, and those among its attributes."""
    spaces = [vars(layer)]
    for cls in type(layer).__mro__:
        if cls is Traceable or ours(cls):
            break
        spaces.append(dict(vars(cls)))
    for space in spaces:
        for value in (value for name, value in space.items() if name != "__init__"):
            for each in (value, *(getattr(value, name, None) for name in ("fget", "__func__", "func"))):
                if isinstance(each, types.FunctionType) and not ours(each):
                    yield each
