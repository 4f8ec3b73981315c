"""The instruction of convolution and pooling: tiles of windows, class by class (see `windows`).

All geometry is in tables. A class has the windows that read the same taps; for each of them there is a pixel
of the result. Some of these pixels at a time, of one sample or of several, get the two addresses that the
tile reads; then each step, a page of output channels or of channels, goes through them from the tallest tile
to the lowest. What is left over at the end repeats the last pixel, whose bits are stored twice.
"""

from typing import Any

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.address import integers_at, number_of
from tinytensor.kernels.linear import call_tile, rows_of_block
from tinytensor.kernels.record import (
    BYTE_TABLE,
    CLASS,
    CLASSES,
    CLASSES_AT,
    CONSTANT,
    DIVISOR,
    INIT_STRIDE,
    LANES_LEFT,
    LAST_PAGE,
    LEFT,
    OUT_SHIFT,
    OUT_STRIDE,
    PAGE_BYTES,
    PIXEL_COUNT,
    PIXELS_AT,
    PRODUCT_OFFSET,
    SOURCE,
    STEP,
    STEP_BIAS,
    STEP_BYTES,
    STEP_TAIL,
    STEP_WEIGHTS,
    STEPS,
    STEPS_AT,
    TABLE,
    TAIL,
    TAP_COUNT,
    TAPS_AT,
    TARGET,
    WEIGHT_STRIDE,
    WINDOW_CHUNK,
    WINDOW_HEIGHTS,
    WINDOW_KINDS,
    WINDOW_TILES,
    WORK_OFFSET,
    X_SHIFT,
    X_STRIDE,
)

__all__ = ["window_rows"]


@subroutine
def take_tiles(
    windows: Any, step: Any, product: Any, rows_at: int, rows: int, taps_at: int, taps: int
) -> None:
    """One page for some pixels, from the tallest tile to the lowest."""
    product[TAIL], product[X_STRIDE] = step[STEP_TAIL], step[X_SHIFT]
    top = 0
    for kind in range(WINDOW_KINDS):
        height = windows[WINDOW_HEIGHTS + kind]
        following = windows[WINDOW_HEIGHTS + kind + 1] if kind + 1 < WINDOW_KINDS else 0
        strips = (rows - top) // height
        # less time than two tiles of the next height
        if (rows - top) % height > following:
            strips += 1
        tile = windows[WINDOW_TILES + 2 * kind + step[LAST_PAGE]]
        for _ in range(strips):
            call_tile(tile, number_of(product), rows_at + 16 * top, step[STEP_WEIGHTS], step[STEP_BIAS],
                      step[OUT_SHIFT], taps_at, taps)  # fmt: skip
            top += height
        top = min(top, rows)


@subroutine
def take_class(
    windows: Any, kind: Any, product: Any, rows_at: int, x: int, x_stride: int, y: int, y_stride: int,
    samples: int,
) -> None:  # fmt: skip
    """All windows of one class."""
    addresses, places, pixels = integers_at(rows_at), integers_at(kind[PIXELS_AT]), kind[PIXEL_COUNT]
    left, pixel, tallest = samples * pixels, 0, windows[WINDOW_HEIGHTS]
    while left > 0:
        rows = rows_of_block(left, WINDOW_CHUNK)
        for row in range(rows):
            addresses[2 * row] = x + places[2 * pixel]
            addresses[2 * row + 1] = y + places[2 * pixel + 1]
            pixel += 1
            if pixel == pixels:
                pixel = 0
                x += x_stride
                y += y_stride
        for row in range(rows, rows + tallest):
            addresses[2 * row] = addresses[2 * rows - 2]
            addresses[2 * row + 1] = addresses[2 * rows - 1]
        for i in range(windows[STEPS]):
            step = integers_at(windows[STEPS_AT] + 8 * STEP * i)
            take_tiles(windows, step, product, rows_at, rows, kind[TAPS_AT], kind[TAP_COUNT])
        left -= rows


def window_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Target = windows of the source, one image a row."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    windows, product = integers_at(instruction[CONSTANT]), integers_at(scratch + PRODUCT_OFFSET)
    source, target = instruction[SOURCE], instruction[TARGET]
    product[WEIGHT_STRIDE], product[PAGE_BYTES], product[INIT_STRIDE] = windows[STEP_BYTES], 0, 0
    product[LEFT], product[TABLE] = windows[LANES_LEFT], windows[BYTE_TABLE]
    for i in range(windows[CLASSES]):
        kind = integers_at(windows[CLASSES_AT] + 8 * CLASS * i)
        product[OUT_STRIDE] = kind[DIVISOR]
        take_class(windows, kind, product, scratch + WORK_OFFSET, buffers[2 * source],
                   buffers[2 * source + 1], buffers[2 * target], buffers[2 * target + 1], rows)  # fmt: skip
