"""exp, expm1 and tanh, branch-free: e^x = 2^n · (1 + r + c) with x = n·ln 2 + r and |r| ≤ ½ ln 2.

c = r²·q(r), q the polynomial that makes up e^r. n is read off the low bits of x·log₂e + a large constant:
adding it rounds the product to a whole number, and as it holds the exponent's bias, too, shifting its bits
to the left gives 2^n as a float.

Source: Muller et al., Handbook of Floating-Point Arithmetic, 2nd edition, chapter 10.
"""

import math
from typing import Any

from tinytensor.kernels._jit import inline
from tinytensor.kernels.bits import (
    Precision,
    Scalar,
    absolute,
    bits,
    copysign,
    fma,
    from_bits,
    polynomial,
    shift_left,
    shift_right,
    subtract,
)
from tinytensor.kernels.coefficients import EXP, LN2_HIGH, LN2_LOW, LOG2E

__all__ = [
    "LIFT",
    "make_exp",
    "make_exp_times",
    "make_expm1",
    "make_near_one",
    "make_parts",
    "make_steps",
    "make_tanh",
]

ENDS = {"single": (-104.0, 89.0), "double": (-746.0, 710.0)}  # beyond: e^x = 0, e^x = ∞
# below, e^x times any number to 2^95 (float64: 2^944) rounds to 0; 2^n in two steps reaches beyond it
FARTHEST = {"single": -170.0, "double": -1400.0}
# added to r², beside which it is lost unless r² is lost beside r: so no product is subnormal where r is small
LIFT = {"single": 2.0**-60, "double": 2.0**-200}


def make_split(precision: Precision, bias: int) -> Scalar:
    """x → (r, high, low, rounded): r = high + low; the bits of `rounded` end with those of n + bias.

    `high` is exact: x - n·ln 2 with the ln 2 of the dtype cancels so far that the rest fits.
    """
    real = precision.real
    log2e, magic = real(LOG2E), real(1.5 * 2.0**precision.mantissa + bias)
    ln2_high, ln2_low = real(LN2_HIGH[precision.name]), real(LN2_LOW[precision.name])

    @inline
    def split(x: Any) -> Any:
        rounded = fma(x, log2e, magic)
        n = magic - rounded
        high, low = fma(n, ln2_high, x), n * ln2_low
        return high + low, high, low, rounded

    return split


def make_parts(precision: Precision) -> Scalar:
    """x → (high, low, exponent): e^x = (high + low) · 2^(exponent - 2·bias), |low| ≤ 0.07."""
    one, lift = precision.real(1), precision.real(LIFT[precision.name])
    split, q = make_split(precision, 2 * precision.bias), polynomial(*EXP[precision.name])

    @inline
    def parts(x: Any) -> Any:
        r, high, low, rounded = split(x)
        first = one + high
        lost = high - (first - one)  # exactly (Dekker); without it e^x is 0.84 ULP off, not 0.65
        return first, lost + fma(fma(r, r, lift), q(r), low), bits(rounded)

    return parts


def make_steps(precision: Precision) -> Scalar:
    """exponent → two powers of two whose product is 2^(exponent - 2·bias), which may be ∞ or subnormal."""
    mantissa = precision.mantissa

    @inline
    def steps(exponent: Any) -> Any:
        half = shift_right(exponent, 1)
        return from_bits(shift_left(half, mantissa)), from_bits(
            shift_left(subtract(exponent, half), mantissa)
        )

    return steps


def make_exp(precision: Precision) -> Scalar:
    """e^x. 2^n is applied in two steps, because it may be infinite or subnormal where e^x is not.

    What lies beyond the ends is nonsense and replaced afterwards: a clamp beforehand takes 5% longer, and
    LLVM does not see a minimum in one of -x.
    """
    zero, infinity = map(precision.real, (0, math.inf))
    parts, steps = make_parts(precision), make_steps(precision)
    lowest, highest = map(precision.real, ENDS[precision.name])

    @inline
    def exp(x: Any) -> Any:
        high, low, exponent = parts(x)
        first, second = steps(exponent)
        result = (high + low) * first * second
        result = zero if x < lowest else result
        return infinity if x > highest else result

    return exp


def make_exp_times(precision: Precision) -> Scalar:
    """factor · e^x for x ≤ 0: the factor comes before 2^n, so e^x itself may be too small a number."""
    zero, parts, steps = precision.real(0), make_parts(precision), make_steps(precision)
    lowest = precision.real(FARTHEST[precision.name])

    @inline
    def exp_times(x: Any, factor: Any) -> Any:
        factor = zero if x < lowest else factor
        # below, 2^n would be nonsense, subnormal here and there: an operation with such takes some 100 cycles
        high, low, exponent = parts(zero if x < lowest else x)
        first, second = steps(exponent)
        # the first power goes to e^x, as the product with a large factor may be infinite
        return fma(high * first, factor, low * first * factor) * second

    return exp_times


def make_near_one(precision: Precision, bias: int, lift: float) -> Scalar:
    """x → (high, low) with high + low = 2^(bias - B) · (e^x - 1), B the dtype's own bias."""
    real, mantissa = precision.real, precision.mantissa
    split, q = make_split(precision, bias), polynomial(*EXP[precision.name])
    unit, lift = real(2.0 ** (bias - precision.bias)), real(lift)

    @inline
    def near_one(x: Any) -> Any:
        r, high, low, rounded = split(x)
        scale = from_bits(shift_left(bits(rounded), mantissa))
        whole, part = scale - unit, scale * high
        sum_ = whole + part
        # what both sums lost, exactly: Knuth's 2Sum, and Dekker's, for which |whole| > |part| or whole = 0
        taken = whole - scale
        lost = (scale - (whole - taken)) - (unit + taken)
        lost += part - (sum_ - whole)
        return sum_, fma(scale, fma(fma(r, r, lift), q(r), low), lost)

    return near_one


def make_expm1(precision: Precision) -> Scalar:
    """e^x - 1, as 2(½e^x - ½): half of it is finite where 2^n is not."""
    real, mantissa = precision.real, precision.mantissa
    near_one = make_near_one(precision, precision.bias - 1, LIFT[precision.name])
    lowest, highest = real(-mantissa), real(ENDS[precision.name][1])
    tiny = real(2.0 ** (-mantissa - 8))  # below, half of x may be subnormal and x itself is right

    @inline
    def expm1(x: Any) -> Any:
        clipped = lowest if x < lowest else x
        clipped = highest if x > highest else clipped
        high, low = near_one(clipped)
        half = high + low
        return x if absolute(x) < tiny else half + half

    return expm1


def make_tanh(precision: Precision) -> Scalar:
    """tanh |x| = -d / (2 + d) with d = e^(-2|x|) - 1, both in two parts so that errors do not add up."""
    real, one, two = precision.real, precision.real(1), precision.real(2)
    near_one = make_near_one(precision, precision.bias, 0.0)  # d is 0 where x is
    lowest = real(-precision.mantissa)

    @inline
    def tanh(x: Any) -> Any:
        twice = -two * absolute(x)
        twice = lowest if twice < lowest else twice
        high, low = near_one(twice)
        d = high + low
        d_low = low - (d - high)
        below = two + d
        below_low = (d - (below - two)) + d_low
        inverse = one / below
        quotient = -d * inverse
        remainder = fma(-quotient, below, -d) - fma(quotient, below_low, d_low)
        return copysign(fma(remainder, inverse, quotient), x)

    return tanh
