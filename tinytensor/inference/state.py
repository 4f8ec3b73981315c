"""What a plan is made of: a layer with all its attributes, to be compared after a change."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from tinytensor.errors import ArgumentError
from tinytensor.inference.traceable import Traceable
from tinytensor.kernels.elementwise import is_current, read_by
from tinytensor.kernels.scalar_source import Read

__all__ = ["State", "reads_of", "state_of"]


class State(NamedTuple):
    """A layer with all its attributes; layers inside as states."""

    layer: Any
    kind: Any
    methods: Any
    attributes: Any


def state_of(layer: Any) -> State:
    """Everything that a trace of a layer depends on, to be compared by identity and bits."""
    own = tuple((name, state_of_value(value)) for name, value in vars(layer).items() if name != "_plan")
    methods = tuple(tuple(vars(cls).values()) for cls in type(layer).__mro__ if issubclass(cls, Traceable))
    return State(layer, type(layer), methods, own)


def state_of_value(value: Any) -> Any:
    """An attribute: containers as tuples, layers as states."""
    if isinstance(value, Traceable):
        return state_of(value)
    if isinstance(value, dict):
        return tuple((key, state_of_value(each)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(state_of_value, value))
    return value


def reads_of(layer: Any) -> Iterator[Read]:
    """What activations are computed from beside attributes whose assignment is counted."""
    if hasattr(layer, "scalar") and hasattr(layer, "scalar_arguments"):
        with contextlib.suppress(ArgumentError):  # it does not compile: forward says why
            is_current(layer.scalar)
            yield from read_by(layer.scalar)
        if any(name not in vars(layer) for name in layer._names):  # a property, or of the class
            yield Read(partial(getattr, layer, "scalar_arguments"), layer.scalar_arguments)
    for child in layer.children().values():
        yield from reads_of(child)
