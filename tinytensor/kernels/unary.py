"""The elementwise functions of a Tensor, as scalar functions that `elementwise.apply` compiles."""

import math
from typing import Any

__all__ = ["erf", "exp", "log", "sqrt", "tanh"]


def exp(x: Any) -> Any:
    """e^x."""
    return math.exp(x)


def log(x: Any) -> Any:
    """The natural logarithm; log(0) is -inf, of a negative number NaN."""
    return math.log(x)


def sqrt(x: Any) -> Any:
    """√x, correctly rounded; of a negative number NaN."""
    return math.sqrt(x)


def tanh(x: Any) -> Any:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return math.tanh(x)


def erf(x: Any) -> Any:
    """2/√π ∫ e^(-t²) dt from 0 to x."""
    return math.erf(x)
