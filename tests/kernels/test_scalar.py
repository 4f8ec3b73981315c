import math
from pathlib import Path

import mpmath
import numpy as np
import pytest

from benchmarks.ulp import CLAIMS, FLOATS, ours, worst
from tests.naive import same
from tests.strategies import FLOATS as DTYPES
from tinytensor.kernels import scalar
from tinytensor.kernels.elementwise import apply

NAMES = scalar.__all__
INF, NAN = np.inf, np.nan
HUGE, TINY = 3e38, 1e-45  # in both dtypes neither infinite nor 0


def call(name, x):
    return apply(getattr(scalar, name), x)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_states_the_bound(name):
    bound = "correctly rounded" if name == "sqrt" else f"at most {CLAIMS[name].bound} ULP off"
    assert bound in getattr(scalar, name).__doc__


@pytest.mark.parametrize("name", CLAIMS)
def test_every_257th_float(name):
    ((error, x),) = worst(CLAIMS[name], range(0, FLOATS, 257), [ours(CLAIMS[name])])
    assert error <= CLAIMS[name].bound, f"{name}({x!r}) is off by {error}"


# In float64


def around(points):
    """Each point and the eight numbers next to it."""
    bits = np.array(points, np.float64).view(np.int64)
    return (bits[:, None] + np.arange(-4, 5)).view(np.float64).ravel()


LN2 = np.log(2)
POWERS = 2.0 ** np.arange(-1074, 1024, 37)
SMALL = [*2.0 ** -np.arange(1, 70), *-(2.0 ** -np.arange(1, 70)), *POWERS[:25], *-POWERS[:25]]
HALF_WAY = (np.arange(-1076, 1024, 23) + 0.5) * LN2  # where n changes in x = n·ln 2 + r
# where the domain ends, where one formula takes over from another, where a result is large or subnormal
HARD = {
    "exp": [*SMALL, *HALF_WAY, 709.782712893383, -745.133219101941, -708.396418532264],
    "expm1": [*SMALL, *HALF_WAY, 709.782712893383, -37.42994775023705, -0.2876820724517809],
    "log": [*POWERS, *POWERS * np.sqrt(0.5), *1 + np.array(SMALL[:53]), *1 - 2.0 ** -np.arange(1, 53)],
    "log1p": [*SMALL, *POWERS, *2 ** (np.arange(-20, 60) + 0.5) - 1, -1 + 2.0**-50],
    "tanh": [*SMALL, *np.arange(-60, 60) * LN2 / 4 + 1e-3, 0.34657359, 18.714973875118524, 19.06154746539849],
    "erf": [*SMALL, 0.9375, -0.9375, 1.0, 2.0, 3.0, 5.8635847487551676, 5.921587195794507, 6.0, -6.0],
    "sqrt": [*POWERS, *1 + np.array(SMALL[:53]), *1 - 2.0 ** -np.arange(1, 53), 1.7e308],
}
RANGES = {
    "exp": (-746, 709.78), "expm1": (-60, 709.78), "log": (0, 1e3), "log1p": (-1, 1e3),
    "tanh": (-20, 20), "erf": (-6, 6), "sqrt": (0, 1e3),
}  # fmt: skip


def numbers(name):
    """The hard points, random numbers of the range, and random numbers of every magnitude."""
    rng, (low, high) = np.random.default_rng(257), RANGES[name]
    magnitudes = np.exp2(rng.uniform(-1074, np.log2(high), 1000)) * rng.choice([-1, 1], 1000)
    x = np.concatenate(
        [around(HARD[name]), rng.uniform(low, high, 2000), rng.uniform(-1, 2, 1000), magnitudes]
    )
    return x[(x > low) & (x != 0) & np.isfinite(x)]


@pytest.mark.parametrize("name", NAMES)
def test_float64_against_mpmath(name):
    x = numbers(name)
    y, errors = call(name, x), []
    with mpmath.workprec(160):
        for argument, result in zip(x.tolist(), y.tolist(), strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(argument))
            last_place = mpmath.ldexp(1, max(mpmath.frexp(exact)[1] - 53, -1074))
            errors.append(float(abs(mpmath.mpf(result) - exact) / last_place))
    at = int(np.argmax(errors))
    assert errors[at] <= CLAIMS[name].bound, f"{name}({x[at]!r}) = {y[at]!r} is off by {errors[at]}"


# NumPy's own points, in its wheel; our results may differ from the rounded ones by our bound and ½, and by
# no more units than NumPy allows itself

VALIDATION = Path(np.__file__).parent / "_core" / "tests" / "data"
VALIDATED = [name for name in NAMES if name not in ("erf", "sqrt")]  # there are none of these two


@pytest.mark.parametrize("name", VALIDATED)
def test_numpys_validation_set(name):
    path = VALIDATION / f"umath-validation-set-{name}.csv"
    if not path.exists():
        pytest.skip(f"this NumPy came without its tests: no {path.name}")
    rows = [line.split(",") for line in path.read_text().splitlines() if line.startswith("np.float")]
    checked = 0
    for dtype, bits in ((np.float32, np.uint32), (np.float64, np.uint64)):
        chosen = [row for row in rows if row[0] == f"np.{dtype.__name__}"]
        if chosen:
            x, expected = (np.array([int(row[i], 16) for row in chosen], bits).view(dtype) for i in (1, 2))
            units = np.array([int(row[3]) for row in chosen])
            allowed = np.minimum(units, int(CLAIMS[name].bound + 0.5))
            assert (distance(call(name, x), expected) <= allowed).all()
            checked += len(x)
    assert checked == len(rows) > 100


def distance(x, y):
    """How many numbers apart: 0 where both are NaN."""
    integer = np.int32 if x.dtype == np.float32 else np.int64
    ordered = [
        np.where(z < 0, np.iinfo(integer).min - z, z).astype(object)
        for z in (x.view(integer), y.view(integer))
    ]
    return np.where(np.isnan(x) & np.isnan(y), 0, np.abs(ordered[0] - ordered[1]))


# Ends

ENDS = {
    "exp": {INF: INF, -INF: 0.0, HUGE: INF, -HUGE: 0.0, 0.0: 1.0, TINY: 1.0, -TINY: 1.0},
    "expm1": {INF: INF, -INF: -1.0, HUGE: INF, -HUGE: -1.0, 0.0: 0.0, TINY: TINY, -TINY: -TINY},
    "log": {INF: INF, -INF: NAN, 0.0: -INF, 1.0: 0.0, -TINY: NAN, -1.0: NAN, -HUGE: NAN},
    "log1p": {INF: INF, -INF: NAN, 0.0: 0.0, -1.0: -INF, TINY: TINY, -TINY: -TINY, -1.0000002: NAN},
    "tanh": {INF: 1.0, -INF: -1.0, HUGE: 1.0, -HUGE: -1.0, 0.0: 0.0, TINY: TINY, -TINY: -TINY},
    "erf": {INF: 1.0, -INF: -1.0, HUGE: 1.0, -HUGE: -1.0, 0.0: 0.0, TINY: TINY, -TINY: -TINY},
    "sqrt": {INF: INF, -INF: NAN, 0.0: 0.0, 1.0: 1.0, -TINY: NAN, -1.0: NAN, -HUGE: NAN},
}  # fmt: skip
OF_MINUS_ZERO = {"exp": 1.0, "log": -INF}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_ends(name, dtype):
    ends = {**ENDS[name], NAN: NAN}
    if name == "erf" and dtype == np.float64:  # 2/√π · TINY is another number there
        ends = {x: y for x, y in ends.items() if abs(x) != TINY}
    same(call(name, np.array([*ends], dtype)), np.array([*ends.values()], dtype))
    same(call(name, np.array([-0.0], dtype)), np.array([OF_MINUS_ZERO.get(name, -0.0)], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
def test_where_f_of_x_is_x_subnormal_numbers_stay_what_they_are(name, dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    x = smallest * np.array([1, 2, 3, 1000, 2**22 + 1, -1, -5], dtype)
    same(call(name, x), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_results_and_arguments_are_no_zeros(dtype):
    smallest, limits = np.finfo(dtype).smallest_subnormal, np.finfo(dtype)
    lowest = np.log(np.float64(limits.tiny)) - 2
    assert 0 < call("exp", np.array([lowest], dtype))[0] < limits.tiny
    same(call("sqrt", np.array([smallest * 4], dtype)), np.sqrt(np.array([smallest * 4], dtype)))
    assert np.isfinite(call("log", np.array([smallest], dtype)))[0]


# One sequence of operations


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_place_in_an_array_changes_no_bit(name, dtype):
    x = np.random.default_rng(7).uniform(0.01, 3, 67).astype(dtype)
    y = call(name, x)
    same(call(name, x[::-1])[::-1], y)
    same(np.concatenate([call(name, x[i : i + 1]) for i in range(len(x))]), y)


@pytest.mark.parametrize("name", NAMES)
def test_in_python_they_are_maths(name):
    assert getattr(scalar, name)(0.5) == getattr(math, name)(0.5)
