"""What compiled code makes of the scalar functions: branch-free code, which LLVM inlines and vectorises.

Each is one fixed sequence of IEEE operations for its dtype, without a table, a branch or a call, and its ends
are the limits: NaN gives NaN, e^-∞ is 0, log 0 is -∞. Importing this module makes them known to Numba.
"""

from typing import Any

from tinytensor.kernels._jit import by_dtype, inline
from tinytensor.kernels.bits import DOUBLE, SINGLE, square_root
from tinytensor.kernels.error_function import make_erf
from tinytensor.kernels.exponential import make_exp, make_exp_times, make_expm1, make_tanh
from tinytensor.kernels.gelu_code import make_gelu
from tinytensor.kernels.logarithm import make_log, make_log1p
from tinytensor.kernels.scalar import erf, exp, exp_times, expm1, gelu, log, log1p, sqrt, tanh

__all__: list[str] = []


@inline
def rounded_root(x: Any) -> Any:
    """The square root of x, correctly rounded."""
    return square_root(x)


by_dtype(exp)(make_exp(SINGLE), make_exp(DOUBLE))
by_dtype(exp_times)(make_exp_times(SINGLE), make_exp_times(DOUBLE))
by_dtype(gelu)(make_gelu(SINGLE), make_gelu(DOUBLE))
by_dtype(expm1)(make_expm1(SINGLE), make_expm1(DOUBLE))
by_dtype(log)(make_log(SINGLE), make_log(DOUBLE))
by_dtype(log1p)(make_log1p(SINGLE), make_log1p(DOUBLE))
by_dtype(tanh)(make_tanh(SINGLE), make_tanh(DOUBLE))
by_dtype(erf)(make_erf(SINGLE), make_erf(DOUBLE))
by_dtype(sqrt)(rounded_root, rounded_root)
