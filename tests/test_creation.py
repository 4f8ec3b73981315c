import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import same
from tests.strategies import FLOATS, shapes

DTYPES = (*FLOATS, np.int64, np.uint8, bool)


@given(shapes, st.sampled_from(DTYPES), st.integers(0, 1))
def test_filled(shape, dtype, value):
    same(tt.full(shape, value, dtype), np.full(shape, value, dtype))
    same(tt.zeros(shape, dtype), np.zeros(shape, dtype))
    same(tt.ones(list(shape), dtype), np.ones(shape, dtype))
    same(tt.zeros(shape), np.zeros(shape, np.float32))


def test_a_shape_of_one_number():
    assert tt.zeros(3).shape == tt.ones(np.int64(3)).shape == tt.full(3, 1.5).shape == (3,)
    assert tt.zeros(()).shape == ()


def test_full_of_ends():
    assert tt.full(1, 1e300).tolist() == [math.inf]
    assert math.isnan(tt.full((), math.nan).item())


@given(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 5)), st.sampled_from(DTYPES))
def test_eye(rows, columns, dtype):
    same(tt.eye(rows, columns, dtype), np.eye(rows, columns, dtype=dtype))


@given(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from((-2, -0.5, 0.25, 1, 3)))
def test_arange(start, stop, step):
    same(tt.arange(start, stop, step), np.arange(start, stop, step).astype(np.float32))
    same(tt.arange(stop, dtype=int), np.arange(stop))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 9), st.sampled_from(FLOATS))
def test_linspace(start, stop, num, dtype):
    t = tt.linspace(start, stop, num, dtype)
    same(t, np.linspace(start, stop, num).astype(dtype))
    if num > 1:
        assert (t[0].item(), t[-1].item()) == (dtype(start), dtype(stop))


@pytest.mark.parametrize("dtype", FLOATS)
@given(seed=st.integers(0, 2**64), shape=shapes, low=st.floats(-100, 99), width=st.floats(0.01, 1))
def test_uniform(dtype, seed, shape, low, width):
    t = tt.uniform(shape, low, low + width, seed=seed, dtype=dtype)
    assert (t.shape, t.dtype) == (shape, dtype)
    assert ((t >= low) & (t < low + width)).all()
    same(tt.uniform(shape, low, low + width, seed=seed, dtype=dtype), t)


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_covers_its_range_evenly(dtype):
    t = tt.uniform(10_000, -2, 2, seed=0, dtype=dtype)
    # standard error of the mean: width / √(12·n) = 0.0115; six of them
    assert abs(t.mean().item()) < 0.07
    assert t.min().item() < -1.99
    assert t.max().item() > 1.99


def test_uniform_never_reaches_high_by_rounding():
    low, high = 1.0, np.nextafter(np.float32(1), np.float32(2)).item()
    assert tt.uniform(1000, low, high, seed=0).tolist() == [1.0] * 1000


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal(dtype):
    t = tt.normal((100, 100), 3.0, 2.0, seed=1, dtype=dtype)
    assert (t.shape, t.dtype) == ((100, 100), dtype)
    # standard errors: of the mean std / √n = 0.02, of std std / √(2n) = 0.014; six of them
    assert abs(t.mean().item() - 3) < 0.12
    assert abs(t.std().item() - 2) < 0.09
    same(tt.normal((100, 100), 3.0, 2.0, seed=1, dtype=dtype), t)
    assert tt.normal(3, 5.0, 0.0).tolist() == [5, 5, 5]


def test_seeds():
    for draw in (tt.uniform, tt.normal):
        assert draw(4, seed=1).tolist() != draw(4, seed=2).tolist()
        assert draw(4).tolist() != draw(4).tolist()
        generator = np.random.default_rng(0)
        first, second = draw(4, seed=generator), draw(4, seed=generator)
        assert first.tolist() != second.tolist()
        same(first, draw(4, seed=0))


@pytest.mark.parametrize(
    "shape", [-1, (2, -1), "2", 2.5, (2, 1.5), None, {"a": 1}, (2,) * 65, 2**63, (2**40, 2**40)]
)
def test_no_shape(shape):
    for make in (tt.zeros, tt.ones, lambda s: tt.full(s, 1), tt.uniform, tt.normal):
        with pytest.raises(tt.ShapeError, match="shape: "):
            make(shape)


@pytest.mark.parametrize("dtype", ["f2", complex, object, "x", None])
def test_no_dtype(dtype):
    for make in (tt.zeros, tt.ones, tt.eye, tt.arange, tt.uniform, tt.normal):
        with pytest.raises(tt.DtypeError, match="dtype: expected float32, float64, bool or an integer type"):
            make(2, dtype=dtype)
    with pytest.raises(tt.DtypeError):
        tt.linspace(0, 1, 2, dtype=dtype)


def test_lengths_that_are_no_pair():
    with pytest.raises(tt.DtypeError, match=r"got 3; a shape of two lengths is a pair, as in zeros\("):
        tt.ones(2, 3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tt.full(2, "a"), tt.DtypeError, "expected real numbers, got <U1 data"),
        (lambda: tt.full(2, [1, 2]), tt.ShapeError, r"full: expected one number, got shape \(2,\)"),
        (lambda: tt.full(2, None), tt.DtypeError, "expected real numbers, got NoneType"),
        (lambda: tt.full(2, math.nan, int), tt.DtypeError, "does not become int64"),
        (lambda: tt.full(2, 1j), tt.DtypeError, "expected real numbers, got complex128"),
        (lambda: tt.arange(0, 1, 0), tt.ArgumentError, r"arange\(0, 1, 0\)"),
        (lambda: tt.arange("a"), tt.DtypeError, "arange.*: expected a real number, got 'a'"),
        (lambda: tt.arange(math.inf), tt.ArgumentError, "arange"),
        (lambda: tt.arange(0, 1, math.nan), tt.ArgumentError, "arange"),
        (lambda: tt.linspace(0, 1, -1), tt.ArgumentError, "linspace"),
        (lambda: tt.linspace(0, 1, 2.5), tt.ArgumentError, "linspace"),
        (lambda: tt.linspace(0, math.inf), tt.ArgumentError, "linspace: expected finite"),
        (lambda: tt.linspace(-1.7e308, 1.7e308), tt.ArgumentError, "linspace: expected finite"),
        (lambda: tt.linspace("0", 1), tt.DtypeError, "linspace: start: expected a real number, got '0'"),
        (lambda: tt.uniform(2, 1, 1), tt.ArgumentError, "uniform: expected finite low < high"),
        (lambda: tt.uniform(2, 0, math.nan), tt.ArgumentError, "uniform: expected finite low < high"),
        (lambda: tt.uniform(2, None, 1), tt.DtypeError, "uniform: low: expected a real number, got None"),
        (
            lambda: tt.uniform(2, dtype=int),
            tt.DtypeError,
            "random numbers: expected dtype float32 or float64",
        ),
        (
            lambda: tt.uniform(2, seed=-1),
            tt.ArgumentError,
            "seed: expected a non-negative integer or None, got -1",
        ),
        (
            lambda: tt.normal(2, seed="a"),
            tt.ArgumentError,
            "seed: expected a non-negative integer or None, got 'a'",
        ),
        (lambda: tt.normal(2, math.inf), tt.ArgumentError, "normal: expected a finite mean and std ≥ 0"),
        (lambda: tt.uniform(2, 0, 1e39), tt.ArgumentError, "uniform: expected finite low < high"),
        (lambda: tt.normal(2, 1e39), tt.ArgumentError, "normal: expected a finite mean"),
        (lambda: tt.normal(2, 0, -1), tt.ArgumentError, "normal: expected a finite mean and std ≥ 0"),
        (lambda: tt.normal(2, std=[1]), tt.DtypeError, r"normal: std: expected a real number, got \[1\]"),
        (lambda: tt.eye(-1), tt.ShapeError, "shape: expected non-negative integers"),
        (lambda: tt.eye(2.5), tt.ShapeError, "shape: expected non-negative integers"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_span_of_uniform_numbers_that_is_infinite_is_refused():
    with pytest.raises(tt.ArgumentError, match="expected"):
        tt.uniform(3, -3e38, 3e38)
    assert np.isfinite(tt.uniform(3, -1e38, 1e38, seed=0).numpy()).all()
