"""`BatchNorm`: every feature by the mean and variance that training has seen."""

from typing import Any, final

import numpy as np

from tinytensor.errors import ShapeError
from tinytensor.layers.layer import Layer
from tinytensor.tensor import Tensor

__all__ = ["BatchNorm", "normalize"]


@final
class BatchNorm(Layer):
    """y = (x - running_mean) · weight / √(running_var + eps) + bias, feature by feature; same shape.

    The factor of (x - running_mean) is computed in float64 and rounded once.

    Args:
        weight: (features,), often called γ.
        bias: (features,), β.
        running_mean: (features,).
        running_var: (features,).
        eps: added to the variance.
        axis: where the features of a sample are: 1 as in PyTorch and ONNX, -1 as in Keras.

    Raises:
        ShapeError: the four differ in shape, or an input has other features.

    Source: Ioffe and Szegedy, Batch normalization, 2015.

    >>> import tinytensor as tt
    >>> tt.BatchNorm([1, 1], [0, 5], [2, 2], [1, 4], eps=0)([[3.0, 4.0]]).tolist()
    [[1.0, 6.0]]
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, weight: Any, bias: Any, running_mean: Any, running_var: Any, eps: float = 1e-5, axis: int = 1
    ):
        self.weight, self.bias = Tensor(weight), Tensor(bias)
        self.running_mean, self.running_var = Tensor(running_mean), Tensor(running_var)
        self.eps, self.axis = float(eps), int(axis)
        shapes = [each.shape for each in (self.weight, self.bias, self.running_mean, self.running_var)]
        if len(set(shapes)) != 1 or len(shapes[0]) != 1:
            raise ShapeError(f"BatchNorm: expected (features,) four times, got {shapes}")

    def forward(self, x: Tensor) -> Tensor:
        """Normalized x."""
        features = self.weight.shape[0]
        if not -x.ndim <= self.axis < x.ndim or x.shape[self.axis] != features:
            raise ShapeError(
                f"BatchNorm: expected {features} features along axis {self.axis}, got shape {x.shape}"
            )
        shape = [1] * x.ndim
        shape[self.axis] = features
        parts = (self.weight, self.bias, self.running_mean, self.running_var)
        return normalize(x, self.eps, *(each.reshape(shape) for each in parts))


def normalize(x: Tensor, eps: float, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """(x - mean) · weight / √(var + eps) + bias, for what broadcasts."""
    deviation = x - mean
    with np.errstate(all="ignore"):
        scale = weight.numpy() / np.sqrt(var.numpy().astype(np.float64) + eps)
    return deviation * Tensor._wrap(scale.astype(deviation.dtype)) + bias
