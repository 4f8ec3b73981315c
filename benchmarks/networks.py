"""The networks that are measured, what goes into them, and what must come out."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import tinytensor as tt

__all__ = ["CHAPTER", "INPUTS", "LARGE", "SMALL", "Network", "inputs", "model", "reference"]

Array = np.ndarray[Any, Any]

U = 2.0**-24  # float32's unit roundoff
CHECKED_ROWS = 1000
INPUTS = {
    "digits": "real digits as float32",
    "uint8": "real digits as uint8",
    "dense": "random numbers without zeros",
}  # fmt: skip


@dataclass(frozen=True)
class Network:
    """Linear layers with one activation between them and softmax at the end."""

    sizes: tuple[int, ...]
    hidden: str  # sigmoid or relu

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes))

    @property
    def flop(self) -> int:
        """Of one row: two for each weight."""
        return 2 * sum(m * n for m, n in zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def parameters(self) -> int:
        return self.flop // 2 + sum(self.sizes[1:])

    def layers(self) -> list[tuple[Array, Array]]:
        """Weight (out, in) and bias (out,) of each layer, float32: trained for the chapter's network,
        elsewhere He's, for which half of the hidden ReLUs give zero."""
        if self == CHAPTER:
            values = list(tt.models.mnist_mlp().state_dict().values())
            return list(zip(values[::2], values[1::2], strict=True))
        rng = np.random.default_rng(list(self.sizes))
        return [
            (
                (rng.standard_normal((n, m)) * (2 / m) ** 0.5).astype(np.float32),
                (0.1 * rng.standard_normal(n)).astype(np.float32),
            )
            for m, n in zip(self.sizes, self.sizes[1:], strict=False)
        ]


CHAPTER = Network((784, 50, 100, 10), "sigmoid")
SMALL = Network((784, 128, 10), "relu")
LARGE = Network((784, 512, 512, 10), "relu")


@cache
def digits() -> Array:
    """(n, 784) uint8: MNIST's test set from $TINYTENSOR_DATA, or the digits that come with the package."""
    split = "test" if os.environ.get("TINYTENSOR_DATA") else "sample"
    return tt.datasets.mnist(split)[0].reshape(-1, 784)


def inputs(kind: str, rows: int, features: int = 784) -> Array:
    """(rows, features), C-contiguous; real digits are repeated when there are not enough."""
    if kind == "dense":
        return np.random.default_rng(rows).uniform(0.01, 1, (rows, features)).astype(np.float32)
    pixels = np.resize(digits(), (rows, 784))
    return pixels if kind == "uint8" else pixels.astype(np.float32) / np.float32(255)


def model(network: Network, raw: bool) -> tt.Sequential:
    """The network as tinytensor has it, for raw pixels or for numbers from 0 to 1."""
    layers: list[Any] = [tt.Rescale(1 / 255)] if raw else []
    for weight, _ in network.layers():
        layers += [tt.Linear(weight.shape[1], weight.shape[0]), getattr(tt, network.hidden)]
    made = tt.Sequential(*layers[:-1], tt.softmax)
    values = [array for pair in network.layers() for array in pair]
    made.load_state_dict(dict(zip(made.state_dict(), values, strict=True)))
    return made


def growth(k: int) -> float:
    """What k roundings to float32 add up to: 6·√k·u, with a probability of all but 1e-7 each.

    Source: Higham and Mary, A new approach to probabilistic rounding error analysis, 2019, theorem 2.4.
    """
    return 6 * float(k) ** 0.5 * U


def reference(network: Network, x: Array) -> tuple[Array, Array]:
    """The outputs in float64, and how far float32 may be from each of them, whatever the order of sums.

    What a layer inherits adds up as independent errors do: √(Σ w²·error²).
    """
    a = x.astype(np.float64)
    bound = np.zeros_like(a)
    if x.dtype == np.uint8:
        a, bound = a / 255, 2 * U * a / 255
    for position, (weight, bias) in enumerate(network.layers()):
        w, b = weight.astype(np.float64), bias.astype(np.float64)
        size = np.abs(w)
        inherited = np.sqrt(bound**2 @ size.T**2)
        bound = inherited + growth(len(w[0]) + 1) * (np.abs(a) @ size.T + np.abs(b))
        a = a @ w.T + b
        if position == len(network.sizes) - 2:
            break
        if network.hidden == "sigmoid":
            a, bound = 1 / (1 + np.exp(-a)), bound / 4 + 8 * U
        else:
            a = np.maximum(a, 0)
    e = np.exp(a - a.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, p * np.expm1(2 * bound.max(axis=1, keepdims=True)) + 16 * U


def largest_error(network: Network, x: Array, y: Any) -> float:
    """Max |y - reference|; raises ArithmeticError where that is more than rounding explains."""
    if y.shape != (len(x), network.sizes[-1]):
        raise ArithmeticError(f"wrong answer: shape {y.shape} for {len(x)} rows")
    some = np.unique(np.linspace(0, len(x) - 1, CHECKED_ROWS).astype(int))
    exact, bound = reference(network, x[some])
    error = np.abs(np.asarray(y, np.float64)[some] - exact)
    if not np.all(error <= bound):
        raise ArithmeticError(f"wrong answer: off by {error.max():.2g}, rounding explains {bound.max():.2g}")
    return float(error.max())
