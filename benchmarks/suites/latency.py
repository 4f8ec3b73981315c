"""How long one row takes when 1, 2 and 4 threads ask at once: the distribution, not only its middle."""

import threading
import time
from typing import Any

import numpy as np

from benchmarks.case import Call, Case, Prepared, Suite
from benchmarks.networks import CHAPTER, LARGE
from benchmarks.suites import mnist

CALLERS = (1, 2, 4)
LONGER = 5  # times a round of other suites: a 99th percentile needs many calls


def cases(quick: bool, threads: list[int]) -> list[Case]:
    """Each caller's own work takes one thread; all cores are there for the callers."""
    found = []
    for network in (CHAPTER,) if quick else (CHAPTER, LARGE):
        for callers in CALLERS:
            one = mnist.case("latency", network, "digits", 1, 1, cores=0, label=f"{callers} calling")
            one.settings["callers"] = callers
            found.append(one)
    return found


def distribution(calls: list[Call], duration: float) -> dict[str, float]:
    """Each call in a thread of its own, over and over for so many seconds; all their times together."""
    start = threading.Barrier(len(calls))
    times: list[list[int]] = [[] for _ in calls]

    def caller(call: Call, took: list[int]) -> None:
        clock = time.perf_counter_ns
        call()
        start.wait()
        now = clock()
        end = now + duration * 1e9
        while now < end:
            before = now
            call()
            now = clock()
            took.append(now - before)

    threads = [threading.Thread(target=caller, args=each) for each in zip(calls, times, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = np.concatenate(times) / 1e9
    middle, p95, p99 = np.quantile(every, [0.5, 0.95, 0.99])
    return {"value": middle, "p95": p95, "p99": p99, "calls_per_second": len(every) / duration}


def prepare(peer: Any, case: Case) -> Prepared:
    """One model for all threads, or, where the peer's may not be shared, one for each."""
    made = mnist.prepare(peer, case)
    callers = case.settings["callers"]
    calls = [made.call] * callers
    if not peer.shared:
        calls[1:] = [mnist.prepare(peer, case).call for _ in calls[1:]]
    return Prepared(made.call, made.facts, lambda at_least: distribution(calls, LONGER * at_least))


SUITE = Suite(
    "one row at a time under 1, 2 and 4 calling threads: median, 95th and 99th percentile",
    cases,
    mnist.takes,
    mnist.worker,
    "µs",
    ("µs", "p95 µs", "p99 µs", "calls/s", "max error"),
    prepare,
)
