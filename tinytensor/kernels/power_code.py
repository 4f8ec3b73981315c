"""What compiled code makes of x^y."""

import math
from typing import Any

import numpy as np
from numba import float64

from tinytensor.kernels import scalar
from tinytensor.kernels._jit import by_dtype, inline
from tinytensor.kernels.power import power

__all__: list[str] = []


@inline
def single(x: Any, y: Any) -> Any:
    """x^y in float32."""
    # e^(y log x) in float64: |y log x| < 104 where the result is normal or subnormal in float32, and the
    # errors of log and exp, 1 ULP each, are then 2⁻⁴⁴ of the result.
    a, b = float64(x), float64(y)
    size = abs(a)
    result = scalar.exp(b * scalar.log(size))
    if b == 0.0 or a == 1.0 or (size == 1.0 and abs(b) == np.inf):
        result = 1.0
    whole = np.floor(b) == b
    odd = whole and np.floor(b * 0.5) != b * 0.5
    if a < 0.0 and a > -np.inf and not whole:
        result = np.nan
    if odd and math.copysign(1.0, a) < 0.0:
        result = -result
    return np.float32(result)


@inline
def double(x: Any, y: Any) -> Any:
    """x^y in float64, by the C library."""
    return math.pow(x, y)


by_dtype(power)(single, double)
