"""The methods; what they compute is tested in kernels/test_reduce.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import same
from tests.strategies import axes_of, float_arrays
from tinytensor import reductions
from tinytensor.kernels import reduce

PLAIN = ("sum", "prod", "mean", "any", "all")


@given(float_arrays(), st.data())
def test_a_method_is_its_kernel(array, data):
    t, axis, keepdims = tt.Tensor(array), data.draw(axes_of(array.ndim)), data.draw(st.booleans())
    for name in PLAIN:
        expected = getattr(reduce, name)(array, axis, keepdims)
        for y in (getattr(t, name)(axis=axis, keepdims=keepdims), getattr(t, name)(axis, keepdims)):
            assert type(y) is tt.Tensor
            same(y, expected)
    for name in ("var", "std"):
        same(getattr(t, name)(axis, 1, keepdims), getattr(reduce, name)(array, axis, keepdims, 1))
    if array.size:
        for name in ("min", "max"):
            same(getattr(t, name)(axis, keepdims), getattr(reduce, name)(array, axis, keepdims))
        for name in ("argmin", "argmax"):
            same(getattr(t, name)(keepdims=keepdims), getattr(reduce, name)(array, None, keepdims))


@pytest.mark.parametrize("name", reductions.__all__)
def test_shapes_are_numpys(name):
    t = tt.ones((2, 3, 4))
    method, numpys = getattr(t, name), getattr(t.numpy(), name)
    assert method().shape == ()
    for axis in (0, 1, -1):
        assert method(axis=axis).shape == numpys(axis=axis).shape
        assert method(axis=axis, keepdims=True).shape == numpys(axis=axis, keepdims=True).shape
    if not name.startswith("arg"):
        assert method(axis=(0, 2)).shape == method(axis=[0, -1]).shape == (3,)
        assert method(axis=()).shape == (2, 3, 4)


@pytest.mark.parametrize("name", reductions.__all__)
@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32, np.float64])
def test_dtypes(name, dtype):
    y = getattr(tt.ones(3, dtype), name)()
    if name in ("any", "all"):
        assert y.dtype == bool
    elif name.startswith("arg"):
        assert y.dtype == np.int64
    elif name in ("mean", "var", "std"):
        assert y.dtype == np.result_type(dtype, np.float32)
    else:
        assert y.dtype == getattr(np.ones(3, dtype), name)().dtype


def test_counting_a_mask():
    t = tt.Tensor([1.0, 2, 3])
    assert (t > 1).sum().item() == 2
    assert (t > 1).mean().item() == np.float32(2 / 3)


@pytest.mark.parametrize("name", reductions.__all__)
def test_there_is_no_such_axis(name):
    with pytest.raises(tt.ShapeError, match=f"{name}: axis 2 is out of range for an array with 2 axes"):
        getattr(tt.ones((2, 3)), name)(axis=2)
    with pytest.raises(tt.DtypeError, match=f"{name}: axis: expected an integer"):
        getattr(tt.ones((2, 3)), name)(axis="a")


def test_keepdims_may_be_a_bool_of_numpy():
    assert tt.Tensor(np.ones((2, 3), bool)).sum(None, np.True_).tolist() == [[6]]
