"""PReLU: slopes for everything, for features, for elements."""

import numpy as np
import pytest

import tinytensor as tt


@pytest.mark.parametrize("shape", [(1,), (3,), (3, 2)])
def test_slopes_begin_at_axis_1(shape):
    x = np.arange(-12, 12, dtype=np.float32).reshape(4, 3, 2)
    slopes = np.linspace(0.25, 1, np.prod(shape), dtype=np.float32).reshape(shape)
    expected = x.copy()
    for i in np.ndindex(x.shape):
        if x[i] < 0:
            expected[i] = x[i] * (slopes[0] if shape == (1,) else slopes[i[1] if len(shape) == 1 else i[1:]])
    assert np.array_equal(tt.PReLU(slopes)(x), expected)


def test_nan_stays_and_slopes_must_fit():
    assert np.isnan(tt.PReLU([0.5])([np.nan]).item())
    with pytest.raises(tt.ShapeError, match=r"\(3,\)"):
        tt.PReLU([1, 2, 3])([1.0, 2.0, 3.0])
    with pytest.raises(tt.ShapeError, match=r"\(3,\)"):
        tt.PReLU([1, 2, 3])([[1.0]])
