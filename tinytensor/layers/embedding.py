"""`Embedding`: a row of a table for every index."""

from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

from tinytensor import functions
from tinytensor.kernels.boundary import length
from tinytensor.layers import drawn
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Embedding"]


@final
class Embedding(Layer):
    """y[…, :] = weight[x[…], :]; whole numbers (batch, …) → (batch, …, embedding_dim).

    Args:
        num_embeddings: rows of the weight; indices go from 0 to num_embeddings - 1.
        embedding_dim: numbers in a row.
        weight: its values (num_embeddings, embedding_dim), instead of drawing them.
        initializer: how to draw the weight, by name (`tt.initializers.names()`).
        seed: the same seed draws the same weight.
        dtype: float32 or float64; the weight's own, if that is given.

    Raises:
        ShapeError: a weight of another shape.
        DtypeError: an index is no whole number.
        IndexingError: an index is negative, or too large.

    >>> import tinytensor as tt
    >>> tt.Embedding(2, 3, weight=[[1, 2, 3], [4, 5, 6]])([[1, 0, 1]]).tolist()
    [[[4.0, 5.0, 6.0], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]
    """

    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        weight: Any = None,
        initializer: str = "normal",
        seed: "int | np.random.Generator | None" = None,
        dtype: DTypeLike | None = None,
    ):
        count = length("Embedding: num_embeddings", num_embeddings)
        shape = count, length("Embedding: embedding_dim", embedding_dim)
        self.weight = drawn.weight("Embedding", shape, weight, initializer, seed, dtype)

    def config(self) -> dict[str, Any]:
        """The shape of the weight."""
        return {"num_embeddings": self.weight.shape[0], "embedding_dim": self.weight.shape[1]}

    def forward(self, x: Tensor) -> Tensor:
        """embedding(x, weight)."""
        return functions.embedding(x, self.weight)

    def __repr__(self) -> str:
        return drawn.text(self, self.weight)
