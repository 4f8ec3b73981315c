"""Calls are counted and timed, on a clock of our own where it must be exact."""

import pytest

from benchmarks import timing


class Clock:
    """Time passes only in calls: `slow` ones of a second first, then `seconds` each."""

    def __init__(self, monkeypatch, seconds, slow=0):
        self.now, self.seconds, self.slow, self.calls = 0.0, seconds, slow, 0
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)

    def call(self):
        self.now += 1.0 if self.calls < self.slow else self.seconds
        self.calls += 1


@pytest.mark.parametrize("seconds", [1e-7, 3e-6, 1e-3, 0.004])
def test_slices_fill_the_round(monkeypatch, seconds):
    clock = Clock(monkeypatch, seconds)
    count, slices = timing.enough(clock.call, 0.02)
    assert 0.6 * 0.02 <= count * slices * seconds <= 1.6 * 0.02


@pytest.mark.parametrize("slow", [1, 2, 3, 4])
def test_slow_first_calls_do_not_count(monkeypatch, slow):
    clock = Clock(monkeypatch, 1e-6, slow)
    count, slices = timing.enough(clock.call, 0.02)
    assert (count, slices) == (pytest.approx(20_000 / timing.SLICES, abs=1), timing.SLICES)


def test_a_call_longer_than_a_round_is_made_once(monkeypatch):
    clock = Clock(monkeypatch, 0.5)
    assert timing.enough(clock.call, 0.02) == (1, 1)
    before = clock.calls
    assert timing.seconds_per_call(clock.call, 1, 1) == 0.5
    assert clock.calls == before + 1


def test_the_fastest_slice_counts(monkeypatch):
    clock = Clock(monkeypatch, 0.25, slow=4)  # the call that refills the caches, and the first slice
    assert timing.seconds_per_call(clock.call, 2, 3) == 0.25
    assert clock.calls == 1 + 2 * 3


def test_no_garbage_is_collected_while_time_is_taken():
    import gc

    seen = []
    timing.seconds_per_call(lambda: seen.append(gc.isenabled()), 2, 3)
    assert seen == [True, *[False] * 6], "the call that refills the caches is not timed"


def test_garbage_is_collected_again_afterwards(monkeypatch):
    import gc

    assert timing.seconds_per_call(lambda: None, 3, 2) >= 0
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        timing.seconds_per_call(lambda: 1 / 0, 1, 1)
    assert gc.isenabled()
