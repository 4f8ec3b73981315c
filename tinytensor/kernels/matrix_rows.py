"""The instruction of a quantised product in the CPU's matrix unit: strips of rows through pairs of vectors.

All strips of a block go through the weights of one pair of vectors before the next pair is read. Strips
have 32 rows at most and all the same number; the last one begins before its turn, if need be, and computes a
few rows twice. A few rows are faster in vectors, and may be listed there.
"""

from tinytensor.kernels.address import integers_at, number_of
from tinytensor.kernels.linear import call_tile, linear_rows
from tinytensor.kernels.pointers import pointer_to
from tinytensor.kernels.record import (
    BIAS,
    COLUMN,
    COLUMN_INIT,
    COLUMN_KIND,
    COLUMN_OUT,
    COLUMN_WEIGHTS,
    COLUMNS_AT,
    COLUMNS_COUNT,
    CONFIGURATIONS_AT,
    CONFIGURE,
    FEWEST,
    LEFT,
    MATRIX,
    MATRIX_TILES,
    OUT_STRIDE,
    PRODUCT_AT,
    PRODUCT_OFFSET,
    RELEASE,
    REPEAT,
    SOURCE,
    TABLE,
    TARGET,
    WEIGHT_STRIDE,
    WEIGHTS,
    WORK_OFFSET,
    X_STRIDE,
)

__all__ = ["matrix_linear"]

STRIP = 32  # rows
SQUARE = 16
CONFIGURATION = 64  # bytes
TILES_EACH = 4  # two vectors or one, the last one full or not


def matrix_linear(instruction_at: int, scratch: int, rows: int) -> None:
    """The instruction of a quantised layer."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    layer = pointer_to(instruction, PRODUCT_AT)
    matrix, product = integers_at(layer[MATRIX]), integers_at(scratch + PRODUCT_OFFSET)
    repeat = instruction[REPEAT]
    if rows * repeat < matrix[FEWEST]:
        linear_rows(instruction_at, scratch, rows)
        return
    source, target = instruction[SOURCE], instruction[TARGET]
    x, y, rows = buffers[2 * source], buffers[2 * target], rows * repeat
    x_stride, y_stride = buffers[2 * source + 1] // repeat, buffers[2 * target + 1] // repeat
    product[WEIGHT_STRIDE], product[LEFT], product[TABLE] = layer[WEIGHT_STRIDE], layer[LEFT], layer[TABLE]
    product[X_STRIDE], product[OUT_STRIDE] = x_stride, y_stride
    work = scratch + WORK_OFFSET
    strips = -(-rows // STRIP)
    height = -(-rows // strips)
    tiles = MATRIX_TILES + (TILES_EACH if height > SQUARE else 0)
    setting = matrix[CONFIGURATIONS_AT] + CONFIGURATION * (height - 1)
    call_tile(matrix[CONFIGURE], setting, 0, 0, 0, 0, 0, 0)
    for i in range(matrix[COLUMNS_COUNT]):
        column = integers_at(matrix[COLUMNS_AT] + 8 * COLUMN * i)
        for strip in range(strips):
            row = min(strip * height, rows - height)
            call_tile(
                matrix[tiles + column[COLUMN_KIND]], number_of(product), x + row * x_stride,
                layer[WEIGHTS] + column[COLUMN_WEIGHTS], layer[BIAS] + column[COLUMN_INIT],
                y + row * y_stride + column[COLUMN_OUT], work, height,
            )  # fmt: skip
    call_tile(matrix[RELEASE], 0, 0, 0, 0, 0, 0, 0)
