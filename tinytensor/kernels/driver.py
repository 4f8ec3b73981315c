"""The driver: blocks of rows through a list of instructions.

A program is a list of instructions on buffers of rows. An instruction is the address of a compiled function
and a record of numbers that this function reads: a layer's product, a map over every element, a pair of
operands, softmax, a reduction, a copy. The driver knows none of them. It takes a block of samples, calls the
instructions one after the other, and goes on with the next block, so what lies between two instructions stays
in L1 or L2.

The first layers of a network of images have large values: few samples fit L2. The last ones have small values
and large weights: many samples are to share these. So instructions are divided into phases, and each phase
takes the rows of a block some at a time.

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
    BUFFER_ENTRY,
    BUFFER_TABLE,
    BUFFERS,
    FIRST,
    FROM_INSTRUCTION,
    FUNCTION,
    INPUT,
    INSTRUCTION,
    OUTPUT,
    PART,
    PARTS,
    PHASE,
    PHASE_ROWS,
    PHASES,
    PHASES_FROM,
    PRODUCT_OFFSET,
    ROWS,
    TICKS,
    TO_INSTRUCTION,
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


@subroutine
def run_phase(
    program_at: int, phase: Any, x: int, x_stride: int, y: int, y_stride: int, rows: int, scratch: int
) -> None:
    """Rows of a block through the instructions of a phase."""
    program, buffers = integers_at(program_at), integers_at(scratch)
    begin, ticks_at = program_at + 8 * program[FIRST], program[TICKS]
    top = 0
    while top < rows:
        some = rows_of_block(rows - top, phase[PHASE_ROWS])
        for buffer in range(program[BUFFERS]):
            entry = BUFFER_TABLE + BUFFER_ENTRY * buffer
            buffers[2 * buffer] = scratch + program[entry] + top * program[entry + 2]
            buffers[2 * buffer + 1] = program[entry + 1]
        buffers[2 * INPUT], buffers[2 * INPUT + 1] = x + top * x_stride, x_stride
        buffers[2 * OUTPUT], buffers[2 * OUTPUT + 1] = y + top * y_stride, y_stride
        now = read_clock() if ticks_at != 0 else 0
        for i in range(phase[FROM_INSTRUCTION], phase[TO_INSTRUCTION]):
            instruction = begin + 8 * INSTRUCTION * i
            call_instruction(integers_at(instruction)[FUNCTION], instruction, scratch, some)
            if ticks_at != 0:
                now = note(ticks_at, i, now)
        top += some


def run_program(
    program_at: int, x: int, x_stride: int, y: int, y_stride: int, first: int, last: int, scratch: int
) -> None:
    """Rows first … last - 1 of x into the same rows of y."""
    program, product = integers_at(program_at), integers_at(scratch + PRODUCT_OFFSET)
    product[PART], product[PARTS] = 0, 1
    row = first
    while row < last:
        rows = rows_of_block(last - row, program[ROWS])
        for i in range(program[PHASES]):
            phase = integers_at(program_at + 8 * (program[PHASES_FROM] + PHASE * i))
            run_phase(program_at, phase, x + row * x_stride, x_stride, y + row * y_stride, y_stride, rows,
                      scratch)  # fmt: skip
        row += rows
