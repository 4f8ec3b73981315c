"""Instructions on images: what a program needs to know of a convolution or a pooling, made from its tables.

A buffer's row is one image. An instruction of a program gets `function.address` in FUNCTION, its buffers in
SOURCE and TARGET, `record_at` in CONSTANT, and scratch memory of `work_bytes` after WORK_OFFSET; the program
keeps the instruction as long as it runs. A block's rows are samples: few enough that their images stay in L2.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.declare import Kernel
from tinytensor.kernels.declared import window_rows
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.windows import Class, taps_of

__all__ = ["ImageInstruction", "Step", "window_instruction"]


class ImageInstruction(NamedTuple):
    """An instruction's function, its record, and the arrays whose addresses are in the record."""

    function: Kernel
    table: Array  # the record
    kept: list[Array]
    work_bytes: int
    height: int  # of the result
    width: int
    channels: int

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


def window_instruction(
    classes: Sequence[Class], steps: Sequence[Step], heights: Sequence[int], tiles: Sequence[int],
    shape: tuple[int, int, int], kept: list[Array], *, channels: int = 1, channel: int = 0,
    step_bytes: int = 0, left: int = 0, table: int = 0, divisors: Sequence[float] = (),
) -> ImageInstruction:  # fmt: skip
    """The record of `window_rows`.

    `tiles` has two addresses for each height, of a page in the middle and of the last one. A list of taps
    goes through `channels`, which lie `channel` bytes apart.
    """
    made = aligned((record.WINDOWS,), np.int64)
    rows = aligned((len(classes), record.CLASS), np.int64)
    kept = [*kept, rows]
    for row, kind in zip(rows, classes, strict=True):
        taps = taps_of(kind, channels, channel)
        kept += [taps, kind.pixels]
        row[[record.TAPS_AT, record.TAP_COUNT]] = taps.ctypes.data, len(taps)
        row[[record.PIXELS_AT, record.PIXEL_COUNT]] = kind.pixels.ctypes.data, len(kind.pixels)
    if divisors:
        rows[:, record.DIVISOR] = np.array(divisors, np.float64).view(np.int64)
    pages = aligned((len(steps), record.STEP), np.int64)
    pages[:] = steps
    made[[record.CLASSES, record.CLASSES_AT]] = len(classes), rows.ctypes.data
    made[[record.STEPS, record.STEPS_AT]] = len(steps), pages.ctypes.data
    made[[record.STEP_BYTES, record.LANES_LEFT, record.BYTE_TABLE]] = step_bytes, left, table
    made[record.WINDOW_HEIGHTS : record.WINDOW_HEIGHTS + record.WINDOW_KINDS] = heights
    made[record.WINDOW_TILES : record.WINDOW_TILES + 2 * record.WINDOW_KINDS] = tiles
    return ImageInstruction(window_rows, made, [*kept, pages], record.WINDOW_WORK, *shape)


def heights_of(tallest: int) -> tuple[int, ...]:
    """Rows of the tallest tile, of a half and a quarter of it, and one."""
    return tallest, max(1, tallest // 2), max(1, tallest // 4), 1


def tile_addresses(heights: Sequence[int], pages: Any) -> list[int]:
    """Two for each height: `pages` gives for a height the address of a page in the middle and of the last."""
    return [each for height in heights for each in pages(height)]
