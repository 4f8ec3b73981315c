"""One linear layer of the plan, over blocks of samples that lie in either of two forms.

- rows: sample after sample, each padded to whole vectors. Lanes are outputs; used for few samples, and for
  inputs that are mostly zero.
- panels: PANEL vectors of samples side by side, feature after feature. Lanes are samples.

A list of inputs is a row of int32: how many, then which. Its capacity is `list_room(inputs)`.
"""

from typing import Any

from numba import float32, float64
from numba.extending import intrinsic
from numba.types import CPointer, int32, int64, intp, void

from tinytensor.kernels._jit import kernel, subroutine
from tinytensor.kernels.address import at
from tinytensor.kernels.call import call_address
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.listed import (
    GROUP,
    LINE,
    MOST_VECTORS,
    PANEL,
    TALLEST,
    WIDEST,
    half_width,
    list_nonzero,
    output_tile,
    sample_tile,
)
from tinytensor.kernels.microkernel import full_width, pointer_to
from tinytensor.kernels.packing import pack_lanes
from tinytensor.kernels.table import BIAS, INPUTS, OUTPUTS, PAGES, SKIPS, TILES

__all__ = [
    "ROWS",
    "call_linear_panels",
    "call_linear_rows",
    "elements_of_line",
    "linear_panels",
    "linear_rows",
    "list_all",
    "list_inputs",
    "list_room",
    "list_shared",
    "padded",
    "pays_in_rows",
    "to_panels",
    "to_rows",
    "zeros_pay",
]

VECTOR_BYTES = vectors().bytes
ROWS = 4  # samples that share a list
WIDEST_1, WIDEST_2, WIDEST_4 = WIDEST[1], WIDEST[2], WIDEST[4]
MOVE = 5
LOOK = 8 * GROUP  # one group of inputs in so many is looked at, to tell whether a look at all pays
FLOATS = (float32, float64)
TABLE, LIST = CPointer(int64), CPointer(int32)


@subroutine
def padded(features: int, width: int) -> int:
    """Elements of a row that holds so many features in whole vectors."""
    return -(-features // width) * width


@subroutine
def elements_of_line(like: Any) -> int:
    """Elements of a line of memory."""
    return LINE * full_width(like) // VECTOR_BYTES  # type: ignore[no-any-return]


@subroutine
def list_room(inputs: int) -> int:
    """Elements of a list of so many inputs: its length, and a whole group more than it can have."""
    return inputs + 1 + GROUP


@subroutine
def list_all(inputs: int, order: Any) -> None:
    """The list of every input."""
    order[0] = inputs
    for k in range(inputs):
        order[1 + k] = k


@subroutine
def scan(x: Any, x_stride: int, rows: int, first: int, last: int, step: int, order: Any) -> int:
    """List the inputs, in groups `step` apart, that are not zero in all rows; how many they are."""
    count = 0
    if rows == ROWS:
        for k in range(first, last, step):
            count += list_nonzero(x, x_stride, ROWS, k, pointer_to(order, 1 + count))
    elif rows == 2:
        for k in range(first, last, step):
            count += list_nonzero(x, x_stride, 2, k, pointer_to(order, 1 + count))
    else:
        for k in range(first, last, step):
            count += list_nonzero(x, x_stride, 1, k, pointer_to(order, 1 + count))
    return count


@subroutine
def list_inputs(x: Any, x_stride: int, rows: int, inputs: int, order: Any) -> None:
    """List the inputs that are not zero in all of 1, 2 or 4 rows; all of them where few seem to be zero."""
    whole = inputs - inputs % GROUP
    looked = scan(x, x_stride, rows, 0, whole, LOOK, order)
    if 10 * looked * LOOK > 9 * whole * GROUP:
        list_all(inputs, order)
        return
    count = scan(x, x_stride, rows, 0, whole, GROUP, order)
    for k in range(whole, inputs):
        zero = True
        for row in range(rows):
            zero &= x[row * x_stride + k] == 0
        if not zero:
            order[1 + count] = k
            count += 1
    if count == 0:  # a tile adds at least one term
        order[1] = 0
        count = 1
    order[0] = count


@subroutine
def rows_together(left: int) -> int:
    """How many of the rows left make the next tile."""
    return ROWS if left >= ROWS else 2 if left >= 2 else 1


@kernel("linear_rows", *[void(TABLE, p, intp, LIST, p, intp, p, intp) for p in map(CPointer, FLOATS)])
def linear_rows(
    step: Any, x: Any, x_stride: int, order: Any, y: Any, rows: int, ahead: Any, lines: int
) -> None:
    """Rows → rows; `order` has room for a list for each tile's rows."""
    width, half, inputs, outputs = full_width(y), half_width(y), step[INPUTS], step[OUTPUTS]
    room, y_stride, per_line = list_room(inputs), padded(outputs, width), elements_of_line(y)
    row = place = asked = 0
    while row < rows:
        together = rows_together(rows - row)
        if step[SKIPS]:
            list_inputs(pointer_to(x, row * x_stride), x_stride, together, inputs, pointer_to(order, place))
        else:
            list_all(inputs, pointer_to(order, place))
        row, place = row + together, place + room
    for left in range(0, y_stride, MOST_VECTORS * width):
        most = MOST_VECTORS * width
        page_lanes, lanes = min(most, y_stride - left), min(most, outputs - left)
        page, bias = pointer_to(at(step[PAGES], y), left * inputs), pointer_to(at(step[BIAS], y), left)
        row = place = 0
        while row < rows:
            together = rows_together(rows - row)
            widest = width * (WIDEST_4 if together == ROWS else WIDEST_2 if together == 2 else WIDEST_1)
            tiles, first = (lanes + widest - 1) // widest, 0
            for tile in range(tiles):
                across = padded((lanes - first + tiles - tile - 1) // (tiles - tile), width)
                halves = (min(across, lanes - first) + half - 1) // half
                output_tile(
                    pointer_to(x, row * x_stride), x_stride, pointer_to(page, first), page_lanes,
                    pointer_to(bias, first), pointer_to(order, place + 1), order[place],
                    pointer_to(y, row * y_stride + left + first), y_stride, together, halves,
                    pointer_to(ahead, asked * per_line),
                )  # fmt: skip
                asked = asked + order[place] if asked < lines else 0
                first += across
            row, place = row + together, place + room


@kernel("linear_panels", *[void(TABLE, p, LIST, intp, p, intp, p, intp) for p in map(CPointer, FLOATS)])
def linear_panels(
    step: Any, x: Any, order: Any, order_stride: int, y: Any, panels: int, ahead: Any, lines: int
) -> None:
    """Panels → panels; with a stride of 0 they share one list."""
    lanes, inputs, outputs = PANEL * full_width(y), step[INPUTS], step[OUTPUTS]
    tiles, per_line = -(-outputs // TALLEST), elements_of_line(y)
    row = asked = 0
    for tile in range(tiles):
        height = (outputs - row) // (tiles - tile)
        weight, bias = pointer_to(at(step[TILES], y), row * inputs), pointer_to(at(step[BIAS], y), row)
        for panel in range(panels):
            listed = pointer_to(order, panel * order_stride)
            target = pointer_to(y, (panel * outputs + row) * lanes)
            sample_tile(pointer_to(x, panel * inputs * lanes), weight, bias, pointer_to(listed, 1),
                        listed[0], target, height, pointer_to(ahead, asked * per_line))  # fmt: skip
            asked = asked + listed[0] if asked < lines else 0
        row += height


@intrinsic
def call_linear_rows(
    typing_context: Any, address: Any, step: Any, x: Any, x_stride: Any, order: Any, y: Any, rows: Any,
    ahead: Any, lines: Any,
) -> Any:  # fmt: skip
    """`linear_rows` at its address."""
    return call_address(TABLE, y, intp, LIST, y, intp, y, intp)


@intrinsic
def call_linear_panels(
    typing_context: Any, address: Any, step: Any, x: Any, order: Any, order_stride: Any, y: Any, panels: Any,
    ahead: Any, lines: Any,
) -> Any:  # fmt: skip
    """`linear_panels` at its address."""
    return call_address(TABLE, y, LIST, intp, y, intp, y, intp)


@subroutine
def to_panels(x: Any, x_stride: int, features: int, rows: int, y: Any) -> None:
    """Rows → panels. Lanes without a sample repeat the last one, so that no number occurs that is none's."""
    width = full_width(y)
    lanes = PANEL * width
    for first in range(0, rows, lanes):
        panel, taken = pointer_to(y, first * features), min(lanes, rows - first)
        pack_lanes(pointer_to(x, first * x_stride), 1, x_stride, features, taken, width, panel, lanes)
        if taken < lanes:
            for k in range(features):
                for lane in range(taken, lanes):
                    panel[k * lanes + lane] = panel[k * lanes + taken - 1]


@subroutine
def list_shared(x: Any, x_stride: int, rows: int, inputs: int, seen: Any, order: Any) -> None:
    """List the inputs that are not zero in all of any number of rows, by the bits that any of them has."""
    for k in range(inputs):
        seen[k] = x[k]
    for row in range(1, rows):
        other = pointer_to(x, row * x_stride)
        for k in range(inputs):
            seen[k] = seen[k] if seen[k] != 0 else other[k]
    list_inputs(seen, 0, 1, inputs, order)


@subroutine
def to_rows(x: Any, features: int, rows: int, y: Any, y_stride: int) -> None:
    """Panels → rows."""
    width = full_width(x)
    lanes = PANEL * width
    for first in range(0, rows, lanes):
        pack_lanes(pointer_to(x, first * features), 1, lanes, min(lanes, rows - first), features, width,
                   pointer_to(y, first * y_stride), y_stride)  # fmt: skip


@subroutine
def pays_in_rows(step: Any, listed: int, moved: int, like: Any) -> bool:
    """Whether rows with so many inputs listed take less time than panels with all of them.

    Tiles of outputs waste the lanes that pad them to half a vector, and take 5% longer for each term; to
    transpose a number takes as long as MOVE terms.
    """
    half = half_width(like)
    computed = (step[OUTPUTS] + half - 1) // half * half
    return 21 * listed * computed + 20 * MOVE * moved < 20 * step[INPUTS] * step[OUTPUTS]  # type: ignore[no-any-return]


@subroutine
def zeros_pay(step: Any, panel: Any, rows: int) -> bool:
    """Whether the first four samples of a panel have so many zeros in common that rows take less time."""
    moved = step[INPUTS] + step[OUTPUTS]
    if step[SKIPS] == 0 or rows < ROWS or 8 * MOVE * moved > step[INPUTS] * step[OUTPUTS]:
        return False
    lanes, listed = PANEL * full_width(panel), 0
    for k in range(step[INPUTS]):
        sample = pointer_to(panel, k * lanes)
        zero = (sample[0] == 0) & (sample[1] == 0) & (sample[2] == 0) & (sample[3] == 0)
        listed += 0 if zero else 1
    return pays_in_rows(step, listed, moved, panel)
