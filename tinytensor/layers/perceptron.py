"""`Perceptron`: the first artificial neuron."""

from typing import Any, final

from tinytensor.activations import step
from tinytensor.errors import ShapeError
from tinytensor.layers.layer import Layer
from tinytensor.layers.linear import affine
from tinytensor.tensors import Tensor

__all__ = ["Perceptron"]


@final
class Perceptron(Layer):
    """y = 0 if w₁x₁ + w₂x₂ + … + b ≤ 0 else 1.

    Args:
        weights: (n,) for one neuron, (…, n) → (…,), or (m, n) for a layer of m, (…, n) → (…, m).
        bias: a number for one neuron, (m,) for m.

    Raises:
        ShapeError: weights, bias or an input of another shape.

    Source: Rosenblatt, The perceptron, 1958; Saitō, Deep Learning from Scratch, chapter 2.

    >>> AND = Perceptron([0.5, 0.5], -0.7)
    >>> AND([[0, 0], [0, 1], [1, 0], [1, 1]]).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    weights: Tensor
    bias: Tensor

    def __init__(self, weights: Any, bias: Any):
        w = Tensor(weights)
        b = Tensor(bias)
        if w.ndim not in (1, 2) or b.shape != w.shape[:-1]:
            raise ShapeError(
                f"Perceptron: expected weights (n,) and a number as bias, or (m, n) and (m,), "
                f"got {w.shape} and {b.shape}"
            )
        self.weights, self.bias = w, b

    def forward(self, x: Tensor) -> Tensor:
        """step(x · w + b)."""
        n = self.weights.shape[-1]
        y = step(affine(self, x, self.weights.reshape((-1, n)), self.bias.reshape(-1)))
        return y.reshape(y.shape[:-1]) if self.weights.ndim == 1 else y
