"""How weights are drawn before training: functions of (shape, seed) that are found by name.

A weight has the shape (out, in, …): fan_in is the number of its inputs, fan_out of its outputs.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinytensor import creation
from tinytensor.creation import Seed
from tinytensor.errors import ArgumentError, ShapeError
from tinytensor.kernels.boundary import real_number
from tinytensor.tensors import Tensor

__all__ = [
    "get", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "names", "normal", "ones", "uniform",
    "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Shape = tuple[int, ...]
Initializer = Callable[..., Tensor]


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (out, in, …)."""
    shape = creation.lengths(shape)
    if len(shape) < 2:
        raise ShapeError(f"initializer: expected a weight of shape (out, in), got {shape}")
    receptive = math.prod(shape[2:])
    return max(shape[1] * receptive, 1), max(shape[0] * receptive, 1)


def normal_of_variance(shape: Shape, variance: float, seed: Seed, dtype: DTypeLike) -> Tensor:
    """N(0, variance)."""
    return creation.normal(shape, 0.0, math.sqrt(variance), seed=seed, dtype=dtype)


def uniform_of_variance(shape: Shape, variance: float, seed: Seed, dtype: DTypeLike) -> Tensor:
    """U(-√(3 · variance), √(3 · variance)), which has that variance."""
    bound = math.sqrt(3 * variance)
    return creation.uniform(shape, -bound, bound, seed=seed, dtype=dtype)


def he_normal(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """N(0, 2 / fan_in); keeps the variance through ReLUs.

    Source: He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015.

    >>> he_normal((50, 784), seed=0).shape
    (50, 784)
    """
    return normal_of_variance(shape, 2 / fans(shape)[0], seed, dtype)


def he_uniform(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """U(-√(6 / fan_in), √(6 / fan_in)); keeps the variance through ReLUs.

    Source: He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015.

    >>> bool((abs(he_uniform((50, 6), seed=0)) <= 1).all())
    True
    """
    return uniform_of_variance(shape, 2 / fans(shape)[0], seed, dtype)


def xavier_normal(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """N(0, 2 / (fan_in + fan_out)); keeps the variance through sigmoid and tanh near 0.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, 2010.

    >>> xavier_normal((50, 784), seed=0).shape
    (50, 784)
    """
    return normal_of_variance(shape, 2 / sum(fans(shape)), seed, dtype)


def xavier_uniform(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """U(-√(6 / (fan_in + fan_out)), √(6 / (fan_in + fan_out))), what a `Linear` is drawn with.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, 2010.

    >>> bool((abs(xavier_uniform((2, 4), seed=0)) <= 1).all())
    True
    """
    return uniform_of_variance(shape, 2 / sum(fans(shape)), seed, dtype)


def lecun_normal(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """N(0, 1 / fan_in), as SELU wants it.

    Source: LeCun, Bottou, Orr and Müller, Efficient backprop, 1998.

    >>> lecun_normal((50, 784), seed=0).shape
    (50, 784)
    """
    return normal_of_variance(shape, 1 / fans(shape)[0], seed, dtype)


def lecun_uniform(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """U(-√(3 / fan_in), √(3 / fan_in)).

    Source: LeCun, Bottou, Orr and Müller, Efficient backprop, 1998.

    >>> bool((abs(lecun_uniform((50, 3), seed=0)) <= 1).all())
    True
    """
    return uniform_of_variance(shape, 1 / fans(shape)[0], seed, dtype)


def normal(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32, std: float = 0.01) -> Tensor:
    """N(0, std²).

    Source: Saitō, Deep Learning from Scratch, section 6.2, for the 0.01.

    >>> normal((50, 784), seed=0).shape
    (50, 784)
    """
    return creation.normal(shape, 0.0, std, seed=seed, dtype=dtype)


def uniform(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32, bound: float = 0.05) -> Tensor:
    """U(-bound, bound).

    >>> bool((abs(uniform((50, 3), seed=0)) <= 0.05).all())
    True
    """
    bound = real_number("uniform: bound", bound)
    return creation.uniform(shape, -bound, bound, seed=seed, dtype=dtype)


def zeros(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """0 everywhere, as biases start.

    >>> zeros((2,)).tolist()
    [0.0, 0.0]
    """
    return creation.zeros(shape, dtype)


def ones(shape: Shape, seed: Seed = None, dtype: DTypeLike = np.float32) -> Tensor:
    """1 everywhere, as scales start.

    >>> ones((2,)).tolist()
    [1.0, 1.0]
    """
    return creation.ones(shape, dtype)


BY_NAME: dict[str, Initializer] = {
    each.__name__: each
    for each in (
        he_normal, he_uniform, lecun_normal, lecun_uniform, normal, ones, uniform, xavier_normal,
        xavier_uniform, zeros,
    )
}  # fmt: skip
ALIASES = {"kaiming": "he", "glorot": "xavier"}


def names() -> list[str]:
    """The names that `get` takes, in alphabetical order; `kaiming_…` and `glorot_…` are taken, too.

    >>> names()[:2]
    ['he_normal', 'he_uniform']
    """
    return sorted(BY_NAME)


def get(name: str | Initializer) -> Initializer:
    """The initializer of that name; a function of (shape, seed, dtype) is returned as it is.

    Raises:
        ArgumentError: there is none of that name; the message lists those there are.

    >>> get("glorot_uniform").__name__
    'xavier_uniform'
    """
    if callable(name):
        return name
    family, _, kind = str(name).lower().partition("_")
    found: Any = BY_NAME.get("_".join(filter(None, (ALIASES.get(family, family), kind))))
    if found is None:
        raise ArgumentError(f"no initializer is named {name!r}; there are {', '.join(names())}")
    return found  # type: ignore[no-any-return]
