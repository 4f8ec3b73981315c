"""How threads share a block of samples: by rows, by parts of instructions, or not at all, as was measured.

A block of few samples can be run by one thread; by several, each all instructions on some rows; or by several
together, an instruction at a time, each some pages of its outputs or some of its pixels (`kernels.together`).
Which is fastest depends on the network, the caches and the machine. So the first calls with about as many
samples take turns, and the fastest is used until they are compared again. All give the same bits.

Whether a helper has a core changes: the system may start it beside its caller, where it stayed for more
than 15 ms; later another process may run there. So a new choice is used for as long as the comparison took,
and for twice as long each time that it is confirmed. A way that loses against one thread is given up at once.
"""

import time
from typing import Any

import numpy as np

from tinytensor import workers
from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.declared import linear, run_together, window_rows
from tinytensor.kernels.layer import aligned

__all__ = ["Sharing"]

PIECES = 2  # of a thread: one that comes late leaves a piece to others
# calls of a way in a row, of which all but the first count: that one finds in the caches what others left,
# and wakes a helper that has slept meanwhile
CALLS = 4
GAIN = 0.95  # of the time of the way that is used: noise shall not choose
SETTLING = 0.01  # seconds, at least, of the first comparison: the system may start a thread that late
LONGEST = 128  # times as long as a comparison takes: until the next one, at most
# what a way may lose against one thread until it is given up, in seconds or calls of one thread: two turns of
# another process; not in a single call, as the whole process may have been stopped
LOSS, BAD_CALLS = 0.01, 4
LEAST_SECONDS = 15e-6  # on one thread; to wake a helper that sleeps takes a third of that
BARRIER_SECONDS = 0.15e-6  # for each thread: what a stage costs that several run together, beside its work
LINE = 8  # numbers of a line of memory


class ByRows:
    """Each thread takes samples through the whole program, in scratch memory of its own."""

    def __init__(self, program: Any, threads: int):
        self.program, self.threads = program, threads

    def run(self, x: Array, y: Array) -> bool:
        """Run on several threads; whether that was possible, and nothing raised."""
        size = -(-len(y) // min(len(y), PIECES * self.threads))
        return self.program.run_ranges(x, y, size, self.threads)  # type: ignore[no-any-return]


class Together:
    """Stages of a program, which share its buffers."""

    def __init__(self, program: Any, stages: Array, members: int):
        self.program, self.stages, self.members = program, stages, members
        self.idle: list[tuple[Array, int, Array]] = []  # what a call needs, for each one that runs now
        self.run_address = run_together.address

    def new_call(self) -> tuple[Array, int, Array]:
        """A call's record, its address, and buffers; counters of each member lie on lines of their own."""
        count = len(self.stages)
        room = count + LINE - 1 & -LINE
        made = aligned((record.TOGETHER + self.members * room,), np.int64)
        buffers = aligned((self.program.scratch_bytes,), np.uint8)
        at = int(made.ctypes.data)
        made[[record.PROGRAM, record.STAGES, record.STAGES_FROM, record.MEMBERS, record.MEMBER_COUNTERS]] = (
            self.program.table_at, count, self.stages.ctypes.data, self.members, room,
        )  # fmt: skip
        made[[record.COUNTERS, record.BUFFERS_AT]] = at + 8 * record.TOGETHER, buffers.ctypes.data
        return made, at, buffers

    def run(self, x: Array, y: Array) -> bool:
        """Run on several threads; whether that was possible, and nothing raised."""
        try:
            call = self.idle.pop()
        except IndexError:
            call = self.new_call()
        made, at, _ = call
        made[record.DONE :] = 0
        made[record.BLOCK_ROWS] = len(y)
        well = workers.run(
            self.run_address, at, x, x.strides[0], y, y.strides[0], self.members, 1, self.members,
            self.program.work_end,
        )  # fmt: skip
        failed = made[record.FAILED]
        self.idle.append(call)
        return well and not failed


Way = ByRows | Together


class Sharing:
    """What is known of a program with about so many samples and so many threads."""

    def __init__(self, program: Any, samples: int, threads: int):
        self.program, self.threads = program, threads
        self.rows = 1 << samples.bit_length() - 1  # the fewest samples that it is asked for
        self.ticks = np.full(len(program.owners), np.inf)
        self.ways: list[Way | None] = [None]  # None: on one thread
        self.chosen = 0  # its place in them
        self.times = [new_times()]  # of each way's last calls, seconds a sample
        self.turn, self.open, self.compared_until = 0, True, 0.0
        self.calls_left = 0  # until the ways are compared
        self.once, self.longer = 0, 1  # calls that take as long as a comparison; how many times as many stay
        self.alone, self.lost = 0.0, 0.0  # seconds: a sample on one thread; what calls lost against that

    def run(self, x: Array, y: Array) -> bool:
        """Run as is fastest; False: the caller is to run it alone."""
        if self.open:
            return self.measure(x, y)
        way = self.ways[self.chosen]
        self.calls_left -= 1
        self.open = self.calls_left <= 0 and len(self.ways) > 1
        if way is None:
            return False
        begin = time.perf_counter()
        well = way.run(x, y)
        alone = self.alone * len(y)
        late = time.perf_counter() - begin - alone
        if late > 0 or self.lost:
            self.watch(late, alone)
        return well

    def watch(self, late: float, alone: float) -> None:
        """Give up a way whose calls take longer than on one thread."""
        most = max(LOSS, BAD_CALLS * alone)
        self.lost = max(0.0, self.lost + min(late, most / BAD_CALLS))
        if self.lost >= most:
            self.chosen = 0
            self.keep()

    def measure(self, x: Array, y: Array) -> bool:
        """One of the ways, timed."""
        place = self.turn // CALLS % len(self.ways)
        way, well = self.ways[place], True
        begin = time.perf_counter()
        if way is not None:
            well = way.run(x, y)
        else:
            self.program.run(x, y)
        if well and self.turn % CALLS:
            self.times[place][self.turn % CALLS - 1] = (time.perf_counter() - begin) / len(y)
        if len(self.ways) == 1:
            self.ticks = np.minimum(self.ticks, self.program.ticks_of(x, y))
        self.turn += 1
        if self.turn >= CALLS * len(self.ways) and time.perf_counter() >= self.compared_until:
            self.decide([sorted(each)[len(each) // 2] for each in self.times])
        return well

    def decide(self, seconds: list[float]) -> None:
        """After the first calls alone what else there is; after the last, what stays."""
        if len(self.ways) > 1:
            self.choose(seconds)
        elif seconds[0] * self.rows >= LEAST_SECONDS:
            found = ways(self.program, self.ticks, seconds[0], self.rows, self.threads)
            self.open, self.compared_until = bool(found), time.perf_counter() + SETTLING
            self.times = [new_times() for _ in (None, *found)]  # before a concurrent call sees the ways
            self.ways = [None, *found]
        else:
            self.program.alone = max(self.program.alone, 2 * self.rows - 1)
            self.open = False
        self.turn = 0

    def choose(self, seconds: list[float]) -> None:
        """The fastest way, if it saves something."""
        former, best = self.chosen, seconds.index(min(seconds))
        changed = seconds[best] < GAIN * seconds[former]
        self.chosen = best if changed else former
        compared = self.rows * CALLS * sum(each for each in seconds if each < np.inf)
        self.once = 1 + int(compared / (self.rows * seconds[self.chosen]))
        self.calls_left, self.open = self.once, False
        self.alone, self.lost, self.times = seconds[0], 0.0, [new_times() for _ in seconds]
        if not changed:
            self.keep()

    def keep(self) -> None:
        """Compare the ways again after twice as long as the last time."""
        self.calls_left, self.longer = self.once * self.longer, min(2 * self.longer, LONGEST)


def new_times() -> list[float]:
    """Room for the times of one way's last calls."""
    return [np.inf] * (CALLS - 1)


def ways(program: Any, ticks: Array, seconds: float, rows: int, threads: int) -> list[Way]:
    """What several threads can do: the whole program by rows, and each instruction as it can be divided."""
    found: list[Way] = [ByRows(program, threads)] if rows > 1 else []
    times = ticks * (seconds * rows / max(1.0, ticks.sum()))
    barrier = threads * BARRIER_SECONDS
    stages: list[tuple[int, int, int, int]] = []  # first and last instruction, pieces, whether they are parts
    for i, took in enumerate(times):
        parts = parts_of(program, i, threads, took, barrier)
        if parts > 1:
            stages.append((i, i + 1, parts, 1))
        elif rows >= threads and took * (1 - 1 / threads) > 2 * barrier:
            stages.append((i, i + 1, threads, 0))
        elif stages and stages[-1][2] == 1:
            stages[-1] = stages[-1][0], i + 1, 1, 0
        else:
            stages.append((i, i + 1, 1, 0))
    if any(pieces > 1 for _, _, pieces, _ in stages):
        found.append(Together(program, stage_table(stages), threads))
    return found


def parts_of(program: Any, i: int, threads: int, took: float, barrier: float) -> int:
    """Into how many parts an instruction is divided: one for each thread, if it can be and that pays."""
    if took * (1 - 1 / threads) < 2 * barrier:
        return 1
    row = program.instruction(i)
    if row[record.FUNCTION] == linear.address:
        product = row[record.PRODUCT_AT :]
        return threads if product[record.BY_ROWS] else min(int(product[record.PAGES]), threads)
    return threads if row[record.FUNCTION] == window_rows.address else 1


def stage_table(stages: list[tuple[int, int, int, int]]) -> Array:
    """The stages as compiled code reads them."""
    table = aligned((len(stages), record.STAGE), np.int64)
    table[:, : record.PIECES_BEFORE] = stages
    table[1:, record.PIECES_BEFORE] = np.cumsum(table[:-1, record.PIECES])
    return table
