"""`Program`: nodes of a trace as packed weights and a list of instructions for the compiled driver."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor import workers
from tinytensor.inference.buffers import LINE, Buffer, place
from tinytensor.inference.lowering import Lowering
from tinytensor.inference.phases import ROWS, phases_of
from tinytensor.inference.sharing import Sharing
from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.declared import linear, run_program
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.program_table import program_table
from tinytensor.primitives.definition import Node, Symbol
from tinytensor.primitives.quantized import quantized_convolution
from tinytensor.primitives.windows import convolve, convolve_transposed, multiply_adds

__all__ = ["Program"]

CHUNK_BYTES = 1 << 20  # of samples that are converted together
ALONE = (
    500_000  # multiplications, of 4 µs at the peak: with fewer, to share them takes longer than to do them
)
SMALL_BLOCK = 24  # rows: of images, each of which takes the same time whatever their number
PIECE = 1 << 35  # multiplications, of a second or less
CONVOLUTIONS = (convolve, convolve_transposed, quantized_convolution)


class Program:
    """Consecutive nodes of one float dtype, compiled for one shape and dtype of samples.

    Args:
        nodes: the nodes, in order; all can be lowered.
        inputs: the values that they read and do not compute.
        outputs: the values that are wanted.
        source: the dtype of the samples, if that is uint8.

    Raises:
        UnsupportedOp: there are too many values.
        ArgumentError: a scalar function of a user's does not compile.
    """

    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[Symbol], outputs: Sequence[Symbol], source: Any = None
    ):
        lowered = Lowering(nodes, inputs, outputs, source)
        self.nodes, self.inputs, self.outputs = tuple(nodes), tuple(inputs), tuple(outputs)
        self.sample = side_by_side(inputs, lowered.source)
        self.result = side_by_side(outputs, lowered.result_dtype)
        self.features, self.results = math.prod(self.sample), math.prod(self.result)
        self.dtype, self.source = lowered.result_dtype, lowered.source
        self.kept, self.owners = lowered.kept, lowered.owners
        self.assemble(lowered)
        work = multiplications(nodes) + 8 * sum(math.prod(node.result.sample) for node in nodes) + 1
        self.alone, self.piece = ALONE // work, PIECE // work + 1  # samples
        self.sharing: dict[tuple[int, int], Sharing] = {}  # by the bits of a number of samples, and threads
        self.run_compiled = run_program.function
        self.idle: list[Array] = []  # scratch memory, one for each thread that runs this now

    def assemble(self, lowered: Lowering) -> None:
        """The program's record, and how much scratch memory a thread needs."""
        widest = [widest_of(row, used) for row, used in zip(lowered.instructions, lowered.uses, strict=True)]
        phases = phases_of(widest, lowered.buffers, sum(each.nbytes for each in self.kept))
        self.block, self.together = phases.block, phases.fewest
        self.packed = any(
            each.packed for used in lowered.uses for _, each in used if each.number == record.INPUT
        )
        lists = [room * (min(repeat * self.block, record.MOST_ROWS) + 2) for room, repeat in lowered.lists]
        work = max([lowered.work_bytes, *lists])
        self.work_end = record.WORK_OFFSET + work + 4095 & ~4095
        memory = place(lowered.buffers, phases.give_rows(lowered.buffers), self.work_end)
        for row, used in zip(lowered.instructions, lowered.uses, strict=True):
            for field, buffer in used:
                row[field] = buffer.number
        for table, used in lowered.tables:
            for field, buffer in used:
                table[field] = buffer.number
        self.table = program_table(self.block, memory.entries, phases.phases, lowered.instructions)
        self.table_at = int(self.table.ctypes.data)
        self.scratch_bytes = memory.end + LINE

    # Running

    def reads(self, x: Array) -> bool:
        """Whether the driver takes samples from where they are in x."""
        if x.dtype != self.source or not x.flags.aligned:
            return False
        if x.flags.c_contiguous:
            return True
        size = x.dtype.itemsize
        return not self.packed and x.ndim == 2 and x.strides[1] == size and x.strides[0] % size == 0

    def writes(self, y: Array) -> bool:
        """Whether the driver can put outputs where they belong in y."""
        return y.dtype == self.dtype and y.flags.aligned and y.flags.c_contiguous

    def apply(self, x: Array, y: Array, threads: int) -> None:
        """Write the outputs for samples of any layout and dtype into y."""
        if self.reads(x):
            self.spread(x, y, threads)
            return
        step = max(ROWS[0], CHUNK_BYTES // max(1, self.features * self.dtype.itemsize))
        for start in range(0, len(y), step):
            some = x[start : start + step]
            with np.errstate(all="ignore"):  # what is too large for float32 is infinite there
                some = some.astype(self.source, order="C", copy=False)
            self.spread(np.require(some, requirements=["C", "A"]), y[start : start + step], threads)

    def spread(self, x: Array, y: Array, threads: int) -> None:
        """Run on several threads, if that pays and no other call has them."""
        # compiled code is not to be interrupted: Ctrl-C waits for the end of a piece
        for start in range(0, len(y), self.piece):
            some, target = x[start : start + self.piece], y[start : start + self.piece]
            # where a function raises on some thread, it raises on this one again
            if threads == 1 or len(target) <= self.alone or not self.run_with_team(some, target, threads):
                self.run(some, target)

    def run_with_team(self, x: Array, y: Array, threads: int) -> bool:
        """Run on several threads; whether that was possible and pays, and all went well."""
        count = len(y)
        if count <= self.together:
            key = count.bit_length(), threads
            sharing = self.sharing.get(key)
            if sharing is None:
                sharing = self.sharing[key] = Sharing(self, count, threads)
            return sharing.run(x, y)
        return self.run_ranges(x, y, self.share(count, threads), threads)

    def run_ranges(self, x: Array, y: Array, size: int, threads: int) -> bool:
        """Run on several threads, so many samples at a time; whether that was possible, and all went well."""
        return workers.run(
            run_program.address, self.table_at, x, x.strides[0], y, y.strides[0], len(y), size, threads,
            self.scratch_bytes,
        )  # fmt: skip

    def run(self, x: Array, y: Array) -> None:
        """Run on this thread."""
        scratch = self.take_scratch()
        self.run_compiled(self.table_at, x, x.strides[0], y, y.strides[0], 0, len(y), scratch)
        self.idle.append(scratch)

    def take_scratch(self) -> Array:
        """Scratch memory, to be given back to `idle`."""
        try:
            return self.idle.pop()
        except IndexError:
            return aligned((self.scratch_bytes,), np.uint8)

    def instruction(self, i: int) -> Array:
        """The record of an instruction."""
        return self.table[self.table[record.FIRST] + record.INSTRUCTION * i :][: record.INSTRUCTION]

    def share(self, samples: int, threads: int) -> int:
        """How many samples a thread takes at a time: whole blocks, but for batches of a few."""
        if samples <= 4 * self.block * threads:
            return -(-samples // ((8 if self.block <= SMALL_BLOCK else 2) * threads))
        return max(1, samples // (8 * threads * self.block)) * self.block

    def timed(self, x: Array, y: Array) -> Array:
        """Run on this thread; the ticks that each node took."""
        return np.bincount(self.owners, self.ticks_of(x, y), len(self.nodes))

    def ticks_of(self, x: Array, y: Array) -> Array:
        """Run on this thread; the ticks that each instruction took."""
        other, ticks = object.__new__(Program), np.zeros(max(1, len(self.owners)), np.int64)
        other.__dict__.update(vars(self))
        other.table, other.idle = aligned(self.table.shape, np.int64), []
        other.table[:] = self.table
        other.table[record.TICKS] = ticks.ctypes.data
        other.table_at = other.table.ctypes.data
        other.apply(x, y, threads=1)
        return ticks[: len(self.owners)]


def widest_of(instruction: Array, used: Sequence[tuple[int, Buffer]]) -> int:
    """The stride of the widest value of an instruction that is to stay in L2; a product's rows pass once."""
    product = instruction[record.FUNCTION] == linear.address
    return max(
        (
            each.stride for field, each in used
            if each.number is None and not (product and field == record.SOURCE)
        ),
        default=1,
    )  # fmt: skip


def side_by_side(values: Sequence[Symbol], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """The shape of a sample of a value, or of several that lie side by side as elements of that dtype."""
    if len(values) == 1:
        return values[0].sample
    return (sum(math.prod(each.sample) * each.dtype.itemsize for each in values) // dtype.itemsize,)


def multiplications(nodes: Sequence[Node]) -> int:
    """Multiply-adds of one sample in all products."""
    return sum(operations(node) for node in nodes)


def operations(node: Node) -> int:
    """Multiply-adds of one sample in a product; of other primitives none are counted."""
    name = node.primitive.name
    if name in ("linear", "matmul", "quantized_linear") and type(node.operands[1]) is not Symbol:
        weight = node.operands[1]
        inputs = weight.shape[0] if name == "matmul" else weight.shape[1]
        return math.prod(node.result.sample) * int(inputs)
    return multiply_adds(node) if node.primitive in CONVOLUTIONS else 0
