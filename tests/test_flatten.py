import numpy as np
import pytest

import tinytensor as tt


@pytest.mark.parametrize(
    ("shape", "flat"),
    [((10, 28, 28), (10, 784)), ((2, 3, 4, 5), (2, 60)), ((4, 7), (4, 7)), ((7,), (7,)), ((), ()),
     ((0, 28, 28), (0, 784)), ((3, 0, 2), (3, 0))],
)  # fmt: skip
def test_samples_become_rows(shape, flat):
    assert tt.Flatten()(tt.zeros(shape)).shape == flat


def test_elements_keep_their_c_order_whatever_the_layout():
    x = np.arange(24.0).reshape(4, 3, 2).T
    assert tt.Flatten()(x).tolist() == x.reshape(2, 12).tolist()
