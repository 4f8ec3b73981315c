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


def test_the_bits_stay_while_ways_are_compared(monkeypatch):
    monkeypatch.setattr(sharing, "LEAST_SECONDS", 0)
    monkeypatch.setattr(sharing, "BARRIER_SECONDS", 0.0)
    model, shape = dense(np.float32)
    x = np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)
    expected = model.predict(x, threads=1)
    program = next(iter(plan_of(model).forms.values())).only
    found = sharing.Sharing(program, 1, 2)
    for _ in range(3):
        was_open = found.open
        while found.open == was_open:
            y = np.full_like(expected, 7)
            if not found.run(x, y):
                program.run(x, y)
            naive.same(y, expected)
    assert found.open == (not was_open)


class Clock:
    """Time that passes only when something is said to take it."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


class Pretended:
    """A program of one instruction and one way to share it, whose calls take so many seconds."""

    def __init__(self, clock, alone, shared):
        self.clock, self.alone_seconds, self.shared = clock, alone, shared
        self.owners, self.alone, self.taken = [0], 0, []

    def ticks_of(self, x, y):
        return np.ones(1)

    def called(self, name, seconds):
        self.taken.append(name)
        self.clock.now += seconds() if callable(seconds) else seconds
        return True

    def run(self, x, y):
        """On one thread, as a program."""
        self.called("alone", self.alone_seconds)

    def share(self, x, y):
        """On several, as a way."""
        return self.called("shared", self.shared)


@pytest.fixture
def pretended(monkeypatch):
    """How to make a Sharing of 3 samples, whose program is pretended, and a function that calls it."""
    clock = Clock()
    monkeypatch.setattr(sharing, "time", clock)

    def make(alone, shared):
        program = Pretended(clock, alone, shared)
        way = SimpleNamespace(run=program.share)
        monkeypatch.setattr(sharing, "ways", lambda *given: [way])
        found = sharing.Sharing(program, 3, 2)
        x = np.zeros((3, 1), np.float32)

        def call(count):
            """The names of the ways that so many calls took."""
            del program.taken[:]
            for _ in range(count):
                if not found.run(x, x):
                    program.run(x, x)
            return program.taken[:]

        return found, program, call

    return make


CALLS = sharing.CALLS
COMPARED = ["alone"] * CALLS + ["shared"] * CALLS


def test_ways_take_turns_and_the_fastest_stays(pretended):
    found, _, call = pretended(alone=2.0, shared=1.0)
    assert call(CALLS) == ["alone"] * CALLS  # how long it takes decides what else there is
    assert call(2 * CALLS) == COMPARED
    # to compare took 4 · 3 s, which are 12 calls: as many when the choice is confirmed, then twice as many
    for calls in (13, 13, 26, 52):
        assert not found.open
        assert call(calls) == ["shared"] * calls
        assert call(2 * CALLS) == COMPARED
    for _ in range(10):
        call(found.calls_left + 2 * CALLS)
    assert call(13 * sharing.LONGEST) == ["shared"] * 13 * sharing.LONGEST
    assert found.open


def test_a_way_that_saves_little_is_not_used(pretended):
    found, _, call = pretended(alone=2.0, shared=1.95)
    assert call(3 * CALLS) == ["alone"] * CALLS + COMPARED
    assert call(found.calls_left) == ["alone"] * 8  # 1 + 4 · 3.95 / 2


def test_the_median_of_all_calls_but_the_first_counts(pretended):
    times = iter([9.0, 1.0, 1.0, 2.5] + [1.0] * 100)  # the first two calls of a run may be slow
    found, _, call = pretended(alone=2.0, shared=lambda: next(times))
    call(3 * CALLS)
    assert found.chosen == 1
    times = iter([1.0, 1.0, 2.5, 2.5] + [1.0] * 100)  # a way that is fast by chance is not
    found, _, call = pretended(alone=2.0, shared=lambda: next(times))
    call(3 * CALLS)
    assert found.chosen == 0


def test_ways_are_first_compared_until_a_thread_has_started(pretended):
    found, program, call = pretended(alone=sharing.SETTLING / 50, shared=sharing.SETTLING / 50)
    call(CALLS)
    while found.open:
        if program.clock.now > sharing.SETTLING * 0.6:  # the helper has a core now
            program.shared = sharing.SETTLING / 100
        call(1)
    assert found.chosen == 1
    assert program.clock.now >= sharing.SETTLING


@pytest.mark.parametrize("late", [0.013, 0.02, 0.03, 0.05, 0.1])
def test_a_helper_that_gets_its_core_late_is_found(pretended, late):
    """The way is used after less than three times as long as the helper had no core of its own."""
    alone = 0.7e-3
    found, program, call = pretended(alone=alone, shared=lambda: alone / (1 + (program.clock.now > late)))
    while program.clock.now < 3 * late:
        call(1)
    call(2 * CALLS)
    assert found.chosen == 1


@pytest.mark.parametrize("alone", [40e-6, 0.7e-3, 0.5])
def test_a_way_that_loses_against_one_thread_is_given_up(pretended, alone):
    found, program, call = pretended(alone=alone, shared=alone / 2)
    call(3 * CALLS if alone > sharing.SETTLING else CALLS)
    while found.open:
        call(1)
    assert found.chosen == 1
    found.calls_left = 10**6
    program.shared = 1000.0  # the whole process was stopped
    call(1)
    program.shared = alone / 2
    call(1)
    assert found.chosen == 1
    program.shared = 2 * alone
    begin = program.clock.now
    while found.chosen == 1:
        call(1)
    most = max(sharing.LOSS, sharing.BAD_CALLS * alone)
    assert (
        program.clock.now - begin <= 2 * most + 2 * alone
    )  # it loses a half of that, and had lost a quarter
    calls = found.calls_left
    assert call(calls) == ["alone"] * calls
    assert found.open


def test_a_way_that_is_never_possible_is_not_used(pretended):
    found, _, call = pretended(alone=1.0, shared=0.0)
    call(CALLS)
    found.ways[1] = SimpleNamespace(run=lambda x, y: False)
    assert call(2 * CALLS) == ["alone"] * 2 * CALLS
    assert found.chosen == 0
    assert found.calls_left == 1 + CALLS


def test_short_work_stays_on_one_thread():
    model = tt.Sequential(tt.Linear(4, 4, seed=0))
    x = np.ones((1, 4), np.float32)
    model.predict(x)
    program = next(iter(plan_of(model).forms.values())).only
    found = sharing.Sharing(program, 1, 2)
    found.ticks[:] = 1
    found.decide([1e-6])
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
