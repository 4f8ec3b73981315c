"""`tt.load_weights`: the weights of any file into a model that is there already."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tinytensor.io.config import State
from tinytensor.io.formats import identify, located
from tinytensor.io.infer import COUNTER, groups, without_prefix
from tinytensor.layers.layer import Layer
from tinytensor.state_dict import Skipped, load_state_dict, state_dict

__all__ = ["load_weights", "read_state"]

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


def read_state(path: str | os.PathLike[str]) -> State:
    """The arrays in a model's file by name, float16 and bfloat16 as float32.

    Raises:
        ModelFormatError: the file is no model, or damaged; says where.
        OSError: it cannot be read.
    """
    with located(path):
        module = identify(path).imported()
        if hasattr(module, "read_state"):
            return dict(module.read_state(Path(path)))
        return dict(module.read(Path(path))[1])


def load_weights(model: Layer, path: str | os.PathLike[str], strict: bool = True) -> Skipped:
    """Put the weights in a file (safetensors, npz, a PyTorch state dict, any model) into a model.

    The file's names may be those of the model, or have a prefix before them (`module.0.weight`), or be
    others (`fc1.weight`, `fc2.weight`) if shapes, and numbers in the names, leave one way to assign them.

    Args:
        model: gets the weights, all or, if anything is wrong, none.
        path: the file; its content says which format it is.
        strict: whether missing and unexpected names are an error; else they are passed over, and returned.

    Raises:
        ArgumentError: names every missing, unexpected and mis-shaped entry.
        ModelFormatError: the file is no model, or damaged; says where.
        OSError: it cannot be read.

    >>> import tempfile
    >>> import numpy as np
    >>> import tinytensor as tt
    >>> model = tt.Sequential(tt.Linear(2, 3), tt.relu, tt.Linear(3, 1, bias=False))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/w.npz", **{"hidden.weight": np.ones((3, 2)), "hidden.bias": np.zeros(3),
    ...                                    "out.weight": np.ones((1, 3))})
    ...     tt.load_weights(model, f"{folder}/w.npz")
    Skipped(missing=[], unexpected=[])
    >>> model([1.0, 2.0]).tolist()
    [9.0]
    """
    state = {name: array for name, array in read_state(path).items() if not name.endswith(COUNTER)}
    return load_state_dict(model, fitted(state, state_dict(model)), strict)


def fitted(state: State, parameters: State) -> State:
    """The file's arrays by the model's names, where that is possible without doubt; else as they are."""
    for candidate in (state, without_prefix(state)):
        if candidate.keys() == parameters.keys():
            return candidate
    theirs, ours = groups(state), groups(parameters)
    assigned = assignment(signatures(state, theirs), signatures(parameters, ours))
    if assigned is None:
        return without_prefix(state) if without_prefix(state).keys() & parameters.keys() else state
    return {
        f"{ours_name}.{name.rpartition('.')[2]}".removeprefix("."): state[name]
        for theirs_name, ours_name in assigned.items()
        for name in theirs[theirs_name]
    }


def signatures(state: State, layers: dict[str, list[str]]) -> dict[str, Shapes]:
    """What each layer's parameters are called and which shapes they have."""
    return {
        layer: tuple(sorted((name.rpartition(".")[2], state[name].shape) for name in names))
        for layer, names in layers.items()
    }


def assignment(theirs: dict[str, Shapes], ours: dict[str, Shapes]) -> dict[str, str] | None:
    """Their layers to ours, if the shapes leave one way, or numbers in their names decide.

    >>> square = (("weight", (9, 9)),)
    >>> assignment({"fc2": square, "fc10": square}, {"0": square, "2": square})
    {'fc2': '0', 'fc10': '2'}
    >>> assignment({"query": square, "key": square}, {"0": square, "2": square})
    """
    found: dict[str, str] = {}
    for signature in {*theirs.values(), *ours.values()}:
        from_file, in_model = of(signature, theirs), of(signature, ours)
        if len(from_file) != len(in_model) or not numbered(from_file):
            return None
        found |= dict(zip(from_file, in_model, strict=True))
    return found


def of(signature: Shapes, layers: dict[str, Shapes]) -> list[str]:
    """The layers of that signature, in their order."""
    return [layer for layer, each in layers.items() if each == signature]


def numbered(names: Iterable[str]) -> bool:
    """Whether the names differ in nothing but numbers."""
    return len({re.sub("[0-9]+", "#", name) for name in names}) <= 1
