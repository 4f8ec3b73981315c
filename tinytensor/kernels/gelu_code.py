"""x · Φ(x), Φ the normal distribution, branch-free and without cancellation in the negative tail.

x·Φ(x) = max(x, 0) - |x|·Φ(-|x|), and Φ(-t) = e^(-t²/2) · P(w) / (t + k) with w = (t - k) / (t + k), where P
varies between 0.4 and 2. As t² is rounded (after `LIFT` was added), e^(-t²/2) is corrected by what was lost;
every factor is a sum of two numbers, so that only the last roundings count; 2^n is applied at the end, since
e^(-t²/2) may be subnormal where the result is not.

Source: the map w and the form are those of Shepherd and Laframboise, Chebyshev approximation of
(1 + 2x) e^(x²) erfc x in 0 ≤ x < ∞, 1981.
"""

from typing import Any

from tinytensor.kernels._jit import inline
from tinytensor.kernels.bits import Precision, Scalar, absolute, fma, polynomial
from tinytensor.kernels.coefficients import TAIL, TAIL_CENTRE, TAIL_HIGH, TAIL_LOW
from tinytensor.kernels.exponential import LIFT, make_parts, make_steps

__all__ = ["make_gelu"]

END = {"single": 15.0, "double": 39.5}  # from there on x·Φ(x) rounds to 0, or to x


def make_ratio(precision: Precision) -> Scalar:
    """t → Φ(-t)·e^(t²/2), as a number and the rest."""
    real, slope = precision.real, polynomial(*TAIL[precision.name])
    high, low = real(TAIL_HIGH[precision.name]), real(TAIL_LOW[precision.name])
    centre, minus_twice, one = real(TAIL_CENTRE), real(-2 * TAIL_CENTRE), real(1)

    @inline
    def ratio(t: Any) -> Any:
        below = t + centre
        back = below - t
        below_low = (t - (below - back)) + (centre - back)  # exactly (Knuth's 2Sum)
        inverse = one / below
        off = fma(-inverse, below_low, fma(-inverse, below, one))  # 1 / (t + k) = inverse · (1 + off)
        w = fma(minus_twice * inverse, off, fma(minus_twice, inverse, one))
        rest = slope(w)
        p = fma(w, rest, high)
        p_low = fma(w, rest, high - p) + low
        product = p * inverse
        return product, fma(p, inverse, -product) + fma(product, off, p_low * inverse)

    return ratio


def make_gelu(precision: Precision) -> Scalar:
    """x · Φ(x)."""
    real, ratio = precision.real, make_ratio(precision)
    parts, steps = make_parts(precision), make_steps(precision)
    end, zero, half = real(END[precision.name]), real(0), real(0.5)
    lift = real(LIFT[precision.name])

    @inline
    def of_normal(x: Any) -> Any:
        t = absolute(x)
        t = end if t > end else t
        square = fma(t, t, lift)
        high, low, exponent = parts(-half * square)
        power = high + low
        low = fma(power, -half * fma(t, t, -square), low)
        factor, factor_low = ratio(t)
        product = factor * t
        product_low = fma(factor, t, -product) + factor_low * t
        significand = fma(high, product, fma(low, product, power * product_low))
        first, second = steps(exponent)
        return fma(-(significand * first), second, x if x >= zero else zero)

    return of_normal
