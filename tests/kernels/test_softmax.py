"""Softmax against its formula, and the one order that every way through the kernel has to keep."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import float32, float64
from numba.types import boolean, void

from tests import naive
from tests.compiled import array, compiled, out
from tests.naive import gamma, same, unit_roundoff, within
from tests.strategies import FLOATS, LANES, LAYOUTS, arrays, float_dtypes
from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels import scalar
from tinytensor.kernels.softmax import LANES as COLUMNS
from tinytensor.kernels.softmax import LONG, log_softmax, softmax

BOTH = (softmax, log_softmax)
ROWS = (1, 3, LANES - 1, LANES, 2 * LANES + 1, 4 * LANES)


def plain(x, log, y):
    """The order as it is defined, a row at a time."""
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for c in range(1, x.shape[1]):
            largest = x[i, c] if x[i, c] > largest else largest
        total = x.dtype.type(0)
        for c in range(x.shape[1]):
            total += scalar.exp(x[i, c] - largest)
        for c in range(x.shape[1]):
            shifted = x[i, c] - largest
            y[i, c] = shifted - scalar.log(total) if log else scalar.exp(shifted) / total


plain_kernel = compiled(plain, *(void(array(t, 2), boolean, out(t, 2)) for t in (float32, float64)))


def in_plain_order(x, log):
    y = np.empty(x.shape, x.dtype)
    plain_kernel(np.ascontiguousarray(x), log, y)
    return y


@given(
    st.sampled_from(ROWS),
    st.sampled_from((1, 2, 3, 10, 64, LONG - 1, LONG, LONG + 5)),
    float_dtypes,
    st.data(),
)
def test_every_way_keeps_the_one_order(rows, classes, dtype, data):
    x = data.draw(arrays((rows, classes), dtype, scale=data.draw(st.sampled_from((1.0, 30.0, 1000.0)))))
    for log, function in enumerate(BOTH):
        expected = in_plain_order(x, bool(log))
        same(function(x), expected)
        same(function(x[-1]), expected[-1])
        same(function(np.ascontiguousarray(x.T), axis=0), expected.T)
        same(function(data.draw(st.sampled_from(LAYOUTS))(x)), expected)


@given(st.sampled_from(((2, 7, 3), (1, 5, COLUMNS + 1), (3, 4, 1, 2))), float_dtypes, st.data())
def test_any_axis(shape, dtype, data):
    x = data.draw(arrays(shape, dtype))
    for function in BOTH:
        for axis in range(-x.ndim, x.ndim):
            last = np.ascontiguousarray(np.moveaxis(x, axis, -1))
            same(function(x, axis), np.moveaxis(function(last), -1, axis))


@given(st.sampled_from(((1, 1), (3, 10), (17, 2), (2, LONG + 1))), float_dtypes, st.data())
def test_the_formula(shape, dtype, data):
    x = np.clip(data.draw(arrays(shape, dtype, scale=10)), -40, 40)
    u, n = unit_roundoff(dtype), shape[1]
    spread = 80  # a - max is off by 80·u, and so is e^… besides its own ULP, 2u
    power = math.expm1(spread * u + 2 * u)
    p = np.array([naive.softmax(row.tolist()) for row in x])
    within(softmax(x), p, (2 * power + gamma(n + 1, dtype) + gamma(n + 2, np.float64)) * p)
    logs = np.array([naive.log_softmax(row.tolist()) for row in x])
    # the sum is off by what its terms are and γ_{n-1}, its logarithm by that and 1 ULP ≤ 2u·log n
    of_log = power + gamma(n, dtype) + 2 * u * math.log(2 * n)
    of_reference = gamma(n + 2, np.float64) * (1 + np.abs(logs))
    within(log_softmax(x), logs, spread * u + of_log + u * np.abs(logs) + of_reference)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("classes", [2, 3, LONG])
def test_what_is_not_finite(dtype, rows, classes):
    for function in BOTH:
        for at in {0, 1, classes - 1}:
            x = np.zeros((rows, classes), dtype)
            x[-1, at] = -np.inf
            assert not np.isnan(function(x)).any()
            assert function(x)[-1, at] == (0 if function is softmax else -np.inf)
            for end in (np.inf, np.nan):
                x[-1, at] = end
                y = function(x)
                assert np.isnan(y[-1]).all()
                assert not np.isnan(y[:-1]).any()
                same(function(np.ascontiguousarray(x.T), 0), y.T)
        x[-1] = -np.inf
        assert np.isnan(function(x)[-1]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_nothing_overflows(dtype):
    large = np.array([[1e4, 1e4], [1e4, -1e4], [np.finfo(dtype).max, -np.finfo(dtype).max]], dtype)
    assert softmax(large).tolist() == [[0.5, 0.5], [1, 0], [1, 0]]
    assert log_softmax(large)[1].tolist() == [0, -2e4]
    assert log_softmax(large)[2].tolist() == [0, -np.inf]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_of_nothing(shape):
    for axis in range(len(shape)):
        assert softmax(np.zeros(shape, np.float32), axis).shape == shape


def test_the_operand_does_not_change():
    x = np.random.default_rng(0).standard_normal((40, 10))
    before = x.copy()
    for axis in (0, 1):
        assert not np.shares_memory(softmax(x, axis), x)
    same(x, before)


def test_bad_axes():
    x = np.zeros((2, 3), np.float32)
    for axis in (2, -3):
        with pytest.raises(ShapeError, match=r"softmax: axis .* is out of range for an array with 2 axes"):
            softmax(x, axis)
    for axis in (None, (0,), 1.0, "a"):
        with pytest.raises(DtypeError, match="log_softmax: axis: expected an integer, got"):
            log_softmax(x, axis)
    with pytest.raises(ShapeError, match="softmax: axis -1 is out of range for an array with 0 axes"):
        softmax(np.float32(1).reshape(()))
