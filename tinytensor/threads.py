"""How many threads work on a batch, and the threads themselves.

Kernels release the GIL, so the threads are Python's own. A result never depends on their number.
"""

import math
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from queue import SimpleQueue

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


class Workers:
    """Threads that wait for work in one queue; as many as were ever wanted at a time.

    A `ThreadPoolExecutor` takes 60 µs from a call to its start on another core and back, this 15: a batch
    of a thousand digits takes 300 on two threads.
    """

    def __init__(self) -> None:
        self.queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.count = 0
        self.lock = threading.Lock()

    def start(self, work: Callable[[], None], times: int) -> None:
        """Let `work` be called so many times, each on a thread that is free, or on the next to be free."""
        with self.lock:
            while self.count < times:
                threading.Thread(target=self.serve, name="tinytensor", daemon=True).start()
                self.count += 1
        for _ in range(times):
            self.queue.put(work)

    def serve(self) -> None:
        """What each thread does for ever."""
        while True:
            self.queue.get()()


workers = Workers()


def forget_workers() -> None:
    """Threads do not survive a fork."""
    global workers
    workers = Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_workers)


class Job:
    """A count of samples, handed out in ranges to whoever asks next: large ones first, small ones last."""

    def __init__(self, call: Callable[[int, int], None], count: int, size: int, threads: int):
        self.call, self.count, self.size, self.threads = call, count, size, threads
        self.next = self.active = 0
        self.error: BaseException | None = None
        self.lock, self.finished = threading.Lock(), SimpleQueue[None]()

    def take(self) -> tuple[int, int]:
        """The next range, a multiple of `size`; an empty one when there is none."""
        with self.lock:
            start = self.next
            share = (self.count - start) // (2 * self.threads) // self.size * self.size
            self.next = min(start + max(share, self.size), self.count)
            return start, self.next

    def work(self) -> None:
        """Do ranges until there are none."""
        start, stop = self.take()
        while start < stop:
            self.call(start, stop)
            start, stop = self.take()

    def help(self) -> None:
        """The same on another thread, if it comes before everything is handed out."""
        with self.lock:
            if self.next == self.count:
                return
            self.active += 1
        try:
            self.work()
        except BaseException as error:  # raised again where the caller waits
            self.error = error
        self.finished.put(None)

    def end(self) -> None:
        """Hand out nothing more, and wait for the others."""
        with self.lock:
            self.next = self.count
            active = self.active
        for _ in range(active):
            self.finished.get()


def spread(call: Callable[[int, int], None], count: int, size: int, threads: int) -> None:
    """call(start, stop) for ranges that make up [0, count), on the calling thread and others."""
    job = Job(call, count, size, threads)
    workers.start(job.help, min(threads, -(-count // size)) - 1)
    try:
        job.work()
    finally:
        job.end()
    if job.error is not None:
        raise job.error
