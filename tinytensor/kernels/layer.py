"""A layer's weights as the tile reads them, and the shapes of its tiles.

The outputs are divided into pages a few vectors wide. What is left over at the end, if it is at most half a
vector, shares tail vectors among the rows of a tile; if it is more, the last vector is not full.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.cpu import features, vectors
from tinytensor.kernels.lists import GROUP, Lister, build_lister
from tinytensor.kernels.native import address
from tinytensor.kernels.tile import RAGGED, Tile, build_tile, tail_width
from tinytensor.kernels.tune import page_vectors

__all__ = ["Layout", "aligned", "layout", "pack_weights", "write_layer"]

MOST_LISTED = 1 << 16  # inputs, as lists hold 16-bit integers
TALLEST = 12  # rows of a tile: more than that many broadcasts a step bind the load ports
SIDE_BY_SIDE = 4
LINE = 64  # bytes


class Layout(NamedTuple):
    """How a layer's outputs are divided."""

    dtype: str
    lanes: int
    outputs: int
    vectors: int  # of a page
    pages: int
    last: int  # vectors of the last page
    end: int  # of the last page: 0, RAGGED, or the width of the tails

    @property
    def page_outputs(self) -> int:
        """Outputs of a page that is not the last."""
        return self.vectors * self.lanes

    @property
    def tails_from(self) -> int:
        """The first output that lies in a tail."""
        return (self.pages - 1) * self.page_outputs + self.last * self.lanes if self.end > 0 else self.outputs

    @property
    def rows(self) -> int:
        """Of the tallest tile: as many as leave registers for the weights and the input."""
        return tallest(self.dtype, self.lanes, max(self.vectors, self.last), self.end)


@cache
def layout(dtype: np.dtype[Any], outputs: int, tails: bool = True) -> Layout:
    """The layout of a layer on this CPU; without tails for weights that are read where they lie."""
    lanes = vectors().width(dtype.itemsize)
    full, left = divmod(outputs, lanes)
    end = tail_width(left, lanes) if tails and full else RAGGED if left else 0
    across = full + (end == RAGGED)
    wide = page_vectors(dtype, across)
    pages = -(-across // wide)
    return Layout(dtype.name, lanes, outputs, wide, pages, across - (pages - 1) * wide, end)


def tallest(dtype: str, lanes: int, across: int, end: int) -> int:
    """Rows of the tallest tile whose sums fit the registers."""
    most = vectors().sums
    fitting = [rows for rows in range(1, TALLEST + 1) if Tile(dtype, lanes, rows, across, 1, end).sums <= most]
    return max(fitting)


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros that begin at a line of memory: a vector that straddles two lines costs twice."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + LINE, np.uint8)
    begin = -room.ctypes.data % LINE
    return room[begin : begin + size].view(dtype).reshape(shape)


def pack_weights(weight: Array, plan: Layout) -> tuple[Array, Array]:
    """Pages of a weight (outputs, inputs), input by input, and the tails."""
    outputs, inputs = weight.shape
    size = plan.page_outputs
    pages = aligned((plan.pages, inputs, size), weight.dtype)
    for page in range(plan.pages):
        part = weight[page * size : min((page + 1) * size, plan.tails_from)]
        pages[page, :, : len(part)] = part.T
    tails = aligned((inputs, max(plan.end, 1)), weight.dtype)
    tails[:, : outputs - plan.tails_from] = weight[plan.tails_from :].T
    return pages, tails


def write_layer(row: Array, plan: Layout, inputs: int, source: str, skips: bool, lists: bool) -> None:
    """The fields of a layer's record that follow from its layout; `source` is the dtype of its input."""
    size = np.dtype(plan.dtype).itemsize
    tall = plan.rows
    heights = (tall, max(1, tall // 2), 1)
    row[record.WEIGHT_STRIDE] = plan.page_outputs * size
    row[record.PAGE_BYTES] = inputs * plan.page_outputs * size
    row[record.LEFT] = plan.outputs % plan.lanes
    row[record.INPUTS], row[record.PAGES] = inputs, plan.pages
    row[record.PAGE_OUTPUTS] = plan.page_outputs * size
    row[record.LIST_ROOM] = 8 + 2 * (inputs + 2 * GROUP) + 63 & ~63
    row[record.HEIGHTS : record.HEIGHTS + 3] = heights
    lists = lists and skips and GROUP <= inputs < MOST_LISTED
    row[record.SKIPS] = lists
    read_bytes = source == "uint8"
    for kind, height in enumerate(heights):
        if lists:
            compress = "avx512vbmi2" in features() and "avx512bw" in features()
            row[record.LISTERS + kind] = address(Lister(source, height, compress), build_lister)
        for listed in range(2 if lists else 1):
            tile = Tile(plan.dtype, plan.lanes, height, plan.vectors, 1, 0, bool(listed), read_bytes)
            place = record.TILES + 4 * kind + 2 * listed
            if plan.pages > 1:
                row[place] = address(tile, build_tile)
            row[place + 1] = address(tile._replace(vectors=plan.last, end=plan.end), build_tile)
            if height == 1 and plan.pages > SIDE_BY_SIDE:
                row[record.SIDE_BY_SIDE + listed] = address(tile._replace(pages=SIDE_BY_SIDE), build_tile)
