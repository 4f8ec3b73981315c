"""Oracles: each operation as its formula, in plain loops over Python floats, and the bounds of rounding.

Arithmetic on Python floats is float64; sums are `math.fsum`'s, which rounds once.
"""

import itertools
import math
from fractions import Fraction

import numpy as np


def unit_roundoff(dtype):
    """u: the largest relative error of one rounding."""
    return float(np.finfo(dtype).eps) / 2


def gamma(n, dtype):
    """γ_n = n·u / (1 - n·u), which bounds n roundings: Higham, Accuracy and stability, section 3.1."""
    u = unit_roundoff(dtype)
    return n * u / (1 - n * u)


def within(actual, expected, bound):
    """Assert |actual - expected| ≤ bound in every element; the bound's own rounding is allowed for."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    bound = np.broadcast_to(np.asarray(bound, np.longdouble), actual.shape)
    error = np.abs(actual.astype(np.longdouble) - expected.astype(np.longdouble))
    allowed = bound * (1 + 2.0**-20)
    wrong = np.argwhere(~(error <= allowed))
    if len(wrong):
        i = tuple(wrong[0])
        raise AssertionError(
            f"{len(wrong)} of {error.size} elements: at {i} got {actual[i]!r}, expected {expected[i]!r}, "
            f"|error| {error[i]:.3g} > {allowed[i]:.3g}"
        )


def same(actual, expected):
    """Assert equal values, shapes and dtypes; NaN equals NaN, and 0 and -0 differ."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    assert np.array_equal(actual, expected, equal_nan=actual.dtype.kind == "f"), (actual, expected)
    if actual.dtype.kind == "f":
        numbers = ~np.isnan(expected)
        assert np.array_equal(np.signbit(actual)[numbers], np.signbit(expected)[numbers])


def absolute_product(*matrices):
    """|A||B|… in long double."""
    product = np.abs(matrices[0]).astype(np.longdouble)
    for matrix in matrices[1:]:
        product = product @ np.abs(matrix).astype(np.longdouble)
    return product


def matmul(a, b):
    """c_ij = Σ_k a_ik b_kj, exact, then rounded to float64."""
    (m, inner), n = a.shape, b.shape[1]
    c = np.zeros((m, n))
    for i in range(m):
        for j in range(n):
            c[i, j] = sum(Fraction(a[i, k].item()) * Fraction(b[k, j].item()) for k in range(inner))
    return c


def elementwise(function, *operands):
    """function(a, b, …) for every index of the broadcast shape."""
    ndim = max(each.ndim for each in operands)
    padded = [each.reshape((1,) * (ndim - each.ndim) + each.shape) for each in operands]
    shape = tuple(
        next((length for length in lengths if length != 1), 1)
        for lengths in zip(*(each.shape for each in padded), strict=True)
    )
    y = np.empty(shape, object)
    for index in np.ndindex(*shape):
        at = [tuple(i if n > 1 else 0 for i, n in zip(index, each.shape, strict=True)) for each in padded]
        y[index] = function(*(each[i].item() for each, i in zip(padded, at, strict=True)))
    return y


def reduce(function, x, axis=None, keepdims=False):
    """function(list of the elements along `axis`, in C order) for every kept index."""
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(sorted(a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)))
    kept = [range(1) if a in axes else range(n) for a, n in enumerate(x.shape)]
    y = np.empty([len(each) for each in kept], object)
    for index in itertools.product(*kept):
        along = [range(x.shape[a]) if a in axes else [i] for a, i in enumerate(index)]
        y[index] = function([x[i].item() for i in itertools.product(*along)])
    return y if keepdims else y.reshape([len(each) for a, each in enumerate(kept) if a not in axes])


def mean(values):
    """(Σ x) / n; of nothing NaN."""
    return math.fsum(values) / len(values) if values else math.nan


def var(values, ddof=0):
    """Σ (x - mean)² / (n - ddof); NaN where n ≤ ddof."""
    if len(values) <= ddof:
        return math.nan
    centre = mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - ddof)


def extreme_position(values, better):
    """The first index of the best value, or of the first NaN."""
    best = 0
    for i, value in enumerate(values):
        if math.isnan(value):
            return i
        if better(value, values[best]):
            best = i
    return best


def argmin(values):
    """Where the smallest value, or the first NaN, is."""
    return extreme_position(values, lambda a, b: a < b)


def argmax(values):
    """Where the largest value, or the first NaN, is."""
    return extreme_position(values, lambda a, b: a > b)


def softmax(values):
    """e^(a_i - max) / Σ_j e^(a_j - max)."""
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    total = math.fsum(powers)
    return [power / total for power in powers]


def log_softmax(values):
    """(a_i - max) - log Σ_j e^(a_j - max)."""
    largest = max(values)
    total = math.log(math.fsum(math.exp(value - largest) for value in values))
    return [value - largest - total for value in values]
