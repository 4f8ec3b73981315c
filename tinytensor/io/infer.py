"""The model that a plain state dict belongs to, where names and shapes leave no doubt.

A state dict holds weights by name (`0.weight`, `fc1.bias`) and says nothing of what has none, the
activations.
"""

import re
from collections.abc import Iterable

from tinytensor.errors import ModelFormatError
from tinytensor.io.config import Config, State
from tinytensor.kernels.boundary import Array

__all__ = ["groups", "infer", "natural", "without_prefix"]

COUNTER = "num_batches_tracked"  # of PyTorch's BatchNorm: how often it was trained
Group = dict[str, Array]


def natural(name: str) -> list[tuple[int, int | str]]:
    """A sort key by which fc2 comes before fc10.

    >>> sorted(["fc10", "fc2"], key=natural)
    ['fc2', 'fc10']
    """
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def without_prefix(state: State) -> State:
    """The same arrays without the parts that all names start with (`model.`, `module.`).

    >>> list(without_prefix({"module.net.0.weight": 1, "module.net.2.weight": 2}))
    ['0.weight', '2.weight']
    """
    while len({name.partition(".")[0] for name in state}) == 1:
        shorter = {name.partition(".")[2]: array for name, array in state.items()}
        if "" in shorter or len(state) == 1 or all("." not in name for name in shorter):
            break
        state = shorter
    return state


def groups(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of each layer's parameters, the layers in natural order.

    >>> groups(["fc10.weight", "fc2.weight", "fc2.bias"])
    {'fc2': ['fc2.weight', 'fc2.bias'], 'fc10': ['fc10.weight']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition(".")[0], []).append(name)
    return {layer: found[layer] for layer in sorted(found, key=natural)}


def infer(state: State) -> tuple[Config, State]:
    """A Sequential of Linear layers, if the state dict is one's and nothing is missing between them.

    Raises:
        ModelFormatError: there is doubt; the message says which and how to go on.

    >>> import numpy as np
    >>> infer({"net.0.weight": np.ones((2, 3)), "net.1.weight": np.ones((1, 2))})[0]["config"]["layers"][1]
    {'name': '1', 'class': 'Linear', 'config': {'in_features': 2, 'out_features': 1, 'bias': False}}
    """
    state = without_prefix({name: array for name, array in state.items() if not name.endswith(COUNTER)})
    if state.keys() <= {"weight", "bias"}:
        state = {f"0.{name}": array for name, array in state.items()}
    found = {
        layer: {name.rpartition(".")[2]: state[name] for name in names}
        for layer, names in groups(state).items()
    }
    if not found:
        raise ModelFormatError("holds no weights")
    for layer, group in found.items():
        if not is_linear(group):
            shapes = ", ".join(f"{name} {array.shape}" for name, array in group.items())
            raise ModelFormatError(f"{layer!r:.80}: {shapes:.200} may be of several layers; {advice(found)}")
    if list(found) != [str(position) for position in range(len(found))]:
        raise ModelFormatError(f"says nothing of what stands between its layers; {advice(found)}")
    layers = [
        {"name": layer, "class": "Linear", "config": configuration(group)} for layer, group in found.items()
    ]
    return {"class": "Sequential", "config": {"layers": layers}}, state


def is_linear(group: Group) -> bool:
    """Whether these are a weight (out, in), and perhaps a bias (out,), of real numbers."""
    weight, bias = group.get("weight"), group.get("bias")
    return (
        group.keys() <= {"weight", "bias"}
        and weight is not None
        and weight.ndim == 2
        and (bias is None or bias.shape == weight.shape[:1])
        and all(array.dtype.kind == "f" for array in group.values())
    )


def configuration(group: Group) -> Config:
    """The configuration of the Linear that has these weights."""
    out_features, in_features = group["weight"].shape
    return {"in_features": in_features, "out_features": out_features, "bias": "bias" in group}


def advice(found: dict[str, Group]) -> str:
    """How to load the weights instead, with the layers that can be told."""
    told = [
        f"tt.Linear{group['weight'].shape[::-1]}" if is_linear(group) else "…" for group in found.values()
    ]
    shown = told if len(told) <= 8 else [*told[:7], "…", told[-1]]
    return (
        f"build the model, as tt.Sequential({', activation, '.join(shown)}), "
        "and put the weights into it: tt.load_weights(model, path)"
    )
