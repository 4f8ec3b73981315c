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
    BY_STEPS,
    BYTE_TABLE,
    CLASS,
    CLASS_LEFT,
    CLASSES,
    CLASSES_AT,
    CONSTANT,
    CONSTANTS_AT,
    DOWN_TILE,
    DOWN_WEIGHTS,
    EPILOGUE,
    INIT_SHIFT,
    INIT_STRIDE,
    LANES_LEFT,
    LAST_PAGE,
    LEFT,
    MOST_TAPS,
    OUT_SHIFT,
    OUT_STRIDE,
    OUT_TABLE,
    PAGE_BYTES,
    PART,
    PARTS,
    PIXEL_COUNT,
    PIXEL_GROUP,
    PRODUCT_OFFSET,
    RESUMING,
    SOURCE,
    SOURCES_AT,
    STEP,
    STEP_BIAS,
    STEP_BYTES,
    STEP_TAIL,
    STEP_VECTORS,
    STEP_WEIGHTS,
    STEPS,
    STEPS_AT,
    TABLE,
    TAIL,
    TAP_COUNT,
    TAPS_AT,
    TARGET,
    TARGETS_AT,
    WEIGHT_STRIDE,
    WINDOW_CHUNK,
    WINDOW_DIVISOR,
    WINDOW_EPILOGUE,
    WINDOW_HEIGHTS,
    WINDOW_KINDS,
    WINDOW_TILES,
    WORK_OFFSET,
    X_SHIFT,
    X_STRIDE,
)

__all__ = ["window_rows", "window_share"]


@subroutine
def take_tiles(
    windows: Any, step: Any, tiles: int, product: Any, rows_at: int, rows: int, init_at: int, taps_at: int,
    taps: int,
) -> None:  # fmt: skip
    """One page for some pixels, from the tallest tile to the lowest; `tiles`: which field has the first."""
    product[TAIL], product[X_STRIDE] = step[STEP_TAIL], step[X_SHIFT]
    top = 0
    for kind in range(WINDOW_KINDS):
        height = windows[WINDOW_HEIGHTS + kind]
        following = windows[WINDOW_HEIGHTS + kind + 1] if kind + 1 < WINDOW_KINDS else 0
        strips = (rows - top) // height
        # less time than two tiles of the next height
        if (rows - top) % height > following:
            strips += 1
        tile = windows[tiles + 2 * kind + step[LAST_PAGE]]
        for _ in range(strips):
            call_tile(tile, number_of(product), rows_at + 8 * top, step[STEP_WEIGHTS], init_at,
                      step[OUT_SHIFT], taps_at, taps)  # fmt: skip
            top += height
        top = min(top, rows)


@subroutine
def take_page(windows: Any, kind: Any, step: Any, product: Any, rows_at: int, rows: int, few: bool) -> None:
    """One page for some pixels, through all taps, or through some at a time where they are many."""
    taps_at, left, most = kind[TAPS_AT], kind[TAP_COUNT], windows[MOST_TAPS]
    init_at, tiles = step[STEP_BIAS] + kind[INIT_SHIFT], WINDOW_TILES
    product[EPILOGUE], product[CONSTANTS_AT] = 0, init_at
    if kind[DOWN_TILE] != 0:
        product[EPILOGUE], product[X_STRIDE] = windows[WINDOW_EPILOGUE], step[X_SHIFT]
        for row in range(rows):
            call_tile(kind[DOWN_TILE], number_of(product), rows_at + 8 * row, step[DOWN_WEIGHTS], init_at,
                      step[OUT_SHIFT], taps_at, step[STEP_VECTORS])  # fmt: skip
        return
    while left > most and not few:
        taps = rows_of_block(left, most)
        take_tiles(windows, step, tiles, product, rows_at, rows, init_at, taps_at, taps)
        taps_at, left, tiles = taps_at + 8 * taps, left - taps, WINDOW_TILES + RESUMING
    product[EPILOGUE] = windows[WINDOW_EPILOGUE]
    take_tiles(windows, step, tiles, product, rows_at, rows, init_at, taps_at, left)


@subroutine
def shift(offsets_at: int, base: int, addresses_at: int, count: int) -> None:
    """Addresses of offsets."""
    offsets, addresses = integers_at(offsets_at), integers_at(addresses_at)
    for i in range(count):
        addresses[i] = base + offsets[i]


@subroutine
def repeat(addresses_at: int, count: int, more: int) -> None:
    """The last address some times more."""
    addresses = integers_at(addresses_at)
    for i in range(count, count + more):
        addresses[i] = addresses[count - 1]


@subroutine
def take_class(
    windows: Any, kind: Any, product: Any, rows_at: int, x: int, x_stride: int, y: int, y_stride: int,
    samples: int, first: int, last: int, step: int, stop: int,
) -> None:  # fmt: skip
    """Windows first … last - 1 of one class, in all samples, through some of the steps."""
    left, pixel, tallest = samples * (last - first), first, windows[WINDOW_HEIGHTS]
    while left > 0:
        rows = min(left, WINDOW_CHUNK - WINDOW_CHUNK % tallest)
        row = 0
        while row < rows:
            some = min(rows - row, last - pixel)
            shift(kind[SOURCES_AT] + 8 * pixel, x, rows_at + 8 * row, some)
            shift(kind[TARGETS_AT] + 8 * pixel, y, rows_at + OUT_TABLE + 8 * row, some)
            row += some
            pixel += some
            if pixel == last:
                pixel = first
                x += x_stride
                y += y_stride
        repeat(rows_at, rows, tallest)
        repeat(rows_at + OUT_TABLE, rows, tallest)
        for i in range(step, stop):
            page = integers_at(windows[STEPS_AT] + 8 * STEP * i)
            take_page(windows, kind, page, product, rows_at, rows, rows <= 2 * tallest)
        left -= rows


@subroutine
def take_share(
    windows_at: int, scratch: int, x: int, x_stride: int, y: int, y_stride: int, samples: int, part: int,
    parts: int,
) -> None:  # fmt: skip
    """One part of the pages, if they can be divided evenly, or of the windows of every class."""
    windows, product = integers_at(windows_at), integers_at(scratch + PRODUCT_OFFSET)
    product[WEIGHT_STRIDE], product[PAGE_BYTES], product[INIT_STRIDE] = windows[STEP_BYTES], 0, 0
    product[TABLE] = windows[BYTE_TABLE]
    steps, first, last, shares = windows[STEPS], part, part + 1, parts
    step, stop = 0, steps
    if windows[BY_STEPS] and steps % parts == 0:
        step, stop, first, last, shares = steps * part // parts, steps * (part + 1) // parts, 0, 1, 1
    for i in range(windows[CLASSES]):
        kind = integers_at(windows[CLASSES_AT] + 8 * CLASS * i)
        product[OUT_STRIDE], pixels = kind[WINDOW_DIVISOR], kind[PIXEL_COUNT]
        product[LEFT] = kind[CLASS_LEFT] if kind[CLASS_LEFT] else windows[LANES_LEFT]
        group = windows[PIXEL_GROUP]
        groups = pixels // group
        take_class(windows, kind, product, scratch + WORK_OFFSET, x, x_stride, y, y_stride, samples,
                   groups * first // shares * group, groups * last // shares * group, step, stop)  # fmt: skip


def window_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Target = windows of the source, one image a row."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    source, target = 2 * instruction[SOURCE], 2 * instruction[TARGET]
    product = integers_at(scratch + PRODUCT_OFFSET)
    take_share(instruction[CONSTANT], scratch, buffers[source], buffers[source + 1], buffers[target],
               buffers[target + 1], rows, product[PART], product[PARTS])  # fmt: skip


def window_share(
    call_at: int, x: int, x_stride: int, y: int, y_stride: int, first: int, last: int, scratch: int
) -> None:
    """Some parts of the windows of few large images; a call has the record, the images, how many parts."""
    call = integers_at(call_at)
    for part in range(first, last):
        take_share(call[0], scratch, x, x_stride, y, y_stride, call[1], part, call[2])
