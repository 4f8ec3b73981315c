"""A layer's weights as the tile reads them, and the shapes of its tiles.

The outputs are divided into pages a few vectors wide. What is left over at the end, if it is at most half a
vector, shares tail vectors among the rows of a tile; if it is more, the last vector is not full.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import FLOATS, Array
from tinytensor.kernels.cpu import dot, features, vectors
from tinytensor.kernels.native import address
from tinytensor.kernels.specs import GROUP, RAGGED, Lister, Tile, tail_width
from tinytensor.kernels.tune import candidates, page_vectors

__all__ = [
    "Layout", "aligned", "common_parts", "layout", "layout_in_pages", "layout_of_few", "pack_weights",
    "write_layer",
]  # fmt: skip

MOST_LISTED = 1 << 16  # inputs, as lists hold 16-bit integers
TALLEST = 12  # rows of a tile: more than that many broadcasts a step bind the load ports
WIDEST = 7  # vectors of a page: with more, one row is no faster
SIDE_BY_SIDE = 4
LINE = 64  # bytes
LARGE_BYTES = 1 << 19  # of a page of weights: all rows go through PART_BYTES of it before the next ones
PART_BYTES = 1 << 15


class Layout(NamedTuple):
    """How a layer's outputs are divided."""

    dtype: str
    lanes: int
    outputs: int
    vectors: int  # of a page
    pages: int
    last: int  # vectors of the last page
    end: int  # of the last page: 0, RAGGED, or the width of the tails
    few: int = 0  # rows of a product, where they are known and few

    @property
    def size(self) -> int:
        """Bytes of a lane: of a number, or of a group of four bytes."""
        return 8 if self.dtype == "float64" else 4

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
def layout(dtype: np.dtype[Any], outputs: int, tails: bool = True, pixels: bool = False) -> Layout:
    """The layout of a layer on this CPU; without tails for weights that are read where they lie.

    Measured widths are those for weights from L2. While pixels go through a page, it stays in L1: the width
    with the fewest loads is best.
    """
    lanes = vectors().width(dtype.itemsize)
    across = max(1, outputs // lanes + (end_of(outputs, lanes, tails) == RAGGED))
    wide = candidates(across)[0] if pixels else page_vectors(dtype, across)
    return layout_in_pages(dtype, outputs, wide, tails)


def layout_of_few(dtype: np.dtype[Any], outputs: int, rows: int, wide: bool) -> Layout:
    """The layout for so few rows, without tails: tiles of just so many rows, pages as wide as these allow.

    Not `wide`: pages of the usual width, which several threads share.
    """
    usual = layout(dtype, outputs, False)
    if wide:
        strip, most = strip_of(rows, usual.rows), vectors().registers
        shapes = [Tile(usual.dtype, usual.lanes, strip, each, 1, usual.end) for each in range(1, WIDEST + 1)]
        fitting = [each.vectors for each in shapes if each.registers(masks=most >= 32) <= most]
        across = -(-outputs // usual.lanes)
        pages = -(-across // max(usual.vectors, *fitting))
        usual = layout_in_pages(dtype, outputs, -(-across // pages), False)
    return usual._replace(few=rows)


def strip_of(rows: int, most: int) -> int:
    """Rows of each strip but the last, where as few strips as possible are about the same."""
    return -(-rows // -(-rows // most))


def layout_in_pages(dtype: np.dtype[Any], outputs: int, wide: int, tails: bool = True) -> Layout:
    """The layout with pages of so many vectors."""
    lanes = vectors().width(dtype.itemsize)
    end = end_of(outputs, lanes, tails)
    across = outputs // lanes + (end == RAGGED)
    pages = -(-across // wide)
    return Layout(dtype.name, lanes, outputs, wide, pages, across - (pages - 1) * wide, end)


def end_of(outputs: int, lanes: int, tails: bool) -> int:
    """How the last page ends; fewer outputs than a vector has lanes have no tail: it would save nothing."""
    full, left = divmod(outputs, lanes)
    return tail_width(left, lanes) if tails and full else RAGGED if left else 0


def tallest(dtype: str, lanes: int, across: int, end: int) -> int:
    """Rows of the tallest tile that the registers hold."""
    tiles = [Tile(dtype, lanes, rows, across, 1, end) for rows in range(1, TALLEST + 1)]
    if dtype == "int8":
        return max(each.rows for each in tiles if each.sums <= dot().sums)
    most = vectors().registers
    return max(each.rows for each in tiles if each.registers(masks=most >= 32) <= most)


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros that begin at a line of memory: a vector that straddles two lines costs twice."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + LINE, np.uint8)
    begin = -room.ctypes.data % LINE
    return np.frombuffer(room[begin : begin + size], dtype).reshape(shape)


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


class Part(NamedTuple):
    """One piece of a layer's machine code, and where its address stands in the record."""

    place: int
    spec: Tile | Lister


def parts_of(plan: Layout, source: str, lists: bool, **more: Any) -> Iterator[Part]:
    """Tiles and listers of a layer; `source` is the dtype of its input, `more` what else tiles are."""
    compress = {"avx512vbmi2", "avx512bw"} <= features()
    for kind, height in enumerate(heights(plan)):
        if lists:
            yield Part(record.LISTERS + kind, Lister(source, height, compress))
        for listed in range(2 if lists else 1):
            page = Tile(
                plan.dtype, plan.lanes, height, plan.vectors, 1, 0, bool(listed), source == "uint8", **more
            )  # fmt: skip
            place = record.TILES + 4 * kind + 2 * listed
            if plan.pages > 1:
                yield Part(place, page)
            yield Part(place + 1, page._replace(vectors=plan.last, end=plan.end))
            if height == 1 and plan.pages > SIDE_BY_SIDE:
                yield Part(record.SIDE_BY_SIDE + listed, page._replace(pages=SIDE_BY_SIDE))


def heights(plan: Layout) -> tuple[int, int, int, int]:
    """Rows of the tallest tile, of one of at most 5, as batches of 10 are usual, of lower ones, and one.

    For few rows, those of their strips.
    """
    most = plan.rows
    if plan.few:
        strip = strip_of(plan.few, most)
        return strip, *(plan.few % strip or strip,) * 3
    return most, min(5, max(1, most - 1)), max(1, most // 2 if most < 8 else 3), 1


def may_list(inputs: int) -> bool:
    """Whether a row of so many inputs can have a list."""
    return GROUP <= inputs < MOST_LISTED


def write_layer(row: Array, plan: Layout, inputs: int, source: str, lists: bool, **more: Any) -> None:
    """The fields of a layer's record that follow from its layout."""
    across = plan.page_outputs * plan.size
    row[[record.WEIGHT_STRIDE, record.PAGE_OUTPUTS, record.INIT_PAGE]] = across
    row[record.PAGE_BYTES] = inputs * across
    row[[record.LEFT, record.INPUTS, record.PAGES]] = plan.outputs % plan.lanes, inputs, plan.pages
    row[record.TAIL_STRIDE] = max(plan.end, 0) * plan.size
    if plan.dtype != "int8" and row[record.PAGE_BYTES] > LARGE_BYTES:
        # so many that no part is too short for a list: the last two are about the same
        row[record.MOST_INPUTS] = max(4 * GROUP, PART_BYTES // across)
    row[record.LIST_ROOM] = 8 + 2 * (inputs + 2 * GROUP) + 63 & ~63
    row[record.HEIGHTS : record.HEIGHTS + record.KINDS] = heights(plan)
    row[record.SKIPS] = lists and may_list(inputs)
    for place, spec in parts_of(plan, source, bool(row[record.SKIPS]), **more):
        row[place] = address(spec)


def layouts_of_few(dtype: np.dtype[Any]) -> set[Layout]:
    """Those for every number of rows and columns.

    More rows than the tallest tile has need the same tiles, and so do more columns than these.
    """
    lanes, most = vectors().width(dtype.itemsize), WIDEST * (WIDEST + 1)
    columns = [across * lanes - left for across in range(1, most + 1) for left in (0, 1)]
    shapes = product(columns, range(1, TALLEST + 1), (False, True))
    return {layout_of_few(dtype, *shape) for shape in shapes if shape[0] > 0}


def common_parts() -> set[Tile | Lister]:
    """Every tile and lister that a layer of any width can need."""
    found: set[Tile | Lister] = set()
    for dtype in FLOATS:
        lanes = vectors().width(dtype.itemsize)
        found |= {part.spec for plan in layouts_of_few(dtype) for part in parts_of(plan, dtype.name, False)}
        for outputs in (*range(1, 13 * lanes), 24 * lanes):
            found |= {part.spec for part in parts_of(layout(dtype, outputs, False), dtype.name, False)}
            for plan in (layout(dtype, outputs), layout(dtype, outputs, pixels=True)):
                for source in (dtype.name, "uint8") if dtype == FLOATS[0] else (dtype.name,):
                    found |= {part.spec for part in parts_of(plan, source, True)}
    return found
