"""The course's pickle of trained weights, whose network the course's text defines.

Source: Saitō, Deep Learning from Scratch, section 3.6 (`sample_weight.pkl`).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.io import pickles
from tinytensor.io.config import Config, State, build
from tinytensor.kernels.boundary import Array

__all__ = ["load", "network"]


def arrays(path: Path) -> dict[str, Array]:
    """The arrays in a pickled dict.

    Raises:
        ModelFormatError: it is damaged, too large, or anything but a dict of float32 and float64 arrays.
    """
    found = pickles.tree(path)
    if not isinstance(found, dict):
        raise ModelFormatError(f"expected a dict of arrays, got {type(found).__name__}")
    stored = {name: getattr(each, "array", None) for name, each in found.items()}
    if not all(isinstance(name, str) and isinstance(each, np.ndarray) for name, each in stored.items()):
        raise ModelFormatError("expected a dict of arrays by name")
    return {name: each for name, each in stored.items() if each is not None}


def network(stored: State) -> tuple[Config, State]:
    """The chapter's network: affine and sigmoid in turn, softmax at the end. W is stored as (in, out).

    Raises:
        ModelFormatError: not W1, b1, W2, b2, …, or not of shapes that fit.
    """
    count = len(stored) // 2
    if not count or stored.keys() != {f"{letter}{i + 1}" for letter in "Wb" for i in range(count)}:
        raise ModelFormatError(f"expected arrays W1, b1, W2, b2, …, got {sorted(stored)!r:.80}")
    layers: list[Config] = []
    state: dict[str, Array] = {}
    for i in range(count):
        weight, bias = stored[f"W{i + 1}"], stored[f"b{i + 1}"]
        if weight.ndim != 2 or (i and weight.shape[0] != stored[f"W{i}"].shape[-1]):
            raise ModelFormatError(
                f"W{i + 1}: expected (in, out) that fits the layer before, got {weight.shape}"
            )
        shape = {"in_features": weight.shape[0], "out_features": weight.shape[1]}
        state |= {f"{2 * i}.weight": np.ascontiguousarray(weight.T), f"{2 * i}.bias": bias}
        layers += [
            {"class": "Linear", "config": shape},
            {"class": "Sigmoid" if i < count - 1 else "Softmax", "config": {}},
        ]
    named = [{"name": str(position)} | layer for position, layer in enumerate(layers)]
    return {"class": "Sequential", "config": {"layers": named}}, state


def load(path: str | os.PathLike[str]) -> Any:
    """The network in the course's `sample_weight.pkl`, a Sequential for pixels divided by 255.

    Raises:
        ModelFormatError: the file is damaged, or anything but the weights W1, b1, W2, b2, …
        OSError: it cannot be read.
    """
    try:
        return build(*network(arrays(Path(path))))
    except ModelFormatError as error:
        raise ModelFormatError(f"{os.fspath(path)}: {error}") from error
