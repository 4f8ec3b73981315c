"""How far two correct programs may differ on the same weights: a bound on the rounding errors of a model.

An error e of a layer's input becomes at most |W| e, or L e for an activation whose slope is at most L. To
this comes the layer's own rounding: γ(n + 2) (|W| |x| + |b|) for a sum of n products (Higham, Accuracy and
Stability of Numerical Algorithms, 2nd edition, chapter 3), and a few units of roundoff of what a function
returns and of its argument.
"""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinytensor.layers.avg_pool import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.channels import ChannelsFirst, ChannelsLast
from tinytensor.layers.conv import Conv1d, Conv2d
from tinytensor.layers.conv_transpose import ConvTranspose2d
from tinytensor.layers.dropout import Dropout
from tinytensor.layers.embedding import Embedding
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.global_pool import GlobalAvgPool2d, GlobalMaxPool2d
from tinytensor.layers.layer import Layer
from tinytensor.layers.layer_norm import LayerNorm
from tinytensor.layers.linear import Linear
from tinytensor.layers.max_pool import MaxPool1d, MaxPool2d
from tinytensor.layers.pad import Pad
from tinytensor.layers.prelu import PReLU
from tinytensor.layers.rescale import Rescale
from tinytensor.layers.reshape import Reshape
from tinytensor.layers.sequential import Sequential
from tinytensor.layers.upsample import Upsample
from tinytensor.tensors import Tensor

__all__ = ["bound_of"]

Floats = NDArray[np.float64]

FUNCTION = 32  # units of roundoff that an exp, tanh or erf may be off, and what surrounds it
SLOPE = 2.0  # the largest of any activation without parameters is SELU's 1.7581
TINY = 2.0**-126
MEANS = (AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool2d)
NO_NEGATIVE_WEIGHTS = (
    *MEANS, ChannelsFirst, ChannelsLast, GlobalMaxPool2d, MaxPool1d, MaxPool2d, Pad, Upsample,
)  # fmt: skip


def bound_of(model: Layer, x: Tensor, u: float) -> Floats:
    """B for every element of model(x): a correct program with the unit roundoff u differs by at most B.

    >>> import tinytensor as tt
    >>> x = tt.Tensor([[1.0, 2.0]])
    >>> bool((bound_of(tt.Linear.of([[1.0, 1.0]]), x, 2.0**-24) < 1e-5).all())
    True
    """
    return through(model, x, np.zeros(x.shape), u)[1]


def through(layer: Layer, x: Tensor, error: Floats, u: float) -> tuple[Tensor, Floats]:
    """The output of a layer and its bound, from its input and the input's."""
    if isinstance(layer, Sequential):
        for child in layer.children().values():
            x, error = through(child, x, error, u)
        return x, error
    y = layer(x)
    with np.errstate(all="ignore"):
        return y, bound(layer, wide(x), wide(y), error, u)


def bound(layer: Any, x: Floats, y: Floats, error: Floats, u: float) -> Floats:
    """The bound of one layer's output."""
    size, result = np.abs(x), np.abs(y)
    if isinstance(layer, Flatten | Reshape | Dropout):
        return error.reshape(y.shape)
    if isinstance(layer, Linear):
        weight, n = np.abs(wide(layer.weight)), layer.in_features + 2
        bias = np.float64(0) if layer.bias is None else np.abs(wide(layer.bias))
        gamma = n * u / (1 - n * u) if n * u < 0.5 else np.inf
        return np.asarray(error @ weight.T + gamma * ((size + error) @ weight.T + bias) + TINY)
    if isinstance(layer, Rescale):
        scale, offset = np.abs(wide(layer.scale)), np.abs(wide(layer.offset))
        return error * scale + 4 * u * ((size + error) * scale + offset) + TINY
    if isinstance(layer, BatchNorm):
        shape = [1] * x.ndim
        shape[layer.axis] = -1
        scaled, bias, mean, var = (wide(each).reshape(shape) for each in layer.parameters().values())
        scale = np.abs(scaled) / np.sqrt(var + layer.eps)
        return error * scale + 8 * u * ((size + error + np.abs(mean)) * scale + np.abs(bias)) + TINY
    if isinstance(layer, Conv1d | Conv2d | ConvTranspose2d):
        return convolution(layer, size, error, u)
    if isinstance(layer, Embedding):
        return np.zeros(y.shape)
    if isinstance(layer, NO_NEGATIVE_WEIGHTS):  # means and copies of an error, or the largest
        roundings = 2 * x.size / max(len(x), 1) if isinstance(layer, MEANS) else 8.0
        return np.asarray(
            wide(unpadded(layer)(error)) + roundings * u * wide(unpadded(layer)(size + error)) + TINY
        )
    if isinstance(layer, LayerNorm):
        return layer_norm(layer, x, result, error, u)
    if type(layer).__name__ in ("Softmax", "LogSoftmax"):
        return softmax(layer, x, result, error, u)
    if type(layer).__name__ in ("Step", "ThresholdedReLU"):  # which jump
        near = np.abs(x - getattr(layer, "alpha", 0.0)) <= error + 4 * u * size
        return np.where(near, np.inf, error)
    arguments = [layer.weight] if isinstance(layer, PReLU) else layer.config().values()
    slopes = [np.abs(wide(each)).max(initial=0) for each in arguments if not isinstance(each, str)]
    slope = max(1.0, *slopes, SLOPE)
    return np.asarray(error * slope + FUNCTION * u * slope * (result + size + error + 1) + TINY)


def convolution(layer: Any, size: Floats, error: Floats, u: float) -> Floats:
    """As of a Linear, for the taps of every output."""
    absolute = copy.copy(layer)
    absolute.weight, absolute.bias = Tensor(np.abs(wide(layer.weight))), None
    bias = np.float64(0) if layer.bias is None else np.abs(wide(layer.bias))
    n = layer.weight.size // (layer.weight.shape[0] if not isinstance(layer, ConvTranspose2d) else 1) + 2
    gamma = n * u / (1 - n * u) if n * u < 0.5 else np.inf
    if layer.bias is not None and not layer.channels_last:
        bias = bias.reshape(-1, *(1,) * (size.ndim - 2))
    return np.asarray(wide(absolute(error)) + gamma * (wide(absolute(size + error)) + bias) + TINY)


def unpadded(layer: Layer) -> Layer:
    """A layer without the constant that it puts around images, which has no error."""
    return Pad(layer.padding, layer.mode, 0.0, layer.channels_last) if isinstance(layer, Pad) else layer


def layer_norm(layer: LayerNorm, x: Floats, result: Floats, error: Floats, u: float) -> Floats:
    """An error e of every element moves mean and deviation by at most e, and what is divided by 2e."""
    axes = tuple(range(-layer.weight.ndim, 0))
    n, weight = layer.weight.size, np.abs(wide(layer.weight))
    mean = x.mean(axes, keepdims=True)
    deviation = np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + layer.eps)
    moved = error.max(axes, keepdims=True, initial=0)
    moved = moved + (n + 4) * u * (np.abs(x).max(axes, keepdims=True, initial=0) + moved)
    standard = np.abs(x - mean) / deviation
    # the deviation may shrink by what moved; an interval that reaches 0 says nothing
    smallest = np.maximum(np.sqrt(layer.eps) * (1 - 8 * u), deviation - 2 * moved)
    spread = (2 * moved + standard * 2 * moved) / smallest
    bias = np.float64(0) if layer.bias is None else np.abs(wide(layer.bias))
    return np.asarray(weight * (spread + (n + 12) * u * (standard + spread)) + 4 * u * (result + bias) + TINY)


def softmax(layer: Any, x: Floats, result: Floats, error: Floats, u: float) -> Floats:
    """The exp of a difference that is off by d is off by the factor e^d, and so is the sum."""
    axis = layer.axis
    largest = error.max(axis, keepdims=True, initial=0)
    span = np.abs(x - x.max(axis, keepdims=True, initial=-np.inf))
    off = 4 * largest + (x.shape[axis] + FUNCTION) * u
    off = off + 2 * u * (span + np.abs(x)).max(axis, keepdims=True, initial=0)
    if type(layer).__name__ == "LogSoftmax":
        return np.asarray(off + 4 * u * (result + span))
    return np.asarray(result * np.expm1(np.minimum(2 * off, 700)) + FUNCTION * TINY)


def wide(values: Any) -> Floats:
    """The values in float64."""
    return np.asarray(values.numpy() if isinstance(values, Tensor) else values, np.float64)
