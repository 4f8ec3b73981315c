"""Whole batches of images through one instruction, on several threads where that pays.

Samples go block by block through a program: the instruction, and what turns images with channels first into
images with channels last before it, or back after it. A block's images stay in L2. Where there are fewer
samples than threads, the threads share the windows of an image.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor import workers
from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.declared import run_program, window_share
from tinytensor.kernels.image_instructions import ImageInstruction, transposition
from tinytensor.kernels.program_table import program_table
from tinytensor.kernels.windows import Image
from tinytensor.threads import get_num_threads

__all__ = ["ALONE", "Pair", "program_of", "run_images", "run_table"]

Pair = tuple[int, int]
BLOCK_BYTES = 1 << 19  # of the images of a block: they stay in L2
ALONE = 2_000_000  # multiplications; with fewer, to share them takes longer than to do them
LINE = 64


def run_images(
    made: ImageInstruction, image: Image, read: Image, x: Array, dtype: np.dtype[Any], work: int
) -> Array:
    """The result for a batch, in the layout of its images; the instruction reads images as `read`.

    `work`: multiplications a sample.
    """
    x, last = np.ascontiguousarray(x), image.channels_last
    before = [] if read == image or image.channels == 1 else [transposition(x.dtype, *image[:3], True)]
    after = [] if last or made.channels == 1 else [transposition(dtype, *made[4:7], False)]
    y = np.empty((len(x), *shape_of(made, last)), dtype)
    threads = get_num_threads()
    if not y.size:
        return y
    if work * len(x) < ALONE:
        threads = 1
    if not 1 < threads > len(x):
        run_program_of([*before, made, *after], x, y, threads)
        return y
    for each in before:
        x = run_alone(each, x, with_room((len(x), *shape_of(each, True)), x.dtype))
    result = np.empty((len(x), *shape_of(made, True)), dtype) if after else y
    share_windows(made, x, result, threads)
    for each in after:
        run_alone(each, result, y)
    return y


def with_room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array behind whose end some bytes can be read."""
    size = int(np.prod(shape)) * dtype.itemsize
    return np.empty(size + LINE, np.uint8)[:size].view(dtype).reshape(shape)


def shape_of(made: ImageInstruction, last: bool) -> tuple[int, ...]:
    """An image of the result."""
    height, width, channels = made[4:7]
    return (height, width, channels) if last else (channels, height, width)


def run_alone(made: ImageInstruction, x: Array, y: Array) -> Array:
    """One instruction on one thread."""
    run_program_of([made], x, y, 1)
    return y


def run_program_of(instructions: Sequence[ImageInstruction], x: Array, y: Array, threads: int) -> None:
    """Samples through instructions, block by block; threads share the samples."""
    run_table(*program_of(instructions, x[0].nbytes, y[0].nbytes, y.itemsize), x, y, threads)


def run_table(table: Array, scratch_bytes: int, x: Array, y: Array, threads: int) -> None:
    """Samples through a program; threads share the samples."""
    given = table.ctypes.data, x, x[0].nbytes, y, y[0].nbytes
    share = -(-len(x) // threads)
    if threads > 1 and workers.run(run_program.address, *given, len(x), share, threads, scratch_bytes):
        return
    scratch = workers.borrow(scratch_bytes)
    run_program.function(*given, 0, len(x), scratch)
    workers.give_back(scratch)


def share_windows(made: ImageInstruction, x: Array, y: Array, threads: int) -> None:
    """Threads share the windows of each image."""
    call = np.array((made.record_at, len(x), threads), np.int64)
    scratch_bytes = record.WORK_OFFSET + made.work_bytes
    given = call.ctypes.data, x, x[0].nbytes, y, y[0].nbytes
    if not workers.run(window_share.address, *given, threads, 1, threads, scratch_bytes):
        scratch = workers.borrow(scratch_bytes)
        window_share.function(*given, 0, threads, scratch)
        workers.give_back(scratch)


def program_of(
    instructions: Sequence[ImageInstruction], x_bytes: int, y_bytes: int, size: int
) -> tuple[Array, int]:
    """A program that goes from buffer to buffer, and the bytes of scratch memory that it needs."""
    between = [size * each.height * each.width * each.channels for each in instructions[:-1]]
    block = max(1, BLOCK_BYTES // (x_bytes + y_bytes + sum(between)))
    buffers, rows = [(0, 0, 0), (0, 0, 0)], np.zeros((len(instructions), record.INSTRUCTION), np.int64)
    end = record.WORK_OFFSET + max(each.work_bytes for each in instructions) + LINE
    for stride in between:
        buffers.append((end, stride, 0))
        end += block * stride + LINE & -LINE
    numbers = [record.INPUT, *range(2, len(buffers)), record.OUTPUT]
    for i, (made, row) in enumerate(zip(instructions, rows, strict=True)):
        row[record.FUNCTION], row[record.CONSTANT] = made.function.address, made.record_at
        row[[record.REPEAT, record.OTHER_REPEAT]] = 1
        row[[record.SOURCE, record.TARGET]] = numbers[i : i + 2]
    return program_table(block, buffers, [(0, len(rows), block)], list(rows)), end + LINE
