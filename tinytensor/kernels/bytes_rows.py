"""The driver's instruction for loops over bytes: rows of a source, and perhaps of another, to a target."""

from tinytensor.kernels.address import bytes_at, integers_at
from tinytensor.kernels.linear import call_tile
from tinytensor.kernels.record import (
    CONSTANT,
    FEATURES,
    LOOP,
    OTHER,
    SIZE,
    SOURCE,
    TARGET,
)

__all__ = ["bytes_rows", "transpose_bytes"]


def bytes_rows(instruction_at: int, scratch: int, rows: int) -> None:
    """Target = loop(source, other), which may be the source; elements of the source have SIZE bytes."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    source, other, target = instruction[SOURCE], instruction[OTHER], instruction[TARGET]
    x, z, y = buffers[2 * source], buffers[2 * other], buffers[2 * target]
    x_stride, z_stride, y_stride = (
        buffers[2 * source + 1],
        buffers[2 * other + 1],
        buffers[2 * target + 1],
    )
    features = instruction[FEATURES]
    alone = source == other or z_stride == features
    if x_stride == features * instruction[SIZE] and alone and y_stride == features:
        features, rows = features * rows, 1
    for row in range(rows):
        call_tile(instruction[LOOP], instruction[CONSTANT], x + row * x_stride, z + row * z_stride, 0,
                  y + row * y_stride, 0, features)  # fmt: skip


def transpose_bytes(instruction_at: int, scratch: int, rows: int) -> None:
    """Each row of the target is that of the source as a matrix, transposed; CONSTANT points at its shape."""
    instruction, buffers = integers_at(instruction_at), integers_at(scratch)
    source, target = 2 * instruction[SOURCE], 2 * instruction[TARGET]
    shape = integers_at(instruction[CONSTANT])
    height, width = shape[0], shape[1]
    for row in range(rows):
        x = bytes_at(buffers[source] + row * buffers[source + 1])
        y = bytes_at(buffers[target] + row * buffers[target + 1])
        for i in range(width):
            for j in range(height):
                y[i * height + j] = x[j * width + i]
