"""How threads share a block of samples: by rows, by parts of instructions, or not at all, as was measured.

A block of few samples can be run by one thread; by several, each all instructions on some rows; or by several
together, an instruction at a time, each some pages of its outputs or some of its pixels (`kernels.together`).
Which is fastest depends on the network, the caches and the machine. So the first calls with about as many
samples take turns, and the fastest stays for a while, at last for two thousand. All give the same bits.
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
TRIES = 6  # of each way; the fastest counts
SETTLING = 0.01  # seconds: the ways are first compared for as long as it may take until a new thread runs
GAIN = 0.95  # of the time of one thread: noise shall not choose
# calls after which the ways are compared again, as another process may have had a core before: soon, as that
# may have started beside this one, then after twice as many, up to the last
FIRST_AGAIN, LAST_AGAIN = 60, 2000
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
        self.way: Way | None = None
        self.ways: list[Way | None] = [None]  # None: on one thread
        self.seconds = [np.inf]  # a sample, of each way
        self.turn, self.open, self.compared_until = 0, True, 0.0
        self.again = FIRST_AGAIN

    def run(self, x: Array, y: Array) -> bool:
        """Run as is fastest; False: the caller is to run it alone."""
        if self.open:
            return self.measure(x, y)
        self.turn += 1
        if self.turn >= self.again and len(self.ways) > 1:
            self.seconds, self.turn, self.open = [np.inf] * len(self.ways), 0, True
            self.again = min(2 * self.again, LAST_AGAIN)
        return self.way is not None and self.way.run(x, y)

    def measure(self, x: Array, y: Array) -> bool:
        """One of the ways, timed."""
        place = self.turn % len(self.ways)
        way, well = self.ways[place], True
        begin = time.perf_counter()
        if way is not None:
            well = way.run(x, y)
        else:
            self.program.run(x, y)
        if well:
            self.seconds[place] = min(self.seconds[place], (time.perf_counter() - begin) / len(y))
        if len(self.ways) == 1:
            self.ticks = np.minimum(self.ticks, self.program.ticks_of(x, y))
        self.turn += 1
        self.decide()
        return well

    def settled(self) -> bool:
        """Whether the threads have had the time to start."""
        return time.perf_counter() >= self.compared_until

    def decide(self) -> None:
        """After the first calls alone what else there is; after the last, what stays."""
        if len(self.ways) == 1 and self.turn == TRIES:
            if self.seconds[0] * self.rows >= LEAST_SECONDS:
                self.ways = [None, *ways(self.program, self.ticks, self.seconds[0], self.rows, self.threads)]
                self.seconds = [np.inf] * len(self.ways)
                self.turn, self.compared_until = 0, time.perf_counter() + SETTLING
            else:
                self.program.alone = max(self.program.alone, 2 * self.rows - 1)
            self.open = len(self.ways) > 1
        elif len(self.ways) > 1 and self.turn >= TRIES * len(self.ways) and self.settled():
            alone, best = self.seconds[0], int(np.argmin(self.seconds))
            self.way = self.ways[best] if self.seconds[best] < GAIN * alone else None
            self.turn, self.open = 0, False


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
