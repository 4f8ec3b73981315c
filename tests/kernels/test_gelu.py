"""x · Φ(x) and factor · e^x, against mpmath; the exhaustive check of float32 is in `benchmarks.ulp`."""

import math

import mpmath
import numpy as np
import pytest

import tinytensor as tt
from tests.naive import same
from tests.strategies import FLOATS
from tinytensor.kernels import scalar
from tinytensor.kernels.scalar import gelu

INF, NAN = math.inf, math.nan


def ulps(y, exact, dtype):
    """The error of a result in units in the last place."""
    digits, least = (24, -149) if dtype == np.float32 else (53, -1074)
    last_place = mpmath.ldexp(1, max(mpmath.frexp(exact)[1] - digits, least))
    return float(abs(mpmath.mpf(float(y)) - exact) / last_place)


def worst(function, exact, x):
    """The largest error of a function over numbers."""
    y = function(x).numpy()
    with mpmath.workprec(200):
        errors = [ulps(b, exact(mpmath.mpf(float(a))), x.dtype) for a, b in zip(x, y, strict=True)]
    at = int(np.argmax(errors))
    return errors[at], x[at]


def grid(dtype):
    """Numbers from where the result is 0 to where it is x, and of every magnitude near 0."""
    lowest = -15 if dtype == np.float32 else -39.5
    rng = np.random.default_rng(0)
    steps = np.concatenate([rng.uniform(lowest, 0, 1500), rng.uniform(0, 9, 500)])
    small = 2.0 ** -rng.uniform(0, 140, 200) * rng.choice([-1, 1], 200)
    return np.concatenate([steps, small, [-4, -5.5, -6, -8, -13.3, -14.1]]).astype(dtype)


def exact_gelu(x):
    return x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2


@pytest.mark.parametrize("dtype", FLOATS)
def test_gelu_is_at_most_2_ulp_off_in_the_whole_tail(dtype):
    error, x = worst(tt.gelu, exact_gelu, grid(dtype))
    assert error <= 2, f"gelu({x!r}) is off by {error}"


@pytest.mark.parametrize("dtype", FLOATS)
def test_gelus_ends(dtype):
    x = np.array([-INF, INF, NAN, 0.0, -0.0, -50, 50, np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    same(tt.gelu(x), np.array([-0.0, INF, NAN, 0.0, -0.0, -0.0, 50, np.finfo(dtype).max, -0.0], dtype))


def test_in_python_they_are_the_formulas():
    assert gelu(-1.0) == -0.5 * math.erfc(math.sqrt(0.5))
    assert scalar.exp_times(-1.0, 3.0) == 3 * math.exp(-1)


@tt.activation
def decayed(x, factor=64.0):
    return scalar.exp_times(x, factor)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("factor", [1.0, 64.0, -0.75, 3e38])
def test_exp_times_where_the_exponential_alone_is_subnormal(dtype, factor):
    lowest = -170 if dtype == np.float32 else -800
    x = np.random.default_rng(1).uniform(lowest, 0, 700).astype(dtype)
    stored = float(dtype(factor))
    error, at = worst(lambda x: decayed(x, factor=factor), lambda x: stored * mpmath.exp(x), x)
    assert error <= 1, f"{factor} · e^{at!r} is off by {error}"
    same(decayed(np.array([-INF, NAN, 0.0], dtype), factor=factor), np.array([0, NAN, factor], dtype))


# Tails that an exponential's own underflow or a 1 + … would cut off


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("function", "exact", "bound"),
    [
        (tt.swish, lambda x: x / (1 + mpmath.exp(-x)), 3),
        (tt.mish, lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))), 4),
        (tt.softplus, lambda x: mpmath.log1p(mpmath.exp(x)), 2),
        (tt.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x)), 2),
    ],
    ids=["swish", "mish", "softplus", "sigmoid"],
)
def test_tails_down_to_the_subnormal_numbers(function, exact, bound, dtype):
    lowest = -110 if dtype == np.float32 else -755
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.uniform(lowest, 0, 600), rng.uniform(0, 40, 100), [-89.0, -100.0]]).astype(dtype)
    error, at = worst(function, exact, x)
    assert error <= bound, f"off by {error} at {at!r}"


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_approximate_gelus_tail(dtype):
    x = np.random.default_rng(3).uniform(-10.5 if dtype == np.float32 else -21, 6, 700).astype(dtype)
    y = tt.GELU("tanh")(x).numpy()
    with mpmath.workprec(200):
        for a, b in zip(x.astype(float).tolist(), y, strict=True):
            m = mpmath.mpf(a)
            z = mpmath.sqrt(2 / mpmath.pi) * (m + mpmath.mpf("0.044715") * m**3)
            allowed = 3 * (1 + 2 * float(abs(z)) * (a < 0))
            assert ulps(b, m / (1 + mpmath.exp(-2 * z)), x.dtype) <= allowed, a
