"""What a fused layer computes, in steps that a program has instructions for."""

from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels.boundary import Array

__all__ = ["Linear", "Map", "Pair", "Rescale", "Softmax", "Standardize", "Step"]


class Linear(NamedTuple):
    """y = x Wᵀ + b."""

    weight: Array
    bias: Array | None


class Map(NamedTuple):
    """y = function(x, *parameters)."""

    function: Any
    parameters: tuple[float, ...]


class Pair(NamedTuple):
    """y = function(x, constant): a function of two values; a number, or one for each feature."""

    function: Any
    constant: Any
    dtype: np.dtype[Any] | None  # of the parameter that it is, which promotes x; None: it takes that of x


class Softmax(NamedTuple):
    """Over the features; its logarithm if `log`."""

    log: bool


class Rescale(NamedTuple):
    """y = x · scale + offset; each a number or one for each feature."""

    scale: Any
    offset: Any


class Standardize(NamedTuple):
    """y = (x - mean) / √(var + eps) over the features, as `LayerNorm` computes it."""

    features: int
    eps: float


Step = Linear | Map | Pair | Softmax | Rescale | Standardize
