"""However threads share a block of samples, the bits are those of one thread."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinytensor as tt
from tests import naive
from tests.strategies import FLOATS
from tinytensor.inference import sharing
from tinytensor.inference.plan import plan_of


def images(dtype):
    """Convolutions, a residual sum, pooling, and products of the channels."""

    class Net(tt.Layer):
        def __init__(self):
            made = {"dtype": dtype, "padding": 1}
            self.first = tt.Conv2d(3, 8, 3, stride=2, seed=0, **made)
            self.by_channel = tt.Conv2d(8, 8, 3, groups=8, seed=1, **made)
            self.wide = tt.Conv2d(8, 150, 1, seed=2, dtype=dtype)
            self.narrow = tt.Conv2d(150, 8, 1, seed=3, dtype=dtype)
            self.last = tt.Linear(8, 100, seed=4, dtype=dtype)

        def forward(self, x):
            x = tt.relu(self.first(x))
            y = self.narrow(tt.relu(self.wide(self.by_channel(x))))
            y = tt.max_pool2d(tt.tanh(x + y), 2)
            return tt.softmax(self.last(y.mean(axis=(2, 3))))

    return Net(), (3, 14, 13)


def dense(dtype):
    """Wide products, one with a tail, and a row of each kind between them."""
    norm = tt.LayerNorm(np.ones(130, dtype), np.zeros(130, dtype))
    first, second = tt.Linear(70, 200, seed=0, dtype=dtype), tt.Linear(200, 130, seed=1, dtype=dtype)
    last = tt.Linear(130, 10, seed=2, dtype=dtype)
    return tt.Sequential(first, tt.relu, second, norm if dtype == np.float32 else tt.tanh, last), (70,)


def ways(program, rows, threads, ticks=1e9):
    """Every way to share, as if each instruction took a second."""
    return sharing.ways(program, np.full(len(program.owners), ticks), 1.0, rows, threads)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("net", [images, dense])
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_every_way_gives_the_bits_of_one_thread(dtype, net, threads):
    model, shape = net(dtype)
    for count in (1, 2, 3, 8, 12):
        x = np.random.default_rng(count).standard_normal((count, *shape)).astype(dtype)
        expected = model.predict(x, threads=1)
        (form,) = plan_of(model).forms.values()
        program = form.only
        if count > program.together:
            continue
        found = ways(program, count, threads)
        assert [type(each) for each in found] == [sharing.ByRows] * (count > 1) + [sharing.Together]
        assert found[-1].stages[:, 2].max() > 1
        for way in found:
            for _ in range(5):
                y = np.full_like(expected, 7)
                assert way.run(x, y)
                naive.same(y, expected)
                naive.same(model.predict(x, threads=threads), expected)


def test_what_is_fastest_stays(monkeypatch):
    monkeypatch.setattr(sharing, "LEAST_SECONDS", 0)
    monkeypatch.setattr(sharing, "BARRIER_SECONDS", 0.0)
    model, shape = dense(np.float32)
    x = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    model.predict(x)
    program = next(iter(plan_of(model).forms.values())).only
    found = sharing.Sharing(program, 1, 2)
    y = np.empty((1, 10), np.float32)
    while found.open:
        found.run(x, y)
    assert found.turn == 0
    best = int(np.argmin(found.seconds))
    assert found.way is (found.ways[best] if found.seconds[best] < 0.95 * found.seconds[0] else None)
    y[:] = 0
    if not found.run(x, y):
        assert found.way is None
        program.run(x, y)
    naive.same(y, model.predict(x, threads=1))
    for calls in (sharing.FIRST_AGAIN - 1, 2 * sharing.FIRST_AGAIN):  # one was made above
        for _ in range(calls):
            assert not found.open
            found.run(x, y)
        assert found.open
        while found.open:
            found.run(x, y)


def test_ways_are_compared_by_the_least_time_of_a_sample(monkeypatch):
    clock = iter([0.0, 6.0, 10.0, 13.0, 20.0, 29.0])
    monkeypatch.setattr(sharing, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    program = SimpleNamespace(owners=[0], run=lambda x, y: None, ticks_of=lambda x, y: np.ones(1))
    found = sharing.Sharing(program, 3, 2)
    x = np.zeros((3, 1), np.float32)
    for expected in (2.0, 1.0, 1.0):
        found.measure(x, x)
        assert found.seconds == [expected]


def test_short_work_stays_on_one_thread():
    model = tt.Sequential(tt.Linear(4, 4, seed=0))
    x = np.ones((1, 4), np.float32)
    model.predict(x)
    program = next(iter(plan_of(model).forms.values())).only
    found = sharing.Sharing(program, 1, 2)
    found.ticks[:] = 1
    found.seconds = [1e-6]
    found.turn = sharing.TRIES
    found.decide()
    assert not found.open
    assert program.alone >= 1  # the next call does not even ask
    assert not found.run(x, np.empty((1, 4), np.float32))


def test_a_function_that_raises_is_reported():
    @tt.activation
    def raises(x):
        if x > 1:
            raise ValueError("too large")
        return x

    model = tt.Sequential(tt.Linear(64, 64, seed=0), raises, tt.Linear(64, 64, seed=1))
    x = np.zeros((2, 64), np.float32)
    expected = model.predict(x, threads=1)
    program = next(iter(plan_of(model).forms.values())).only
    if program is None:
        pytest.skip("such a function is not compiled")
    large = np.full((2, 64), 1e3, np.float32)
    for way in ways(program, 2, 2):
        y = np.empty_like(expected)
        assert way.run(x, y)
        naive.same(y, expected)
        assert not way.run(large, y)
        assert way.run(x, y)
