"""`Program`: steps as packed weights and a list of instructions, which the compiled driver runs."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinytensor import workers
from tinytensor.errors import UnsupportedOp
from tinytensor.kernels import arithmetic, record
from tinytensor.kernels.boundary import FLOATS, Array, as_array, number
from tinytensor.kernels.declared import (
    copy_rows,
    linear,
    log_softmax_rows,
    map_rows,
    pair_rows,
    run_program,
    softmax_rows,
    standardize_rows,
    widen_rows,
)
from tinytensor.kernels.elementwise import loop_address, pair_address
from tinytensor.kernels.layer import aligned, layout, pack_weights, write_layer
from tinytensor.steps import Linear, Map, Pair, Rescale, Softmax, Standardize, Step

__all__ = ["Program"]

ROWS = 120  # of a block: a multiple of most tiles' heights; a page of weights is read once for them
BLOCK_BYTES = 1 << 18  # of the widest buffer: it and the next stay in L2
LINE = 64
SQUARE = 16  # rows: softmax reads whole squares of vectors, beyond the last row
CHUNK_BYTES = 1 << 20  # of samples that are converted together
ALONE = 1_500_000  # multiplications; with fewer, to share them takes longer than to do them
LEAST = 12  # samples of a thread; with fewer, tiles are low and 2 threads took 1.35 times as long
PIECE = 1 << 35  # multiplications, of a second or less
UINT8 = np.dtype(np.uint8)


class Buffer(NamedTuple):
    """Rows of so many features: its number in the program, and which half of the scratch memory has them."""

    number: int
    features: int
    half: int = 1


class Program:
    """The steps for one dtype and, where no step says so, one number of features."""

    def __init__(self, steps: Sequence[Step], features: int, dtype: np.dtype[Any], source: Any = None):
        self.steps, self.features, self.dtype = tuple(steps), features, dtype
        self.source: np.dtype[Any] = source or dtype
        self.kept: list[Array] = []  # what the records' addresses point at
        self.instructions: list[Array] = []
        self.owners: list[int] = []  # which step each instruction belongs to
        self.buffers = [Buffer(record.INPUT, features), Buffer(record.OUTPUT, 0)]
        stages = [features]
        for step in steps:
            stages.append(step.weight.shape[0] if isinstance(step, Linear) else stages[-1])
        self.results = stages[-1]
        self.work_bytes = LINE
        self.lower()
        work = sum(step.weight.size for step in steps if isinstance(step, Linear)) + 8 * sum(stages)
        self.block = self.block_rows()
        self.table = self.assemble()
        self.table_at: int = self.table.ctypes.data
        self.alone, self.piece = max(LEAST, ALONE // work), PIECE // work + 1  # samples
        self.run_compiled = run_program.function
        self.idle: list[Array] = []  # scratch memory, one for each thread that runs this now

    # Lowering: steps to instructions.

    def lower(self) -> None:
        """Instructions for all steps; what follows the last step that moves its rows works in the output."""
        steps = list(enumerate(self.steps))
        moving = [i for i, step in steps if isinstance(step, Linear | Softmax)]
        last = moving[-1] if moving else 0
        here, table = self.buffers[record.INPUT], None
        if self.source == UINT8:
            table, steps = self.byte_table(steps)
            if not (steps and isinstance(steps[0][1], Linear)):
                here, table = self.widen(here, table, steps), None
        for i, step in steps:
            self.owner = i
            here = LOWER[type(step)](self, step, here, i == last, table)
            table = None

    def target(self, here: Buffer, features: int, last: bool) -> Buffer:
        """Where a step that moves its rows writes: never into the half that it reads.

        Raises:
            UnsupportedOp: there are more widths than a thread's scratch memory can list.
        """
        if last:
            return Buffer(record.OUTPUT, features)
        for each in self.buffers[2:]:
            if (each.features, each.half) == (features, 1 - here.half):
                return each
        if len(self.buffers) == record.MOST_BUFFERS:
            raise UnsupportedOp(f"a program has at most {record.MOST_BUFFERS} buffers of different widths")
        self.buffers.append(Buffer(len(self.buffers), features, 1 - here.half))
        return self.buffers[-1]

    def in_place(self, here: Buffer, last: bool) -> Buffer:
        """Where a step that works element by element writes: in place, but never over the caller's input."""
        return here if here.number != record.INPUT else self.target(here, here.features, last)

    def emit(self, function: Any, here: Buffer, there: Buffer, **fields: int) -> Array:
        """One more instruction."""
        row = np.zeros(record.INSTRUCTION, np.int64)
        row[record.FUNCTION] = function.address
        row[record.SOURCE], row[record.TARGET] = here.number, there.number
        row[record.FEATURES], row[record.SIZE] = here.features, self.dtype.itemsize
        for name, value in fields.items():
            row[getattr(record, name)] = value
        self.instructions.append(row)
        self.owners.append(self.owner)
        return row

    def byte_table(self, steps: list[tuple[int, Step]]) -> tuple[Array, list[tuple[int, Step]]]:
        """What each byte stands for; a Rescale by numbers is in the table."""
        table = np.arange(256).astype(self.dtype)
        first = steps[0][1]
        if isinstance(first, Rescale) and all(isinstance(each, float) for each in first):
            scale, offset = (number(each, self.dtype) for each in first)
            with np.errstate(all="ignore"):
                return table * scale + offset, steps[1:]
        return table, steps

    def widen(self, here: Buffer, table: Array, steps: list[tuple[int, Step]]) -> Buffer:
        """Bytes to floats."""
        self.owner = 0
        moves = any(isinstance(step, Linear | Softmax) for _, step in steps)  # else all work where it writes
        there = self.target(here, here.features, not moves)
        row = self.emit(widen_rows[self.dtype], here, there)
        row[record.PRODUCT_AT + record.TABLE] = self.store(table)
        return there

    def lower_linear(self, step: Linear, here: Buffer, last: bool, table: Array | None) -> Buffer:
        """The tile's product."""
        weight = np.ascontiguousarray(step.weight, self.dtype)
        outputs, inputs = weight.shape
        there = self.target(here, outputs, last)
        plan = layout(self.dtype, outputs)
        pages, tails = pack_weights(weight, plan)
        row = self.emit(linear, here, there)
        product = row[record.PRODUCT_AT :]
        external = here.number == record.INPUT
        source = "uint8" if table is not None else self.dtype.name
        zero = table is None or table[0] == 0
        skips = bool(np.isfinite(weight).all()) and zero  # 0 · inf is NaN, and must be
        write_layer(product, plan, inputs, source, skips and (external or self.gives_zeros()))
        product[record.AHEAD] = 2 * plan.rows if external else 0
        product[record.WEIGHTS], product[record.TAIL] = self.keep(pages), self.keep(tails)
        product[record.BIAS] = self.store(np.zeros(outputs) if step.bias is None else step.bias)
        if table is not None:
            product[record.TABLE] = self.store(table)
        self.work_bytes = max(self.work_bytes, int(product[record.LIST_ROOM]) * (ROWS + 2))
        return there

    def gives_zeros(self) -> bool:
        """Whether the step before may give many zeros."""
        before = self.steps[self.owner - 1]
        if not isinstance(before, Map):
            return not isinstance(before, Softmax)
        try:
            with np.errstate(all="ignore"):
                return any(before.function(x, *before.parameters) == 0 for x in (-1.0, -8.0))
        except Exception:
            return True

    def lower_map(self, step: Map, here: Buffer, last: bool, table: None) -> Buffer:
        """The loop's address, and its parameters in the dtype."""
        there = self.in_place(here, last)
        parameters = self.store([number(each, self.dtype) for each in (*step.parameters, 0.0)])
        self.emit(map_rows, here, there, LOOP=loop_address(step.function, self.dtype), PARAMETERS=parameters)
        return there

    def lower_pair(self, step: Pair, here: Buffer, last: bool, table: None) -> Buffer:
        """The loop's address, and the constant for each feature."""
        there = self.in_place(here, last)
        value = step.constant
        each = number(value, self.dtype) if isinstance(value, float) else value
        constant = self.store(np.broadcast_to(each, (here.features,)))
        self.emit(pair_rows, here, there, LOOP=pair_address(step.function, self.dtype), CONSTANT=constant)
        return there

    def lower_standardize(self, step: Standardize, here: Buffer, last: bool, table: None) -> Buffer:
        """In float64, in the order of the reductions.

        Raises:
            UnsupportedOp: of float64, whose squares may be infinite; the layer then scales them.
        """
        if self.dtype != FLOATS[0]:
            raise UnsupportedOp("standardize: expected a program of float32")
        there = self.in_place(here, last)
        eps = np.array([step.eps])
        self.work_bytes = max(self.work_bytes, record.REDUCTION_BYTES)
        self.emit(standardize_rows, here, there, CONSTANT=self.keep(eps))
        return there

    def lower_rescale(self, step: Rescale, here: Buffer, last: bool, table: None) -> Buffer:
        """Product, then sum, as the layer does it."""
        here = self.lower_pair(Pair(arithmetic.multiply, step.scale, None), here, last, table)
        return self.lower_pair(Pair(arithmetic.add, step.offset, None), here, last, table)

    def lower_softmax(self, step: Softmax, here: Buffer, last: bool, table: None) -> Buffer:
        """From rows of the scratch memory: vectors are read beyond the last."""
        if here.number == record.INPUT:
            copy = self.target(here, here.features, False)
            self.emit(copy_rows, here, copy)
            here = copy
        there = self.target(here, here.features, last)
        self.emit((log_softmax_rows if step.log else softmax_rows)[self.dtype], here, there)
        self.work_bytes = max(self.work_bytes, self.dtype.itemsize * (here.features + 64) * 128)
        return there

    # Assembling: instructions to one table.

    def stride(self, buffer: Buffer) -> int:
        """Bytes from row to row: none between rows, unless that were many times a power of two."""
        size = buffer.features * self.dtype.itemsize
        return size + LINE if size % 512 == 0 else size

    def block_rows(self) -> int:
        """How many rows go through all instructions at a time."""
        widest = max([self.stride(each) for each in self.buffers[2:]], default=1)
        return next((rows for rows in (ROWS, 60, 24) if rows * widest <= BLOCK_BYTES), 12)

    def assemble(self) -> Array:
        """The program's record; buffers take turns in two regions of the scratch memory."""
        widest = max([self.stride(each) for each in self.buffers[2:]], default=0)
        region = ((self.block + SQUARE) * widest + 4 * LINE + 4095) & ~4095
        first = record.BUFFER_TABLE + 2 * len(self.buffers) + 7 & ~7
        table = aligned((first + record.INSTRUCTION * len(self.instructions),), np.int64)
        table[record.ROWS], table[record.INSTRUCTIONS] = self.block, len(self.instructions)
        table[record.FIRST], table[record.BUFFERS] = first, len(self.buffers)
        begin = (record.WORK_OFFSET + self.work_bytes + 4095) & ~4095
        for buffer in self.buffers[2:]:
            place = record.BUFFER_TABLE + 2 * buffer.number
            table[place : place + 2] = begin + buffer.half * (region + LINE), self.stride(buffer)
        for i, row in enumerate(self.instructions):
            table[first + record.INSTRUCTION * i :][: record.INSTRUCTION] = row
        self.scratch_bytes = begin + 2 * (region + LINE)
        return table

    def keep(self, array: Array) -> int:
        """The address of an array, which is kept as long as the program."""
        self.kept.append(array)
        return int(array.ctypes.data)

    def store(self, values: Any) -> int:
        """The address of a copy of the values in the program's dtype."""
        copy = aligned(np.shape(values), self.dtype)
        copy[...] = values
        return self.keep(copy)

    # Running.

    def reads(self, x: Array) -> bool:
        """Whether the driver takes samples from where they are in x, (samples, features)."""
        size = x.dtype.itemsize
        neighbours = x.strides[1] == size or x.shape[1] == 1
        return x.dtype == self.source and x.flags.aligned and neighbours and x.strides[0] % size == 0

    def writes(self, y: Array) -> bool:
        """Whether the driver can put outputs where they belong in y."""
        return y.dtype == self.dtype and y.flags.aligned and y.flags.c_contiguous

    def apply(self, x: Array, y: Array, threads: int) -> None:
        """Write the outputs for samples of any shape and dtype into y, (samples, results)."""
        program = self.reader(x.dtype)
        if x.ndim != 2 and x.flags.c_contiguous:
            x = x.reshape(len(y), self.features)
        if x.ndim == 2 and program.reads(x):
            program.spread(x, y, threads)
            return
        samples = x if x.ndim > 1 and len(x) == len(y) else np.ascontiguousarray(x).reshape(len(y), -1)
        step = max(ROWS, CHUNK_BYTES // (self.features * self.dtype.itemsize))
        for start in range(0, len(y), step):
            some = as_array(samples[start : start + step]).astype(self.dtype, copy=False)
            rows = np.ascontiguousarray(some.reshape(len(some), self.features))
            self.spread(rows, y[start : start + step], threads)

    def spread(self, x: Array, y: Array, threads: int) -> None:
        """Run on several threads, if that pays and no other call has them."""
        # compiled code is not to be interrupted: Ctrl-C waits for the end of a piece
        for start in range(0, len(y), self.piece):
            some, target = x[start : start + self.piece], y[start : start + self.piece]
            # where a function raises on some thread, it raises on this one again
            if threads == 1 or len(target) <= self.alone or not self.run_with_team(some, target, threads):
                self.run(some, target)

    def run_with_team(self, x: Array, y: Array, threads: int) -> bool:
        """Run on several threads; whether that was possible, and all went well."""
        return workers.run(
            run_program.address, self.table_at, x, x.strides[0], y, y.strides[0], len(y),
            self.share(len(y), threads), threads, self.scratch_bytes,
        )  # fmt: skip

    def run(self, x: Array, y: Array) -> None:
        """Run on this thread."""
        try:
            scratch = self.idle.pop()
        except IndexError:
            scratch = aligned((self.scratch_bytes,), np.uint8)
        self.run_compiled(self.table_at, x, x.strides[0], y, y.strides[0], 0, len(y), scratch)
        self.idle.append(scratch)

    def share(self, samples: int, threads: int) -> int:
        """How many samples a thread takes at a time: whole blocks, but for batches of a few."""
        if samples <= 4 * self.block * threads:
            return max(LEAST, -(-samples // (2 * threads)))
        return max(1, samples // (8 * threads * self.block)) * self.block

    def reader(self, dtype: np.dtype[Any]) -> "Program":
        """The program for samples of that dtype: this, or its twin for bytes."""
        return self.of_bytes if dtype == UINT8 and self.dtype == FLOATS[0] else self

    @cached_property
    def of_bytes(self) -> "Program":
        """The same steps for samples of uint8."""
        return self if self.source == UINT8 else Program(self.steps, self.features, self.dtype, UINT8)

    def timed(self, x: Array, y: Array) -> Array:
        """Run on this thread; the ticks that each step took, reading bytes included in the first."""
        other, ticks = object.__new__(Program), np.zeros(len(self.instructions), np.int64)
        other.__dict__.update((name, value) for name, value in vars(self).items() if name != "of_bytes")
        other.table, other.idle = aligned(self.table.shape, np.int64), []
        other.table[:] = self.table
        other.table[record.TICKS] = ticks.ctypes.data
        other.table_at = other.table.ctypes.data
        other.of_bytes = other
        other.apply(x, y, threads=1)
        return np.bincount(self.owners, ticks, len(self.steps))


LOWER: dict[type, Any] = {
    Linear: Program.lower_linear,
    Map: Program.lower_map,
    Pair: Program.lower_pair,
    Softmax: Program.lower_softmax,
    Rescale: Program.lower_rescale,
    Standardize: Program.lower_standardize,
}
