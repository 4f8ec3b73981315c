"""erf, branch-free: x + x·p(x²) near 0, else 1 - e^(-t - t·q(t)), t = |x|; one of them is chosen.

Source: the two forms are N. Juffa's, as published in answers on Stack Overflow and the NVIDIA forums.
"""

from typing import Any

from tinytensor.kernels._jit import inline
from tinytensor.kernels.bits import Precision, Scalar, absolute, copysign, fma, polynomial
from tinytensor.kernels.coefficients import ERF_FAR, ERF_FOLD, ERF_NEAR
from tinytensor.kernels.exponential import LIFT, make_near_one

__all__ = ["make_erf"]

ALL_ONE = {"single": 4.0, "double": 6.0}  # from here on erf is 1 in that dtype


def make_erf(precision: Precision) -> Scalar:
    """2/√π ∫ e^(-t²) dt from 0 to x."""
    near, far = polynomial(*ERF_NEAR[precision.name]), polynomial(*ERF_FAR[precision.name])
    lift = precision.real(LIFT[precision.name])
    fold, end = precision.real(ERF_FOLD), precision.real(ALL_ONE[precision.name])
    near_one = make_near_one(precision, precision.bias, LIFT[precision.name])

    @inline
    def erf(x: Any) -> Any:
        t = absolute(x)
        clipped = end if t > end else t
        high, low = near_one(-fma(clipped, far(clipped), clipped))
        beyond = copysign(high + low, x)
        return fma(x, near(fma(x, x, lift)), x) if t < fold else beyond

    return erf
