"""Whole batches of images through one instruction: a program of that instruction, run by the driver."""

from typing import Any

import numpy as np

from tinytensor import workers
from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.declared import run_program
from tinytensor.kernels.image_instructions import ImageInstruction
from tinytensor.kernels.layer import aligned
from tinytensor.threads import get_num_threads

__all__ = ["Pair", "run_images"]

Pair = tuple[int, int]
BLOCK_BYTES = 1 << 19  # of the images of a block: they stay in L2
ALONE = 2_000_000  # multiplications; with fewer, to share them takes longer than to do them


def run_images(
    made: ImageInstruction, x: Array, dtype: np.dtype[Any], work: int, channels_last: bool
) -> Array:
    """The result for a batch; `work`: multiplications a sample."""
    x = np.ascontiguousarray(x)
    y = np.empty((len(x), made.height, made.width, made.channels), dtype)
    if y.size:
        x_stride, y_stride = x[0].nbytes, y[0].nbytes
        table = program_of(made, max(1, BLOCK_BYTES // (x_stride + y_stride)))
        scratch_bytes = record.WORK_OFFSET + made.work_bytes
        threads = get_num_threads()
        share = -(-len(x) // threads)
        given = table.ctypes.data, x, x_stride, y, y_stride
        if (
            min(threads, len(x)) == 1
            or work * len(x) < ALONE
            or not workers.run(run_program.address, *given, len(x), share, threads, scratch_bytes)
        ):
            scratch = workers.borrow(scratch_bytes)
            run_program.function(*given, 0, len(x), scratch)
            workers.give_back(scratch)
    return y if channels_last else np.ascontiguousarray(y.transpose(0, 3, 1, 2))


def program_of(made: ImageInstruction, block: int) -> Array:
    """A program of one instruction from its input to its output."""
    first = record.BUFFER_TABLE + 8
    table = aligned((first + record.INSTRUCTION,), np.int64)
    table[[record.ROWS, record.INSTRUCTIONS, record.FIRST, record.BUFFERS]] = block, 1, first, 2
    row = table[first:]
    row[[record.FUNCTION, record.SOURCE, record.TARGET]] = made.function.address, record.INPUT, record.OUTPUT
    row[record.CONSTANT] = made.record_at
    return table
