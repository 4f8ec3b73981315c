"""How threads share a block of samples: by rows, by parts of instructions, or not at all; what is measured wins.

A block of few samples can be run by one thread; by several, each all instructions on some rows; or by several
together, an instruction at a time, each some pages of its outputs or some of its pixels (`kernels.together`).
Which is fastest depends on the network, the caches and the machine. So the first calls with about as many
samples take turns, and the fastest stays. All give the same bits.
"""

import time
from typing import Any

import numpy as np

from tinytensor import workers
from tinytensor.kernels import record, tune
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.declared import linear, run_together, window_rows
from tinytensor.kernels.layer import aligned

__all__ = ["Sharing"]

TRIES = 6  # of each way; the fastest counts
GAIN = 0.95  # of the time of one thread: noise shall not choose
LEAST_SECONDS = 15e-6  # on one thread; to wake a helper that sleeps takes a third of that
LINE = 8  # numbers of a line of memory


class Way:
    """Stages of a program, and the calls that are free."""

    def __init__(self, stages: Array, members: int, table_at: int):
        self.stages, self.members, self.table_at = stages, members, table_at
        self.room = len(stages) + LINE - 1 & -LINE
        self.idle: list[Array] = []

    def call(self) -> Array:
        """A call's record, its counters, nothing done."""
        try:
            made = self.idle.pop()
        except IndexError:
            made = aligned((record.TOGETHER + self.members * self.room,), np.int64)
        made[record.DONE :] = 0
        made[[record.PROGRAM, record.STAGES, record.STAGES_FROM, record.MEMBERS, record.MEMBER_COUNTERS]] = (
            self.table_at, len(self.stages), self.stages.ctypes.data, self.members, self.room,
        )  # fmt: skip
        made[record.COUNTERS] = made.ctypes.data + 8 * record.TOGETHER
        return made

    def run(self, program: Any, x: Array, y: Array) -> bool:
        """Run on several threads; whether that was possible, and nothing raised."""
        made, shared = self.call(), program.take_scratch()
        made[[record.BUFFERS_AT, record.BLOCK_ROWS]] = shared.ctypes.data, len(y)
        well = workers.run(
            run_together.address, made.ctypes.data, x, x.strides[0], y, y.strides[0], self.members, 1,
            self.members, program.work_end,
        )  # fmt: skip
        well = well and not made[record.FAILED]
        self.idle.append(made)
        program.idle.append(shared)
        return well


class Sharing:
    """What is known of a program with about so many samples and so many threads."""

    def __init__(self, program: Any, samples: int, threads: int):
        self.program, self.threads = program, threads
        self.rows = 1 << samples.bit_length() - 1  # the fewest samples that it is asked for
        self.ticks = np.full(len(program.owners), np.inf)
        self.way: Way | None = None
        self.ways: list[Way | None] = [None]
        self.seconds = [np.inf]  # a sample, of each way
        self.turn, self.open = 0, True

    def run(self, x: Array, y: Array) -> bool:
        """Run as is fastest; False: the caller is to run it alone."""
        if self.open:
            return self.measure(x, y)
        return self.way is not None and self.way.run(self.program, x, y)

    def measure(self, x: Array, y: Array) -> bool:
        """One of the ways, timed."""
        turn, self.turn = self.turn, self.turn + 1
        place = turn % len(self.ways)
        way = self.ways[place]
        begin = time.perf_counter()
        if way is None:
            ticks = self.program.ticks_of(x, y)
            well = True
        else:
            well = way.run(self.program, x, y)
        if well:
            self.seconds[place] = min(self.seconds[place], (time.perf_counter() - begin) / len(y))
        if well and way is None:
            self.ticks = np.minimum(self.ticks, ticks)
        self.decide()
        return well

    def decide(self) -> None:
        """After the first calls alone what else there is; after the last, what stays."""
        if len(self.ways) == 1 and self.turn == TRIES:
            if self.seconds[0] * self.rows >= LEAST_SECONDS:
                self.ways = [None, *ways(self.program, self.ticks, self.seconds[0], self.rows, self.threads)]
                self.seconds = [np.inf] * len(self.ways)
                self.turn = 0
            self.open = len(self.ways) > 1
        elif len(self.ways) > 1 and self.turn >= TRIES * len(self.ways):
            alone, best = self.seconds[0], int(np.argmin(self.seconds))
            self.way = self.ways[best] if self.seconds[best] < GAIN * alone else None
            self.open = False


def ways(program: Any, ticks: Array, seconds: float, rows: int, threads: int) -> list[Way]:
    """What several threads can do: all instructions by rows, and each as it can be divided."""
    members, found = threads, []
    if rows > 1:
        pieces = min(rows, 2 * threads)
        found.append([(0, len(program.owners), pieces, 0)])
    times = ticks * (seconds * rows / max(1.0, ticks.sum()))
    barrier = tune.barrier_seconds(threads)
    by_parts: list[tuple[int, int, int, int]] = []
    for i, took in enumerate(times):
        parts = parts_of(program, i, threads, took, barrier)
        if parts > 1:
            by_parts.append((i, i + 1, parts, 1))
        elif rows >= threads and took * (1 - 1 / threads) > 2 * barrier:
            by_parts.append((i, i + 1, threads, 0))
        elif by_parts and by_parts[-1][2] == 1:
            by_parts[-1] = by_parts[-1][0], i + 1, 1, 0
        else:
            by_parts.append((i, i + 1, 1, 0))
    if any(pieces > 1 for _, _, pieces, _ in by_parts):
        found.append(by_parts)
    return [Way(stage_table(each), members, program.table_at) for each in found]


def parts_of(program: Any, i: int, threads: int, took: float, barrier: float) -> int:
    """Into how many parts an instruction is divided: as many as pay, and as there are pages."""
    if took * (1 - 1 / threads) < 2 * barrier:
        return 1
    row = program.instruction(i)
    if row[record.FUNCTION] == linear.address:
        pages = int(row[record.PRODUCT_AT + record.PAGES])
        return pages // (-(-pages // threads)) if pages >= threads else 1
    return threads if row[record.FUNCTION] == window_rows.address else 1


def stage_table(stages: list[tuple[int, int, int, int]]) -> Array:
    """The stages as compiled code reads them."""
    table = aligned((len(stages), record.STAGE), np.int64)
    table[:, : record.PIECES_BEFORE] = stages
    table[1:, record.PIECES_BEFORE] = np.cumsum(table[:-1, record.PIECES])
    return table
