"""Operations on the statistics of a batch, a sample or a row."""

import math

import numpy as np

from tinytensor.activations import LogSoftmax, Softmax
from tinytensor.errors import ArgumentError, ShapeError
from tinytensor.kernels.boundary import as_floating
from tinytensor.kernels.reduce import standardize
from tinytensor.layers.batch_norm import normalize
from tinytensor.tensors import Tensor

__all__ = ["batch_normalization", "dropout", "layer_normalization", "log_softmax", "softmax"]


def softmax(x: Tensor, axis: int = -1, flatten: int = 0) -> Tensor:
    """softmax along an axis; until opset 12, `flatten`, over that axis and all after it together."""
    return over_last(Softmax(), x, axis) if flatten else Softmax(axis).forward(x)


def log_softmax(x: Tensor, axis: int = -1, flatten: int = 0) -> Tensor:
    """The logarithm of softmax, likewise."""
    return over_last(LogSoftmax(), x, axis) if flatten else LogSoftmax(axis).forward(x)


def over_last(function: Softmax | LogSoftmax, x: Tensor, axis: int) -> Tensor:
    """A function of rows, a row being everything from an axis on."""
    if not -x.ndim <= axis <= x.ndim:
        raise ShapeError(f"{function!r}: {x.shape} has no axis {axis}")
    split = axis if axis >= 0 else axis + x.ndim
    rows = x.reshape((math.prod(x.shape[:split]), math.prod(x.shape[split:])))
    return function.forward(rows).reshape(x.shape)


def batch_normalization(
    x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor, epsilon: float = 1e-5
) -> Tensor:
    """(x - mean) · scale / √(var + epsilon) + bias, each for the features along axis 1."""
    return normalize(x, epsilon, 1, scale, bias, mean, var)


def layer_normalization(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, axis: int = -1, epsilon: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """Standardized over the axes from `axis` on, · scale + bias; with the mean and 1 / the deviation."""
    count = -axis if axis < 0 else x.ndim - axis
    y, mean, inverse = map(Tensor._wrap, standardize(as_floating(x.numpy()), count, epsilon))
    return (y * scale if bias is None else y * scale + bias), mean, inverse


def dropout(
    x: Tensor, ratio: Tensor | None = None, training_mode: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """X, and that everything of it was kept."""
    if training_mode is not None and training_mode and (ratio is None or ratio.item() != 0):
        raise ArgumentError("Dropout: expected training_mode to be false; tinytensor does not train")
    return x, Tensor._wrap(np.ones(x.shape, bool))
