"""`Reshape`: the axes of a sample become others."""

import math
from collections.abc import Iterable, Sequence
from typing import final

from tinytensor.errors import ArgumentError, ShapeError
from tinytensor.kernels.boundary import index
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Reshape"]


@final
class Reshape(Layer):
    """(batch, …) → (batch, *shape), in C order; one length may be -1 and follows from the others.

    Raises:
        ArgumentError: a length that is no integer or below -1, or more than one -1.
        ShapeError: a sample has another number of elements.

    >>> import tinytensor as tt
    >>> tt.Reshape((28, -1))(tt.zeros((10, 784))).shape
    (10, 28, 28)
    """

    shape: tuple[int, ...]

    def __init__(self, shape: int | Sequence[int]):
        try:
            lengths = tuple(map(index, shape if isinstance(shape, Iterable) else (shape,)))
        except TypeError:
            lengths = (-2,)
        if any(n < -1 for n in lengths) or lengths.count(-1) > 1:
            raise ArgumentError(f"Reshape: shape: expected lengths, at most one of them -1, got {shape!r}")
        self.shape = lengths

    def forward(self, x: Tensor) -> Tensor:
        """Every sample in the other shape."""
        elements, known = math.prod(x.shape[1:]), math.prod(n for n in self.shape if n != -1)
        shape = tuple((elements // known if known else 0) if n == -1 else n for n in self.shape)
        if x.ndim == 0 or math.prod(shape) != elements:
            raise ShapeError(f"{self!r}: expected (batch, …) with {known} elements a sample, got {x.shape}")
        return x.reshape((x.shape[0], *shape))
