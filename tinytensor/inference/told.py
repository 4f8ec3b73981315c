"""Inputs that a model's signature says are whole numbers: these are not converted to floats."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.tensor import Tensor

__all__ = ["as_told", "whole_inputs"]


def whole_inputs(model: Any) -> tuple[bool, ...]:
    """For each input in the signature of a graph, whether it is of integers or bools; () if none is."""
    told = tuple(np.dtype(dtype).kind in "iub" for dtype, _ in getattr(model, "signature", ()))
    return told if any(told) else ()


def as_told(xs: Sequence[Array | Tensor], whole: Sequence[bool]) -> list[Array | Tensor]:
    """Arrays of whole numbers as Tensors where these are told, which keeps their dtype."""
    if len(whole) != len(xs):
        return list(xs)
    return [
        Tensor._wrap(x) if told and type(x) is not Tensor and x.dtype.kind in "iub" else x
        for x, told in zip(xs, whole, strict=True)
    ]
