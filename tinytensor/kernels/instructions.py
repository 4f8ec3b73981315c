"""Instructions of the driver that work row by row: maps, pairs, softmax, copies.

Each is a compiled function of three numbers: its record, the thread's scratch memory (see `record`), and how
many rows there are. A map or a pair calls the loop of a scalar function by its address, as `apply` does for
whole arrays, so a user's function is called exactly as a built-in one is. Rows without a gap between them
are one long row. What bounds them is the function: rows lie in L1 or L2.

A sample may have several rows (REPEAT): positions of a sequence, or pixels. They lie without a gap, so the
stride of a row is that of a sample divided by REPEAT.
"""

from typing import Any

from numba.extending import intrinsic
from numba.types import intp

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.address import bytes_at, bytes_of, integers_at, number_of, numbers_at
from tinytensor.kernels.call import call_address
from tinytensor.kernels.pointers import full_width, pointer_to, transpose
from tinytensor.kernels.record import (
    CONSTANT,
    COUNT,
    FEATURES,
    FROM,
    LOOP,
    OTHER,
    OTHER_REPEAT,
    PARAMETERS,
    PRODUCT_AT,
    REPEAT,
    SIZE,
    SOURCE,
    TABLE,
    TARGET,
    TO,
    WORK_OFFSET,
)
from tinytensor.kernels.softmax_loops import softmax_lanes, softmax_row

__all__ = [
    "copy_rows", "gather_rows", "log_softmax_rows", "map_rows", "pad_rows", "pair_rows", "several_rows",
    "softmax_rows", "spread_rows", "widen_rows",
]  # fmt: skip

SHORT = 64  # classes: blocks of them stay in L1
SQUARES = 4  # of rows side by side


@intrinsic
def call_map(typing_context: Any, address: Any, x: Any, y: Any, count: Any, parameters: Any) -> Any:
    """The loop of a function of one value, at its address; all numbers."""
    return call_address(intp, intp, intp, intp)


@intrinsic
def call_pair(typing_context: Any, address: Any, a: Any, b: Any, y: Any, count: Any) -> Any:
    """The loop of a function of two values, at its address; all numbers."""
    return call_address(intp, intp, intp, intp)


@intrinsic
def call_several(typing_context: Any, address: Any, operands: Any, y: Any, count: Any) -> Any:
    """The loop of a function of several values, at its address; all numbers."""
    return call_address(intp, intp, intp)


def map_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Target = function(source), element by element; the target may be the source."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    source, target, features = instruction[SOURCE], instruction[TARGET], instruction[FEATURES]
    x, x_stride, y, y_stride = (
        buffers[2 * source],
        buffers[2 * source + 1],
        buffers[2 * target],
        buffers[2 * target + 1],
    )
    whole = features * instruction[SIZE]
    if x_stride == whole and y_stride == whole:
        features, rows = features * rows, 1
    for _ in range(rows):
        call_map(instruction[LOOP], x, y, features, instruction[PARAMETERS])
        x += x_stride
        y += y_stride


def pair_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Target = function(source, other), where the other is a buffer, or one row for all rows."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    source, target, other = instruction[SOURCE], instruction[TARGET], instruction[OTHER]
    repeat, shared = instruction[REPEAT], instruction[REPEAT] // instruction[OTHER_REPEAT]
    x, y, z, z_stride = buffers[2 * source], buffers[2 * target], instruction[CONSTANT], 0
    x_stride, y_stride = buffers[2 * source + 1] // repeat, buffers[2 * target + 1] // repeat
    if z == 0:
        z, z_stride = buffers[2 * other], buffers[2 * other + 1] // instruction[OTHER_REPEAT]
    for _ in range(rows * repeat // shared):
        for _ in range(shared):
            call_pair(instruction[LOOP], x, z, y, instruction[FEATURES])
            x += x_stride
            y += y_stride
        z += z_stride


def several_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Target = function(operands), of which each is a buffer, or one row for all rows.

    The operands are listed behind CONSTANT: a buffer and how many rows of it a sample has, or -1 and the
    address of the row.
    """
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    target, repeat, operands = instruction[TARGET], instruction[REPEAT], integers_at(instruction[CONSTANT])
    table, y = integers_at(scratch + WORK_OFFSET), buffers[2 * target]
    for row in range(rows * repeat):
        for i in range(instruction[COUNT]):
            buffer, value = operands[2 * i], operands[2 * i + 1]
            if buffer >= 0:
                value = buffers[2 * buffer] + row * value // repeat * (buffers[2 * buffer + 1] // value)
            table[i] = value
        call_several(instruction[LOOP], scratch + WORK_OFFSET, y, instruction[FEATURES])
        y += buffers[2 * target + 1] // repeat


def spread_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """Target = one number of the source for all features of a row."""
    instruction, buffers = integers_at(instruction_at), integers_at(number_of(scratch))
    source, target, repeat = instruction[SOURCE], instruction[TARGET], instruction[REPEAT]
    x_stride, y_stride = buffers[2 * source + 1] // repeat, buffers[2 * target + 1] // repeat
    for row in range(rows * repeat):
        value = numbers_at(buffers[2 * source] + row * x_stride, scratch)[0]
        y = numbers_at(buffers[2 * target] + row * y_stride, scratch)
        for i in range(instruction[FEATURES]):
            y[i] = value


def gather_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """Target[TO + i] = source[places[i]]; the places, int64, stand behind CONSTANT."""
    instruction, buffers = integers_at(instruction_at), integers_at(number_of(scratch))
    source, target, places = instruction[SOURCE], instruction[TARGET], integers_at(instruction[CONSTANT])
    first = instruction[TO] * instruction[SIZE]
    for row in range(rows):
        x = numbers_at(buffers[2 * source] + row * buffers[2 * source + 1], scratch)
        y = numbers_at(buffers[2 * target] + row * buffers[2 * target + 1] + first, scratch)
        for i in range(instruction[FEATURES]):
            y[i] = x[places[i]]


def copy_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Some features of the source to some place in the target: slices and concatenations."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    source, target, size = instruction[SOURCE], instruction[TARGET], instruction[SIZE]
    for row in range(rows):
        x = bytes_at(buffers[2 * source] + row * buffers[2 * source + 1] + size * instruction[FROM])
        y = bytes_at(buffers[2 * target] + row * buffers[2 * target + 1] + size * instruction[TO])
        for i in range(size * instruction[FEATURES]):
            y[i] = x[i]


def pad_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """Target = a number FROM times, the source, the number TO times; the number stands behind CONSTANT."""
    instruction, buffers = integers_at(instruction_at), integers_at(number_of(scratch))
    source, target, features = instruction[SOURCE], instruction[TARGET], instruction[FEATURES]
    before, after, repeat = instruction[FROM], instruction[TO], instruction[REPEAT]
    value = numbers_at(instruction[CONSTANT], scratch)[0]
    x_stride, y_stride = buffers[2 * source + 1] // repeat, buffers[2 * target + 1] // repeat
    for row in range(rows * repeat):
        x = numbers_at(buffers[2 * source] + row * x_stride, scratch)
        y = numbers_at(buffers[2 * target] + row * y_stride, scratch)
        for i in range(before):
            y[i] = value
        for i in range(features):
            y[before + i] = x[i]
        for i in range(before + features, before + features + after):
            y[i] = value


def widen_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """Target = table[source], where the source is bytes."""
    instruction, buffers = integers_at(instruction_at), integers_at(number_of(scratch))
    source, target = instruction[SOURCE], instruction[TARGET]
    table = numbers_at(instruction[PRODUCT_AT + TABLE], scratch)
    for row in range(rows):
        x = bytes_at(buffers[2 * source] + row * buffers[2 * source + 1])
        y = numbers_at(buffers[2 * target] + row * buffers[2 * target + 1], scratch)
        for i in range(instruction[FEATURES]):
            y[i] = table[x[i]]


def softmax_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """Target = softmax(source), which has room for a vector behind its last row."""
    normalize_rows(integers_at(instruction_at), scratch, rows, False)


def log_softmax_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """Its logarithm."""
    normalize_rows(integers_at(instruction_at), scratch, rows, True)


@subroutine
def normalize_rows(instruction: Any, scratch: Any, rows: int, log: bool) -> None:
    """As `kernels.softmax` does it: lanes are rows where there are enough, along the classes elsewhere."""
    buffers = integers_at(number_of(scratch))
    source, target, classes = instruction[SOURCE], instruction[TARGET], instruction[FEATURES]
    work = numbers_at(number_of(scratch) + WORK_OFFSET, scratch)
    width, size, repeat = full_width(work), bytes_of(work), instruction[REPEAT]
    x_stride = buffers[2 * source + 1] // size // repeat
    y_stride = buffers[2 * target + 1] // size // repeat
    rows *= repeat
    x, y = numbers_at(buffers[2 * source], scratch), numbers_at(buffers[2 * target], scratch)
    lanes, top = SQUARES * width, 0
    largest, total, block = work, pointer_to(work, lanes), pointer_to(work, 2 * lanes)
    padded = -(-classes // width) * width
    back = pointer_to(block, padded * lanes)
    while classes <= SHORT and rows - top >= width // 2:
        count = min(lanes, rows - top)
        squares = -(-count // width)
        for square in range(squares):
            for first in range(0, classes, width):
                transpose(pointer_to(x, (top + square * width) * x_stride + first), x_stride,
                          pointer_to(block, first * lanes + square * width), lanes)  # fmt: skip
        softmax_lanes(block, lanes, classes, squares * width, log, largest, total)
        for square in range(squares):
            row, columns = top + square * width, pointer_to(block, square * width)
            # a square's rows are longer than the classes; each is stored over the end of the one before
            if classes <= width and row + width + width // y_stride < rows:
                transpose(columns, lanes, pointer_to(y, row * y_stride), y_stride)
                continue
            for first in range(0, classes, width):
                transpose(pointer_to(columns, first * lanes), lanes, pointer_to(back, first), padded)
            for i in range(min(width, rows - row)):
                result, place = pointer_to(y, (row + i) * y_stride), pointer_to(back, i * padded)
                for c in range(classes):
                    result[c] = place[c]
        top += count
    for row in range(top, rows):
        softmax_row(pointer_to(x, row * x_stride), classes, log, pointer_to(y, row * y_stride), work)
