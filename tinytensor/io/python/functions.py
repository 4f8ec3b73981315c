"""Primitives in plain NumPy that are no single expression; their source goes into a model's Python file.

Each function uses `np`, `math` and other functions of this module, nothing else.
"""

import math
from typing import Any

import numpy as np

__all__: list[str] = []


def given(x: Any) -> Any:
    """An array as it is, anything else as one of float32."""
    return np.asarray(x) if hasattr(x, "dtype") else np.asarray(x, np.float32)


def samples(x: Any) -> Any:
    """An array of float64 as it is, anything else as one of float32."""
    return np.asarray(x, np.float64 if getattr(x, "dtype", None) == np.float64 else np.float32)


def floating(x: Any) -> Any:
    """Integers and bools as float32 or, if they have more than 16 bits, as float64."""
    return x if x.dtype.kind == "f" else x.astype(np.result_type(x, np.float32))


def flatten(x: Any) -> Any:
    """Every sample as one row."""
    return x if x.ndim < 2 else x.reshape(x.shape[0], math.prod(x.shape[1:]))


def normalize(x: Any, eps: float, weight: Any, bias: Any, mean: Any, var: Any) -> Any:
    """(x - mean) · weight / √(var + eps) + bias."""
    deviation = x - mean
    scale = weight / np.sqrt(var.astype(np.float64) + eps)
    return deviation * scale.astype(deviation.dtype) + bias


def batch_norm(x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float, axis: int) -> Any:
    """Every feature by the mean and variance that training has seen."""
    shape = [1] * x.ndim
    shape[axis] = -1
    return normalize(x, eps, *(each.reshape(shape) for each in (weight, bias, mean, var)))


def standardize(x: Any, axes: Any, eps: float) -> Any:
    """(x - mean) / √(var + eps) over axes, the mean, and 1 / √(var + eps), in float64 and rounded once."""
    mean = x.mean(axes, np.float64, keepdims=True)
    deviation = x - mean
    inverse = 1 / np.sqrt((deviation * deviation).mean(axes, keepdims=True) + eps)
    return tuple(each.astype(x.dtype) for each in (deviation * inverse, mean, inverse))


def softmax(x: Any, axis: int = -1) -> Any:
    """e^(x_i) / Σ_j e^(x_j), the maximum subtracted first."""
    powers = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of softmax."""
    shifted = x - x.max(axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def erf(x: Any) -> Any:
    """The error function, which NumPy lacks."""
    return np.array([math.erf(each) for each in x.ravel().tolist()], x.dtype).reshape(x.shape)


def gelu(x: Any) -> Any:
    """X · Φ(x) with Φ the normal distribution."""
    below = np.array([0.5 * math.erfc(-each * math.sqrt(0.5)) for each in x.ravel().tolist()]).reshape(
        x.shape
    )
    return np.where(below == 0, 0, x * below).astype(x.dtype)


def exp_times(x: Any, factor: Any) -> Any:
    """factor · e^x, where e^x may be too small to be a number; -inf · 0 is 0."""
    half = np.exp(np.asarray(x, np.float64) / 2)
    return (np.where(half == 0, 0, factor * half) * half).astype(np.result_type(x, factor))


def chosen(arrays: Any, places: Any) -> Any:
    """The elements of each sample that a table names, counted through all arrays."""
    rows = np.concatenate([each.reshape(len(each), math.prod(each.shape[1:])) for each in arrays], axis=1)
    return rows[:, places.ravel()].reshape(len(rows), *places.shape)
