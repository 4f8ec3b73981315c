"""A layer as a file of Keras describes it, and as the layers of ours that it becomes."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.config import Config, shortened
from tinytensor.kernels.boundary import Array

__all__ = ["Described", "Part", "Source", "floats", "plain", "rescale", "unwrapped"]


class Described(NamedTuple):
    """A layer as a configuration has it, in the words of Keras 3; models have layers."""

    kind: str
    name: str | None
    config: Config
    inbound: Any = None
    layers: tuple["Described", ...] | None = None


class Part(NamedTuple):
    """A layer of ours, and what is put behind the name of Keras's layer for it."""

    cls: str
    arguments: dict[str, Any]
    state: dict[str, Array]
    suffix: str = ""


class Source(NamedTuple):
    """A layer of Keras's.

    `rank` is that of its input, `version` the first number of the Keras that wrote it; `paths` says where its
    weights are, or those of what is inside it by that name, and `read` reads one.
    """

    kind: str
    config: Config
    rank: int | None
    version: int
    paths: Callable[[str], list[str]]
    read: Callable[[str], Array]
    inner: str = ""

    def error(self, said: str) -> UnsupportedOp:
        """What to raise for a layer that cannot be expressed."""
        return UnsupportedOp(f"{self.kind} {shortened(self.config.get('name'))}: {said}")

    def number(self, key: str, default: Any = None) -> float:
        """A finite number of the configuration."""
        value = unwrapped(self.config.get(key, default))
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            raise ModelFormatError(f"{self.kind}: {key}: expected a number, got {shortened(value)}")
        return float(value)

    def whole(self, key: str, default: Any = None) -> int:
        """An integer of the configuration, an axis or a length."""
        value = self.config.get(key, default)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if type(value) is not int:
            raise self.error(f"{key}: expected an integer, got {shortened(value)}")
        return value

    def axes(self, key: str = "axis", default: Any = -1) -> list[int]:
        """One axis or several."""
        value = self.config.get(key, default)
        value = value if isinstance(value, list) else [value]
        if not all(type(axis) is int for axis in value):
            raise self.error(f"{key}: expected integers, got {shortened(value)}")
        return list(value)

    def arrays(self, count: int, wanted: int | None = None) -> list[Array]:
        """The weights, of which there must be so many; the first ones that are wanted."""
        found = self.paths(self.inner)
        if len(found) != count:
            raise ModelFormatError(
                f"{self.kind} {shortened(self.config.get('name'))}: expected {count} arrays of weights, "
                f"got {len(found)}; was the model built before it was saved?"
            )
        return [self.read(path) for path in found[:wanted]]


def unwrapped(value: Any) -> Any:
    """The numbers of an array of NumPy's, which Keras describes with its dtype."""
    inner = (
        value.get("config") if isinstance(value, dict) and value.get("class_name") == "__numpy__" else None
    )
    return inner.get("value") if isinstance(inner, dict) else value


def plain(cls: str, **arguments: Any) -> list[Part]:
    """A layer without weights."""
    return [Part(cls, arguments, {})]


def floats(source: Source, value: Any) -> Array:
    """The float64 array that a list of numbers is."""
    try:
        return np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise source.error(f"expected numbers as mean and variance, got {shortened(value)}") from error


def rescale(scale: Array, offset: Array) -> Part:
    """x · scale + offset; numbers are arguments, arrays are parameters."""
    values = {"scale": scale, "offset": offset}
    return Part(
        "Rescale",
        {key: float(value) for key, value in values.items() if not value.ndim},
        {key: value for key, value in values.items() if value.ndim},
    )
