import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import same, within
from tests.strategies import FLOATS, LAYOUTS, arrays, broadcastable, float_arrays, float_dtypes

ULPS = {"exp": 1, "log": 1, "sqrt": 0.5, "tanh": 1, "erf": 1}
ENDS = {
    "exp": {math.inf: math.inf, -math.inf: 0, 0.0: 1, 1e4: math.inf, -1e4: 0},
    "log": {math.inf: math.inf, -math.inf: math.nan, 0.0: -math.inf, -1: math.nan, 1: 0},
    "sqrt": {math.inf: math.inf, -math.inf: math.nan, 0.0: 0, -1: math.nan, 4: 2},
    "tanh": {math.inf: 1, -math.inf: -1, 0.0: 0, 1e4: 1, -1e4: -1},
    "erf": {math.inf: 1, -math.inf: -1, 0.0: 0, 1e4: 1, -1e4: -1},
}


def reference(name, array):
    """In long double by NumPy, or float64 by `math`, one by one."""
    if name == "erf":
        return np.vectorize(math.erf, otypes=[np.longdouble])(array.astype(float))
    return getattr(np, name)(array.astype(np.longdouble))


@pytest.mark.parametrize("name", ULPS)
@given(scale=st.sampled_from((1e-3, 1.0, 20.0)), dtype=float_dtypes, data=st.data())
def test_the_error_that_the_docstring_states(name, scale, dtype, data):
    array = data.draw(arrays((40,), dtype, scale))
    array = np.abs(array) if name in ("log", "sqrt") else np.clip(array, -80, 80)
    exact = reference(name, array)
    ulp = np.spacing(np.abs(exact).astype(dtype)).astype(np.longdouble)
    of_reference = 1.0 if name == "erf" and dtype == np.float64 else 0.0
    within(getattr(tt.Tensor(array), name)(), exact, (ULPS[name] + of_reference) * ulp)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ULPS)
def test_ends(name, dtype):
    x = np.array([*ENDS[name], math.nan], dtype)
    expected = np.array([*ENDS[name].values(), math.nan], dtype)
    assert np.array_equal(np.asarray(getattr(tt.Tensor(x), name)()), expected, equal_nan=True)


@given(float_arrays(), st.sampled_from(LAYOUTS), st.sampled_from(sorted(ULPS)))
def test_layout_and_place_change_no_bit(array, layout, name):
    y = getattr(tt.Tensor(array), name)()
    assert (y.shape, y.dtype) == (array.shape, array.dtype)
    same(getattr(tt.Tensor(layout(array)), name)(), y)
    if array.size:
        same(getattr(tt.Tensor(array.ravel()[-1]), name)(), y.numpy().ravel()[-1])


def test_integers_and_bools_become_floats():
    same(tt.Tensor([0, 1], int).exp(), tt.Tensor([0, 1], np.float64).exp())
    same(tt.Tensor([False, True]).exp(), tt.Tensor([0, 1]).exp())
    assert tt.Tensor([4], np.int8).sqrt().dtype == np.float32


@given(broadcastable(3))
def test_of_several(triple):
    a, b, c = triple
    t = tt.Tensor(a)
    same(t.maximum(b), np.maximum(a, b))
    same(t.minimum(tt.Tensor(b)), np.minimum(a, b))
    same(t.clip(b, c), np.minimum(np.maximum(a, b), c))
    same(t.clip(None, c), np.minimum(a, c))
    same(t.clip(b), np.maximum(a, b))
    same(t.where(b > 0, c), np.where(b > 0, a, c))
    assert t.clip() is t


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_is_never_lost(dtype):
    t = tt.Tensor(np.array([math.nan, 1, math.nan], dtype))
    for y in (t.maximum(0), t.minimum(0), t.clip(0, 1), t.maximum([1, math.nan, 1])):
        assert math.isnan(y[0].item())
        assert math.isnan(y[2].item())
    assert math.isnan(tt.Tensor([1.0]).maximum(math.nan).item())
    assert math.isnan(tt.Tensor([1.0]).clip(math.nan, 2).item())


def test_bounds_in_the_wrong_order_give_the_upper_one():
    assert tt.Tensor([0.0, 5]).clip(3, 1).tolist() == [1, 1]


def test_of_integers():
    t = tt.Tensor([1, 5], int)
    same(t.maximum(3), np.array([3, 5]))
    same(t.clip(2, 4), np.array([2, 4]))
    same(t.maximum(2.5), np.array([2.5, 5]))


@pytest.mark.parametrize("name", ["maximum", "minimum", "clip"])
def test_what_is_no_number(name):
    with pytest.raises(tt.DtypeError, match="expected real numbers, got"):
        getattr(tt.ones(2), name)("a")
    with pytest.raises(tt.ShapeError, match="do not broadcast"):
        getattr(tt.ones(2), name)([1, 2, 3])
