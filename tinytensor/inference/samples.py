"""Samples as a `forward` takes them, and outputs in memory of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.tensor import Tensor

__all__ = ["as_tensor", "dtype_of", "of_its_own", "read_as"]


def dtype_of(model: Any) -> np.dtype[Any]:
    """The dtype of samples where the caller does not give any: int8 if the model says so, else float32."""
    told = any(dtype == "int8" for dtype, _ in getattr(model, "signature", ()))
    return np.dtype(np.int8 if told else np.float32)


def as_tensor(model: Any, samples: Array | Tensor) -> Tensor:
    """What a forward takes: an array of integers as float32, but int8 where the model says so."""
    if type(samples) is Tensor:
        return samples
    stays = type(samples) is np.ndarray and samples.dtype == np.int8 == dtype_of(model)
    return Tensor._wrap(samples) if stays else Tensor(samples)


def read_as(model: Any, samples: Array, tensor: bool) -> Array:
    """Samples as a forward sees them: a Tensor's array as it is, others as `as_tensor` takes them."""
    return (samples if tensor else as_tensor(model, samples)._array).copy()


def of_its_own(y: Array, xs: Sequence[Array | Tensor]) -> Array:
    """The outputs, in memory that is not that of the samples."""
    samples = [each._array if type(each) is Tensor else each for each in xs]
    shared = not y.flags.writeable or any(np.may_share_memory(y, each) for each in samples)
    return y.copy() if shared else y
