"""A layer's product over a block of rows: strips of rows through pages of weights, tile by tile.

Weights lie in pages: the outputs of a page are a few vectors wide, and k after k its weights follow each
other in memory, so a tile streams them. All strips of a block go through one page before the next page is
read: the page comes from L2 once and then from L1 or L2 for 100 rows and more. Where L2 does not hold a page,
the strips go through some inputs at a time, and on from the sums in the result. A strip has as many rows as
the tallest tile; what remains is cut into strips of lower ones.

Where rows have zeros, a strip's list is made once and serves all pages. The first strip of a kind decides: if
its list is hardly shorter than the row, the strips go through all inputs instead.
"""

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic
from numba.types import int64, intp, void

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.address import integers_at, number_of
from tinytensor.kernels.pointers import pointer_to
from tinytensor.kernels.record import (
    AHEAD,
    BIAS,
    BY_ROWS,
    CONSTANTS_AT,
    EPILOGUE,
    HEIGHTS,
    INIT_PAGE,
    INIT_STRIDE,
    INPUTS,
    KINDS,
    LAYER_EPILOGUE,
    LEFT,
    LIST_ROOM,
    LISTERS,
    MOST_INPUTS,
    MOST_ROWS,
    OUT_STRIDE,
    PAGE_BYTES,
    PAGE_OUTPUTS,
    PAGES,
    PART,
    PARTS,
    PRODUCT_AT,
    PRODUCT_OFFSET,
    REPEAT,
    SIDE_BY_SIDE,
    SIZE,
    SKIPS,
    SOURCE,
    TABLE,
    TAIL,
    TAIL_STRIDE,
    TARGET,
    TILES,
    WEIGHT_STRIDE,
    WEIGHTS,
    WORK_OFFSET,
    X_STRIDE,
)
from tinytensor.kernels.specs import GROUP

__all__ = ["call_tile", "linear", "linear_rows", "multiply", "rows_of_block"]

LISTED_COST = 9  # a listed term takes 9/8 of a dense one: it reads its place, and lists have to be made
EVEN = 12  # rows: a multiple of most heights of tiles
TOGETHER = 4  # pages of one tile, where a tile has one row


def native(returns: Any, count: int) -> Any:
    """An intrinsic that calls machine code of `count` int64 by its address."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        integer = ir.IntType(64)
        result = integer if returns == int64 else ir.VoidType()
        kind = ir.FunctionType(result, [integer] * count)
        found = builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return found if returns == int64 else context.get_dummy_value()

    return returns(*[intp] * (count + 1)), generate


@intrinsic
def call_tile(
    typing_context: Any,
    address: Any,
    record: Any,
    x: Any,
    w: Any,
    init: Any,
    out: Any,
    places: Any,
    count: Any,
) -> Any:
    """`build_tile`'s function at its address."""
    return native(void, 7)


@intrinsic
def call_lister(
    typing_context: Any, address: Any, x: Any, stride: Any, inputs: Any, places: Any, ahead: Any
) -> Any:
    """`build_lister`'s function at its address."""
    return native(int64, 5)


@subroutine
def rows_of_block(left: int, most: int) -> int:
    """Rows of the next block: blocks of about the same size, of whole tiles where that is possible."""
    if left <= most:
        return left
    even = -(-left // -(-left // most))
    return min(left, most, -(-even // EVEN) * EVEN)


@subroutine
def multiply(
    layer: Any, product: Any, inputs: int, x: int, weights: int, init: int, out: int, rows: int,
    first_page: int, stop: int, lists: int,
) -> None:  # fmt: skip
    """Rows of x times some pages, of which `weights` is the first; `product` has the strides."""
    x_stride, out_stride = product[X_STRIDE], product[OUT_STRIDE]
    init_stride, init_page, room = product[INIT_STRIDE], layer[INIT_PAGE], layer[LIST_ROOM]
    pages, page_bytes, page_outputs = layer[PAGES], product[PAGE_BYTES], layer[PAGE_OUTPUTS]
    top = 0
    for kind in range(KINDS):
        height, left = layer[HEIGHTS + kind], rows - top
        shorter = layer[HEIGHTS + kind + 1] if kind + 1 < KINDS else 0
        strips, rest = 0, left
        if left >= height:  # a division takes 5 ns, and one sample's layers need none
            strips = left // height
            rest = left - strips * height
        # fewer than two of the tallest are often a whole number of the second: ten rows are two of five
        if left == 0 or (kind == 0 and 1 < shorter <= left < 2 * height and left % shorter == 0):
            continue
        # a strip may begin before its turn, where the next tile is shorter than the rest: some rows are
        # computed twice
        if init_stride == 0 and rest > shorter and rows >= height:
            strips += 1
        if strips == 0:
            continue
        begin, target, start = x + top * x_stride, out + top * out_stride, init + top * init_stride
        last = rows - top - height
        listed = 0
        if layer[SKIPS]:
            lister, ahead = layer[LISTERS + kind], layer[AHEAD] * x_stride
            for strip in range(strips):
                list_at = lists + strip * room
                count = call_lister(
                    lister, begin + min(strip * height, last) * x_stride, x_stride, inputs, list_at + 8, ahead
                )
                integers_at(list_at)[0] = count
                if strip == 0 and LISTED_COST * count > 8 * inputs:
                    break
                listed = 1
        tiles = TILES + 4 * kind + 2 * listed
        page = first_page
        while page < stop:
            tile, taken = layer[tiles + (1 if page == pages - 1 else 0)], 1
            if height == 1 and min(stop, pages - 1) - page >= TOGETHER and layer[SIDE_BY_SIDE + listed] != 0:
                tile, taken = layer[SIDE_BY_SIDE + listed], TOGETHER
            here, across = weights + (page - first_page) * page_bytes, page * page_outputs
            product[CONSTANTS_AT] = layer[BIAS] + page * init_page
            for strip in range(strips):
                count, list_at = inputs, lists + strip * room
                if listed:
                    count = integers_at(list_at)[0]
                row = min(strip * height, last)
                call_tile(tile, number_of(product), begin + row * x_stride, here,
                          start + row * init_stride + page * init_page, target + row * out_stride + across,
                          list_at + 8, count)  # fmt: skip
            page += taken
        top += min(strips * height, rows - top)


@subroutine
def multiply_parts(
    layer: Any, product: Any, x: int, y: int, rows: int, size: int, first: int, stop: int, lists: int
) -> None:
    """Rows of x, of `size` bytes a number, times some pages: through all inputs, or some at a time."""
    weights, start, inputs = layer[WEIGHTS] + first * layer[PAGE_BYTES], layer[BIAS], layer[INPUTS]
    product[TAIL], product[INIT_STRIDE], product[EPILOGUE] = layer[TAIL], 0, 0
    while True:
        some = inputs
        if 0 < layer[MOST_INPUTS] < inputs and rows > layer[HEIGHTS]:
            pieces = -(-inputs // layer[MOST_INPUTS])
            some = -(-inputs // (pieces * GROUP)) * GROUP
        if some == inputs:
            product[EPILOGUE] = layer[LAYER_EPILOGUE]
        multiply(layer, product, some, x, weights, start, y, rows, first, stop, lists)
        x, weights, inputs = x + some * size, weights + some * layer[WEIGHT_STRIDE], inputs - some
        product[TAIL] += some * layer[TAIL_STRIDE]
        if inputs <= 0:
            break
        start, product[INIT_STRIDE] = y, product[OUT_STRIDE]


@subroutine
def linear_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Rows of a layer, or some pages of it; where the rows are pixels, some of them."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    layer = pointer_to(instruction, PRODUCT_AT)
    product = integers_at(scratch + PRODUCT_OFFSET)
    source, target = instruction[SOURCE], instruction[TARGET]
    for field in (WEIGHT_STRIDE, PAGE_BYTES, LEFT, TABLE):
        product[field] = layer[field]
    repeat, x, y = instruction[REPEAT], buffers[2 * source], buffers[2 * target]
    x_stride, y_stride = buffers[2 * source + 1] // repeat, buffers[2 * target + 1] // repeat
    product[X_STRIDE], product[OUT_STRIDE] = x_stride, y_stride
    part, parts, rows = product[PART], product[PARTS], rows * repeat
    first, stop, top, last = layer[PAGES] * part // parts, layer[PAGES] * (part + 1) // parts, 0, rows
    if layer[BY_ROWS]:
        first, stop, top, last = 0, layer[PAGES], rows * part // parts, rows * (part + 1) // parts
    while top < last:
        some = rows_of_block(last - top, MOST_ROWS)
        multiply_parts(layer, product, x + top * x_stride, y + top * y_stride, some, instruction[SIZE], first,
                       stop, scratch + WORK_OFFSET)  # fmt: skip
        top += some


def linear(instruction_at: int, scratch: int, rows: int) -> None:
    """The instruction of a Linear layer."""
    linear_rows(instruction_at, scratch, rows)
