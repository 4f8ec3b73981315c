"""What an attribute of a layer may be replaced by: what the constructor would have taken.

A parameter is replaced by anything array-like of its shape. Of our own layers every other argument is checked
by the constructor itself, which is called with it.
"""

import inspect
from functools import cache
from typing import Any

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.tensors import Tensor
from tinytensor.text import did_you_mean

__all__ = ["changes", "declared"]

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@cache
def declared(cls: type) -> dict[str, bool]:
    """The parameters that a class annotates, `weight: Tensor`, `bias: Tensor | None`: whether None is one.

    >>> import tinytensor as tt
    >>> declared(tt.Linear)
    {'weight': False, 'bias': True}
    """
    found = {}
    for base in reversed(cls.__mro__):
        for name, annotation in annotations(base).items():
            text = annotation.removeprefix("tt.") if isinstance(annotation, str) else ""
            if annotation is Tensor or text == "Tensor":
                found[name] = False
            elif annotation == Tensor | None or text == "Tensor | None":
                found[name] = True
    return found


def annotations(cls: type) -> dict[str, Any]:
    """A class's own annotations; none where they name what is not imported, which Python 3.14 finds here."""
    try:
        return inspect.get_annotations(cls)
    except NameError:
        return {}


def ours(cls: type) -> bool:
    """Whether it is one of our layers, and not a user's."""
    return str(cls.__module__).startswith("tinytensor.")  # None of a class that `exec` made


@cache
def arguments(cls: type) -> frozenset[str]:
    """The names of our layers' arguments; none of a user's, whose constructor may do anything."""
    if not ours(cls):
        return frozenset()
    parameters = inspect.signature(cls).parameters.values()
    return frozenset(each.name for each in parameters if each.kind not in VARIABLE)


def changes(layer: Any, name: str, value: Any) -> dict[str, Any]:
    """The attributes that change when one is assigned.

    Raises:
        ArgumentError: None for a parameter that there must be, a parameter of a name that our layer does not
            have, or what the constructor raises.
        DtypeError: a parameter of floats becomes one of integers, or the other way round.
        ShapeError: a parameter changes its shape.
    """
    cls: Any = type(layer)
    former, is_argument = vars(layer).get(name), name in arguments(cls)
    is_known = name in vars(layer) or name in declared(cls) or is_argument
    if type(former) is Tensor:
        if value is None and not declared(cls).get(name, True):
            raise ArgumentError(f"{layer!r}.{name}: expected a Tensor of shape {former.shape}, got None")
        if value is not None and not (value is False and is_argument):  # bias=False is an argument's value
            return {name: successor(layer, name, former, value)}
    elif type(value) is Tensor and ours(cls) and declared(cls) and not is_known:
        hint = did_you_mean(name, declared(cls), ".{}")
        raise ArgumentError(f"{cls.__name__}.{name}: a {cls.__name__} has no such parameter{hint}")
    if name not in vars(layer) or not is_argument:
        return {name: value}
    given = {each: kept for each, kept in vars(layer).items() if each in arguments(cls)}
    rebuilt = cls(**{**layer.config(), **given, name: value})
    return {each: kept for each, kept in vars(rebuilt).items() if not each.startswith("_")}


def successor(layer: Any, name: str, former: Tensor, value: Any) -> Tensor:
    """What replaces a parameter: anything array-like of its shape, of floats or of integers as it is."""
    who = f"{layer!r}.{name}"
    whole = former.dtype.kind in "iu" and hasattr(value, "dtype")  # an array of integers stays one
    try:
        tensor = value if type(value) is Tensor else Tensor(value, value.dtype if whole else None)
    except (DtypeError, ShapeError) as error:
        raise type(error)(f"{who}: {error}") from None
    if tensor.shape != former.shape:
        hint = "; did you mean its .T?" if tensor.shape == former.shape[::-1] else ""
        raise ShapeError(f"{who}: expected a Tensor of shape {former.shape}, got {tensor.shape}{hint}")
    if tensor.dtype.kind != former.dtype.kind:
        hint = ""
        if former.dtype.kind == "f":
            hint = f"; value.astype({former.dtype.name!r}) takes it as numbers"
        raise DtypeError(f"{who}: expected {former.dtype}, got {tensor.dtype}{hint}")
    return tensor
