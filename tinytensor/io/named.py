"""Names of weights, as programs of all kinds write them: the layer, the parameter, the layout."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tinytensor.errors import ModelFormatError
from tinytensor.io.config import State
from tinytensor.kernels.boundary import Array

__all__ = ["Entry", "flat", "grouped", "natural", "start_of", "under", "without_counters"]

COUNTER = "num_batches_tracked"  # of PyTorch's BatchNorm: how often it was trained

# What parameters are called. A weight with two axes is (out, in) where it is called `weight` after a dot, as
# PyTorch has it, and (in, out) where it is called `kernel`, as Keras and Flax have it; else the name does not
# say.
WORDS = {
    "weight": "weight", "weights": "weight", "kernel": "weight", "W": "weight", "w": "weight",
    "gamma": "weight", "scale": "weight", "bias": "bias", "biases": "bias", "B": "bias", "b": "bias",
    "beta": "bias", "running_mean": "running_mean", "moving_mean": "running_mean", "mean": "running_mean",
    "running_var": "running_var", "moving_variance": "running_var", "var": "running_var",
}  # fmt: skip
BEFORE_NUMBER = re.compile(r"(?:.*\.)?(weights?|kernel|W|w|biases|bias|B|b)[_.]?(\d+)")
AFTER_NAME = re.compile(r"(.+)_(weights?|kernel|W|w|biases|bias|B|b)")


class Entry(NamedTuple):
    """Where an array of a file belongs."""

    layer: str
    parameter: str
    layout: str = ""  # of a weight with two axes: "out, in", "in, out", or open


def natural(name: str) -> list[tuple[int, int | str]]:
    """A sort key by which fc2 comes before fc10.

    >>> sorted(["fc10", "fc2"], key=natural)
    ['fc2', 'fc10']
    """
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part)) if part.isdecimal() and len(part) < 20 else (1, part) for part in parts if part]


def parsed(name: str) -> Entry:
    """What a name says.

    >>> for name in ("net.0.weight", "W1", "Dense_0/kernel:0", "hidden_b", "net.0.alpha"):
    ...     print(*parsed(name), sep=" | ")
    net.0 | weight | out, in
    1 | weight |
    Dense_0 | weight | in, out
    hidden | bias |
    net.0 | alpha |
    """
    name = name.removesuffix(":0").replace("/", ".")
    layer, _, last = name.rpartition(".")
    if last in WORDS:
        return Entry(layer, WORDS[last], {"weight": "out, in", "kernel": "in, out"}.get(last, ""))
    if match := BEFORE_NUMBER.fullmatch(name):
        layer = name[: match.start(1)].rstrip(".")
        layout = "in, out" if match[1] == "kernel" else ""
        return Entry(f"{layer}.{match[2]}".lstrip("."), WORDS[match[1]], layout)
    if match := AFTER_NAME.fullmatch(last):
        layout = "in, out" if match[2] == "kernel" else ""
        return Entry(f"{layer}.{match[1]}".lstrip("."), WORDS[match[2]], layout)
    return Entry(layer, last)


def grouped(names: Iterable[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """The parameters of each layer: what each is, its name and its layout; the layers in their order.

    Where two names of a layer would mean the same, they are taken as they are.

    >>> grouped(["fc1.weight", "fc1.bias"])
    {'fc1': {'weight': ('fc1.weight', 'out, in'), 'bias': ('fc1.bias', '')}}
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for name in names:
        entry = parsed(name)
        found.setdefault(entry.layer, []).append((entry.parameter, name, entry.layout))
    layers = {}
    for layer, each in found.items():
        parameters = {parameter: (name, layout) for parameter, name, layout in each}
        if len(parameters) != len(each):
            parameters = {name: (name, layout) for _, name, layout in each}
        layers[layer] = parameters
    return layers


def start_of(prefix: str) -> str:
    """What names under a prefix start with."""
    return f"{prefix}." if prefix and not prefix.endswith((".", "/")) else prefix


def under(state: State, prefix: str) -> dict[str, Array]:
    """The arrays whose names start with a prefix, which ends before a dot, without it."""
    start = start_of(prefix)
    return {name[len(start) :]: array for name, array in state.items() if name.startswith(start)}


def without_counters(state: State) -> dict[str, Array]:
    """The arrays that a prediction depends on."""
    return {name: array for name, array in state.items() if not name.endswith(COUNTER)}


def flat(tree: Any, array_of: Callable[[Any], Array | None]) -> dict[str, Array]:
    """The arrays in a value, or in dicts and lists of values, by dotted names; other values are left out.

    >>> import numpy as np
    >>> flat({"net": {"W": np.ones(2)}, "epoch": 3}, lambda each: getattr(each, "T", None))
    {'net.W': array([1., 1.])}
    """
    found: dict[str, Array] = {}

    def add(name: str, value: Any) -> None:
        array = array_of(value)
        items: Iterable[tuple[Any, Any]] = ()
        if array is not None:
            if name in found:
                raise ModelFormatError(f"two arrays have the name {name!r:.80}")
            found[name] = array
        elif isinstance(value, Mapping):
            items = value.items()
        elif isinstance(value, list | tuple):
            items = enumerate(value)
        for key, each in items:
            add(f"{name}.{key}" if name else str(key), each)

    add("", tree)
    return found
