"""Instructions on images: what a program needs to know of a convolution or a pooling, made from its tables.

A buffer's row is one image. An instruction of a program gets `function.address` in FUNCTION, its buffers in
SOURCE and TARGET, `record_at` in CONSTANT, and scratch memory of `work_bytes` after WORK_OFFSET; the program
keeps the instruction as long as it runs. A block's rows are samples: few enough that their images stay in L2.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.columns import beginnings, pieces_of
from tinytensor.kernels.declare import Kernel
from tinytensor.kernels.declared import transpose_rows, window_rows
from tinytensor.kernels.epilogue import Epilogue, epilogue_of
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.native import address
from tinytensor.kernels.specs import POOLED, ColumnTile, Tile
from tinytensor.kernels.windows import Axis, Class, Image, class_of, classes_of, taps_of

__all__ = [
    "FEW_PIXELS", "ImageInstruction", "Pooling", "Step", "Windows", "follow_by_pool", "heights_of",
    "transposition", "window_instruction", "window_record",
]  # fmt: skip

ALL_TAPS = 1 << 32
FEW_PIXELS = 40  # with so few, tiles of a part of them would be low: threads share the channels


class ImageInstruction(NamedTuple):
    """An instruction's function, its record, and the arrays whose addresses are in the record."""

    function: Kernel
    table: Array  # the record
    kept: list[Array]
    work_bytes: int
    height: int  # of the result
    width: int
    channels: int
    epilogue: Epilogue | None = None
    pooling: "Pooling | None" = None  # what its tiles need to go on with a maximum of 2 by 2 pixels

    @property
    def record_at(self) -> int:
        """What the field CONSTANT is to have."""
        return int(self.table.ctypes.data)


class Step(NamedTuple):
    """A page of a product, or of channels; addresses, and shifts in bytes."""

    weights: int
    tail: int
    bias: int
    x_shift: int
    out_shift: int
    last: int
    column_weights: int = 0
    vectors: int = 0


class Windows(NamedTuple):
    """All that the table of classes depends on; a list of taps goes through `channels` for each tap."""

    axes: tuple[Axis, Axis]
    image: Image
    size: int  # bytes of an element of an image
    out_pixel: int  # bytes of a pixel of the result
    channels: int = 1
    counts_padding: bool = False
    side_by_side: int = 1  # pixels of a row of an image that a vector holds (see `lanes`)
    pooled: bool = False  # the only class goes square by square, and each has one pixel of the result
    down: str = ""  # the dtype, where tiles of a depthwise convolution may go down the image


class Pooling(NamedTuple):
    """How the tiles of a convolution are replaced by those that store maxima."""

    windows: Windows
    heights: tuple[int, ...]
    tiles: list[Tile]  # two for each height


@lru_cache(maxsize=256)
def class_table(windows: Windows) -> tuple[Array, list[Array]]:
    """The records of classes, and the arrays whose addresses are in them."""
    kinds = tiled_classes(windows)
    *_, channel = windows.image.strides(windows.size)
    rows = aligned((len(kinds), record.CLASS), np.int64)
    kept = [rows]
    for row, (kind, tile) in zip(rows, kinds, strict=True):
        taps = taps_of(kind, windows.channels, channel)
        first, together = beginnings(kind.columns, windows.side_by_side)
        places = np.add.outer(np.arange(0, len(kind.sources), kind.columns), first).ravel()
        sources, targets = kind.sources[places], kind.targets[places]
        if windows.pooled:
            order = by_squares(*(axis.outputs for axis in windows.axes))
            sources = sources[order]
            targets = np.arange(len(order)) // POOLED * windows.out_pixel
        kept += [taps, sources, targets]
        row[[record.TAPS_AT, record.TAP_COUNT]] = taps.ctypes.data, len(taps)
        row[[record.SOURCES_AT, record.TARGETS_AT]] = sources.ctypes.data, targets.ctypes.data
        row[record.PIXEL_COUNT] = len(sources)
        if windows.side_by_side > 1:
            row[record.CLASS_LEFT] = together * windows.image.channels
        count = kind.padded if windows.counts_padding else len(kind.taps)
        row[record.WINDOW_DIVISOR] = np.float64(count).view(np.int64)
        if tile is not None:
            row[record.DOWN_TILE] = address(tile)
            row[record.WINDOW_DIVISOR] = windows.axes[1].outputs * windows.out_pixel
    return rows, kept


def tiled_classes(windows: Windows) -> list[tuple[Class, ColumnTile | None]]:
    """Classes of windows; of a depthwise convolution, pieces of columns and the tile that goes down each."""
    shape = windows.axes, windows.image, windows.size, windows.out_pixel
    if not windows.down:
        return [(kind, None) for kind in classes_of(*shape)]
    y, x = windows.axes
    found: list[tuple[Class, ColumnTile | None]] = []
    for columns in x.classes():
        pixels = beginnings(columns.neighbours, windows.side_by_side)[1]
        pieces = pieces_of(windows.axes, columns, windows.image.channels * pixels, windows.down)
        found += [(class_of(rows, columns, *shape), tile) for rows, tile in pieces]
        if not pieces:
            found += [(class_of(rows, columns, *shape), None) for rows in y.classes()]
    return found


def by_squares(height: int, width: int) -> Array:
    """The pixels of 2 by 2 squares, square by square; an odd row or column at the end is in none."""
    pixels = np.arange(height * width).reshape(height, width)[: height // 2 * 2, : width // 2 * 2]
    return pixels.reshape(height // 2, 2, width // 2, 2).swapaxes(1, 2).ravel()


def window_instruction(
    windows: Windows, channels: int, steps: Sequence[Step], heights: Sequence[int], tiles: Sequence[int],
    kept: Sequence[Array], *, step_bytes: int, left: int, table: int = 0, constants: Array | None = None,
    most_taps: int = ALL_TAPS,
) -> ImageInstruction:  # fmt: skip
    """The record of `window_rows`, whose result has so many channels.

    `tiles` has two addresses for each height, of a page in the middle and of the last one; with `most_taps`,
    then as many that resume.
    """
    return window_record(
        windows.axes, class_table(windows), channels, steps, heights, tiles, kept, step_bytes=step_bytes,
        left=left, table=table, constants=constants, most_taps=most_taps,
        side_by_side=windows.side_by_side,
    )  # fmt: skip


def window_record(
    axes: tuple[Axis, Axis], classes: tuple[Array, list[Array]], channels: int, steps: Sequence[Step],
    heights: Sequence[int], tiles: Sequence[int], kept: Sequence[Array], *, step_bytes: int, left: int,
    table: int = 0, constants: Array | None = None, most_taps: int = ALL_TAPS, side_by_side: int = 1,
) -> ImageInstruction:  # fmt: skip
    """The same with records of classes, and the arrays whose addresses are in them."""
    rows, tables = classes
    made = aligned((record.WINDOWS,), np.int64)
    pages = aligned((len(steps), record.STEP), np.int64)
    pages[:] = steps
    made[[record.CLASSES, record.CLASSES_AT]] = len(rows), rows.ctypes.data
    made[[record.STEPS, record.STEPS_AT]] = len(steps), pages.ctypes.data
    made[[record.STEP_BYTES, record.LANES_LEFT, record.BYTE_TABLE]] = step_bytes, left, table
    write_tiles(made, heights, tiles)
    made[record.MOST_TAPS], made[record.PIXEL_GROUP] = most_taps, 1
    height, width = (axis.outputs for axis in axes)
    made[record.BY_STEPS] = height * width <= FEW_PIXELS
    epilogue, kept = None, [*kept, *tables, pages]
    if constants is not None:
        place = made[record.WINDOW_EPILOGUE : record.WINDOW_EPILOGUE + 1]
        epilogue = epilogue_of(constants, channels, place, side_by_side)
        kept.append(epilogue.table)
    return ImageInstruction(window_rows, made, kept, record.WINDOW_WORK, height, width, channels, epilogue)


def follow_by_pool(made: ImageInstruction) -> ImageInstruction | None:
    """The same with tiles that store the maximum of 2 by 2 pixels, if there are such."""
    if made.pooling is None or min(made.height, made.width) < 2:
        return None
    windows, heights, tiles = made.pooling
    rows, kept = class_table(windows._replace(pooled=True))
    table = made.table
    table[[record.CLASSES, record.CLASSES_AT, record.PIXEL_GROUP]] = len(rows), rows.ctypes.data, POOLED
    write_tiles(table, heights, [address(each) for each in tiles])
    return made._replace(
        kept=[*made.kept, *kept], height=made.height // 2, width=made.width // 2, pooling=None
    )


def write_tiles(table: Array, heights: Sequence[int], tiles: Sequence[int]) -> None:
    """Rows of tiles, and their machine code."""
    table[record.WINDOW_HEIGHTS : record.WINDOW_HEIGHTS + record.WINDOW_KINDS] = heights
    table[record.WINDOW_TILES : record.WINDOW_TILES + len(tiles)] = tiles


def transposition(
    dtype: np.dtype[Any], height: int, width: int, channels: int, to_last: bool
) -> ImageInstruction:
    """Channels first to channels last, or back; CONSTANT points at the shape of the matrix."""
    shape = aligned((2,), np.int64)
    shape[:] = (channels, height * width) if to_last else (height * width, channels)
    return ImageInstruction(transpose_rows[dtype], shape, [], 0, height, width, channels)


def heights_of(tallest: int) -> tuple[int, ...]:
    """Rows of four tiles: with 10, 6, 3, 1 few are wasted on 8×8 pixels, 36 inside and 6 on an edge."""
    return tallest, max(1, (3 * tallest + 2) // 5), max(1, (3 * tallest + 2) // 10), 1
