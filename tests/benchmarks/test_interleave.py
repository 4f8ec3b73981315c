"""Rounds are interleaved; peers that crash, hang or err are reported, and stop nobody else."""

import itertools

import numpy as np
import pytest

from benchmarks.case import Case, Effort, Failed, Suite
from benchmarks.interleave import LIVES, measured
from benchmarks.networks import CHAPTER
from benchmarks.peers import numpy
from benchmarks.suites import mnist
from benchmarks.workers import Worker, cores
from tests.benchmarks import bad_peers as bad

SHORT = Effort(rounds=2, at_least=1e-4, prepare_limit=60, measure_limit=60)


def digits(rows=10):
    return mnist.case("mnist", CHAPTER, "digits", rows, 1)


def run(peers, cases=None, effort=SHORT):
    return list(measured([(mnist.SUITE, cases or [digits()])], peers, effort, lambda case, peer: None))


LOG = []


class Clock:
    """A subject whose rounds take made-up times."""

    def __init__(self, peer, case):
        self.name, self.times = peer.name, itertools.count(1)

    def prepare(self, case, effort):
        return {"rows": 1.0}

    def measure(self, effort):
        LOG.append(self.name)
        if self.name == "B" and len(LOG) > 4:
            raise Failed("enough")
        return {"value": float(next(self.times)), "p95": 7.0}

    def close(self):
        LOG.append(f"{self.name} closed")


def test_rounds_are_interleaved():
    LOG.clear()
    suite = Suite("", lambda: [], lambda peer, case: True, Clock, "time", ())
    peers = [bad.peer(name, numpy) for name in "ABC"]
    effort, steps = Effort(rounds=3, at_least=1), []

    def told(case, peer):
        steps.append(peer)

    found = {r.peer: r for r in measured([(suite, [Case("x", "g", "l")])], peers, effort, told)}
    assert [*"ABC", *"ABC", *"AC", "A closed", "B closed", "C closed"] == LOG
    assert found["A"].values == found["C"].values == [1, 2, 3]
    assert steps == [*"ABC"]
    assert found["A"].facts == {"rows": 1, "p95": 7}
    assert (found["B"].failed, found["B"].values) == ("enough", [1])


class Log:
    """A subject that tells of every call."""

    def __init__(self, peer, case):
        self.name = peer.name

    def prepare(self, case, effort):
        LOG.append(f"{self.name} made")
        return {"blas": f"{self.name}'s"}

    def measure(self, effort):
        LOG.append(self.name)
        return {"value": 1.0}

    def close(self):
        pass


def test_the_work_is_made_anew_for_each_sitting():
    LOG.clear()
    suite = Suite("", lambda: [], lambda peer, case: True, Log, "time", ())
    peers, told = [bad.peer(name, numpy) for name in "AB"], []
    effort = Effort(rounds=3, at_least=1, sittings=2)
    plan = [(suite, [Case("x", "g", "l")])]
    found = list(measured(plan, peers, effort, lambda case, peer: told.append(peer)))
    assert ["A made", "B made", *"ABAB", "A made", "B made", *"AB"] == LOG
    assert [len(result.values) for result in found] == [3, 3]
    assert [result.blas for result in found] == ["A's", "B's"]
    assert all("blas" not in result.facts for result in found)
    assert told == [*"AB"], "each step is told of once"


def test_a_suite_has_peers_of_its_own():
    extra = bad.peer("extra", numpy)
    suite = Suite("", lambda: [], lambda peer, case: True, Log, "time", (), extra=(extra,))
    plan = [(suite, [Case("x", "g", "l")])]
    found = list(measured(plan, [bad.peer("A", numpy)], Effort(1, 1), lambda case, peer: None))
    assert [result.peer for result in found] == ["A", "extra"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (bad.crash, "crashed: exit status 3"),
        (bad.refuse, "NotImplementedError: no such layer"),
        (bad.bfloat16, "wrong answer: off by"),
        (bad.nan, "wrong answer: off by"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_peer_that_fails_is_reported_and_stops_nobody(how, reason):
    found = {r.peer: r for r in run([bad.peer("bad", how), bad.peer("good", numpy)])}
    assert reason in found["bad"].failed
    assert found["bad"].values == []
    assert found["good"].failed is None
    assert len(found["good"].values) == SHORT.rounds


def until_it_hangs(worker, effort):
    worker.prepare(digits(), effort)
    for _ in range(effort.rounds):
        worker.measure(effort)


@pytest.mark.parametrize("how", [bad.hang, bad.hang_later], ids=lambda each: each.__name__)
def test_a_peer_that_hangs_is_reported_and_stops_nobody(how):
    effort = Effort(rounds=50, at_least=0.01, prepare_limit=5, measure_limit=2)
    worker = Worker(bad.peer("bad", how), 1, cores(1))
    worker.ask(60, np.ones, 1)  # starting takes as long as it takes
    try:
        with pytest.raises(Failed, match=r"hung: no answer in [25] s") as raised:
            until_it_hangs(worker, effort)
        assert raised.value.lost
        assert worker.ask(60, np.ones, 1) == 1, "a new process takes over"
    finally:
        worker.close()


def test_a_signal_has_its_name():
    worker = Worker(bad.peer("bad", bad.abort), 1, cores(1))
    with pytest.raises(Failed, match="crashed: SIGABRT"):
        worker.prepare(digits(), SHORT)
    worker.close()


def test_a_peer_that_was_lost_twice_is_left_out():
    cases = [digits(rows) for rows in range(1, LIVES + 3)]
    failed = [r.failed for r in run([bad.peer("bad", bad.crash)], cases)]
    assert all("crashed" in each for each in failed[:LIVES])
    assert all("left out" in each for each in failed[LIVES:])


def test_what_a_peer_prints_does_not_disturb():
    (found,) = run([bad.peer("noisy", bad.noisy)])
    assert found.failed is None


def test_threads_and_cores_are_pinned():
    import os

    if not cores(1):
        pytest.skip("this system does not pin")
    worker = Worker(None, 1, cores(1))
    try:
        assert worker.ask(60, os.sched_getaffinity, 0) == set(cores(1))
        assert worker.ask(60, os.getenv, "OMP_NUM_THREADS") == "1"
    finally:
        worker.close()
