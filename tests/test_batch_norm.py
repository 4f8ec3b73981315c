"""BatchNorm against its formula in float64, along any axis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import gamma, within
from tests.strategies import float_dtypes, generators


@given(generators, float_dtypes, st.sampled_from([(5, 3), (5, 3, 4), (2, 3, 4, 2)]), st.booleans())
def test_the_formula(rng, dtype, shape, last):
    axis = -1 if last else 1
    features = shape[axis]
    x = rng.standard_normal(shape).astype(dtype)
    weight, bias, mean = rng.standard_normal((3, features)).astype(dtype)
    var = rng.uniform(0.1, 2, features).astype(dtype)
    y = tt.BatchNorm(weight, bias, mean, var, eps=1e-3, axis=axis)(x)

    long = [each.astype(np.longdouble) for each in (weight, bias, mean, var)]
    side = [1] * len(shape)
    side[axis] = features
    w, b, m, v = (each.reshape(side) for each in long)
    product = (x - m) * w / np.sqrt(v + 1e-3)
    # the difference, the factor and the product are rounded, then the sum
    within(y, product + b, gamma(4, dtype) * (np.abs(product) + np.abs(b)))
    assert y.dtype == dtype


def test_eps_is_that_of_pytorch_by_default():
    assert tt.BatchNorm([1.0]).eps == 1e-5


def test_what_does_not_fit():
    layer = tt.BatchNorm([1, 1], [0, 0], [0, 0], [1, 1])
    with pytest.raises(tt.ShapeError, match="2 features along axis 1"):
        layer(np.ones((4, 3)))
    with pytest.raises(tt.ShapeError, match="axis 1"):
        layer([1.0, 2.0])
    with pytest.raises(tt.ShapeError, match="along axis -3"):
        tt.BatchNorm([1, 1], axis=-3)(np.ones((4, 2)))
    with pytest.raises(tt.ShapeError, match="four times"):
        tt.BatchNorm([1, 1], [0], [0, 0], [1, 1])


def test_its_parameters_and_its_code():
    layer = tt.BatchNorm([1, 2], [0, 0], [0, 0], [1, 1], axis=-1)
    assert list(layer.parameters()) == ["weight", "bias", "running_mean", "running_var"]
    again = eval(repr(layer), vars(tt))
    assert np.array_equal(again([[1.0, 2.0]]), layer([[1.0, 2.0]]))
