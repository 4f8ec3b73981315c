"""The scalar functions of compiled loops, by name.

In Python they are `math`'s; what compiled code makes of them stands in `scalar_code`.
"""

import math
from typing import Any

__all__ = ["erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh"]  # what a user's function may name


def exp(x: Any) -> Any:
    """e^x, at most 1.0 ULP off."""
    return math.exp(x)


def exp_times(x: Any, factor: Any) -> Any:
    """factor · e^x for x ≤ 0, at most 1 ULP off even where e^x itself is subnormal."""
    return factor * math.exp(x)


def expm1(x: Any) -> Any:
    """e^x - 1, at most 1.5 ULP off; 1.0 in float32."""
    return math.expm1(x)


def log(x: Any) -> Any:
    """The natural logarithm, at most 1.0 ULP off."""
    return math.log(x)


def log1p(x: Any) -> Any:
    """log(1 + x), at most 1.0 ULP off."""
    return math.log1p(x)


def tanh(x: Any) -> Any:
    """(e^x - e^-x) / (e^x + e^-x), at most 1.0 ULP off."""
    return math.tanh(x)


def erf(x: Any) -> Any:
    """2/√π ∫ e^(-t²) dt from 0 to x, at most 1.0 ULP off."""
    return math.erf(x)


def gelu(x: Any) -> Any:
    """x · Φ(x), at most 2.0 ULP off."""
    return 0.5 * x * math.erfc(-x * math.sqrt(0.5))


def sqrt(x: Any) -> Any:
    """√x, correctly rounded."""
    return math.sqrt(x)
