"""LayerNorm against its formula in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import unit_roundoff, within
from tests.strategies import float_dtypes, generators


@given(generators, float_dtypes, st.sampled_from([((5,), 1), ((3, 5), 1), ((4, 3, 5), 2)]), st.booleans())
def test_the_formula(rng, dtype, shape, with_bias):
    shape, count = shape
    x = rng.standard_normal(shape).astype(dtype)
    weight, bias = rng.standard_normal((2, *shape[-count:])).astype(dtype)
    y = tt.LayerNorm(weight, bias if with_bias else None, eps=1e-3)(x)

    axes = tuple(range(-count, 0))
    long = x.astype(np.longdouble)
    mean = long.mean(axes, keepdims=True)
    deviation = np.sqrt(((long - mean) ** 2).mean(axes, keepdims=True) + 1e-3)
    b = bias if with_bias else np.zeros_like(weight)
    expected = (long - mean) / deviation * weight + b
    # mean rounded: u·|mean|, also in every deviation; about eight more roundings of relative size u
    u = unit_roundoff(dtype)
    n = np.prod(shape[-count:])
    off = u * (np.abs(mean) + np.abs(long - mean)) * (2 + n if dtype == np.float64 else 3)
    bound = 2 * off / deviation * np.abs(weight) * (1 + np.abs(expected - b)) + 10 * u * (
        np.abs(expected - b) + np.abs(b)
    )
    within(y, expected, bound)


def test_what_does_not_fit():
    with pytest.raises(tt.ShapeError, match=r"\(3,\)"):
        tt.LayerNorm([1, 1, 1])([[1.0, 2.0]])
    with pytest.raises(tt.ShapeError, match="bias"):
        tt.LayerNorm([1, 1, 1], [0, 0])


@pytest.mark.parametrize("layer", [tt.LayerNorm, tt.BatchNorm])
@pytest.mark.parametrize("given", [[3], (768,)])
def test_a_shape_of_one_axis_is_not_taken_for_a_weight(layer, given):
    """As PyTorch's normalized_shape."""
    with pytest.raises(tt.ArgumentError, match=rf"did you mean {layer.__name__}\({given[0]}\)\?"):
        layer(given)
