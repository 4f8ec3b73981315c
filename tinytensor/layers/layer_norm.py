"""`LayerNorm`: every sample by its own mean and variance."""

from typing import Any, final

from tinytensor.errors import ShapeError
from tinytensor.layers.layer import Layer
from tinytensor.tensor import Tensor

__all__ = ["LayerNorm", "standardize"]


@final
class LayerNorm(Layer):
    """y = (x - mean) / √(var + eps) · weight + bias, mean and var over the last axes of x; same shape.

    Args:
        weight: of the shape of the axes that are normalized over, often (features,).
        bias: of the same shape, or None.
        eps: added to the variance.

    Raises:
        ShapeError: bias has another shape than weight, or the last axes of an input have.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    >>> import tinytensor as tt
    >>> tt.LayerNorm([1, 1], [0, 10], eps=0)([[1.0, 3.0]]).tolist()
    [[-1.0, 11.0]]
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Any, bias: Any = None, eps: float = 1e-5):
        self.weight, self.eps = Tensor(weight), float(eps)
        self.bias = None if bias is None else Tensor(bias)
        if self.bias is not None and self.bias.shape != self.weight.shape:
            raise ShapeError(f"LayerNorm: bias: expected {self.weight.shape}, got {self.bias.shape}")

    def forward(self, x: Tensor) -> Tensor:
        """Normalized x."""
        count = self.weight.ndim
        if x.ndim < count or x.shape[x.ndim - count :] != self.weight.shape:
            raise ShapeError(f"LayerNorm: expected (…, {self.weight.shape}), got {x.shape}")
        y = standardize(x, tuple(range(-count, 0)), self.eps)[0] * self.weight
        return y if self.bias is None else y + self.bias


def standardize(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x - mean) / √(var + eps) over axes, the mean, and 1 / √(var + eps)."""
    mean = x.mean(axes, keepdims=True)
    deviation = x - mean
    inverse = 1 / ((deviation * deviation).mean(axes, keepdims=True) + eps).sqrt()
    return deviation * inverse, mean, inverse
