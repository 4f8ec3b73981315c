"""The networks that `python -m benchmarks.custom` measures are what its table says."""

import numpy as np
import pytest

from benchmarks import custom


@pytest.mark.parametrize("name", custom.MIDDLES)
def test_a_network_is_traced_unless_it_says_otherwise(name):
    model = custom.network(custom.MIDDLES[name])
    x = np.random.default_rng(0).random((3, 784), np.float32)
    assert np.array_equal(model.predict(x), model(x, fused=False).numpy())
    assert all(row.fused for row in model.summary().rows) == ("not traced" not in name)
    assert custom.seconds_of_a_call(model, x, 2) > 0
