"""`Dropout`: something that happens in training only."""

from typing import final

from tinytensor.errors import ArgumentError
from tinytensor.layers.activation import real_number
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Dropout"]


@final
class Dropout(Layer):
    """y = x: dropout zeroes elements with probability p in training only, and nothing is trained here.

    Raises:
        ArgumentError: p lies outside [0, 1].
        DtypeError: p is no number.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.

    >>> import tinytensor as tt
    >>> tt.Dropout(0.2)([1.0, 2.0]).tolist()
    [1.0, 2.0]
    """

    def __init__(self, p: float = 0.5):
        self.p = real_number("Dropout", "p", p)
        if not 0 <= self.p <= 1:
            raise ArgumentError(f"Dropout: p: expected a probability, got {p!r}")

    def forward(self, x: Tensor) -> Tensor:
        """X itself."""
        return x
