"""`BatchNorm`: every feature by the mean and variance that training has seen."""

from typing import Any, final

import numpy as np

from tinytensor.errors import ShapeError
from tinytensor.kernels.boundary import Array
from tinytensor.layers.activation import real_number, whole_number
from tinytensor.layers.layer import Layer
from tinytensor.layers.layer_norm import ones_or_tensor
from tinytensor.primitives.normalization import batch_norm, scale_of
from tinytensor.tensors import Tensor

__all__ = ["BatchNorm", "normalize"]


@final
class BatchNorm(Layer):
    """y = (x - running_mean) · weight / √(running_var + eps) + bias, feature by feature; same shape.

    The factor of (x - running_mean) is computed in float64 and rounded once.

    Args:
        weight: (features,), often called γ; or the number of features, which means ones.
        bias: (features,), β; zeros by default.
        running_mean: (features,); zeros by default.
        running_var: (features,); ones by default.
        eps: added to the variance.
        axis: where the features of a sample are: 1 as in PyTorch and ONNX, -1 as in Keras.

    Raises:
        ShapeError: the four differ in shape, or an input has other features.
        ArgumentError: a number of features below 1, or an axis that is no integer.
        DtypeError: eps is no number.

    Source: Ioffe and Szegedy, Batch normalization, 2015.

    >>> import tinytensor as tt
    >>> tt.BatchNorm([1, 1], [0, 5], [2, 2], [1, 4], eps=0)([[3.0, 4.0]]).tolist()
    [[1.0, 6.0]]
    >>> tt.BatchNorm(2, running_mean=[2, 2], eps=0)([[3.0, 4.0]]).tolist()
    [[1.0, 2.0]]
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        running_mean: Any = None,
        running_var: Any = None,
        eps: float = 1e-5,
        axis: int = 1,
    ):
        self.weight = ones_or_tensor("BatchNorm", weight)
        zeros, ones = np.zeros(self.weight.shape, np.float32), np.ones(self.weight.shape, np.float32)
        self.bias = Tensor(zeros if bias is None else bias)
        self.running_mean = Tensor(zeros if running_mean is None else running_mean)
        self.running_var = Tensor(ones if running_var is None else running_var)
        self.eps, self.axis = real_number("BatchNorm", "eps", eps), whole_number("BatchNorm", "axis", axis)
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
        parts = (self.weight, self.bias, self.running_mean, self.running_var)
        return normalize(x, self.eps, self.axis, *parts)

    def scale(self) -> Array:
        """weight / √(running_var + eps), in float64."""
        return scale_of(self.weight.numpy(), self.running_var.numpy(), self.eps)


def normalize(
    x: Tensor, eps: float, axis: int, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
    """(x - mean) · weight / √(var + eps) + bias, the four with a number for each feature of an axis."""
    parts = (each._array for each in (weight, bias, mean, var))
    return Tensor._wrap(batch_norm(x._array, *parts, eps=eps, axis=axis))
