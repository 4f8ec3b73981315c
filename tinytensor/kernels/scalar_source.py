"""What a user's scalar function reads besides its arguments.

Compiled code keeps the constants that it was compiled with. So what a function reads is listed, with the
values, down through the functions and activations that it calls; whoever holds compiled code compares.

A compiled function that calls itself has no limit on its depth but the end of the stack, so it is refused.
"""

import builtins
import dis
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from tinytensor.errors import ArgumentError

__all__ = ["MISSING", "Read", "instructions", "named", "reads", "still"]

MISSING = object()
# Names that nobody assigns anew; a look-up takes 60 ns, at each call.
USUAL = {("math", "math"), ("np", "numpy"), ("numpy", "numpy"), ("tt", "tinytensor")}


class Read(NamedTuple):
    """A value that compiled code was made with, and how to look it up again."""

    look_up: Callable[[], Any]
    value: Any
    module: ModuleType | None = None  # whose attribute it is


def reads(function: FunctionType, callers: tuple[Any, ...] = ()) -> list[Read]:
    """Everything that a scalar function reads.

    Raises:
        ArgumentError: it calls itself, directly or through others, prints, or uses a module as a value.
    """
    from tinytensor.kernels.scalar_function import is_activation, is_compiled_alike

    if function in callers:  # not its code: `scaled(scaled(f))` has the same twice
        raise ArgumentError("it calls itself, which compiled code has no stack for; write a loop instead")
    if "print" in function.__code__.co_names and "print" not in function.__globals__:
        # Numba would compile it, and the call would wait for the lock of Python's interpreter for ever
        raise ArgumentError("it prints, which compiled code cannot do; print what it returns")
    found: list[Read] = []
    for read in named(function):
        found.append(read)
        called = read.value
        if is_activation(called):
            found.append(Read(partial(attrgetter("scalar_arguments"), called), called.scalar_arguments))
            called = called.scalar
        if is_compiled_alike(called):
            found += reads(called, (*callers, function))
    return found


def instructions(code: CodeType) -> Iterator[dis.Instruction]:
    """The instructions, without the EXTENDED_ARG that precedes one whose argument is over 255."""
    return (each for each in dis.get_instructions(code) if each.opname != "EXTENDED_ARG")


def named(function: FunctionType) -> list[Read]:
    """The globals, enclosing variables and attributes of modules that a function's own code names.

    Raises:
        ArgumentError: it uses a module as a value, whose attributes cannot be followed.
    """
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    found: dict[Any, list[Read]] = {}  # by what is named, as code names most things several times
    module: ModuleType | None = None
    for each in instructions(function.__code__):
        name, is_attribute = each.argval, each.opname in ("LOAD_ATTR", "LOAD_METHOD")
        if module is not None and not is_attribute:
            raise ArgumentError(
                f"it uses the module {module.__name__} as a value; name what it needs of it, as "
                f"{module.__name__.rpartition('.')[2]}.name"
            )
        if module is not None:
            reads = [read_now(partial(getattr, module, name, MISSING), module)]
        elif each.opname == "LOAD_GLOBAL":
            reads = global_reads(function.__globals__, name)
        elif each.opname == "LOAD_DEREF" and name in cells:
            reads = [read_now(partial(content, cells[name]))]
        else:
            continue
        found.setdefault((id(module), each.opname, name), reads)
        module = reads[-1].value if isinstance(reads[-1].value, ModuleType) else None
    return [read for (_, _, name), reads in found.items() for read in reads if not is_usual(name, read.value)]


def read_now(look_up: Callable[[], Any], module: ModuleType | None = None) -> Read:
    """A look-up with what it finds now."""
    return Read(look_up, look_up(), module)


def global_reads(space: dict[str, Any], name: str) -> list[Read]:
    """A global variable, or that there is none, and the builtin of its name unless it is Python's own."""
    read = read_now(partial(space.get, name, MISSING))
    builtin = getattr(builtins, name, None)
    pythons = isinstance(builtin, BuiltinFunctionType | type) and builtin.__module__ == "builtins"
    if read.value is not MISSING or pythons:
        return [read]
    return [read, read_now(partial(vars(builtins).get, name, MISSING))]


def is_usual(name: str, value: Any) -> bool:
    """Whether it is a module under its usual name, which nobody gives to another."""
    return isinstance(value, ModuleType) and (name, value.__name__) in USUAL


def content(cell: Any) -> Any:
    """What an enclosing variable holds, if anything."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def still(listed: list[Read]) -> bool:
    """Whether everything has the value that it had."""
    for look_up, value, _ in listed:  # a plain loop: it runs at each call
        found = look_up()
        if found is not value and not same(found, value):
            return False
    return True


def same(one: Any, other: Any) -> bool:
    """Whether two values are one object, or numbers of the same type and bits, alone or in tuples."""
    if one is other or type(one) is not type(other):
        return one is other
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one.hex() == float(other).hex()
    return type(one) in (int, bool, str) and bool(one == other)
