import numpy as np
import pytest

import tinytensor as tt
from tests.custom import Residual

CHAPTER = [tt.Linear(784, 50), tt.sigmoid, tt.Linear(50, 100), tt.sigmoid, tt.Linear(100, 10), tt.softmax]


def test_the_chapters_network():
    summary = tt.Sequential(CHAPTER).summary()
    assert [row.shape for row in summary.rows] == [(50,), (50,), (100,), (100,), (10,), (10,)]
    assert [row.parameters for row in summary.rows] == [784 * 50 + 50, 0, 50 * 100 + 100, 0, 100 * 10 + 10, 0]
    assert summary.parameters == sum(row.parameters for row in summary.rows) == 45_360
    assert summary.bytes == 4 * 45_360


def test_the_table():
    model = tt.Sequential(tt.Flatten(), ("out", tt.Linear(6, 1000)))
    assert str(model.summary((2, 3))).splitlines() == [
        "name   layer                                     output         fused  parameters   bytes",
        "─" * 89,
        "0      Flatten()                                 (batch, 6)     yes             0       0",
        "out    Linear(in_features=6, out_features=1000)  (batch, 1000)  yes         7,000  28,000",
        "─" * 89,
        "total                                                                       7,000  28,000",
    ]
    assert repr(model.summary()) == str(model.summary())


def test_layers_of_a_block_are_listed_one_by_one():
    model = tt.Sequential(("block", tt.Sequential(tt.Linear(4, 3), tt.relu)), Residual(tt.Linear(3, 3)))
    rows = model.summary().rows
    assert [row.name for row in rows] == ["block.0", "block.1", "1"]
    assert [row.parameters for row in rows] == [15, 0, 12]
    assert [row.shape for row in rows] == [(3,), (3,), (3,)]
    assert [row.fused for row in rows] == [True, True, False]


def test_a_long_layer_is_shortened_to_a_line():
    model = tt.Sequential(Residual(tt.Sequential(*[tt.Linear(3, 3)] * 5)))
    assert str(model.summary()).splitlines()[2].startswith("0      Residual(inner=Sequential( Linear(")


def test_shapes_that_nothing_tells():
    assert [row.shape for row in tt.Sequential(tt.Flatten(), tt.relu).summary().rows] == [None, None]
    model = tt.Sequential(tt.Reshape((2, -1)), tt.Linear(3, 2))
    assert [row.shape for row in model.summary().rows] == [None, None]
    assert [row.shape for row in model.summary((6,)).rows] == [(2, 3), (2, 2)]
    assert str(model.summary(6)) == str(model.summary((6,)))
    assert "(?)" in str(model.summary())


def test_a_shape_that_does_not_fit():
    with pytest.raises(tt.ShapeError, match=r"Sequential\[0\] Linear"):
        tt.Sequential(CHAPTER).summary((100,))


def test_an_empty_model():
    summary = tt.Sequential().summary()
    assert (summary.rows, summary.parameters, summary.bytes) == ((), 0, 0)
    assert str(summary).splitlines()[-1].split() == ["total", "0", "0"]


def test_parameters_of_any_dtype_are_counted_in_bytes():
    layer = tt.Rescale(np.ones(3), np.ones(3, np.float32))
    assert tt.Sequential(layer).summary((3,)).bytes == 3 * 8 + 3 * 4
