"""What a user's scalar function reads besides its arguments.

Compiled code keeps the constants that it was compiled with. So what a function reads is listed, with the
values, down through the functions and activations that it calls; whoever holds compiled code compares.

A compiled function that calls itself has no limit on its depth but the end of the stack, so it is refused.
"""

import dis
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from tinytensor.errors import ArgumentError

__all__ = ["Read", "reads", "still"]

MISSING = object()


class Read(NamedTuple):
    """A value that compiled code was made with, and how to look it up again."""

    look_up: Callable[[], Any]
    value: Any


def reads(function: FunctionType, callers: tuple[Any, ...] = ()) -> list[Read]:
    """Everything that a scalar function reads.

    Raises:
        ArgumentError: it calls itself, directly or through others.
    """
    from tinytensor.kernels.scalar_function import is_activation, is_compiled_alike

    if function.__code__ in callers:
        raise ArgumentError("it calls itself, which compiled code has no stack for; write a loop instead")
    found: list[Read] = []
    for read in named(function):
        found.append(read)
        called = read.value
        if is_activation(called):
            found.append(Read(partial(attrgetter("scalar_arguments"), called), called.scalar_arguments))
            called = called.scalar
        if is_compiled_alike(called):
            found += reads(called, (*callers, function.__code__))
    return found


def named(function: FunctionType) -> Iterator[Read]:
    """The globals, enclosing variables and attributes of modules that a function's own code names."""
    space = function.__globals__
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    module: ModuleType | None = None
    for each in dis.get_instructions(function):
        read = None
        if each.opname == "LOAD_GLOBAL" and each.argval in space:
            read = Read(partial(space.get, each.argval, MISSING), space[each.argval])
        elif each.opname == "LOAD_DEREF" and each.argval in cells:
            cell = cells[each.argval]
            read = Read(partial(content, cell), content(cell))
        elif each.opname in ("LOAD_ATTR", "LOAD_METHOD") and module is not None:
            look_up = partial(getattr, module, each.argval, MISSING)
            read = Read(look_up, look_up())
        module = read.value if read and isinstance(read.value, ModuleType) else None
        if read and not (isinstance(read.value, ModuleType) and read.value.__name__ in ("math", "numpy")):
            yield read


def content(cell: Any) -> Any:
    """What an enclosing variable holds, if anything."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def still(listed: list[Read]) -> bool:
    """Whether everything has the value that it had."""
    for look_up, value in listed:  # a plain loop: it runs at each call
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
