"""Elementwise operations: the same bits as NumPy's, which are IEEE's, over every kind of broadcasting."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from tests.naive import same
from tests.strategies import FLOATS, arrays, broadcastable, float_dtypes
from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.kernels import binary
from tinytensor.kernels.binary import SHORT_ROW

ARITHMETIC = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
EVERY = ARITHMETIC + COMPARISONS
SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan, 1e-40, 3e38)
PYTHON = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "maximum": max, "minimum": min, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
    "greater_equal": operator.ge, "equal": operator.eq, "not_equal": operator.ne,
}  # fmt: skip


def numpys(name, *operands):
    with np.errstate(all="ignore"):
        return np.asarray(getattr(np, name)(*operands))


@pytest.mark.parametrize("name", EVERY)
@given(pair=broadcastable(2))
def test_the_bits_are_numpys(name, pair):
    same(getattr(binary, name)(*pair), numpys(name, *pair))


@given(broadcastable(2), st.sampled_from(EVERY))
def test_every_element_is_that_of_its_operands(pair, name):
    expected = naive.elementwise(PYTHON[name], *pair)
    y = getattr(binary, name)(*pair)
    same(y, expected.astype(np.float64).astype(y.dtype))


ROWS = (1, 2, 50, SHORT_ROW // 2 + 1, SHORT_ROW - 1, SHORT_ROW, SHORT_ROW + 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("inner", ROWS)
@pytest.mark.parametrize("outer", [1, 3, 45])
def test_rows_and_columns_around_the_length_of_a_short_row(dtype, inner, outer):
    rng = np.random.default_rng(inner)
    whole = rng.standard_normal((2, outer, inner)).astype(dtype)
    for other in (
        whole[0, 0], whole[:, :1], whole[:1], whole[:, :, :1], whole[:1, :, :1], whole[0, 0, :1], whole[::-1],
    ):  # fmt: skip
        for name in ("subtract", "less"):
            same(getattr(binary, name)(whole, other), numpys(name, whole, other))
            same(getattr(binary, name)(other, whole), numpys(name, other, whole))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 1, 3, 1, 4), (2, 5, 1, 6, 4)),  # more than three axes after merging
        ((2, 1, 3, 1), (1, 5, 1, 6)),
        ((1,) * 64, (3,)),
        ((2,) + (1,) * 62 + (3,), (3,)),
        ((0, 3), (1, 3)),
        ((0,), ()),
        ((), ()),
    ],
)
def test_broadcasting_over_many_axes(left, right):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(left), rng.standard_normal(right)
    same(binary.subtract(a, b), numpys("subtract", a, b))
    same(binary.subtract(b, a), numpys("subtract", b, a))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values(name, dtype):
    a = np.array(SPECIAL, np.float32).astype(dtype)
    y = getattr(binary, name)(a[:, None], a)
    expected = numpys(name, a[:, None], a)
    if name in ("maximum", "minimum"):  # IEEE leaves open which of 0 and -0 is larger
        assert np.array_equal(y, expected, equal_nan=True)
    else:
        same(y, expected)


@given(broadcastable(2))
def test_power_of_floats(pair):
    a, b = np.abs(pair[0]), pair[1]
    exact = numpys("power", a.astype(np.longdouble), b.astype(np.longdouble))
    ulp = np.spacing(np.abs(exact).astype(a.dtype)).astype(np.longdouble)
    # float32 as its docstring says; the C library's float64 pow is within 1 ULP
    naive.within(binary.power(a, b), exact, (0.51 if a.dtype == np.float32 else 1.0) * ulp)


@pytest.mark.parametrize("dtype", FLOATS)
def test_power_at_its_ends(dtype):
    a = np.array([*SPECIAL, -3.0, 3.0, 0.5, -np.inf], np.float32).astype(dtype)
    y = binary.power(a[:, None], a)
    exact = numpys("power", a[:, None].astype(np.longdouble), a.astype(np.longdouble))
    with np.errstate(over="ignore", under="ignore"):
        expected = exact.astype(dtype)
    ordinary = np.isfinite(expected) & (expected != 0)
    same(np.where(ordinary, 1, y), np.where(ordinary, 1, expected))
    # NumPy's own pow may be off by more than ours, so what is no end is judged in long double
    ulp = np.spacing(np.abs(expected[ordinary])).astype(np.longdouble)
    naive.within(y[ordinary], exact[ordinary], ulp)


@given(broadcastable(1))
def test_the_square_is_one_product(pair):
    (a,) = pair
    same(binary.power(a, 2), a * a)
    same(binary.power(a, 2.0), a * a)


@pytest.mark.parametrize("dtype", FLOATS)
def test_python_numbers_do_not_change_a_dtype(dtype):
    a = np.array([1.5, -2], dtype)
    numbers = {number: number for number in (2, 0.1, True, -3, 1e300, math.inf, math.nan)}
    for number, limited in (numbers | {10**400: math.inf, -(10**400): -math.inf}).items():
        with np.errstate(over="ignore"):
            limited = dtype(limited)
        same(binary.add(a, number), a + limited)
        same(binary.subtract(number, a), limited - a)
        same(binary.less(a, number), a < limited)


def test_a_python_number_between_the_largest_float32_and_infinity_rounds():
    a = np.array([0], np.float32)
    largest = float(np.finfo(np.float32).max)
    half = 2.0**128 - 2.0**103  # halfway to 2^128: ties go to the even neighbour, which is infinite
    assert binary.add(a, math.nextafter(half, 0)).tolist() == [largest]
    assert binary.add(a, half).tolist() == [math.inf]
    assert binary.add(a, -half).tolist() == [-math.inf]


@given(st.data(), st.sampled_from((bool, np.int8, np.uint8, np.int32, np.int64)), float_dtypes)
def test_mixed_dtypes_promote_as_numpys(data, integer, floating):
    counts = np.abs(data.draw(arrays((2, 3)))).astype(np.uint8).astype(integer)
    numbers = data.draw(arrays((3,), floating))
    for name in EVERY:
        same(getattr(binary, name)(counts, numbers), numpys(name, counts, numbers))
        if name not in ("subtract", "divide"):
            same(getattr(binary, name)(counts, counts), numpys(name, counts, counts))
    same(binary.where(counts, numbers, counts), np.where(counts, numbers, counts))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64])
def test_two_integers_divide_to_float64(dtype):
    counts = np.array([0, 1], dtype)
    same(binary.divide(counts, counts), np.array([np.nan, 1]))
    same(binary.divide(counts, 4), np.array([0, 0.25]))
    same(binary.divide(True, counts), np.array([np.inf, 1]))
    same(binary.divide(counts, 10**400), np.array([0, 0.0]))


@given(broadcastable(3), st.data())
def test_where(triple, data):
    condition, x, y = triple
    mask = condition > 0
    same(binary.where(mask, x, y), np.where(mask, x, y))
    same(binary.where(condition, x, y), x + np.zeros_like(binary.add(binary.add(condition, y), x)))
    same(binary.where(mask, x, 1.5), np.where(mask, x, x.dtype.type(1.5)))
    same(binary.where(mask, 0, y), np.where(mask, y.dtype.type(0), y))
    assert binary.where(True, 1, 2).dtype == np.float32


def test_results_never_share_memory_with_operands():
    a = np.ones((3, 4), np.float32)
    for name in ARITHMETIC:
        for b in (a, a[0], a.T[:1, :1], np.asfortranarray(a)):
            assert not np.shares_memory(getattr(binary, name)(a, b), a)
    assert not np.shares_memory(binary.where(a, a, a), a)


@pytest.mark.parametrize("name", [*EVERY, "power", "where"])
def test_shapes_that_do_not_broadcast(name):
    a, b = np.ones((2, 3), np.float32), np.ones((2,), np.float32)
    operands = (a, b, b) if name == "where" else (a, b)
    with pytest.raises(ShapeError, match=rf"{name}: the shapes .*\(2, 3\).*\(2,\).* do not broadcast"):
        getattr(binary, name)(*operands)
    with pytest.raises(ShapeError, match="do not broadcast"):
        getattr(binary, name)(*(each.astype(int) for each in operands))


def test_a_shape_error_names_the_fix():
    a, b = np.ones((2, 3)), np.ones((3, 2))
    with pytest.raises(ShapeError, match=r"did you mean right\.T\?"):
        binary.add(a, b)
    with pytest.raises(ShapeError, match=r"did you mean right\[:, None\]\?"):
        binary.add(a, np.ones(2))


def test_what_integers_do_not_do():
    counts = np.array([1, 2], np.uint8)
    for operation, arguments, error in (
        (binary.add, (counts, 300), ArgumentError),
        (binary.power, (counts.astype(int), -1), ArgumentError),
        (binary.subtract, (counts > 1, counts > 1), DtypeError),
        (binary.bitwise_and, (np.ones(2), counts), DtypeError),
    ):
        with pytest.raises(error):
            operation(*arguments)
