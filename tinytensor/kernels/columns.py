"""How an image's rows are divided among the tiles of a depthwise convolution that go down it (`column_tile`).

A column of the result is cut into pieces of the same height, the last perhaps beginning before its turn. At
the upper and the lower edge some of a piece's inputs are padding: the tile there is one without them.
"""

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.specs import ColumnTile
from tinytensor.kernels.windows import Axis, AxisClass

__all__ = ["beginnings", "pieces_of"]

MOST_ROWS = 16


def beginnings(count: int, most: int) -> tuple[Array, int]:
    """Where pieces of a row or a column begin, the last perhaps before its turn; how long each is."""
    together = min(count, most)
    return np.minimum(np.arange(0, count, together), count - together), together


def pieces_of(
    axes: tuple[Axis, Axis], columns: AxisClass, channels: int, dtype: str
) -> list[tuple[AxisClass, ColumnTile]]:
    """Of columns with the same taps, the first rows of the pieces that are alike, and the tile of these.

    There are none if `channels`, those of all pixels that a vector holds, do not fill vectors.
    """
    y, x = axes
    lanes = vectors().width(np.dtype(dtype).itemsize)
    taps = [tap for tap, _ in columns.taps]
    most = min(MOST_ROWS, vectors().registers - 2 - y.size * len(taps))
    suits = channels % lanes == 0 and taps and y.dilation == 1 and not (y.transposed or x.transposed)
    if not suits or min(most, y.outputs) < 2:
        return []
    height = -(-y.outputs // -(-y.outputs // most))
    found: dict[tuple[int, int], AxisClass] = {}
    for first in beginnings(y.outputs, height)[0].tolist():
        top = first * y.stride - y.before
        bottom = top + (height - 1) * y.stride + y.size
        padding = max(0, -top), max(0, bottom - y.length)
        # the list of taps has two rows: their columns, and how far one is below the other
        each = found.setdefault(padding, AxisClass(((0, 0), (1, 1)), y.size, [], []))
        each.outputs.append(first)
        each.inputs.append(max(0, top))
    shape = lanes, height, (y.size, x.size), (taps[0], taps[-1] + 1), y.stride
    return [(rows, ColumnTile(dtype, *shape, padding)) for padding, rows in found.items()]
