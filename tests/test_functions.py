import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import same
from tests.strategies import arrays, broadcastable, float_arrays, float_dtypes

UNARY = ("exp", "log", "sqrt", "erf")


@pytest.mark.parametrize("name", UNARY)
@given(array=float_arrays())
def test_a_function_is_the_method(name, array):
    function, method = getattr(tt, name), getattr(tt.Tensor, name)
    array = abs(array)
    for x in (array, array.tolist(), tt.Tensor(array)):
        same(function(x), method(tt.Tensor(x)))


@given(broadcastable(3))
def test_of_several(triple):
    a, b, c = triple
    same(tt.maximum(a, b), np.maximum(a, b))
    same(tt.minimum(a, b), np.minimum(a, b))
    same(tt.clip(a, b, c), np.minimum(np.maximum(a, b), c))
    same(tt.where(a > 0, b, c), np.where(a > 0, b, c))
    same(tt.where(tt.Tensor(a) > 0, tt.Tensor(b), 0), np.where(a > 0, b, b.dtype.type(0)))


def test_of_python_numbers():
    assert tt.maximum(1, 2.5).item() == 2.5
    assert tt.minimum([1, 5], 3).tolist() == [1, 3]
    assert tt.where([True, False], 1, 0).dtype == np.float32
    assert tt.exp(0).shape == ()


@st.composite
def joinable(draw):
    """Arrays alike but along one axis."""
    dtype, shape = draw(float_dtypes), draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    several = []
    for length in draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)):
        shape[axis] = length
        several.append(draw(arrays(tuple(shape), dtype)))
    return several, axis


@given(joinable())
def test_concatenate(case):
    several, axis = case
    same(tt.concatenate(several, axis), np.concatenate(several, axis))
    same(tt.concatenate(tuple(map(tt.Tensor, several)), axis), np.concatenate(several, axis))


@given(float_arrays(), st.integers(1, 3), st.data())
def test_stack(array, count, data):
    axis = data.draw(st.integers(-array.ndim - 1, array.ndim))
    same(tt.stack([array] * count, axis), np.stack([array] * count, axis))
    if array.ndim:
        same(tt.stack(tt.Tensor(array)), array) if len(array) else None


def test_joining_promotes():
    assert tt.concatenate([tt.ones(1), tt.ones(1, np.float64)]).dtype == np.float64
    assert tt.stack([tt.ones(1, int), tt.ones(1, int)]).dtype == np.int64
    assert tt.stack([[1], [2]]).dtype == np.float32


def test_joined_tensors_have_memory_of_their_own():
    t = tt.ones(3)
    for joined in (tt.concatenate([t]), tt.stack([t])):
        assert not np.shares_memory(joined.numpy(), t.numpy())


@pytest.mark.parametrize("join", [tt.concatenate, tt.stack])
def test_what_does_not_fit(join):
    name, t = join.__name__, tt.ones((2, 3))
    for others in ([t, tt.ones((2, 4))] if join is tt.stack else [t, tt.ones((3, 4))], [t, tt.ones(2)]):
        with pytest.raises(tt.ShapeError, match=rf"{name}: shapes \(2, 3\), .* do not fit along axis 0"):
            join(others)
    with pytest.raises(tt.ArgumentError, match=f"{name}: expected at least one Tensor, got none"):
        join([])
    with pytest.raises(tt.ShapeError, match=f"{name}: axis 5 is out of range"):
        join([t, t], 5)
    for axis in (None, (0,), 1.0, "a"):
        with pytest.raises(tt.DtypeError, match=f"{name}: axis: expected an integer, got"):
            join([t, t], axis)
    for nothing in (3, None, object()):
        with pytest.raises(tt.DtypeError, match=f"{name}: expected a sequence of Tensors, got"):
            join(nothing)
    with pytest.raises(tt.DtypeError, match="expected real numbers, got"):
        join([t, "a"])
