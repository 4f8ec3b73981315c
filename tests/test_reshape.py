import numpy as np
import pytest

import tinytensor as tt


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [
        ((28, 28), (5, 784), (5, 28, 28)), ((2, -1), (5, 6), (5, 2, 3)), (-1, (5, 2, 3), (5, 6)),
        (6, (5, 2, 3), (5, 6)), ((), (5, 1), (5,)), ((2, -1), (0, 6), (0, 2, 3)), ([3, 2], (1, 6), (1, 3, 2)),
        ((0, -1), (5, 0), (5, 0, 0)),
    ],
)  # fmt: skip
def test_samples_take_the_shape(shape, given, expected):
    x = np.arange(np.prod(given), dtype=np.float64).reshape(given)
    y = tt.Reshape(shape)(x)
    assert y.shape == expected
    assert y.ravel().tolist() == x.ravel().tolist()


@pytest.mark.parametrize(
    ("shape", "given"), [((2, 2), (5, 6)), ((4, -1), (5, 6)), ((0, -1), (5, 6)), ((6,), ()), ((2, 2), (5,))]
)
def test_another_number_of_elements_is_an_error(shape, given):
    with pytest.raises(tt.ShapeError, match=r"Reshape\(shape=.*elements a sample, got"):
        tt.Reshape(shape)(tt.zeros(given))


@pytest.mark.parametrize("shape", [(-1, -1), (-2,), (2.0,), ("a",), "ab", 2.5, None])
def test_no_shape(shape):
    with pytest.raises(tt.ArgumentError, match="at most one of them -1"):
        tt.Reshape(shape)
