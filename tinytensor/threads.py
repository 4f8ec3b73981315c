"""How many threads work on a batch, and the pool that they come from.

Kernels release the GIL, so the threads are Python's own. A result never depends on their number.
"""

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import length

__all__ = ["get_num_threads", "set_num_threads", "spread"]

VARIABLE = "TINYTENSOR_NUM_THREADS"
MOST = 512

chosen: int | None = None


def available_cpus() -> int:
    """CPUs that this process may use at a time: its affinity, and the quota of its control group.

    >>> available_cpus() >= 1
    True
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *quotas()]))


def quotas() -> list[int]:
    """Whole CPUs' worth of time that control groups, version 2 or 1, leave us."""
    root = Path("/sys/fs/cgroup")
    found = []
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((root / name).read_text() for name in names).split()
            found.append(math.ceil(int(quota) / int(period)))
        except (OSError, ValueError, ZeroDivisionError):  # no such group, or "max": no quota
            continue
    return [each for each in found if each > 0]  # version 1 says -1 for none


@cache
def default_threads() -> int:
    """`$TINYTENSOR_NUM_THREADS`, or one for each CPU available."""
    given = os.environ.get(VARIABLE)
    if not given:
        return available_cpus()
    if not given.strip().isdecimal() or not 1 <= int(given) <= MOST:
        raise ArgumentError(f"${VARIABLE}: expected a number from 1 to {MOST}, got {given!r}")
    return int(given)


def get_num_threads() -> int:
    """How many threads `predict` uses unless told otherwise.

    >>> get_num_threads() >= 1
    True
    """
    return chosen or default_threads()


def set_num_threads(threads: int | None) -> None:
    """Let `predict` use so many threads from now on; None: `$TINYTENSOR_NUM_THREADS`, or every CPU's.

    Raises:
        ArgumentError: no integer from 1 to 512.

    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(None)
    """
    global chosen
    chosen = None if threads is None else checked("set_num_threads", threads)


def checked(who: str, threads: int) -> int:
    """The number of threads that a caller asks for."""
    number = length(who, threads)
    if number > MOST:
        raise ArgumentError(f"{who}: expected at most {MOST} threads, got {number}")
    return number


@cache
def pool() -> ThreadPoolExecutor:
    """Threads that wait for work; each is started when there is work and none waits."""
    return ThreadPoolExecutor(MOST, thread_name_prefix="tinytensor")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=pool.cache_clear)


class Ranges:
    """The ranges [start, stop) of a count, handed out to whoever asks next."""

    def __init__(self, count: int, size: int):
        self.count, self.size, self.next = count, size, 0
        self.lock = threading.Lock()

    def take(self) -> tuple[int, int]:
        """The next range; an empty one when there is none."""
        with self.lock:
            start = self.next
            self.next = min(start + self.size, self.count)
            return start, self.next

    def end(self) -> None:
        """Hand out nothing more."""
        with self.lock:
            self.next = self.count


def spread(call: Callable[[int, int], None], count: int, size: int, threads: int) -> None:
    """call(start, stop) for ranges of `size` that make up [0, count), on the calling thread and others."""
    ranges = Ranges(count, size)

    def work() -> None:
        start, stop = ranges.take()
        while start < stop:
            call(start, stop)
            start, stop = ranges.take()

    helpers = [pool().submit(work) for _ in range(min(threads, -(-count // size)) - 1)]
    try:
        work()
    finally:
        ranges.end()
        started = [each for each in helpers if not each.cancel()]
        errors = [each.exception() for each in started]
    for error in errors:
        if error:
            raise error
