"""The plan's promises about tinytensor itself."""

import numpy as np
import pytest

from benchmarks import plan


@pytest.mark.parametrize(
    ("figure", "most", "verdict"), [(1.0, True, "kept"), (1.1, True, "missed"), (1.1, False, "kept")]
)
def test_verdicts(figure, most, verdict):
    assert plan.row("what", figure, 1.05, most)[-1] == verdict
    assert plan.row("what", figure, 1.05, most, noisy=True)[-1] == f"{verdict}, noisy"


def test_networks_that_differ_in_one_thing_only():
    x = plan.inputs("dense", 50)
    own = plan.with_activation(plan.swish_of_ones_own).predict(x)
    assert np.array_equal(own, plan.with_activation(plan.tt.swish).predict(x))
    plain, made = plan.without_skipping(), plan.model(plan.CHAPTER, raw=False)
    assert np.array_equal(plain[0].weight.numpy().ravel()[1:], made[0].weight.numpy().ravel()[1:])


def test_memory_of_a_memory_map():
    (row,) = plan.memory(20_000) or [["", "", "0", "kept"]]
    assert float(row[2]) < 100
