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


def two_sum(a, b):
    """a + b, rounded, and what the rounding lost, exactly: Knuth, TAOCP 2, section 4.2.2."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def round_to_odd(a, b):
    """a + b in float64, rounded to the neighbour whose last bit is 1, unless it is exact."""
    total, lost = two_sum(a, b)
    even = (total.view(np.int64) & 1) == 0
    return np.where(even & (lost != 0), np.nextafter(total, np.copysign(np.inf, lost)), total)


def two_product(a, b):
    """a · b in float64, rounded, and what the rounding lost, exactly: Dekker 1971, barring overflow."""
    split = 2.0**27 + 1
    a_high, b_high = (x * split - (x * split - x) for x in (a, b))
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def fma(a, b, c):
    """a · b + c of float32 or float64 arrays, rounded once: Boldo and Melquiond, Emulation of a FMA, 2008."""
    dtype = np.result_type(a, b, c)
    a, b, c = (np.asarray(x, np.float64) for x in (a, b, c))
    if dtype == np.float32:  # the product is exact in float64, and 53 ≥ 2·24 + 2 bits suffice
        return round_to_odd(a * b, c).astype(np.float32)
    product, product_lost = two_product(a, b)
    low, low_lost = two_sum(c, product_lost)
    high, high_lost = two_sum(product, low)
    return high + round_to_odd(low_lost, high_lost)


def fused_matmul(a, b, bias=None):
    """c_ij from bias_j (or 0) by one fma for each k in ascending order, then + 0, which makes a -0 a 0."""
    (m, inner), n = a.shape, b.shape[1]
    c = np.zeros((m, n), a.dtype) if bias is None else np.array(np.broadcast_to(bias, (m, n)))
    for k in range(inner):
        c = fma(a[:, k, None], b[k], c)
    return c + 0


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


def windows(length, size, stride, before, after, dilation):
    """For each tap of a window along an axis: (outputs, the inputs that they read), without the padding."""
    outputs = (length + before + after - dilation * (size - 1) - 1) // stride + 1
    for k in range(size):
        pairs = [(o, o * stride - before + k * dilation) for o in range(outputs)]
        inside = [(o, i) for o, i in pairs if 0 <= i < length]
        yield [o for o, _ in inside], [i for _, i in inside], outputs


def convolve(x, weight, bias, stride, padding, dilation, groups):
    """From the bias one fma for each ky, kx, channel in ascending order, padding skipped, then + 0; NCHW."""
    rows, columns = (
        list(windows(x.shape[2 + i], weight.shape[2 + i], stride[i], *padding[i], dilation[i]))
        for i in (0, 1)
    )
    outputs, each = weight.shape[:2]
    y = np.zeros((len(x), outputs, rows[0][2], columns[0][2]), x.dtype)
    y += np.zeros(outputs, x.dtype)[:, None, None] if bias is None else bias[:, None, None]
    channel = np.arange(outputs) // (outputs // groups) * each
    for ky, (tops, above, _) in enumerate(rows):
        for kx, (lefts, beside, _) in enumerate(columns):
            for c in range(each):
                place = np.ix_(range(len(x)), range(outputs), tops, lefts)
                terms = x[np.ix_(range(len(x)), channel + c, above, beside)]
                y[place] = fma(terms, weight[:, c, ky, kx, None, None], y[place])
    return y + 0


def convolve_transposed(x, weight, bias, stride, padding, dilation, groups, more):
    """From the bias one fma for each ky, kx, channel in ascending order, then + 0; NCHW."""
    channels, each, *size = weight.shape
    shape = [
        (x.shape[2 + i] - 1) * stride[i] - sum(padding[i]) + dilation[i] * (size[i] - 1) + 1 + more[i]
        for i in (0, 1)
    ]
    y = np.zeros((len(x), groups * each, *shape), x.dtype) + bias[:, None, None]
    for ky, kx, c in np.ndindex(*size, channels // groups):
        for group, top, left in np.ndindex(groups, *x.shape[2:]):
            a = top * stride[0] + ky * dilation[0] - padding[0][0]
            b = left * stride[1] + kx * dilation[1] - padding[1][0]
            if 0 <= a < shape[0] and 0 <= b < shape[1]:
                channel, outputs = group * (channels // groups) + c, slice(group * each, (group + 1) * each)
                term = x[:, channel, top, left, None]
                y[:, outputs, a, b] = fma(term, weight[channel, :, ky, kx], y[:, outputs, a, b])
    return y + 0


def pool(function, x, size, stride, padding, dilation):
    """function(list of a window's elements in ascending ky, kx) for every output; NCHW."""
    n, channels, height, width = x.shape
    outputs = [next(windows(x.shape[2 + i], size[i], stride[i], *padding[i], dilation[i]))[2] for i in (0, 1)]
    y = np.empty((n, channels, *outputs), object)
    for i, c, top, left in np.ndindex(*y.shape):
        places = itertools.product(
            (top * stride[0] - padding[0][0] + k * dilation[0] for k in range(size[0])),
            (left * stride[1] - padding[1][0] + k * dilation[1] for k in range(size[1])),
        )
        inside = [(a, b) for a, b in places if 0 <= a < height and 0 <= b < width]
        y[i, c, top, left] = function([x[i, c, a, b] for a, b in inside])
    return y.astype(x.dtype)
