"""What a layer may keep as an attribute, and the Tensors and layers in it by name.

Tensors and layers may stand in lists, tuples and dicts, however deep; an element is named `attribute.key`.
"""

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.inference.traceable import Traceable
from tinytensor.kernels.scalar_source import same
from tinytensor.tensors import Tensor

__all__ = ["PLAIN", "frozen", "kept", "listed", "refuse_cycle", "replaced", "same"]

PLAIN = frozenset({bool, int, float, str, type(None)})
CONTAINERS = (list, tuple, dict)


def items(container: Any) -> Iterable[tuple[Any, Any]]:
    """The elements of a list, tuple or dict, with their keys."""
    return container.items() if isinstance(container, dict) else enumerate(container)


def listed(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every attribute by name, elements of lists, tuples and dicts as `name.key`."""
    for name, value in attributes.items():
        if isinstance(value, CONTAINERS):
            yield from listed({f"{name}.{key}": each for key, each in items(value)})
        else:
            yield name, value


def frozen(tensor: Tensor) -> Tensor:
    """The Tensor over memory that nobody can write to: bytes, which no flag unlocks. A copy unless it is."""
    array = tensor._array
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if type(base) is bytes:
        return tensor
    values = np.frombuffer(array.tobytes() or bytes(array.itemsize), array.dtype, array.size)
    return Tensor._wrap(values.reshape(array.shape))


def kept(layer: Traceable, name: str, value: Any) -> Any:
    """The value of an attribute with its Tensors frozen.

    Raises:
        ArgumentError: saving the layer would lose it, or the layer would contain itself.
        DtypeError: an array of floats, or a set of layers, which a file has no names for.
    """
    who = f"{type(layer).__name__}.{name}"
    kind = type(value)
    if isinstance(value, Traceable) or kind is Tensor:
        if name.startswith("_"):
            raise ArgumentError(
                f"{who}: a {kind.__name__} under a name with _ is not saved; name it {name.lstrip('_')}"
            )
        if kind is Tensor:
            return frozen(value)
        refuse_cycle(layer, value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        plain = name.lstrip("_")
        raise DtypeError(
            f"{who}: an array of {value.dtype} is not saved; make it a parameter, "
            f"self.{plain} = tt.Tensor({plain})"
        )
    elif isinstance(value, set | frozenset) and any(isinstance(each, Traceable) for each in value):
        raise DtypeError(f"{who}: layers in a set have no names and are not saved; make it a list or a dict")
    elif kind in (list, tuple):
        held = [kept(layer, name, each) for each in value]
        return value if all(map(operator.is_, held, value)) else kind(held)
    elif kind is dict:
        inside = {key: kept(layer, name, each) for key, each in value.items()}
        if any(holds(each) and not named(key) for key, each in inside.items()):
            raise ArgumentError(
                f"{who}: expected names without dots as keys, got {', '.join(map(repr, inside))}"
            )
        return value if all(map(operator.is_, inside.values(), value.values())) else inside
    return value


def holds(value: Any) -> bool:
    """Whether there is a Tensor or a layer in a value."""
    if isinstance(value, CONTAINERS):
        return any(holds(each) for _, each in items(value))
    return isinstance(value, Traceable | Tensor)


def named(key: Any) -> bool:
    """Whether a key of a dict can be part of a parameter's name."""
    return isinstance(key, str) and bool(key) and "." not in key


def replaced(value: Any, path: list[str], tensor: Tensor) -> Any:
    """The container with another Tensor at `path`."""
    if not path:
        return tensor
    new = dict(items(value))
    key: Any = path[0] if isinstance(value, dict) else int(path[0])
    new[key] = replaced(new[key], path[1:], tensor)
    return new if isinstance(value, dict) else type(value)(new.values())


def refuse_cycle(outer: Traceable, inner: Traceable) -> None:
    """Raise if `outer` lies somewhere in `inner`, or is it."""
    if inner is outer:
        raise ArgumentError(f"{type(outer).__name__}: a layer cannot contain itself")
    for child in inner.children().values():
        refuse_cycle(outer, child)
