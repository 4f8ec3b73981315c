"""Pooling: every output has the bits of the plain loop over its window."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from tests.strategies import FLOATS
from tinytensor.kernels.pooling import pool


def largest(values):
    """The first of the largest, or a NaN; of nothing -inf."""
    best = -math.inf
    for value in values:
        if value > best or math.isnan(value):
            best = value
    return best


def mean(values, count=None):
    """The sum from the first to the last, in float64, by the number of values."""
    total = np.float64(0)
    for value in values:
        total += np.float64(value)
    return total / np.float64(len(values) if count is None else count)


def last(x):
    """The same images with channels last."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def check(x, size, stride, padding, dilation):
    """Both kinds, in both layouts."""
    given_ = size, stride, padding, dilation
    taps = size[0] * size[1]
    for kind, function, counts in (
        ("max", largest, False), ("average", mean, False), ("average", lambda x: mean(x, taps), True),
    ):  # fmt: skip
        expected = naive.pool(function, x, *given_)
        naive.same(pool(x, kind, *given_, counts_padding=counts), expected)
        naive.same(pool(last(x), kind, *given_, counts_padding=counts, channels_last=True), last(expected))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [1, 3, 8, 16, 17, 33, 64, 70])
def test_every_number_of_channels(dtype, channels):
    x = np.random.default_rng(channels).standard_normal((2, channels, 5, 6)).astype(dtype)
    check(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))


@st.composite
def cases(draw):
    """Geometries whose windows have a tap each."""
    size, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in range(2)) for most in (4, 3, 2))
    padding = tuple(tuple(draw(st.integers(0, each // 2)) for _ in range(2)) for each in size)
    smallest = [max(1, dilation[i] * (size[i] - 1) + 1) for i in (0, 1)]
    shape = tuple(draw(st.integers(least, least + 5)) for least in smallest)
    return (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *shape), size, stride, padding, dilation


@given(cases(), st.sampled_from(FLOATS), st.integers(0, 99))
def test_every_geometry(case, dtype, seed):
    shape, *window = case
    check(np.random.default_rng(seed).standard_normal(shape).astype(dtype), *window)


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinities(dtype):
    x = np.random.default_rng(1).standard_normal((1, 2, 6, 6)).astype(dtype)
    x[0, 0, 0, 0], x[0, 0, 2, 3], x[0, 1, 5, 5], x[0, 1, 1, 1], x[0, 1, 4, 2] = (
        np.nan, np.nan, np.nan, np.inf, -np.inf,
    )  # fmt: skip
    check(x, (2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1))
    check(np.full((1, 1, 4, 4), -np.inf, dtype), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))


def test_windows_beyond_the_end_count_the_padding_that_they_see():
    x = np.ones((1, 1, 5, 5))
    y = pool(x, "average", (2, 2), (2, 2), ((0, 0), (0, 0)), counts_padding=True, outputs=(3, 3))
    naive.same(y, np.ones((1, 1, 3, 3)))  # as PyTorch's ceil_mode: what lies beyond the padding is not there
    y = pool(x, "average", (2, 2), (2, 2), ((0, 1), (0, 1)), counts_padding=True)
    naive.same(y[0, 0], np.array([[1, 1, 0.5], [1, 1, 0.5], [0.5, 0.5, 0.25]]))
    naive.same(pool(x, "max", (2, 2), (2, 2), outputs=(3, 3)), np.ones((1, 1, 3, 3)))


def test_a_window_of_padding_alone():
    x = np.ones((1, 1, 1, 1))
    given_ = (1, 1), (1, 1), ((1, 0), (0, 0))
    assert pool(x, "max", *given_)[0, 0, :, 0].tolist() == [-math.inf, 1]
    assert np.isnan(pool(x, "average", *given_)[0, 0, 0, 0])
