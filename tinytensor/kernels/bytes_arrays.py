"""Whole arrays of bytes through one instruction: what a quantised primitive computes outside a program.

Arguments are checked by the caller. Sums are exact, so these have the bits of programs and of plain loops.
"""

from typing import Any

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import FLOAT32, UINT8, Array
from tinytensor.kernels.bytes_convolution import Rescaling, bytes_convolution_instruction, reads_beyond
from tinytensor.kernels.bytes_lanes import bytes_average_instruction, bytes_depthwise_instruction
from tinytensor.kernels.bytes_layer import needs_room, product_kernel, write_bytes_layer
from tinytensor.kernels.bytes_taps import reads_rows
from tinytensor.kernels.convolution import NO_PADDING, image_of
from tinytensor.kernels.image_instructions import ImageInstruction
from tinytensor.kernels.images import ALONE, Pair, program_of, run_images, run_table
from tinytensor.kernels.memory import LINE
from tinytensor.kernels.windows import WindowSpec, axes_of
from tinytensor.threads import get_num_threads

__all__ = ["average_bytes", "convolve_bytes", "multiply_bytes"]


def with_room(x: Array, shape: tuple[int, ...]) -> Array:
    """A copy with that shape behind whose end some bytes can be read; elements that x has not are 0."""
    size = int(np.prod(shape))
    copy = np.zeros(size + LINE, np.uint8)[:size].reshape(shape)
    copy[tuple(map(slice, x.shape))] = x
    return copy


def result_dtype(output: Any) -> np.dtype[Any]:
    """Bytes, or numbers."""
    return FLOAT32 if output is None else UINT8


def multiply_bytes(x: Array, weight: Array, how: Rescaling) -> Array:
    """Rows (…, in) of uint8 times weight (out, in) of int8."""
    outputs, inputs = weight.shape
    y = np.empty((*x.shape[:-1], outputs), result_dtype(how.output))
    if not y.size:
        return y
    rows = np.ascontiguousarray(x).reshape(-1, inputs)
    if needs_room(inputs):
        rows = with_room(rows, rows.shape)
    none = np.zeros(1, np.int64)
    made = ImageInstruction(product_kernel(), none, [], record.MATRIX_WORK, 1, 1, outputs)
    table, scratch_bytes = program_of([made], rows[0].nbytes, outputs * y.itemsize, y.itemsize)
    instruction = table[int(table[record.FIRST]) :]
    product = instruction[record.PRODUCT_AT :]
    kept = write_bytes_layer(product, weight, how.bias, how.multiplier, how.zero_point, how.output, False)
    threads = get_num_threads() if len(rows) * weight.size >= ALONE else 1
    run_table(table, scratch_bytes, rows, y.reshape(len(rows), outputs), threads)
    del kept  # the records have its addresses
    return y


def convolve_bytes(
    x: Array, weight: Array, how: Rescaling, stride: Pair, padding: tuple[Pair, Pair] = NO_PADDING,
    dilation: Pair = (1, 1), groups: int = 1, *, channels_last: bool = False,
) -> Array:  # fmt: skip
    """Images of uint8 and weight (out_channels, channels / groups, kh, kw) of int8; see `convolve`."""
    image = image_of(x, channels_last)
    axes = axes_of(image, WindowSpec(weight.shape[2:], stride, padding, dilation))
    if image.channels == groups == len(weight) > 1:
        read = image._replace(channels_last=True)
        if reads_rows(axes, read):
            x = with_room(x, x.shape)
        made = bytes_depthwise_instruction(axes, read, weight, how)
    else:
        read, made = image, bytes_convolution_instruction(axes, image, weight, how, groups)
        if reads_beyond(axes, image, weight.shape[1]):
            x = with_room(x, x.shape)
    work = made.height * made.width * weight.size
    return run_images(made, image, read, x, result_dtype(how.output), work)


def average_bytes(
    x: Array, zero_point: int, multiplier: float, output: Any, size: Pair, stride: Pair,
    padding: tuple[Pair, Pair] = NO_PADDING, dilation: Pair = (1, 1), *, counts_padding: bool = False,
    outputs: Pair | None = None, channels_last: bool = False,
) -> Array:  # fmt: skip
    """Means of windows of uint8; see `pool`."""
    image = image_of(x, channels_last)
    read = image._replace(channels_last=True)
    axes = axes_of(image, WindowSpec(size, stride, padding, dilation), outputs)
    made = bytes_average_instruction(axes, read, zero_point, multiplier, output, counts_padding)
    work = made.height * made.width * made.channels * size[0] * size[1]
    return run_images(made, image, read, x, result_dtype(output), work)
