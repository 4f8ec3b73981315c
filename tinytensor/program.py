"""`Program`: a run of layers as packed weights and a table of steps, which the compiled driver reads."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinytensor import workers
from tinytensor.kernels import table
from tinytensor.kernels.boundary import FLOATS, Array, as_array, number
from tinytensor.kernels.call import address_of
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.dense import linear_panels, linear_rows
from tinytensor.kernels.driver import run_program, softmax_panels, softmax_rows
from tinytensor.kernels.elementwise import loop_address
from tinytensor.kernels.listed import MOST_VECTORS, PANEL, TALLEST
from tinytensor.kernels.team import run_alone

__all__ = ["Linear", "Map", "Program", "Rescale", "Softmax", "Step"]

CACHE_BYTES = 1 << 18  # of weights that stay in L2 beside what flows through; beyond, blocks share each read
BLOCK_BYTES = 1 << 19  # of a stage of a block of several panels
CHUNK_BYTES = 1 << 20  # of samples that are converted together
ALONE = 1_500_000  # multiplications; with fewer, to share them takes longer than to do them
PIECE = 1 << 35  # multiplications, of a second or less
UINT8 = np.dtype(np.uint8)
BYTES = 2  # which of the declared functions reads uint8


class Linear(NamedTuple):
    """y = x Wᵀ + b."""

    weight: Array
    bias: Array | None


class Map(NamedTuple):
    """y = function(x, *parameters)."""

    function: Any
    parameters: tuple[float, ...]


class Softmax(NamedTuple):
    """Over the features; its logarithm if `log`."""

    log: bool


class Rescale(NamedTuple):
    """y = x · scale + offset; each a number or one for each feature."""

    scale: Any
    offset: Any


Step = Linear | Map | Softmax | Rescale


class Program:
    """The steps for one dtype and, where no step says so, one number of features."""

    def __init__(self, steps: Sequence[Step], features: int, dtype: np.dtype[Any]):
        self.dtype = self.source = dtype
        self.features = features
        self.kept: list[Array] = []  # what the table's addresses point at
        stages = [features]
        for step in steps:
            stages.append(step.weight.shape[0] if isinstance(step, Linear) else stages[-1])
        self.results = stages[-1]
        self.width = vectors().width(dtype.itemsize)
        self.lanes = PANEL * self.width
        which = FLOATS.index(dtype)
        self.table = np.zeros((1 + len(steps), table.COLUMNS), np.int64)
        self.rescales = len(steps) > 1 and isinstance(steps[0], Rescale)  # while samples are read
        for row, step, inputs, outputs in zip(self.table[1:], steps, stages[:-1], stages[1:], strict=True):
            row[table.INPUTS], row[table.OUTPUTS] = inputs, outputs
            PACK[type(step)](self, row, step)
        head = self.table[0]
        if self.rescales:
            head[[table.STAGE_SCALE, table.STAGE_OFFSET]] = self.table[1, [table.SCALE, table.OFFSET]]
            head[table.STAGE_UNIFORM] = all(isinstance(each, float) for each in steps[0])
            self.table = np.delete(self.table, 1, axis=0)
            head, steps = self.table[0], steps[1:]
        weights = [step.weight for step in steps if isinstance(step, Linear)]
        head[table.STEPS], head[table.FEATURES] = len(steps), features
        head[table.RESULTS], head[table.WIDEST_STAGE] = self.results, max(stages)
        head[table.PANELS] = self.panels(weights, max(stages))
        head[table.FEW] = self.few(weights)
        for column, each in (
            (table.LINEAR_ROWS, linear_rows), (table.LINEAR_PANELS, linear_panels),
            (table.SOFTMAX_ROWS, softmax_rows), (table.SOFTMAX_PANELS, softmax_panels),
        ):  # fmt: skip
            head[column] = address_of(each, each.declared[which])
        self.enter(which)
        self.table_at: int = self.table.ctypes.data
        work = sum(weight.size for weight in weights) + 8 * sum(stages)
        self.block = self.lanes * int(head[table.PANELS])  # samples
        self.alone, self.piece = ALONE // work, PIECE // work + 1  # samples

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
        step = max(self.lanes, CHUNK_BYTES // (self.features * self.dtype.itemsize))
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
        x_stride, y_stride = x.strides[0] // x.itemsize, y.strides[0] // y.itemsize
        size = self.share(len(y), threads)
        return workers.run(self.at, self.table_at, x, x_stride, y, y_stride, len(y), size, threads, 0)

    def run(self, x: Array, y: Array) -> None:
        """Run on this thread."""
        self.run_alone(self.at, self.table_at, x, y, 0, len(y))

    def share(self, samples: int, threads: int) -> int:
        """How many samples a thread takes at a time: whole blocks, but for batches of a few."""
        if samples <= 4 * self.block * threads:
            return -(-samples // (4 * threads)) * 4
        return max(1, samples // (8 * threads * self.block)) * self.block

    def reader(self, dtype: np.dtype[Any]) -> "Program":
        """The program for samples of that dtype: this, or its twin for bytes."""
        return self.of_bytes if dtype == UINT8 and self.dtype == FLOATS[0] else self

    @cached_property
    def of_bytes(self) -> "Program":
        """The same steps for samples of uint8."""
        other = self.twin()
        if not other.table[0, table.STAGE_SCALE]:
            other.table[0, table.STAGE_SCALE] = other.store(np.ones(self.features))
            other.table[0, table.STAGE_OFFSET] = other.store(np.zeros(self.features))
            other.table[0, table.STAGE_UNIFORM] = True
        other.enter(BYTES)
        other.source = UINT8
        return other

    def enter(self, which: int) -> None:
        """Take the compiled functions for one pair of dtypes, of samples and of outputs."""
        self.at = address_of(run_program, run_program.declared[which])
        self.run_alone = run_alone.entry_point(run_alone.declared[which])

    def timed(self) -> tuple["Program", Array]:
        """The same steps, and where they add up the ticks that reading, each step and writing take."""
        other, ticks = self.twin(), np.zeros(int(self.table[0, table.STEPS]) + 2, np.int64)
        other.table[0, table.TICKS] = other.keep(ticks).ctypes.data
        return other, ticks

    def twin(self) -> "Program":
        """The same steps in a table of its own."""
        other = object.__new__(Program)
        other.__dict__.update((name, value) for name, value in vars(self).items() if name != "of_bytes")
        other.table, other.kept = self.table.copy(), list(self.kept)
        other.table_at = other.table.ctypes.data
        return other

    def panels(self, weights: list[Array], widest: int) -> int:
        """How many panels of samples make a block."""
        size = sum(weight.size for weight in weights) * self.dtype.itemsize
        most = BLOCK_BYTES // (widest * self.lanes * self.dtype.itemsize)
        return max(1, min(2, most)) if size > CACHE_BYTES else 1

    def few(self, weights: list[Array]) -> int:
        """Up to how many samples rows take less time than a panel, by the multiplications of vectors."""
        in_rows = sum(weight.shape[1] * self.padded(weight.shape[0]) // self.width for weight in weights)
        in_panel = sum(weight.size * PANEL for weight in weights)
        return max(1, min(self.lanes - 1, in_panel // in_rows)) if in_rows else self.lanes // 2

    def padded(self, features: int) -> int:
        """Elements of a row of whole vectors."""
        return -(-features // self.width) * self.width

    def keep(self, array: Array) -> Array:
        """The array, kept as long as the program."""
        self.kept.append(array)
        return array

    def store(self, values: Any) -> int:
        """The address of a copy of the values in the program's dtype."""
        return int(self.keep(np.array(values, self.dtype, order="C", ndmin=1)).ctypes.data)

    def pack_linear(self, row: Array, step: Linear) -> None:
        """Weights in both forms, see `kernels.dense`."""
        weight = np.ascontiguousarray(step.weight, self.dtype)
        outputs, inputs = weight.shape
        padded = self.padded(outputs)
        by_input = np.zeros((inputs, padded), self.dtype)
        by_input[:, :outputs] = weight.T
        bias = np.zeros(padded, self.dtype)
        if step.bias is not None:
            bias[:outputs] = step.bias
        page = MOST_VECTORS * self.width
        pages = [by_input[:, left : left + page].ravel() for left in range(0, padded, page)]
        tiles = np.array_split(weight, np.cumsum(heights(outputs))[:-1])
        row[table.KIND] = table.LINEAR
        row[table.SKIPS] = bool(np.isfinite(weight).all())  # 0 · inf is NaN, and must be
        row[table.PAGES] = self.store(np.concatenate(pages))
        row[table.TILES] = self.store(np.concatenate([tile.T.ravel() for tile in tiles]))
        row[table.BIAS] = self.store(bias)

    def pack_map(self, row: Array, step: Map) -> None:
        """The loop's address, and its parameters in the dtype."""
        row[table.KIND], row[table.LOOP] = table.MAP, loop_address(step.function, self.dtype)
        row[table.PARAMETERS] = self.store([number(each, self.dtype) for each in (*step.parameters, 0.0)])

    def pack_softmax(self, row: Array, step: Softmax) -> None:
        """Which of the two."""
        row[table.KIND] = table.LOG_SOFTMAX if step.log else table.SOFTMAX

    def pack_rescale(self, row: Array, step: Rescale) -> None:
        """A number for each feature."""
        row[table.KIND] = table.RESCALE
        for column, values in ((table.SCALE, step.scale), (table.OFFSET, step.offset)):
            each = number(values, self.dtype) if isinstance(values, float) else values
            row[column] = self.store(np.broadcast_to(each, row[table.INPUTS]))


PACK: dict[type, Any] = {
    Linear: Program.pack_linear,
    Map: Program.pack_map,
    Softmax: Program.pack_softmax,
    Rescale: Program.pack_rescale,
}


def heights(outputs: int) -> list[int]:
    """Outputs of each tile, as `linear_panels` divides them."""
    found: list[int] = []
    tiles = -(-outputs // TALLEST)
    for tile in range(tiles):
        found.append((outputs - sum(found)) // (tiles - tile))
    return found
