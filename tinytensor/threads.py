"""How many threads work on a batch, and the threads themselves.

Kernels release the GIL, so the threads are Python's own. A result never depends on their number.
"""

import atexit
import math
import os
import threading
from functools import cache
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import length
from tinytensor.kernels.team import GENERATION, MAILBOX, STOPPED, serve

__all__ = ["MOST", "checked", "get_num_threads", "set_num_threads", "the_team"]

VARIABLE = "TINYTENSOR_NUM_THREADS"
MOST = 512
SPINS = 20_000  # turns of a loop, some 0.3 ms: as long as batches of a hundred samples follow each other

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


class Team:
    """Threads that help one call at a time; see `kernels.team`.

    A `ThreadPoolExecutor` takes 60 µs from a call to its start on another core and back, as long as a hundred
    digits take; a thread that spins while it waits, less than one.
    """

    def __init__(self) -> None:
        self.box = np.zeros(MAILBOX + 8, np.int64)
        self.box = self.box[-self.box.ctypes.data % 64 // 8 :]
        self.box_at: int = self.box.ctypes.data
        self.taken, self.counts = threading.Lock(), threading.Lock()
        self.threads: list[threading.Thread] = []
        self.sleeping = 0
        self.scratch = np.empty(0, np.uint8)
        self.wake: SimpleQueue[None] = SimpleQueue()

    def serve(self) -> None:
        """What each thread does until the interpreter ends."""
        run = serve.entry_point(serve.declared[0])
        seen = int(self.box[GENERATION])
        while seen != STOPPED:
            seen = run(self.box_at, seen, SPINS)
            with self.counts:
                self.sleeping += 1
            self.wake.get()

    def gather(self, helpers: int) -> None:
        """See to it that so many threads are awake, or waking up."""
        while len(self.threads) < helpers:
            self.threads.append(threading.Thread(target=self.serve, name="tinytensor", daemon=True))
            self.threads[-1].start()
        if self.sleeping:
            with self.counts:
                woken = min(helpers, self.sleeping)
                self.sleeping -= woken
            for _ in range(woken):
                self.wake.put(None)

    def room(self, size: int, threads: int) -> int:
        """The address of scratch memory, so many bytes for each thread; whoever has the team has it."""
        if self.scratch.size < size * threads + 4096:
            self.scratch = np.empty(size * threads + 4096, np.uint8)
        at: int = self.scratch.ctypes.data
        return at + -at % 4096

    def stop(self) -> None:
        """End the threads: they must not spin on memory that an interpreter at its end gives back."""
        self.taken.acquire(timeout=1)
        self.box[GENERATION] = STOPPED
        for _ in self.threads:
            self.wake.put(None)
        for each in self.threads:
            each.join(timeout=1)


team = Team()


def renew_team() -> None:
    """Threads do not survive a fork."""
    global team
    team = Team()


atexit.register(lambda: team.stop())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew_team)


def the_team() -> Team:
    """This process's."""
    return team
