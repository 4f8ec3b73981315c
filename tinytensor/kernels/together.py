"""Threads that run the instructions of one block together, each a part of every instruction.

A stage is some instructions in a row, divided into pieces: by rows, or one instruction by parts, which are
pages of outputs or pixels of images. A piece of the next stage begins when all pieces of the stages before
are done. Lanes never mix, so a piece computes the bits that the whole computes.

Nobody waits for a thread that is not there: pieces are taken by whoever comes, each member its own first, so
that the weights of a piece stay in the same core's cache from call to call, then those of others. A member
that comes late finds what is left, or nothing. A stage costs each member a look at the count of pieces done,
and each piece two atomic additions.
"""

from typing import Any

from numba.extending import intrinsic
from numba.types import intp

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.address import integers_at
from tinytensor.kernels.atomic import fetch_add, load, store
from tinytensor.kernels.call import call_fails
from tinytensor.kernels.record import (
    BLOCK_ROWS,
    BUFFER_ENTRY,
    BUFFER_TABLE,
    BUFFERS,
    BUFFERS_AT,
    BY_PARTS,
    COUNTERS,
    DONE,
    FAILED,
    FIRST,
    FROM_INSTRUCTION,
    FUNCTION,
    INPUT,
    INSTRUCTION,
    MEMBER_COUNTERS,
    MEMBERS,
    OUTPUT,
    PART,
    PARTS,
    PIECES,
    PIECES_BEFORE,
    PRODUCT_OFFSET,
    PROGRAM,
    STAGE,
    STAGES,
    STAGES_FROM,
    TO_INSTRUCTION,
)
from tinytensor.kernels.workers import wait

__all__ = ["run_together"]


@intrinsic
def fails(typing_context: Any, address: Any, instruction: Any, scratch: Any, rows: Any) -> Any:
    """An instruction's function at its address; whether it raised."""
    return call_fails(intp, intp, intp)


@subroutine
def take_piece(
    call: Any, stage: Any, piece: int, x: int, x_stride: int, y: int, y_stride: int, scratch: int
) -> int:
    """A piece of a stage, on this thread; whether a function raised."""
    program_at, rows, pieces = call[PROGRAM], call[BLOCK_ROWS], stage[PIECES]
    program, buffers = integers_at(program_at), integers_at(scratch)
    product = integers_at(scratch + PRODUCT_OFFSET)
    first, last = 0, rows
    product[PART], product[PARTS] = piece, pieces
    if not stage[BY_PARTS]:
        first, last = rows * piece // pieces, rows * (piece + 1) // pieces
        product[PART], product[PARTS] = 0, 1
    for buffer in range(program[BUFFERS]):
        entry = BUFFER_TABLE + BUFFER_ENTRY * buffer
        stride = program[entry + 1]
        buffers[2 * buffer] = call[BUFFERS_AT] + program[entry] + first * stride
        buffers[2 * buffer + 1] = stride
    buffers[2 * INPUT], buffers[2 * INPUT + 1] = x + first * x_stride, x_stride
    buffers[2 * OUTPUT], buffers[2 * OUTPUT + 1] = y + first * y_stride, y_stride
    for i in range(stage[FROM_INSTRUCTION], stage[TO_INSTRUCTION]):
        instruction = program_at + 8 * (program[FIRST] + INSTRUCTION * i)
        if fails(integers_at(instruction)[FUNCTION], instruction, scratch, last - first):
            return 1
    return 0


@subroutine
def take_stage(
    call: Any, index: int, member: int, x: int, x_stride: int, y: int, y_stride: int, scratch: int
) -> None:
    """What is left of a stage that has begun: a member's own pieces, then those of others."""
    stage, members = integers_at(call[STAGES_FROM] + 8 * STAGE * index), call[MEMBERS]
    pieces = stage[PIECES]
    for other in range(members):
        owner = (member + other) % members
        begin, stop = -(-pieces * owner // members), -(-pieces * (owner + 1) // members)
        counters = integers_at(call[COUNTERS] + 8 * owner * call[MEMBER_COUNTERS])
        while load(counters, index) < stop - begin:
            piece = begin + fetch_add(counters, index, 1)
            if piece < stop:
                if take_piece(call, stage, piece, x, x_stride, y, y_stride, scratch):
                    store(call, FAILED, 1)
                fetch_add(call, DONE, 1)


def run_together(
    call_at: int, x: int, x_stride: int, y: int, y_stride: int, first: int, last: int, scratch: int
) -> None:
    """Members first … last - 1: whoever takes a member's place goes through all stages."""
    call = integers_at(call_at)
    for member in range(first, last):
        for index in range(call[STAGES]):
            stage = integers_at(call[STAGES_FROM] + 8 * STAGE * index)
            if load(call, DONE) >= stage[PIECES_BEFORE] + stage[PIECES]:
                continue
            turn = 0
            while load(call, DONE) < stage[PIECES_BEFORE]:
                wait(turn)
                turn += 1
            take_stage(call, index, member, x, x_stride, y, y_stride, scratch)
