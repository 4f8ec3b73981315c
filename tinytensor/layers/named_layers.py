"""What a caller may give a Sequential as its layers, and what is kept of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.layers.layer import Layer

__all__ = ["NamedLayer", "named_layer", "named_layers"]

NamedLayer = tuple[str | None, Layer]  # a layer without a name of its own is named for its position


def named_layer(value: Any) -> NamedLayer:
    """What the caller gives as a layer, or as a pair of name and layer."""
    name, layer = value if isinstance(value, tuple) and len(value) == 2 else (None, value)
    if not isinstance(layer, Layer):
        hint = ""
        if isinstance(layer, type) and issubclass(layer, Layer):
            hint = f"; did you mean {layer.__name__}(…)?"
        elif isinstance(layer, str):
            hint = f"; an activation by its name is tt.activations.get({layer!r})"
        elif callable(layer):
            hint = f"; did you mean Lambda({getattr(layer, '__name__', '…')})?"
        raise DtypeError(f"Sequential: expected a layer, got {layer!r}{hint}")
    if name is not None and (not isinstance(name, str) or not name or "." in name or name.isdigit()):
        raise ArgumentError(f"Sequential: expected a name without dots that is no number, got {name!r}")
    return name, layer


def named_layers(values: Iterable[Any]) -> list[NamedLayer]:
    """All layers of a list, and of the lists and dicts in it."""
    found: list[NamedLayer] = []
    for value in values:
        if isinstance(value, Mapping):
            found += [named_layer(pair) for pair in value.items()]
        elif isinstance(value, list | Iterator) or (isinstance(value, tuple) and not named(value)):
            found += named_layers(value)
        else:
            found.append(named_layer(value))
    return found


def named(pair: tuple[Any, ...]) -> bool:
    """Whether a tuple is a name and a layer, not two layers."""
    return len(pair) == 2 and not isinstance(pair[0], Layer | tuple)
