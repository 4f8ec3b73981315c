"""`LayerNorm`: every sample by its own mean and variance."""

from typing import Any, final

import numpy as np

from tinytensor.creation import ones
from tinytensor.errors import ArgumentError, ShapeError
from tinytensor.kernels.boundary import length
from tinytensor.layers.activation import real_number
from tinytensor.layers.layer import Layer
from tinytensor.primitives.normalization import standardize
from tinytensor.tensors import Tensor

__all__ = ["LayerNorm", "ones_or_tensor"]


@final
class LayerNorm(Layer):
    """y = (x - mean) / √(var + eps) · weight + bias, mean and var over the last axes of x; same shape.

    Mean and variance are computed in float64, and (x - mean) / √(var + eps) is rounded once, so neither a
    large mean nor numbers whose squares are infinite in float32 lose anything.

    Args:
        weight: of the shape of the axes that are normalized over, often (features,); or a number of features,
            which means weights of 1 and, unless one is given, a bias of 0.
        bias: of the same shape, or None.
        eps: added to the variance.

    Raises:
        ShapeError: bias has another shape than weight, or the last axes of an input have.
        ArgumentError: a number of features below 1.
        DtypeError: eps is no number.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    >>> import tinytensor as tt
    >>> tt.LayerNorm([1, 1], [0, 10], eps=0)([[1.0, 3.0]]).tolist()
    [[-1.0, 11.0]]
    >>> tt.LayerNorm(2, eps=0)([[1.0, 3.0]]).tolist()
    [[-1.0, 1.0]]
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Any, bias: Any = None, eps: float = 1e-5):
        self.weight, self.eps = ones_or_tensor("LayerNorm", weight), real_number("LayerNorm", "eps", eps)
        if bias is None and is_count(weight):
            bias = np.zeros(self.weight.shape, np.float32)
        self.bias = None if bias is None else Tensor(bias)
        if self.bias is not None and self.bias.shape != self.weight.shape:
            raise ShapeError(f"LayerNorm: bias: expected {self.weight.shape}, got {self.bias.shape}")

    def forward(self, x: Tensor) -> Tensor:
        """Normalized x."""
        count = self.weight.ndim
        if x.ndim < count or x.shape[x.ndim - count :] != self.weight.shape:
            raise ShapeError(f"LayerNorm: expected (…, {self.weight.shape}), got {x.shape}")
        y = Tensor._wrap(standardize(x._floating(), count=count, eps=self.eps)) * self.weight
        return y if self.bias is None else y + self.bias


def ones_or_tensor(who: str, weight: Any) -> Tensor:
    """A parameter, or that many ones."""
    if is_count(weight):
        return ones(length(f"{who}: features", weight))
    if isinstance(weight, list | tuple) and len(weight) == 1 and type(weight[0]) is int and weight[0] > 1:
        raise ArgumentError(
            f"{who}: expected a number of features, or a weight for each of several, got {weight!r}; "
            f"did you mean {who}({weight[0]})?"
        )
    return Tensor(weight)


def is_count(weight: Any) -> bool:
    """Whether a number of features stands in the place of a parameter."""
    return type(weight) is not Tensor and not isinstance(weight, list | tuple) and np.ndim(weight) == 0
