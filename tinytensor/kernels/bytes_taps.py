"""Depthwise convolution of bytes by rows of a window: the taps of a row side by side in each lane.

`vpdpbusd` multiplies four bytes of a lane, so a channel's two to four taps of one row of the window are one
step, if the bytes of these pixels are interleaved: `vpermb` (AVX-512 VBMI) does that for 16 channels at once,
from one load where all channels of the pixels are in 64 bytes, or from a load for each pixel. A window of 3×3
takes three steps instead of nine.

All windows of a class read as many pixels as the kernel is wide, within the image: where a window reaches
over an edge, its row begins or ends with pixels whose weight is 0. So a class has weights of its own.
"""

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.kernels.cpu import dot, features, vectors
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.windows import Axis, Class, Image

__all__ = ["ALL_AT_ONCE", "interleaving", "reads_rows", "rows_of_taps"]

FEWEST, MOST = 2, 4  # taps of a row
ALL_AT_ONCE = 16  # channels: their pixels are in one load
LANES, QUAD = 16, 4


def reads_rows(axes: tuple[Axis, Axis], image: Image) -> bool:
    """Whether windows are read row by row; some bytes behind the image are read then."""
    fast = dot().name == "vpdpbusd" and vectors().bytes == 64 and "avx512vbmi" in features()
    x = axes[1]
    fits = FEWEST <= x.size <= MOST and x.dilation == 1 and not x.transposed and image.width >= x.size
    return (
        fast and fits and all(first_pixel(each.inputs, len(each.taps), x) is not None for each in x.classes())
    )


def first_pixel(inputs: list[int], taps: int, x: Axis) -> int | None:
    """How many pixels before its first tap a row is read, so that all of it is in the image."""
    if not taps:
        return 0
    least = max(0, max(inputs) + x.size - x.length)
    return least if least <= min(inputs) else None


def interleaving(channels: int) -> Array:
    """Which byte of the pixels each byte of the lanes is: 16 channels, four pixels."""
    pixel = channels if channels <= ALL_AT_ONCE else LANES
    return (np.arange(QUAD) * pixel + np.arange(LANES)[:, None]).astype(np.uint8).ravel() % 64


def rows_of_taps(
    axes: tuple[Axis, Axis], image: Image, classes: list[Class], flat: Array, room: int
) -> tuple[list[Array], Array]:
    """For each class its list of rows, and the weights (rows, channels) of all, four taps in an int32."""
    lists: list[Array] = []
    packed: list[Array] = []
    line, pixel, _ = image.strides(1)
    wide = axes[1].size
    for kind in classes:
        entries = []
        for ky in sorted({tap // wide for tap, _ in kind.taps}):
            row = [(tap % wide, offset) for tap, offset in kind.taps if tap // wide == ky]
            inputs = (kind.sources % line // pixel).tolist()
            before = first_pixel(inputs, len(row), axes[1]) or 0
            weights = np.zeros((room, QUAD), np.int8)
            for place, (kx, _) in enumerate(row, before):
                weights[: len(flat), place] = flat[:, ky * wide + kx]
            entries.append(len(packed) << 32 | row[0][1] - before * pixel & 0xFFFFFFFF)
            packed.append(weights.view(np.int32)[:, 0])
        lists.append(np.array(entries, np.int64))
    table = aligned((max(1, len(packed)), room), np.int32)
    for row, values in zip(table, packed, strict=False):
        row[:] = values
    return lists, table
