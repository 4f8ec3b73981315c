"""Layers and activations in plain NumPy; their source is what goes into a model's Python file.

Each function uses `np`, `math` and other functions of this module, nothing else. Activations have the names
that they have as functions of tinytensor.
"""

import math
from typing import Any

import numpy as np

__all__: list[str] = []


def given(x: Any) -> Any:
    """An array as it is, anything else as one of float32."""
    return np.asarray(x) if hasattr(x, "dtype") else np.asarray(x, np.float32)


def floating(x: Any) -> Any:
    """Integers and bools as float32 or, if they have more than 16 bits, as float64."""
    return x if x.dtype.kind == "f" else x.astype(np.result_type(x, np.float32))


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """X Wᵀ + b."""
    y = x @ weight.T
    return y if bias is None else y + bias


def perceptron(x: Any, weights: Any, bias: Any) -> Any:
    """0 where x · w + b ≤ 0, else 1."""
    return step(x @ weights.T + bias)


def flatten(x: Any) -> Any:
    """Every sample as one row."""
    return x if x.ndim < 2 else x.reshape(x.shape[0], math.prod(x.shape[1:]))


def reshape(x: Any, shape: Any) -> Any:
    """Every sample in another shape; a length of -1 follows from the others."""
    known = math.prod(n for n in shape if n != -1)
    rest = math.prod(x.shape[1:]) // known if known else 0
    return x.reshape(x.shape[0], *(rest if n == -1 else n for n in shape))


def rescale(x: Any, scale: Any, offset: Any) -> Any:
    """X · scale + offset; of integers, as raw pixels are, in float32."""
    return (x if x.dtype.kind == "f" else x.astype(np.float32)) * scale + offset


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


def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Every sample by its own mean and variance."""
    y = standardize(x, tuple(range(-weight.ndim, 0)), eps)[0] * weight
    return y if bias is None else y + bias


def prelu(x: Any, weight: Any) -> Any:
    """X where it is not negative, weight · x elsewhere."""
    if weight.size > 1:
        slope = weight.reshape(weight.shape + (1,) * (x.ndim - 1 - weight.ndim))
    else:
        slope = weight.reshape(())
    return np.where(x < 0, x * slope, x)


def softmax(x: Any, axis: int = -1) -> Any:
    """e^(x_i) / Σ_j e^(x_j), the maximum subtracted first."""
    powers = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of softmax."""
    shifted = x - x.max(axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def identity(x: Any) -> Any:
    """X."""
    return x


def step(x: Any) -> Any:
    """0 where x ≤ 0, else 1; NaN stays."""
    return np.where(x <= 0, 0, np.where(x > 0, 1, x)).astype(x.dtype)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


def relu(x: Any) -> Any:
    """max(0, x)."""
    return np.maximum(x, 0)


def leaky_relu(x: Any, negative_slope: float) -> Any:
    """X where it is not negative, negative_slope · x elsewhere."""
    return np.where(x < 0, negative_slope * x, x)


def elu(x: Any, alpha: float) -> Any:
    """X where it is not negative, alpha · (e^x - 1) elsewhere."""
    return np.where(x < 0, alpha * np.expm1(x), x)


def celu(x: Any, alpha: float) -> Any:
    """X where it is not negative, alpha · (e^(x / alpha) - 1) elsewhere."""
    return np.where(x < 0, alpha * np.expm1(x / alpha), x)


def scaled_elu(x: Any, alpha: float, gamma: float) -> Any:
    """Gamma · elu(x)."""
    return gamma * elu(x, alpha)


def selu(x: Any) -> Any:
    """ELU with the two constants that keep mean and variance."""
    return scaled_elu(x, 1.6732632423543772, 1.0507009873554805)


def swish(x: Any, beta: float) -> Any:
    """X · sigmoid(beta · x)."""
    return gate(x, beta * x)


def gate(x: Any, u: Any) -> Any:
    """X / (1 + e^-u), where e^-u may be infinite: e^u = h² with h = e^(u / 2)."""
    half = np.exp(-np.abs(u.astype(np.float64)) / 2)
    below = np.where(half == 0, 0, x * half) * half  # -inf · 0 is NaN; the limit is 0
    return (np.where(u < 0, below, x) / (1 + half * half)).astype(x.dtype)


def hard_sigmoid(x: Any) -> Any:
    """min(max(x / 6 + ½, 0), 1)."""
    return np.minimum(np.maximum(x / 6 + 0.5, 0), 1)


def hard_swish(x: Any) -> Any:
    """X · hard_sigmoid(x)."""
    return product(x, hard_sigmoid(x))


def softplus(x: Any) -> Any:
    """log(1 + e^x)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def mish(x: Any) -> Any:
    """X · tanh(softplus(x))."""
    half = np.exp(-np.abs(x.astype(np.float64)) / 2)
    e = half * half
    below = np.where(half == 0, 0, x * half) * half * (e + 2) / (e * (e + 2) + 2)
    return np.where(x < 0, below, x * ((1 + 2 * e) / (1 + 2 * e + 2 * e * e))).astype(x.dtype)


def product(x: Any, p: Any) -> Any:
    """X · p, and 0 where p is, even if x is infinite."""
    return np.where(p == 0, x.dtype.type(0), x * p)


def erf(x: Any) -> Any:
    """The error function, which NumPy lacks."""
    return np.array([math.erf(each) for each in x.ravel().tolist()], x.dtype).reshape(x.shape)


def gelu(x: Any, approximate: str) -> Any:
    """X · Φ(x) with Φ the normal distribution, or what was taken for it."""
    if approximate == "tanh":
        return gate(x, math.sqrt(8 / math.pi) * (x + 0.044715 * x * x * x))
    below = [0.5 * math.erfc(-each * math.sqrt(0.5)) for each in x.ravel().tolist()]
    return product(x, np.array(below).reshape(x.shape)).astype(x.dtype)


def softsign(x: Any) -> Any:
    """X / (1 + |x|)."""
    return np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x)))


def thresholded_relu(x: Any, alpha: float) -> Any:
    """X where it exceeds alpha, else 0."""
    return np.where(x <= alpha, x.dtype.type(0), x)


def clip(x: Any, low: float, high: float) -> Any:
    """min(max(x, low), high)."""
    return np.minimum(np.maximum(x, low), high)


def clipped_linear(x: Any, alpha: float, beta: float) -> Any:
    """min(max(alpha · x + beta, 0), 1)."""
    return clip(alpha * x + beta, 0, 1)


def exponential(x: Any) -> Any:
    """e^x."""
    return np.exp(x)
