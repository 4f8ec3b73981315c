"""Weights that a layer draws or is given, its bias, and the text of a layer that has them."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinytensor import initializers
from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels.boundary import FLOATS, allowed_dtype
from tinytensor.layers.layer import Layer, code_of_arguments
from tinytensor.tensors import Tensor

__all__ = ["NOT_IN_FILES", "bias", "text", "weight"]

NOT_IN_FILES = frozenset(
    {"weight", "initializer", "seed", "dtype"}
)  # arguments that draw or convert a weight


def weight(
    who: str, shape: tuple[int, ...], values: Any, initializer: str, seed: Any, dtype: DTypeLike | None
) -> Tensor:
    """The values given, checked, or drawn ones."""
    if values is not None:
        return given(f"{who}: weight", values, shape, None if dtype is None else floating(who, dtype))
    wanted = floating(who, np.float32 if dtype is None else dtype)
    return initializers.get(initializer)(shape, seed=seed, dtype=wanted)


def bias(who: str, values: Any, count: int, dtype: np.dtype[Any]) -> Tensor | None:
    """Zeros for True, nothing for False or None, else the values, checked."""
    if values is True:
        return initializers.zeros((count,), dtype=dtype)
    return None if values is None or values is False else given(f"{who}: bias", values, (count,), dtype)


def floating(who: str, dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64, checked."""
    wanted = allowed_dtype(dtype)
    if wanted not in FLOATS:
        raise DtypeError(f"{who}: dtype: expected float32 or float64, got {wanted}")
    return wanted


def given(who: str, values: Any, shape: tuple[int, ...], dtype: np.dtype[Any] | None) -> Tensor:
    """A weight or bias from the caller, checked."""
    try:
        tensor = Tensor._wrap(Tensor(values)._floating()) if dtype is None else Tensor(values, dtype)
    except (DtypeError, ShapeError) as error:
        raise type(error)(f"{who}: {error}") from None
    if tensor.shape != shape:
        hint = "; did you mean its .T?" if tensor.ndim == 2 and tensor.shape == shape[::-1] else ""
        raise ShapeError(f"{who}: expected shape {shape}, got {tensor.shape}{hint}")
    return tensor


def text(layer: Layer, weight: Tensor) -> str:
    """The layer as code: what `config` says, and the dtype of its weight."""
    arguments = {**layer.config(), "dtype": None if weight.dtype == np.float32 else weight.dtype.name}
    return f"{type(layer).__name__}({code_of_arguments(type(layer), arguments)})"
