"""How far two correct programs may differ: a bound on the rounding errors of a model, layer by layer.

`error_bound(model, x)` is B with |computed - exact| ≤ B for every program that evaluates each layer's formula
with relative errors of a few units of roundoff; two of them differ by at most 2B. An error E of a layer's
input becomes at most |W| E, or L E for an activation whose slope is at most L in absolute value.
"""

import math

import numpy as np

import tinytensor as tt
from tests.naive import gamma, unit_roundoff

FUNCTION = 16  # units of roundoff that a program's exp, tanh or erf may be off, and what surrounds them
TINY = 2.0**-126

# The largest slope of each activation, and of a product x · p(x) that its rounding is relative to x.
SLOPES = {
    tt.Identity: lambda f: 1, tt.Sigmoid: lambda f: 0.25, tt.Tanh: lambda f: 1, tt.ReLU: lambda f: 1,
    tt.LeakyReLU: lambda f: max(1, abs(f.negative_slope)), tt.ELU: lambda f: max(1, abs(f.alpha)),
    tt.SELU: lambda f: 1.7581, tt.Swish: lambda f: 1.1, tt.GELU: lambda f: 1.13,
    tt.HardSigmoid: lambda f: 1 / 6, tt.HardSwish: lambda f: 1.5, tt.Softplus: lambda f: 1,
    tt.Mish: lambda f: 1.09, tt.CELU: lambda f: 1, tt.Softsign: lambda f: 1, tt.Clip: lambda f: 1,
    tt.ClippedLinear: lambda f: abs(f.alpha), tt.ScaledELU: lambda f: abs(f.gamma) * max(1, abs(f.alpha)),
}  # fmt: skip
# Those whose formula subtracts, so that an error of e^x, or of a product, stays as large as it was.
ABSOLUTE = {
    tt.ELU,
    tt.SELU,
    tt.CELU,
    tt.ScaledELU,
    tt.Swish,
    tt.GELU,
    tt.HardSwish,
    tt.Mish,
    tt.HardSigmoid,
    tt.ClippedLinear,
    tt.Sigmoid,
    tt.Softplus,
}


def error_bound(model, x):
    """B for every element of model(x), in float64."""
    x = tt.Tensor(x, np.asarray(x).dtype)
    return through(model, x, np.zeros(x.shape))[1]


def through(layer, x, error):
    """The output of a layer and its bound, from its input and the input's."""
    if isinstance(layer, tt.Sequential):
        for child in layer:
            x, error = through(child, x, error)
        return x, error
    y = layer(x)
    return y, bound(layer, np.abs(x.numpy().astype(float)), x, y, error, unit_roundoff(y.dtype))


def bound(layer, size, x, y, error, u):
    """The bound of one layer's output."""
    kind, result = type(layer), np.abs(y.numpy().astype(float))
    if kind is tt.Linear:
        weight = np.abs(layer.weight.numpy().astype(float))
        bias = 0 if layer.bias is None else np.abs(layer.bias.numpy())
        rounding = gamma(layer.in_features + 2, y.dtype)
        return error @ weight.T + rounding * ((size + error) @ weight.T + bias) + TINY
    if kind is tt.Perceptron:
        inner = tt.Linear.of(layer.weights.reshape(-1, layer.weights.shape[-1]), layer.bias.reshape(-1))
        sums = inner(x)
        inner_bound = bound(inner, size, x, sums, error, u).reshape(y.shape)
        return np.where(np.abs(sums.numpy()).reshape(y.shape) <= inner_bound, 1.0, 0.0)
    if kind is tt.Step:
        return np.where(size <= error, 1.0, 0.0)
    if kind is tt.ThresholdedReLU:
        near = np.abs(x.numpy() - layer.alpha) <= error + 4 * u * abs(layer.alpha)
        return error + np.where(near, abs(layer.alpha) + 2 * error, 0)
    if kind is tt.Rescale:
        scale, offset = np.abs(np.asarray(layer.scale, float)), np.abs(np.asarray(layer.offset, float))
        return error * scale + 4 * u * ((size + error) * scale + offset) + TINY
    if kind in (tt.Flatten, tt.Reshape):
        return error.reshape(y.shape)
    if kind is tt.Dropout:
        return error
    if kind is tt.PReLU:
        slope = max(1, float(np.abs(layer.weight.numpy()).max()))
        return error * slope + 2 * u * (result + error) + TINY
    if kind is tt.BatchNorm:
        shape = [1] * x.ndim
        shape[layer.axis] = -1
        weight, bias, mean, var = (
            p.numpy().astype(float).reshape(shape) for p in layer.parameters().values()
        )
        scale = np.abs(weight) / np.sqrt(var + layer.eps)
        return error * scale + 8 * u * ((size + error + np.abs(mean)) * scale + np.abs(bias)) + TINY
    if kind is tt.LayerNorm:
        return layer_norm(layer, x, result, error, u)
    if kind in (tt.Softmax, tt.LogSoftmax):
        return softmax(layer, x, result, error, u)
    local = result + (size + 1 if kind in ABSOLUTE else 0)
    return error * SLOPES[kind](layer) * (1 + 4 * u) + FUNCTION * u * (local + error) + TINY


def layer_norm(layer, x, result, error, u):
    """An error e of every element moves mean and deviation by at most e, and what is divided by 2e."""
    axes = tuple(range(-layer.weight.ndim, 0))
    values = x.numpy().astype(float)
    n = math.prod(layer.weight.shape)
    mean = values.mean(axes, keepdims=True)
    deviation = np.sqrt(((values - mean) ** 2).mean(axes, keepdims=True) + layer.eps)
    moved = error.max(axes, keepdims=True, initial=0)
    moved = moved + (n + 4) * u * (np.abs(values).max(axes, keepdims=True, initial=0) + moved)
    weight = np.abs(layer.weight.numpy().astype(float))
    bias = 0 if layer.bias is None else np.abs(layer.bias.numpy().astype(float))
    standard = np.abs(values - mean) / deviation
    # the deviation may shrink by what moved; an interval that reaches 0 says nothing
    smallest = np.maximum(np.sqrt(layer.eps) * (1 - 8 * u), deviation - 2 * moved)
    spread = (2 * moved + standard * 2 * moved) / smallest
    return weight * (spread + (n + 12) * u * (standard + spread)) + 4 * u * (result + bias) + TINY


def softmax(layer, x, result, error, u):
    """exp of a difference that is off by d is off by the factor e^d, and so is the sum."""
    values = x.numpy().astype(float)
    axis = layer.axis
    n = x.shape[axis]
    largest = error.max(axis, keepdims=True, initial=0)
    span = np.abs(values - values.max(axis, keepdims=True, initial=-np.inf))
    off = (
        4 * largest + 2 * u * (span + np.abs(values)).max(axis, keepdims=True, initial=0) + (n + FUNCTION) * u
    )
    if type(layer) is tt.LogSoftmax:
        return off + 4 * u * (result + span)
    return result * np.expm1(np.minimum(2 * off, 700)) + FUNCTION * TINY
