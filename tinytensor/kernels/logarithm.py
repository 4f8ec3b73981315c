"""log and log1p, branch-free: log x = e·ln 2 + f + f²·q(f) with x = 2^e · (1 + f) and √½ ≤ 1 + f < √2.

q is the polynomial that makes up log(1 + f). e·ln 2 + f is added in two parts, so that what is left of
the rounding errors is the last one and a little.

Source: Muller et al., Handbook of Floating-Point Arithmetic, 2nd edition, chapter 10.
"""

import math
from typing import Any

from tinytensor.kernels._jit import inline
from tinytensor.kernels.bits import (
    Precision,
    Scalar,
    add,
    bits,
    fma,
    from_bits,
    mask,
    polynomial,
    shift_left,
    shift_right,
    subtract,
)
from tinytensor.kernels.coefficients import LN2_REST, LN2_SHORT, LOG
from tinytensor.kernels.exponential import LIFT

__all__ = ["make_log", "make_log1p"]


def make_whole(precision: Precision) -> Scalar:
    """e + bias, as an integer → e, as a float: the integer becomes the last bits of a large constant."""
    pattern = precision.pattern(2.0**precision.mantissa)
    offset = precision.real(2.0**precision.mantissa + precision.bias)

    @inline
    def whole(biased: Any) -> Any:
        return from_bits(add(biased, pattern)) - offset

    return whole


def make_sum(precision: Precision) -> Scalar:
    """(e, f, f², low) → e·ln 2 + log(1 + f) + low."""
    q = polynomial(*LOG[precision.name])
    # e · short is exact: it has 8 bits (float64: 11) less than the dtype
    short, rest = precision.real(LN2_SHORT[precision.name]), precision.real(LN2_REST[precision.name])

    @inline
    def sum_(e: Any, f: Any, square: Any, low: Any) -> Any:
        product = e * short
        high = product + f
        # what the sum lost, exactly, as |product| > |f| or product = 0 (Dekker's Fast2Sum)
        lost = f - (high - product)
        return high + (lost + fma(square, q(f), fma(e, rest, low)))

    return sum_


def make_ends(precision: Precision) -> Scalar:
    """The logarithm of x, from the result that holds for 0 < x < ∞."""
    zero, infinity, nan = map(precision.real, (0, math.inf, math.nan))

    @inline
    def ends(x: Any, result: Any) -> Any:
        result = result if x < infinity else x
        outside = -infinity if x == zero else nan
        return result if x > zero else outside

    return ends


def make_log(precision: Precision) -> Scalar:
    """log x. A subnormal x is scaled first."""
    real, mantissa = precision.real, precision.mantissa
    whole, sum_, ends = make_whole(precision), make_sum(precision), make_ends(precision)
    root, one, zero = precision.pattern(math.sqrt(0.5)), real(1), real(0)
    to_one, fraction = precision.pattern(1.0) - root, 2**mantissa - 1
    normal = real(2.0 ** (1 - precision.bias))
    scale, scale_exponent = real(2.0 ** (mantissa + 2)), real(mantissa + 2)

    @inline
    def log(x: Any) -> Any:
        scaled = x * scale if x < normal else x
        shift = scale_exponent if x < normal else zero
        shifted = add(bits(scaled), to_one)
        f = from_bits(add(mask(shifted, fraction), root)) - one
        return ends(x, sum_(whole(shift_right(shifted, mantissa)) - shift, f, f * f, zero))

    return log


def make_log1p(precision: Precision) -> Scalar:
    """log(1 + x) = e·ln 2 + log(1 + f) with f = x·2^-e + (2^-e - 1), e found from 1 + x."""
    real, mantissa, one = precision.real, precision.mantissa, precision.real(1)
    whole, sum_, ends = make_whole(precision), make_sum(precision), make_ends(precision)
    to_one = precision.pattern(1.0) - precision.pattern(math.sqrt(0.5))
    bias, four, quarter = precision.bias, precision.pattern(4.0), real(0.25)
    lift = real(LIFT[precision.name])

    @inline
    def log1p(x: Any) -> Any:
        u = one + x
        biased = shift_right(add(bits(u), to_one), mantissa)
        step = shift_left(subtract(biased, bias), mantissa)
        part = from_bits(subtract(bits(x), step))
        # 4 · 2^-e is a normal number where 2^-e may not be
        unit = fma(quarter, from_bits(subtract(four, step)), -one)
        f = unit + part
        lost = part - (f - unit)
        result = sum_(whole(biased), f, fma(f, f, lift), fma(-f, lost, lost))
        return x if u == one else ends(u, result)  # x²/2 is at most ¼ ULP of x then

    return log1p
