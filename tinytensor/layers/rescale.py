"""`Rescale`: a linear function of every element, as of pixels to [0, 1]."""

from typing import Any, final

import numpy as np

from tinytensor.errors import DtypeError
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Rescale"]


@final
class Rescale(Layer):
    """y = x · scale + offset, the product rounded, then the sum; same shape.

    float32 and float64 stay; integers and bools, as raw pixels are, give float32.

    Args:
        scale: a number, or one for each feature, which is then a parameter.
        offset: likewise.

    Raises:
        DtypeError: scale or offset is not real numbers.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> tt.Rescale(1 / 255)(np.array([[0, 255]], np.uint8)).tolist()
    [[0.0, 1.0]]
    """

    scale: float | Tensor
    offset: float | Tensor

    def __init__(self, scale: Any, offset: Any = 0.0):
        self.scale, self.offset = scale, offset

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, number_or_tensor(name, value) if name in ("scale", "offset") else value)

    def forward(self, x: Tensor) -> Tensor:
        """X · scale + offset."""
        x = x if x.dtype.kind == "f" else x.astype(np.float32)
        return x * self.scale + self.offset


def number_or_tensor(name: str, value: Any) -> float | Tensor:
    """A Python number from a number, a Tensor from an array."""
    try:
        tensor = Tensor(value)
    except DtypeError as error:
        raise DtypeError(f"Rescale: {name}: {error}") from error
    if tensor.dtype.kind == "b":
        raise DtypeError(f"Rescale: {name}: expected real numbers, got {value!r}")
    return tensor if tensor.ndim else float(value)
