"""Reductions against loops over Python floats, within the bounds that their docstrings state."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from tests.naive import gamma, same, unit_roundoff, within
from tests.strategies import FLOATS, LAYOUTS, arrays, axes_of, float_arrays, float_dtypes
from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels import reduce
from tinytensor.kernels.fold import UNROLL
from tinytensor.kernels.reduce import LONG, PARTS, WIDE

LENGTHS = (1, 2, UNROLL - 1, UNROLL + 1, LONG - 1, LONG, LONG + 1, LONG + PARTS + 3, 5 * LONG + 7)


def roundings(n):
    """How many additions a term of a sum of n passes through."""
    return n if n < LONG else n / PARTS + 5


def reduced(function, x, axis, keepdims, dtype=np.longdouble):
    return naive.reduce(function, x, axis, keepdims).astype(dtype)


def magnitude(x, axis, keepdims):
    """Σ |x|."""
    return reduced(lambda values: math.fsum(map(abs, values)), x, axis, keepdims)


@st.composite
def reductions(draw):
    """An array, an axis and keepdims."""
    x = draw(float_arrays())
    return x, draw(axes_of(x.ndim)), draw(st.booleans())


@st.composite
def long_ones(draw):
    """[outer, n, inner] with n around the kernels' limits, reduced along n."""
    shape = (
        draw(st.sampled_from((1, 3, 4, 5))),
        draw(st.sampled_from(LENGTHS)),
        draw(st.sampled_from((1, 2, 9))),
    )
    return draw(arrays(shape, draw(float_dtypes))), 1, draw(st.booleans())


cases = st.one_of(reductions(), long_ones())


@given(cases)
def test_sum(case):
    x, axis, keepdims = case
    exact, n = reduced(math.fsum, x, axis, keepdims), x.size
    error = gamma(roundings(n), np.float64) * magnitude(x, axis, keepdims)
    if x.dtype == np.float32:  # rounded once
        error = error + unit_roundoff(x.dtype) * (np.abs(exact) + error)
    y = reduce.sum(x, axis, keepdims)
    assert y.dtype == x.dtype
    within(y, exact, error + unit_roundoff(np.float64) * np.abs(exact))


@given(cases)
def test_mean(case):
    x, axis, keepdims = case
    exact = reduced(naive.mean, x, axis, keepdims)
    if np.isnan(exact).any():
        assert np.isnan(reduce.mean(x, axis, keepdims)).all()
        return
    n = x.size / max(exact.size, 1)
    error = gamma(roundings(n) + 2, np.float64) * magnitude(x, axis, keepdims) / max(n, 1)
    within(reduce.mean(x, axis, keepdims), exact, error + unit_roundoff(x.dtype) * (np.abs(exact) + error))


@given(cases, st.integers(0, 3))
def test_var_and_std(case, ddof):
    x, axis, keepdims = case
    exact = reduced(lambda values: naive.var(values, ddof), x, axis, keepdims)
    y, root = reduce.var(x, axis, keepdims, ddof), reduce.std(x, axis, keepdims, ddof)
    if np.isnan(exact).any():
        assert np.isnan(y).all()
        assert np.isnan(root).all()
        return
    # n + 4 roundings of a sum of squares, and the square of the mean's own error:
    # Chan, Golub and LeVeque, table 1
    n = x.size / max(exact.size, 1)
    mean_error = gamma(roundings(n) + 2, np.float64) * magnitude(x, axis, keepdims) / max(n, 1)
    error = gamma(roundings(n) + 6, np.float64) * exact + 2 * n * mean_error**2 / max(n - ddof, 1)
    u = unit_roundoff(x.dtype)
    within(y, exact, error + u * (exact + error))
    # √(v + e) - √v ≤ √e, and e / (2√v) where v is not tiny
    root_error = np.minimum(np.sqrt(error), error / np.maximum(np.sqrt(exact), 1e-300))
    within(root, np.sqrt(exact), root_error + 2 * u * (np.sqrt(exact) + root_error))


@given(cases)
def test_prod(case):
    x, axis, keepdims = case
    x = np.copysign(np.abs(x) ** 0.01, x).astype(x.dtype)  # near ±1: a thousand of them stay finite
    n = x.size
    exact = reduced(lambda values: math.prod(map(np.longdouble, values)), x, axis, keepdims)
    underflow = float(np.finfo(x.dtype).smallest_subnormal)  # a rounding there is half of it
    error = (gamma(n, np.float64) + unit_roundoff(x.dtype)) * np.abs(exact) + underflow / 2
    within(reduce.prod(x, axis, keepdims), exact, error)


@given(cases)
def test_choosing_and_asking_are_exact(case):
    x, axis, keepdims = case
    x = np.where(np.abs(x) < 0.3, 0, np.round(x, 1)).astype(x.dtype)  # ties and zeros
    for name, oracle in (("any", any), ("all", all)):
        same(getattr(reduce, name)(x, axis, keepdims), reduced(oracle, x, axis, keepdims, bool))
    kept = naive.reduce(len, x, axis, keepdims)
    if 0 in kept or not (kept.size or x.size):
        return
    for name, oracle in (("min", min), ("max", max)):
        assert np.array_equal(getattr(reduce, name)(x, axis, keepdims), reduced(oracle, x, axis, keepdims))


@given(cases, st.booleans())
def test_positions_are_the_first(case, everything):
    x, axis, keepdims = case
    axis = None if everything or not isinstance(axis, int) else axis
    x = np.round(x).astype(x.dtype)
    if x.size:
        for name in ("argmin", "argmax"):
            expected = reduced(getattr(naive, name), x, axis, keepdims, np.int64)
            same(getattr(reduce, name)(x, axis, keepdims), expected)


@given(cases, st.sampled_from(LAYOUTS))
def test_the_layout_changes_no_bit(case, layout):
    x, axis, keepdims = case
    for name in ("sum", "prod", "mean", "any", "all"):
        function = getattr(reduce, name)
        same(function(layout(x), axis, keepdims), function(x, axis, keepdims))
    same(reduce.var(layout(x), axis, keepdims, 0), reduce.var(x, axis, keepdims, 0))


@pytest.mark.parametrize("n", LENGTHS)
@given(dtype=float_dtypes, rows=st.sampled_from((1, 2, 3, 4, 5, 9)), data=st.data())
def test_a_row_gives_the_bits_that_it_gives_as_a_column_and_in_any_batch(n, dtype, rows, data):
    x = data.draw(arrays((rows, n), dtype))
    for name in ("sum", "prod", "mean", "max"):
        function = getattr(reduce, name)
        alone = np.array([function(row, None, False) for row in x])
        same(function(x, 1, False), alone)
        same(function(np.ascontiguousarray(x.T), 0, False), alone)
        same(function(np.repeat(x[:, :, None], 3, axis=2), 1, False)[:, 1], alone)


def test_more_columns_than_are_folded_at_once():
    x = np.random.default_rng(0).standard_normal((LONG + 1, 2 * WIDE + 5))
    same(reduce.sum(x, 0, False), np.array([reduce.sum(column, None, False) for column in x.T]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 2, 9, LONG, LONG + 1])
@pytest.mark.parametrize("inner", [1, 3])
def test_nan_is_never_lost(dtype, n, inner):
    for at in {0, n // 2, n - 1}:
        x = np.zeros((5, n, inner), dtype)
        x[2, at, 0] = np.nan
        expected = np.zeros((5, inner), bool)
        expected[2, 0] = True
        for name in ("sum", "prod", "mean", "min", "max"):
            assert np.array_equal(np.isnan(getattr(reduce, name)(x, 1, False)), expected), name
        for function in (reduce.var, reduce.std):
            assert np.array_equal(np.isnan(function(x, 1, False, 0)), expected)
        for name in ("argmin", "argmax"):
            assert np.array_equal(getattr(reduce, name)(x, 1, False), np.where(expected, at, 0)), name
        assert np.array_equal(reduce.any(x, 1, False), expected)


@pytest.mark.parametrize("dtype", FLOATS)
def test_infinities(dtype):
    up, down, both = (np.array(row, dtype) for row in ([np.inf, 1], [1, -np.inf], [np.inf, -np.inf]))
    assert [reduce.sum(each, None, False) for each in (up, down)] == [np.inf, -np.inf]
    assert np.isnan(reduce.sum(both, None, False))
    assert np.isnan(reduce.var(up, None, False, 0))
    assert [reduce.max(each, None, False) for each in (up, down, both)] == [np.inf, 1, np.inf]
    assert [reduce.min(each, None, False) for each in (up, down, both)] == [1, -np.inf, -np.inf]
    assert [reduce.argmax(np.full(3, end, dtype), None, False) for end in (np.inf, -np.inf)] == [0, 0]


def test_float32_is_summed_in_float64():
    x = np.array([2.0**24, 1, 1, -(2.0**24)], np.float32)
    assert reduce.sum(x, None, False) == 2
    assert reduce.mean(x, None, False) == 0.5
    assert reduce.prod(np.array([1e30, 1e30, 1e-30, 1e-30], np.float32), None, False) == np.float32(1)
    assert reduce.sum(np.full(4, 3e38, np.float32), None, False) == np.inf
    assert reduce.var(np.array([1e8, 1e8 + 8], np.float32), None, False, 0) == 16


def test_of_nothing():
    x = np.zeros((2, 0, 3), np.float32)
    assert reduce.sum(x, 1, False).tolist() == [[0, 0, 0]] * 2
    assert reduce.prod(x, 1, False).tolist() == [[1, 1, 1]] * 2
    assert np.isnan(reduce.mean(x, 1, False)).all()
    assert not reduce.any(x, None, False)
    assert reduce.all(x, None, False)
    assert reduce.max(x, 2, False).shape == (2, 0)
    assert reduce.argmax(x, 0, False).shape == (0, 3)
    for name in ("min", "max", "argmin", "argmax"):
        with pytest.raises(ShapeError, match=f"{name}: nothing along axis 1"):
            getattr(reduce, name)(x, 1, False)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64])
@given(data=st.data())
def test_integers_and_bools_are_numpys(dtype, data):
    x = (
        (data.draw(arrays(data.draw(st.sampled_from(((), (3,), (2, 3), (2, 0, 3)))))))
        .astype(np.int8)
        .astype(dtype)
    )
    axis = data.draw(axes_of(x.ndim))
    numpys = tuple(axis) if isinstance(axis, list) else axis
    for name in ("sum", "prod", "any", "all"):
        same(getattr(reduce, name)(x, axis, False), np.asarray(getattr(np, name)(x, axis=numpys)))
    if x.size:
        for name in ("min", "max"):
            same(getattr(reduce, name)(x, axis, False), np.asarray(getattr(np, name)(x, axis=numpys)))
        for name in ("argmin", "argmax"):
            same(getattr(reduce, name)(x, None, True), np.asarray(getattr(np, name)(x, keepdims=True)))


def test_bad_arguments():
    x = np.zeros((2, 3), np.float32)
    for axis in (2, -3, (0, 0), (0, -2)):
        with pytest.raises(ShapeError, match=r"sum: axis .* (out of range|names an axis twice)"):
            reduce.sum(x, axis, False)
    for axis in ("a", 1.0, (1.0,), object()):
        with pytest.raises(DtypeError, match="max: axis: expected an integer"):
            reduce.max(x, axis, False)
    with pytest.raises(DtypeError, match="argmax: axis: expected an integer, got"):
        reduce.argmax(x, (0, 1), False)
    with pytest.raises(DtypeError, match="std: ddof: expected a real number, got 'a'"):
        reduce.std(x, None, False, "a")
