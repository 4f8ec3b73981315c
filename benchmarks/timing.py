"""In a worker: work is prepared once, then timed whenever it is this worker's turn."""

import gc
import importlib
import math
import random
import time
from typing import Any

from benchmarks.case import Call, Case, Prepared
from benchmarks.machine import blas

__all__ = ["measure", "prepare", "seconds_per_call"]

SLICES = 8  # of a round; the fastest counts, as what interrupts a slice is never the peer's doing

MOST_SHIFT = 64 << 10  # bytes: below malloc's threshold for memory of its own

ready: list[tuple[Prepared, int, int, bytes]] = []  # the work, calls a slice, slices a round, what shifts it


def elapsed(call: Call, count: int) -> float:
    """Seconds that so many calls take."""
    repeat = range(count)
    begin = time.perf_counter()
    for _ in repeat:
        call()
    return time.perf_counter() - begin


def enough(call: Call, at_least: float) -> tuple[int, int]:
    """How many calls make a slice, and how many slices take so many seconds.

    The first calls are not like the others: libraries load, compile and allocate in them.
    """
    for _ in range(3):
        call()
    count = 1
    while (took := min(elapsed(call, count), elapsed(call, count))) < at_least / 2:
        count = min(10 * count, max(2 * count, math.ceil(count * at_least / max(took, 1e-9))))
    one = took / count
    count = max(1, math.ceil(at_least / SLICES / one))
    return count, min(SLICES, max(1, round(at_least / (count * one))))


def seconds_per_call(call: Call, count: int, slices: int) -> float:
    """The mean of so many calls in a row, in the fastest slice; before several, one refills the caches."""
    if count * slices > 1:
        call()
    gc.collect()
    gc.disable()
    try:
        return min(elapsed(call, count) for _ in range(slices)) / count
    finally:
        gc.enable()


def prepare(peer: Any, case: Case, at_least: float) -> dict[str, Any]:
    """Make the case's work ready, its answer checked; returns what is known about it.

    Where an allocation lies decides how many cache lines a vector touches. A block of random size shifts
    those that follow, so that a peer's addresses differ from sitting to sitting.
    """
    ready.clear()
    suites = importlib.import_module("benchmarks.suites").SUITES
    shift = bytes(random.randrange(MOST_SHIFT))
    made = suites[case.suite].prepare(peer, case)
    ready.append((made, *enough(made.call, at_least), shift))
    return made.facts | {"blas": blas()}


def measure(at_least: float) -> dict[str, float]:
    """One round: the value, and what else was seen."""
    work, count, slices, _ = ready[0]
    if work.sample:
        return work.sample(at_least)
    return {"value": seconds_per_call(work.call, count, slices)}
