"""Phases: instructions take as many samples at a time as fit L2, and the bits are those of one sample."""

import numpy as np
import pytest

import tinytensor as tt
from tests import naive
from tests.strategies import FLOATS
from tinytensor.inference import phases
from tinytensor.inference.buffers import Buffer
from tinytensor.inference.phases import Phase, phases_of
from tinytensor.inference.plan import plan_of

LARGE, MIDDLE, SMALL = 120_000, 20_000, 300  # bytes of a sample's value


def buffers(*spans):
    """Buffers of bytes: how many, and the first and last instruction that uses them."""
    return [Buffer(size, 1, first=first, last=last) for size, first, last in spans]


def test_values_that_shrink_are_taken_more_at_a_time():
    found = phases_of([LARGE, LARGE, MIDDLE, SMALL], buffers((LARGE, 0, 1), (MIDDLE, 1, 2), (SMALL, 2, 3)))
    assert found.phases == [Phase(0, 2, 2), Phase(2, 3, 12), Phase(3, 4, phases.ENOUGH)]
    assert found.block == phases.ENOUGH
    assert found.fewest == 2


def test_a_large_value_joins_the_phases_that_it_is_used_in():
    found = phases_of([LARGE, LARGE, MIDDLE, SMALL], buffers((LARGE, 0, 2), (MIDDLE, 2, 3)))
    assert found.phases == [Phase(0, 3, 2), Phase(3, 4, phases.ENOUGH)]
    found = phases_of([LARGE, MIDDLE, LARGE, SMALL], buffers((LARGE, 0, 2), (LARGE, 2, 3)))
    assert found.phases == [Phase(0, 4, 2)]
    assert found.block == 2


def test_small_values_have_one_phase():
    found = phases_of([SMALL, SMALL], buffers((SMALL, 0, 1)))
    assert found.phases == [Phase(0, 2, 120)]
    assert phases_of([MIDDLE, SMALL], buffers((MIDDLE, 0, 1))).phases == [Phase(0, 2, 12)]
    assert phases_of([], []).phases == [Phase(0, 0, phases.ENOUGH)]


def test_what_passes_between_phases_has_rows_for_the_block_and_its_own_place():
    passing, inside = made = buffers((MIDDLE, 1, 2), (LARGE, 0, 1))
    found = phases_of([LARGE, LARGE, MIDDLE, SMALL], made)
    assert found.give_rows(made) == {passing}
    assert (passing.rows, passing.first, passing.last) == (phases.ENOUGH, 0, 2)
    assert (inside.rows, inside.first, inside.last) == (2, 0, 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_network_of_several_phases_has_the_bits_of_layer_by_layer(monkeypatch, dtype, threads):
    monkeypatch.setattr(phases, "BLOCK_BYTES", 1 << 13)
    monkeypatch.setattr(phases, "PASSED_BYTES", 1 << 16)

    class Net(tt.Layer):
        def __init__(self):
            made = {"dtype": dtype, "padding": 1}
            self.first = tt.Conv2d(1, 8, 3, seed=0, **made)
            self.second = tt.Conv2d(8, 16, 3, stride=2, seed=1, **made)
            self.third = tt.Conv2d(16, 16, 3, seed=2, **made)
            self.wide = tt.Linear(16 * 9, 50, seed=3, dtype=dtype)
            self.last = tt.Linear(50, 10, seed=4, dtype=dtype)

        def forward(self, x):
            x = tt.max_pool2d(tt.relu(self.second(tt.relu(self.first(x)))), 2)
            x = tt.tanh(self.third(x)) + x
            return tt.softmax(self.last(tt.relu(self.wide(x.reshape(x.shape[0], -1)))))

    model = Net()
    x = np.random.default_rng(0).standard_normal((130, 1, 12, 12)).astype(dtype)
    expected = model.forward(tt.Tensor(x)).numpy()
    for count in (1, 2, 5, 47, 48, 49, 130):
        naive.same(model.predict(x[:count], threads=threads), expected[:count])
    (form,) = plan_of(model).forms.values()
    assert form.only.together < form.only.block
