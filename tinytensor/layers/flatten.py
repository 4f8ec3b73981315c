"""`Flatten`: all axes of a sample become one."""

import math
from typing import final

from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Flatten"]


@final
class Flatten(Layer):
    """(batch, d₁, d₂, …) → (batch, d₁ · d₂ · …), in C order; a batch of flat samples or a vector stays.

    >>> import tinytensor as tt
    >>> tt.Flatten()(tt.zeros((10, 28, 28))).shape
    (10, 784)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Every sample as one row."""
        return x if x.ndim < 2 else x.reshape((x.shape[0], math.prod(x.shape[1:])))
