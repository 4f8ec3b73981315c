"""The course's pickles of trained weights, whose networks the course's text defines.

Source: Saitō, Deep Learning from Scratch, sections 3.6 (`sample_weight.pkl`), 7.5 (SimpleConvNet's
`params.pkl`) and 8.1 (`deep_convnet_params.pkl`).
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

DIGIT = 28  # pixels of a side of the course's images
# For each convolution its padding, and whether a pooling follows.
CONVOLUTIONS = {
    1: ((0, True),),
    6: ((1, False), (1, True), (1, False), (2, True), (1, False), (1, True)),
}

Placed = tuple[str, Config, Array | None]  # a class, its arguments and its weight


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
    """The network of the weights: with convolutions that of chapter 7 or 8, else that of chapter 3.

    Raises:
        ModelFormatError: not W1, b1, W2, b2, …, or not of shapes that fit.
    """
    count = len(stored) // 2
    if not count or stored.keys() != {f"{letter}{i + 1}" for letter in "Wb" for i in range(count)}:
        raise ModelFormatError(f"expected arrays W1, b1, W2, b2, …, got {sorted(stored)!r:.80}")
    weights = [stored[f"W{i + 1}"] for i in range(count)]
    if weights[0].ndim == 4:
        placed = convolutional(weights)
    else:
        placed = [
            each
            for i in range(count)
            for each in (affine(weights, i), ("Sigmoid" if i < count - 1 else "Softmax", {}, None))
        ]
    layers: list[Config] = []
    state: dict[str, Array] = {}
    number = 0
    for position, (kind, arguments, weight) in enumerate(placed):
        layers.append({"name": str(position), "class": kind, "config": arguments})
        if weight is not None:
            number += 1
            state |= {f"{position}.weight": weight, f"{position}.bias": stored[f"b{number}"]}
    return {"class": "Sequential", "config": {"layers": layers}}, state


def affine(weights: list[Array], i: int, inputs: int | None = None) -> Placed:
    """An affine layer, whose W is stored as (in, out), after the one before or after so many numbers."""
    weight = weights[i]
    expected = weights[i - 1].shape[-1] if inputs is None and i else inputs
    if weight.ndim != 2 or (expected is not None and weight.shape[0] != expected):
        raise ModelFormatError(f"W{i + 1}: expected (in, out) that fits the layer before, got {weight.shape}")
    shape = {"in_features": weight.shape[0], "out_features": weight.shape[1]}
    return "Linear", shape, np.ascontiguousarray(weight.T)


def convolutional(weights: list[Array]) -> list[Placed]:
    """ReLU after every layer but the last, 2×2 max pooling as the chapters have it, softmax at the end."""
    count = sum(weight.ndim == 4 for weight in weights)
    if count not in CONVOLUTIONS or len(weights) != count + 2:
        raise ModelFormatError(
            "expected the weights of SimpleConvNet, one convolution and two affine layers, or of "
            f"DeepConvNet, six and two, got weights of {[each.ndim for each in weights]!r:.80} axes"
        )
    placed: list[Placed] = []
    channels, size = 1, DIGIT
    for i, (padding, pooled) in enumerate(CONVOLUTIONS[count]):
        weight = weights[i]
        side = weight.shape[-1]
        if (
            weight.ndim != 4
            or weight.shape[1:] != (channels, side, side)
            or not 0 < side <= size + 2 * padding
        ):
            raise ModelFormatError(
                f"W{i + 1}: expected (out, {channels}, k, k) for images of {size}×{size}, got {weight.shape}"
            )
        channels, inputs, size = weight.shape[0], channels, size + 2 * padding - side + 1
        arguments = {"in_channels": inputs, "out_channels": channels, "kernel_size": side, "padding": padding}
        placed += [("Conv2d", arguments, weight), ("ReLU", {}, None)]
        if pooled:
            placed.append(("MaxPool2d", {"kernel_size": 2}, None))
            size //= 2
    placed += [("Flatten", {}, None), affine(weights, count, channels * size * size), ("ReLU", {}, None)]
    return [*placed, affine(weights, count + 1), ("Softmax", {}, None)]


def load(path: str | os.PathLike[str]) -> Any:
    """The network of one of the course's pickles, a Sequential for pixels divided by 255.

    `sample_weight.pkl` takes flat digits (batch, 784), the `params.pkl` of SimpleConvNet and DeepConvNet
    (batch, 1, 28, 28); what those drop out while they are trained stays.

    Raises:
        ModelFormatError: the file is damaged, or anything but the weights W1, b1, W2, b2, … of these.
        OSError: it cannot be read.
    """
    try:
        return build(*network(arrays(Path(path))))
    except ModelFormatError as error:
        raise ModelFormatError(f"{os.fspath(path)}: {error}") from error
