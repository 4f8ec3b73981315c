"""`Watch`: what a traced forward reads that can change without an attribute of a layer being assigned.

Assigning an attribute of a layer or of its class is counted (`layers.changes`). Global and enclosing
variables that its code names, and lists and dicts among its attributes, are looked up again at each call. An
attribute of any other kind may change unseen: its layer is not traced.
"""

import dis
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

import numpy as np

from tinytensor.creation import normal, uniform
from tinytensor.errors import ArgumentError
from tinytensor.inference.calls import OURS, runs_foreign_code
from tinytensor.inference.traceable import Traceable
from tinytensor.kernels.elementwise import read_by
from tinytensor.kernels.scalar_source import MISSING, Read, instructions, named, still
from tinytensor.tensors import Tensor

__all__ = ["Watch", "distinct"]

RANDOM = {"random", "time", "datetime", "secrets", "uuid", "os"}  # modules of values that differ by call
DRAWN = (normal, uniform)  # of ours
OUTSIDE = {"open", "input", "eval", "exec", "globals", "id", "__import__"}  # builtins that look elsewhere
SPACES = {"__globals__", "__builtins__", "f_globals", "f_locals", "f_builtins", "cell_contents"}
FOLLOWED = {  # instructions that name a variable or an attribute, and are either followed or harmless
    "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_CLOSURE", "MAKE_CELL", "STORE_DEREF", "DELETE_DEREF", "LOAD_ATTR",
    "LOAD_METHOD", "LOAD_SUPER_ATTR",
}  # fmt: skip
REFUSED = {
    "LOAD_BUILD_CLASS": "defines a class",
    "STORE_ATTR": "assigns an attribute",
    "DELETE_ATTR": "deletes an attribute",
    "STORE_GLOBAL": "assigns a global variable",
    "DELETE_GLOBAL": "deletes a global variable",
    "IMPORT_NAME": "imports a module",
}
NOT_RUN = {"__init__", "__annotate__", "__annotate_func__"}  # by forward; Python 3.14 keeps the latter two
FIXED = (
    bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented), slice, Tensor,
    Traceable, np.dtype, np.generic, np.ufunc, type(np.where), FunctionType,
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
        if function in seen:  # not its code: functions of one code may have different enclosing variables
            return
        seen.add(function)
        check_code(function.__code__, refuse)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.variable("a default", value, refuse)
        for inner in functions_inside(function):
            self.function(inner, seen, refuse)
        try:
            reads = named(function)
        except ArgumentError as error:
            refuse(f"{function.__name__}: {error}")
        for read in reads:
            self.read(read, seen, refuse)

    def read(self, read: Read, seen: set[Any], refuse: Callable[[str], NoReturn]) -> None:
        """Watch a variable and what its value does."""
        value = read.value
        if isinstance(value, ModuleType):
            if value.__name__ in RANDOM or value.__name__ == "numpy.random":
                refuse(f"forward uses the module {value.__name__}")
        elif isinstance(getattr(value, "scalar", None), FunctionType):
            self.reads += read_by(value.scalar)  # one of @tt.elementwise, or an activation
        elif value is not MISSING:  # a name that may be defined later
            self.variable("a global", value, refuse)
        if isinstance(value, Traceable):
            self.layers += [value] if value not in self.layers else []
            self.inside(value, refuse)
        if isinstance(value, FunctionType) and not ours(value):
            self.function(value, seen, refuse)
        constant = isinstance(value, ModuleType | type | BuiltinFunctionType | FunctionType)
        if not (constant and read.module and read.module.__name__.partition(".")[0] == OURS):
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
    if isinstance(value, BuiltinFunctionType):  # random.random is a method of a generator
        owner = value.__self__
        return owner is None or (isinstance(owner, ModuleType) and owner.__name__ not in RANDOM)
    return isinstance(value, FIXED)


def check_code(code: CodeType, refuse: Callable[[str], NoReturn]) -> None:
    """Refuse code that changes something, or looks where changes cannot be seen.

    Python's bytecode differs by version: an instruction that names something and is not known is refused.
    """
    for each in instructions(code):
        if each.opname in REFUSED:
            refuse(f"forward {REFUSED[each.opname]}")
        if each.opcode in (*dis.hasname, *dis.hasfree) and each.opname not in FOLLOWED:
            refuse(f"forward names {each.argval} in a way that cannot be followed ({each.opname})")
        if each.opname in ("STORE_DEREF", "DELETE_DEREF") and each.argval in code.co_freevars:
            refuse("forward assigns an enclosing variable")
        if each.opname == "LOAD_GLOBAL" and each.argval in OUTSIDE:
            refuse(f"forward calls {each.argval}")
        if each.opname in ("LOAD_ATTR", "LOAD_METHOD") and each.argval in SPACES:
            refuse(f"forward reads {each.argval}")


def functions_inside(function: Any) -> Iterator[Any]:
    """The comprehensions and functions that stand in a function, with its variables."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for code in function.__code__.co_consts:
        if isinstance(code, CodeType):
            closure = tuple(cells.get(name, CellType(None)) for name in code.co_freevars)
            yield FunctionType(code, function.__globals__, code.co_name, None, closure)


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
        for value in (value for name, value in space.items() if name not in NOT_RUN):
            for each in (value, *(getattr(value, name, None) for name in ("fget", "__func__", "func"))):
                if isinstance(each, FunctionType) and not ours(each):
                    yield each
