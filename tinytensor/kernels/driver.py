"""The driver: samples through all steps of a program, one block after the other.

A block stays in the caches from the first step to the last. Few samples go through in rows, more in panels
(see `dense`); every number is computed by the same operations in the same order either way.
"""

from typing import Any

import numpy as np
from numba import float32, float64, int32, uint8
from numba.extending import intrinsic
from numba.types import CPointer, boolean, int64, intp, void

from tinytensor.kernels._jit import kernel, subroutine
from tinytensor.kernels.address import at, bytes_of, convert, integers_at, pointer_as
from tinytensor.kernels.call import call_address
from tinytensor.kernels.clock import read_clock
from tinytensor.kernels.dense import (
    ROWS,
    call_linear_panels,
    call_linear_rows,
    elements_of_line,
    list_all,
    list_inputs,
    list_room,
    list_shared,
    padded,
    pays_in_rows,
    to_panels,
    to_rows,
    zeros_pay,
)
from tinytensor.kernels.elementwise import call_loop
from tinytensor.kernels.listed import LINE, MOST_VECTORS, PANEL
from tinytensor.kernels.microkernel import full_width, keep, pointer_to
from tinytensor.kernels.softmax import softmax_lanes, softmax_row
from tinytensor.kernels.table import (
    COLUMNS,
    FEATURES,
    FEW,
    INPUTS,
    KIND,
    LINEAR,
    LINEAR_PANELS,
    LINEAR_ROWS,
    LOG_SOFTMAX,
    LOOP,
    MAP,
    OFFSET,
    OUTPUTS,
    PANELS,
    PARAMETERS,
    RESCALE,
    RESULTS,
    SCALE,
    SKIPS,
    SOFTMAX_PANELS,
    SOFTMAX_ROWS,
    STAGE_OFFSET,
    STAGE_SCALE,
    STAGE_UNIFORM,
    STEPS,
    TICKS,
    WIDEST_STAGE,
)

__all__ = ["run_program", "softmax_panels", "softmax_rows"]

FLOATS = (float32, float64)
TABLE, LIST = CPointer(int64), CPointer(int32)


@kernel("softmax_panels", *[void(p, intp, intp, boolean, p) for p in map(CPointer, FLOATS)])
def softmax_panels(x: Any, classes: int, panels: int, log: bool, work: Any) -> None:
    """In place, of every lane."""
    lanes = PANEL * full_width(x)
    for panel in range(panels):
        softmax_lanes(pointer_to(x, panel * classes * lanes), lanes, classes, lanes, log, work,
                      pointer_to(work, lanes))  # fmt: skip


@kernel("softmax_rows", *[void(p, intp, intp, boolean, p) for p in map(CPointer, FLOATS)])
def softmax_rows(x: Any, classes: int, rows: int, log: bool, work: Any) -> None:
    """In place, of every row."""
    stride = padded(classes, full_width(x))
    for row in range(rows):
        sample = pointer_to(x, row * stride)
        softmax_row(sample, classes, log, sample, work)


@intrinsic
def call_softmax(
    typing_context: Any, address: Any, x: Any, classes: Any, count: Any, log: Any, work: Any
) -> Any:
    """One of the two at its address."""
    return call_address(x, intp, intp, boolean, x)


@subroutine
def note(program: Any, place: int, before: int) -> int:
    """Add the time since `before` to a place of the program's ticks, if it has any; the time now."""
    if program[TICKS] == 0:
        return 0
    now = read_clock()
    ticks = integers_at(program[TICKS])
    ticks[place] += now - before
    return now  # type: ignore[no-any-return]


@subroutine
def stage(program: Any, x: Any, x_stride: int, first: int, rows: int, y: Any) -> None:
    """Rows of the source in the program's dtype, rescaled: product, then sum, as the layer does it."""
    features = program[FEATURES]
    scales, offsets = at(program[STAGE_SCALE], y), at(program[STAGE_OFFSET], y)
    scale, offset = scales[0], offsets[0]
    for row in range(rows):
        source = pointer_to(x, (first + row) * x_stride)
        target = pointer_to(y, row * features)
        if program[STAGE_UNIFORM]:
            for k in range(features):
                target[k] = convert(source[k], target) * scale + offset
        else:
            for k in range(features):
                target[k] = convert(source[k], target) * scales[k] + offsets[k]


@subroutine
def samples_at(program: Any, x: Any, x_stride: int, first: int, rows: int, staging: Any) -> Any:
    """Where rows of the source are in the program's dtype, and their stride."""
    if program[STAGE_SCALE] != 0:
        stage(program, x, x_stride, first, rows, staging)
        return staging, program[FEATURES]
    return pointer_as(pointer_to(x, first * x_stride), staging), x_stride


@subroutine
def enter(
    program: Any, step: Any, x: Any, x_stride: int, first: int, rows: int, order: Any, staging: Any,
    work: Any, y: Any, ahead: Any, lines: int, now: int,
) -> int:  # fmt: skip
    """The first layer, from rows of the source to panels."""
    width, inputs, outputs = full_width(y), step[INPUTS], step[OUTPUTS]
    lanes, room, y_stride = PANEL * width, list_room(inputs), padded(outputs, width)
    few, in_rows = inputs, False
    if step[SKIPS] and rows >= ROWS:
        source, stride = samples_at(program, x, x_stride, first, ROWS, staging)
        list_inputs(source, stride, ROWS, inputs, order)
        few = order[0]
        in_rows = pays_in_rows(step, few, 0, y)
    if in_rows:
        # what is staged stays in L1 for a tile, unless it is needed for another page of weights
        group = ROWS if y_stride <= MOST_VECTORS * width else rows
        for top in range(0, rows, group):
            count = min(group, rows - top)
            now = note(program, 1, now)
            source, stride = samples_at(program, x, x_stride, first + top, count, staging)
            now = note(program, 0, now)
            place = lines * top // rows * elements_of_line(y)
            target, following = pointer_to(work, top * y_stride), pointer_to(ahead, place)
            call_linear_rows(program[LINEAR_ROWS], step, source, stride, order, target, count, following,
                             max(1, lines * count // rows))  # fmt: skip
        to_panels(work, y_stride, outputs, rows, y)
        return note(program, 1, now)
    for top in range(0, rows, lanes):
        count = min(lanes, rows - top)
        now = note(program, 1, now)
        source, stride = samples_at(program, x, x_stride, first + top, count, staging)
        now = note(program, 0, now)
        if few < inputs:
            list_shared(source, stride, count, inputs, y, pointer_to(order, top // lanes * room))
        to_panels(source, stride, inputs, count, pointer_to(work, top * inputs))
    if few == inputs:
        list_all(inputs, order)
        room = 0
    call_linear_panels(program[LINEAR_PANELS], step, work, order, room, y, -(-rows // lanes), ahead, lines)
    return note(program, 1, now)


@subroutine
def fill_padding(x: Any, features: int, stride: int, rows: int) -> None:
    """Let the padding of a row repeat its first number, so that no function sees a number that is none's."""
    for row in range(rows):
        for k in range(features, stride):
            x[row * stride + k] = x[row * stride]


@subroutine
def step_in_place(program: Any, step: Any, x: Any, count: int, in_rows: bool, work: Any) -> None:
    """Any step but a linear one; `count` are rows or panels."""
    features, kind, width = step[INPUTS], step[KIND], full_width(x)
    stride = padded(features, width)
    if kind == MAP:
        if in_rows:
            fill_padding(x, features, stride, count)
        size = count * (stride if in_rows else PANEL * width * features)
        call_loop(step[LOOP], x, x, size, at(step[PARAMETERS], x))
    elif kind == RESCALE:
        scale, offset = at(step[SCALE], x), at(step[OFFSET], x)
        if in_rows:
            for row in range(count):
                sample = pointer_to(x, row * stride)
                for k in range(features):
                    sample[k] = sample[k] * scale[k] + offset[k]
        else:
            for panel in range(count):
                for k in range(features):
                    lanes = pointer_to(x, (panel * features + k) * PANEL * width)
                    for lane in range(PANEL * width):
                        lanes[lane] = lanes[lane] * scale[k] + offset[k]
    else:
        call_softmax(program[SOFTMAX_ROWS] if in_rows else program[SOFTMAX_PANELS], x, features, count,
                     kind == LOG_SOFTMAX, work)  # fmt: skip


@subroutine
def through_rows(program: Any, steps: Any, x: Any, x_stride: int, rows: int, order: Any, work: Any,
                 other: Any, y: Any, y_stride: int, now: int) -> None:  # fmt: skip
    """Few samples, in rows."""
    width = full_width(x)
    here, stride = x, x_stride
    if steps[KIND] != LINEAR:
        here, stride = work, padded(program[FEATURES], width)
        for row in range(rows):
            for k in range(program[FEATURES]):
                here[row * stride + k] = x[row * x_stride + k]
        work, other = other, work
    now = note(program, 0, now)
    for i in range(program[STEPS]):
        step = pointer_to(steps, i * COLUMNS)
        if step[KIND] == LINEAR:
            call_linear_rows(program[LINEAR_ROWS], step, here, stride, order, work, rows, here, 1)
            here, stride = work, padded(step[OUTPUTS], width)
            work, other = other, work
        else:
            step_in_place(program, step, here, rows, True, work)
        now = note(program, 1 + i, now)
    for row in range(rows):
        for k in range(program[RESULTS]):
            y[row * y_stride + k] = here[row * stride + k]
    note(program, 1 + program[STEPS], now)


@subroutine
def through_panels(
    program: Any, steps: Any, x: Any, x_stride: int, first: int, rows: int, order: Any, staging: Any,
    work: Any, other: Any, y: Any, y_stride: int, ahead: Any, lines: int, now: int,
) -> None:  # fmt: skip
    """Many samples, in panels; the next ones begin at `ahead`."""
    width = full_width(work)
    lanes = PANEL * width
    panels = -(-rows // lanes)
    here, free = other, work
    done = 0
    if steps[KIND] == LINEAR:
        now = enter(program, steps, x, x_stride, first, rows, order, staging, free, here, ahead, lines, now)
        done = 1
    else:
        source, stride = samples_at(program, x, x_stride, first, rows, staging)
        to_panels(source, stride, program[FEATURES], rows, here)
        now = note(program, 0, now)
    for i in range(done, program[STEPS]):
        step = pointer_to(steps, i * COLUMNS)
        if step[KIND] == LINEAR and zeros_pay(step, here, rows):
            stride, other_stride = padded(step[INPUTS], width), padded(step[OUTPUTS], width)
            to_rows(here, step[INPUTS], rows, free, stride)
            call_linear_rows(program[LINEAR_ROWS], step, free, stride, order, here, rows, free, 1)
            to_panels(here, other_stride, step[OUTPUTS], rows, free)
            here, free = free, here
        elif step[KIND] == LINEAR:
            list_all(step[INPUTS], order)
            call_linear_panels(program[LINEAR_PANELS], step, here, order, 0, free, panels, here, 1)
            here, free = free, here
        else:
            step_in_place(program, step, here, panels, False, free)
        now = note(program, 1 + i, now)
    to_rows(here, program[RESULTS], rows, y, y_stride)
    note(program, 1 + program[STEPS], now)


SIGNATURES = [
    void(intp, CPointer(source), intp, CPointer(target), intp, intp, intp, intp)
    for source, target in ((float32, float32), (float64, float64), (uint8, float32))
]


@kernel("run_program", *SIGNATURES)
def run_program(
    table_at: int, x: Any, x_stride: int, y: Any, y_stride: int, start: int, stop: int, scratch: int
) -> None:
    """Samples start … stop - 1 of x, rows `x_stride` apart, into rows of y."""
    program = integers_at(table_at)
    steps = pointer_to(program, COLUMNS)
    width = full_width(y)
    lanes = PANEL * width
    features, widest, few = program[FEATURES], padded(program[WIDEST_STAGE], width), program[FEW]
    staged = program[STAGE_SCALE] != 0
    most = min(program[PANELS] * lanes, -(-(stop - start) // lanes) * lanes)  # samples of a block
    if stop - start <= few:
        most = stop - start
    size = most * widest
    room = np.empty(64 + bytes_of(y) * (2 * size + (most * features if staged else 0)), np.uint8)
    begin = at(room.ctypes.data + -room.ctypes.data % 64, y)  # a vector that straddles two lines costs twice
    lists = np.empty((most // ROWS + 2) * list_room(program[WIDEST_STAGE]), np.int32)
    order, work, other = pointer_to(lists, 0), begin, pointer_to(begin, size)
    first = start
    while first < stop:
        now = read_clock() if program[TICKS] != 0 else 0
        left = stop - first
        in_rows = left <= few
        taken = left if in_rows or left < lanes else min(left // lanes * lanes, most)
        target, staging = pointer_to(y, first * y_stride), pointer_to(begin, 2 * size)
        if in_rows:
            source, stride = samples_at(program, x, x_stride, first, taken, staging)
            through_rows(program, steps, source, stride, taken, order, work, other, target, y_stride, now)
        else:
            lines = min(most, left - taken) * x_stride * bytes_of(x) // LINE
            ahead = pointer_as(pointer_to(x, (first + taken) * x_stride if lines > 0 else 0), work)
            through_panels(program, steps, x, x_stride, first, taken, order, staging, work, other, target,
                           y_stride, ahead, max(lines, 1), now)  # fmt: skip
        first += taken
    keep(lists)
    keep(room)
