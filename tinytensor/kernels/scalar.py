"""The scalar functions of compiled loops: branch-free, so that LLVM inlines and vectorises them.

In Python they are `math`'s; in compiled code each is one fixed sequence of IEEE operations for its dtype,
without a table, a branch or a call, and its ends are the limits: NaN gives NaN, e^-∞ is 0, log 0 is -∞.
"""

import math
from typing import Any

from tinytensor.kernels._jit import by_dtype, inline
from tinytensor.kernels.bits import DOUBLE, SINGLE, square_root
from tinytensor.kernels.error_function import make_erf
from tinytensor.kernels.exponential import make_exp, make_exp_times, make_expm1, make_tanh
from tinytensor.kernels.logarithm import make_log, make_log1p

__all__ = ["erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh"]


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


def sqrt(x: Any) -> Any:
    """√x, correctly rounded."""
    return math.sqrt(x)


@inline
def rounded_root(x: Any) -> Any:
    return square_root(x)


by_dtype(exp)(make_exp(SINGLE), make_exp(DOUBLE))
by_dtype(exp_times)(make_exp_times(SINGLE), make_exp_times(DOUBLE))
by_dtype(expm1)(make_expm1(SINGLE), make_expm1(DOUBLE))
by_dtype(log)(make_log(SINGLE), make_log(DOUBLE))
by_dtype(log1p)(make_log1p(SINGLE), make_log1p(DOUBLE))
by_dtype(tanh)(make_tanh(SINGLE), make_tanh(DOUBLE))
by_dtype(erf)(make_erf(SINGLE), make_erf(DOUBLE))
by_dtype(sqrt)(rounded_root, rounded_root)
