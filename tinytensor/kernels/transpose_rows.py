"""The instruction that turns images with channels first into images with channels last, and back.

A sample is a matrix, channels × pixels or pixels × channels, which is transposed in squares as wide as a
vector; the last square of a side overlaps the one before it. A matrix narrower than that goes element by
element.
"""

from typing import Any

from tinytensor.kernels.address import integers_at, number_of, numbers_at
from tinytensor.kernels.pointers import full_width, pointer_to, transpose
from tinytensor.kernels.record import CONSTANT, SOURCE, TARGET

__all__ = ["transpose_rows"]


def transpose_rows(instruction_at: int, scratch: Any, rows: int) -> None:
    """Target = transposed source, for each row a matrix whose shape CONSTANT points at."""
    instruction, buffers = integers_at(instruction_at), integers_at(number_of(scratch))
    source, target, shape = instruction[SOURCE], instruction[TARGET], integers_at(instruction[CONSTANT])
    height, across, width = shape[0], shape[1], full_width(scratch)
    for row in range(rows):
        x = numbers_at(buffers[2 * source] + row * buffers[2 * source + 1], scratch)
        y = numbers_at(buffers[2 * target] + row * buffers[2 * target + 1], scratch)
        if min(height, across) < width:
            for i in range(height):
                for j in range(across):
                    y[j * height + i] = x[i * across + j]
            continue
        for above in range(0, height, width):
            i = min(above, height - width)
            for before in range(0, across, width):
                j = min(before, across - width)
                transpose(pointer_to(x, i * across + j), across, pointer_to(y, j * height + i), height)
