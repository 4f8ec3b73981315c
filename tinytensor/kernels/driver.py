"""The driver: blocks of rows through a list of instructions.

A program is a list of instructions on buffers of rows. An instruction is the address of a compiled function
and a record of numbers that this function reads: a layer's product, a map over every element, a pair of
operands, softmax, a reduction, a copy. The driver knows none of them. It takes a block of samples, calls the
instructions one after the other, and goes on with the next block, so what lies between two instructions stays
in L1 or L2.

Buffer 0 is the caller's input and buffer 1 the caller's output, both used where they lie; the others are rows
of the scratch memory that each thread brings along. Kernels allocate nothing and raise nothing.
"""

from typing import Any

from numba.extending import intrinsic
from numba.types import intp

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.address import integers_at
from tinytensor.kernels.call import call_address
from tinytensor.kernels.clock import read_clock
from tinytensor.kernels.linear import rows_of_block
from tinytensor.kernels.record import (
    BUFFER_TABLE,
    BUFFERS,
    FIRST,
    FUNCTION,
    INPUT,
    INSTRUCTION,
    INSTRUCTIONS,
    OUTPUT,
    PART,
    PARTS,
    PRODUCT_OFFSET,
    ROWS,
    TICKS,
)

__all__ = ["run_program"]


@intrinsic
def call_instruction(typing_context: Any, address: Any, instruction: Any, scratch: Any, rows: Any) -> Any:
    """An instruction's function at its address."""
    return call_address(intp, intp, intp)


@subroutine
def note(ticks_at: int, place: int, before: int) -> int:
    """Add the time since `before` to one of a profile's sums; the time now."""
    now = read_clock()
    ticks = integers_at(ticks_at)
    ticks[place] += now - before
    return now  # type: ignore[no-any-return]


def run_program(
    program_at: int, x: int, x_stride: int, y: int, y_stride: int, first: int, last: int, scratch: int
) -> None:
    """Rows first … last - 1 of x into the same rows of y."""
    program, buffers = integers_at(program_at), integers_at(scratch)
    for buffer in range(program[BUFFERS]):
        buffers[2 * buffer] = scratch + program[BUFFER_TABLE + 2 * buffer]
        buffers[2 * buffer + 1] = program[BUFFER_TABLE + 2 * buffer + 1]
    buffers[2 * INPUT + 1], buffers[2 * OUTPUT + 1] = x_stride, y_stride
    product = integers_at(scratch + PRODUCT_OFFSET)
    product[PART], product[PARTS] = 0, 1
    begin, ticks_at = program_at + 8 * program[FIRST], program[TICKS]
    row = first
    while row < last:
        rows = rows_of_block(last - row, program[ROWS])
        buffers[2 * INPUT], buffers[2 * OUTPUT] = x + row * x_stride, y + row * y_stride
        now = read_clock() if ticks_at != 0 else 0
        for i in range(program[INSTRUCTIONS]):
            instruction = begin + 8 * INSTRUCTION * i
            call_instruction(integers_at(instruction)[FUNCTION], instruction, scratch, rows)
            if ticks_at != 0:
                now = note(ticks_at, i, now)
        row += rows
