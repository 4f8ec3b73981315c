"""Activations as a careful user of NumPy and SciPy writes them."""

from typing import Any

import numpy as np
from scipy.special import erf, expit, ndtr

from benchmarks.case import Call

__all__ = ["expressions"]


def expressions(activation: str, x: Any) -> dict[str, Call]:
    """What a careful user of NumPy and SciPy could write, the most accurate first; `y` is kept."""
    y, one, half, root = np.empty_like(x), *map(x.dtype.type, (1, 0.5, 0.5**0.5))

    def logistic_in_place() -> Any:
        np.negative(x, out=y)
        np.exp(y, out=y)
        np.add(y, one, out=y)
        return np.reciprocal(y, out=y)

    def half_tanh_in_place() -> Any:
        np.multiply(x, half, out=y)
        np.tanh(y, out=y)
        np.multiply(y, half, out=y)
        return np.add(y, half, out=y)

    def swish_in_place() -> Any:
        np.negative(x, out=y)
        np.exp(y, out=y)
        np.add(y, one, out=y)
        return np.divide(x, y, out=y)

    def gelu_in_place() -> Any:
        np.multiply(x, root, out=y)
        erf(y, out=y)
        np.add(y, one, out=y)
        np.multiply(y, half, out=y)
        return np.multiply(x, y, out=y)

    return {
        "sigmoid": {
            "expit(x)": lambda: expit(x),
            "expit(x, out=y)": lambda: expit(x, out=y),
            "1 / (1 + exp(-x))": lambda: one / (one + np.exp(-x)),
            "1 / (1 + exp(-x)) in place": logistic_in_place,
            "½(1 + tanh(x/2)) in place": half_tanh_in_place,
        },
        "swish": {
            "x * expit(x)": lambda: x * expit(x),
            "x * expit(x, out=y) in place": lambda: np.multiply(x, expit(x, out=y), out=y),
            "x / (1 + exp(-x))": lambda: x / (one + np.exp(-x)),
            "x / (1 + exp(-x)) in place": swish_in_place,
            "x * ½(1 + tanh(x/2)) in place": lambda: np.multiply(x, half_tanh_in_place(), out=y),
        },
        "gelu": {
            "x * ndtr(x)": lambda: x * ndtr(x),
            "x * ndtr(x, out=y) in place": lambda: np.multiply(x, ndtr(x, out=y), out=y),
            "x * ½(1 + erf(x/√2))": lambda: x * (half * (one + erf(x * root))),
            "x * ½(1 + erf(x/√2)) in place": gelu_in_place,
        },
    }[activation]
