"""Samples as a `forward` takes them, and outputs in memory of their own.

Arrays of whole numbers become float32, as of pixels. A model whose signature says that it takes whole
numbers, as of indices or of int8 in a quantised file, gets them as they are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.tensors import Tensor

__all__ = ["as_tensor", "as_told", "dtype_of", "of_its_own", "read_as", "whole_inputs"]


def whole_inputs(model: Any) -> tuple[bool, ...]:
    """For each input in a model's signature, whether it is of integers or bools; () if none is."""
    told = tuple(np.dtype(dtype).kind in "iub" for dtype, _ in getattr(model, "signature", ()))
    return told if any(told) else ()


def dtype_of(model: Any) -> np.dtype[Any]:
    """The dtype of samples where the caller gives none: whole numbers if the model says so, or float32."""
    return np.dtype(model.signature[0][0] if whole_inputs(model)[:1] == (True,) else np.float32)


def as_told(xs: Sequence[Array | Tensor], whole: Sequence[bool]) -> list[Array | Tensor]:
    """Arrays of whole numbers as Tensors where the signature tells these, which keeps their dtype."""
    if len(whole) != len(xs):
        return list(xs)
    return [
        Tensor._wrap(x) if told and type(x) is np.ndarray and x.dtype.kind in "iub" else x
        for x, told in zip(xs, whole, strict=True)
    ]


def as_tensor(model: Any, samples: Array | Tensor) -> Tensor:
    """What a forward takes: an array of whole numbers as float32, unless the model takes these."""
    (x,) = as_told([samples], whole_inputs(model))
    return x if type(x) is Tensor else Tensor(x)


def read_as(model: Any, samples: Array, tensor: bool) -> Array:
    """Samples as a forward sees them: a Tensor's array as it is, others as `as_tensor` takes them."""
    return (samples if tensor else as_tensor(model, samples)._array).copy()


def of_its_own(y: Array, xs: Sequence[Array | Tensor]) -> Array:
    """The outputs, in memory that is not that of the samples."""
    samples = [each._array if type(each) is Tensor else each for each in xs]
    shared = not y.flags.writeable or any(np.may_share_memory(y, each) for each in samples)
    return y.copy() if shared else y
