"""How many threads work on a batch, and the threads themselves. A result never depends on their number."""

import atexit
import math
import os
from collections.abc import Iterator
from functools import cache

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import Array, length
from tinytensor.kernels.mailbox import MAILBOX, MOST_HELPERS, SPIN, free, stop, take
from tinytensor.kernels.memory import LINE, new_memory

__all__ = ["MOST", "Team", "check_environment", "checked", "get_num_threads", "set_num_threads", "the_team"]

VARIABLE = "TINYTENSOR_NUM_THREADS"
OPENMP = "OMP_NUM_THREADS"  # respected where ours is not set; a list is one number for each level of nesting
SPINNING = "TINYTENSOR_SPIN"
TURNS = 1500  # some 0.5 ms where nobody else wants to run: batches of a hundred follow in that time
MOST = MOST_HELPERS + 1
GROUPS = "/sys/fs/cgroup"
OWN_GROUPS = "/proc/self/cgroup"  # lines of "id:controllers:path"; version 2 has no controllers

chosen: int | None = None


def available_cpus() -> int:
    """CPUs that this process may use at a time: its affinity, and the quota of its control group.

    >>> available_cpus() >= 1
    True
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *quotas()]))


def quotas() -> list[int]:
    """Whole CPUs' worth of time that this process's control groups, version 2 or 1, leave it."""
    found = []
    for folder in dict.fromkeys(groups()):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            try:
                quota, period = " ".join(text_of(os.path.join(folder, name)) for name in names).split()
                found.append(math.ceil(int(quota) / int(period)))
            except (OSError, ValueError, ZeroDivisionError):  # no such group, or "max": no quota
                continue
    return [each for each in found if each > 0]  # version 1 says -1 for none


def text_of(path: str) -> str:
    """What a file says."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def groups() -> Iterator[str]:
    """The folders of this process's own groups and of all those around them, each of which has its quota."""
    try:
        lines = text_of(OWN_GROUPS).splitlines()
    except OSError:
        lines = []
    # in a container the path is the host's, and the mounted root is the group itself
    for line in (*lines, "0::/", "1:cpu:/"):
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            names = [name for name in path.split("/") if name]
            root = os.path.join(GROUPS, "cpu" if controllers else "")
            yield from (os.path.join(root, *names[:count]) for count in range(len(names), -1, -1))


@cache
def default_threads() -> int:
    """`$TINYTENSOR_NUM_THREADS`, or one for each CPU available, at most `$OMP_NUM_THREADS` of them."""
    given = os.environ.get(VARIABLE)
    if not given:
        outermost = os.environ.get(OPENMP, "").partition(",")[0].strip()
        most = int(outermost) if outermost.isdecimal() and len(outermost) < 9 else 0
        return min(available_cpus(), most or MOST)
    if not given.strip().isdecimal() or not 1 <= int(given) <= MOST:
        raise ArgumentError(f"${VARIABLE}: expected a number from 1 to {MOST}, got {given!r}")
    return int(given)


def get_num_threads() -> int:
    """The number of threads that `predict` uses by default.

    >>> get_num_threads() >= 1
    True
    """
    return chosen or default_threads()


def set_num_threads(threads: int | None) -> None:
    """Set the default number of threads; None restores what it was at first.

    These are `$TINYTENSOR_NUM_THREADS`, or one for each CPU, at most `$OMP_NUM_THREADS` where that is set.

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


def check_environment() -> None:
    """Raise unless `$TINYTENSOR_SPIN` is 0, which lets helpers without work sleep at once, 1 or not set.

    Raises:
        ArgumentError: it is something else.
    """
    given = os.environ.get(SPINNING, "")
    if given not in ("", "0", "1"):
        raise ArgumentError(f"${SPINNING}: expected 0 or 1, got {given!r:.80}")


class Taken:
    """A mailbox as a lock: one call at a time has it, which takes it in compiled code as a rule."""

    def __init__(self, box: Array):
        self.box = box

    def acquire(self, blocking: bool = True) -> bool:
        """Take the mailbox; with `blocking`, wait as long as a piece of work may take."""
        return bool(take(self.box, WAIT if blocking else 1))

    def release(self) -> None:
        """Let others have it."""
        free(self.box)


class Team:
    """The threads that help one call at a time.

    They live in compiled code (see `kernels.mailbox`): whatever interrupts Python, no thread and no lock is
    lost. They start with the first call that wants them.
    """

    def __init__(self) -> None:
        self.box = new_memory(8 * MAILBOX, LINE)
        self.box[:] = 0
        self.box.view(np.int64)[SPIN] = 0 if os.environ.get(SPINNING) == "0" else TURNS
        self.taken = Taken(self.box)

    def stop(self) -> None:
        """End the threads."""
        self.taken.acquire()
        stop(self.box)


WAIT = 100_000  # turns, of which the later ones let others run


@cache
def stop_at_exit() -> None:
    """Load what ends the threads: nothing is to be compiled while the process ends."""
    for each in (take, stop):
        each.load()
    atexit.register(lambda: team.stop())


team = Team()


def renew_team() -> None:
    """Threads do not survive a fork."""
    global team
    team = Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew_team)


def the_team() -> Team:
    """This process's."""
    return team
