"""Instructions on images of bytes whose lanes are channels: depthwise convolution and pooling."""

import math
from typing import Any

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.bytes_convolution import Rescaling, class_records, starts_of
from tinytensor.kernels.bytes_layer import bytes_layout, dot_fields, rounding_record
from tinytensor.kernels.bytes_taps import ALL_AT_ONCE, interleaving, reads_rows, rows_of_taps
from tinytensor.kernels.convolution import tiles_of as windows_of
from tinytensor.kernels.cpu import dot, vectors
from tinytensor.kernels.image_instructions import ImageInstruction, Step, heights_of, window_record
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.native import address
from tinytensor.kernels.specs import BytesLaneTile
from tinytensor.kernels.windows import Axis, Image, classes_of, taps_of

__all__ = [
    "bytes_average_instruction", "bytes_depthwise_instruction", "bytes_max_instruction",
    "common_bytes_tiles",
]  # fmt: skip

ROWS = 6  # of a tile of two vectors; twice as many of one
ROOM = 64  # channels: weights have whole vectors


def bytes_depthwise_instruction(
    axes: tuple[Axis, Axis], image: Image, weight: Array, how: Rescaling
) -> ImageInstruction:
    """One kernel for each channel; weight int8 (channels, 1, kh, kw)."""
    channels, flat = image.channels, weight.reshape(len(weight), -1)
    room = -(-channels // ROOM) * ROOM
    classes = classes_of(axes, image, 1, channels * how.size)
    places = [np.array([tap for tap, _ in kind.taps], np.int64) for kind in classes]
    start = starts_of(flat, places, how, how.zero_point, room)
    if reads_rows(axes, image):
        lists, packed = rows_of_taps(axes, image, classes, flat, room)
        return instruction("rows", axes, image, how, start=start, packed=packed, lists=lists)
    packed = aligned((flat.shape[1], room), np.int32)
    packed[:, :channels] = flat.T
    return instruction("multiply", axes, image, how, start=start, packed=packed)


def bytes_max_instruction(axes: tuple[Axis, Axis], image: Image) -> ImageInstruction:
    """The largest byte of each window."""
    return instruction("max", axes, image, None)


def bytes_average_instruction(
    axes: tuple[Axis, Axis], image: Image, zero_point: int, multiplier: float, output: Any,
    counts_padding: bool,
) -> ImageInstruction:  # fmt: skip
    """The mean of each window, rescaled."""
    none = np.zeros(0, np.int32)
    how = Rescaling(none, np.array([multiplier], np.float32), zero_point, output)
    return instruction("average", axes, image, how, counts_padding=counts_padding)


def tiles_of(
    operation: str, output: str, channels: int, loads: int = 1
) -> tuple[tuple[int, ...], list[BytesLaneTile], int]:
    """Heights, tiles of a page in the middle and of the last one for each, and channels of a page."""
    lanes = vectors().bytes if operation == "max" else vectors().width(4)
    if vectors().bytes < 64:  # without masks of bytes
        lanes = math.gcd(channels, lanes)
    wide = 1 if operation == "average" or channels <= lanes else 2
    heights = heights_of(ROWS * (3 - wide))
    kind = dot().name if operation in ("multiply", "rows") else ""
    rest = channels - (-(-channels // (wide * lanes)) - 1) * wide * lanes
    middle = [BytesLaneTile(operation, lanes, height, wide, False, kind, output, loads) for height in heights]
    last: dict[str, Any] = {"vectors": -(-rest // lanes), "ragged": bool(rest % lanes)}
    only = rest == channels
    return (
        heights,
        [each._replace(**end) for each in middle for end in (last if only else {}, last)],
        wide * lanes,
    )


def instruction(
    operation: str, axes: tuple[Axis, Axis], image: Image, how: Rescaling | None, *,
    start: Array | None = None, packed: Array | None = None, lists: list[Array] | None = None,
    counts_padding: bool = False,
) -> ImageInstruction:  # fmt: skip
    """What works on each channel alone."""
    channels, output = image.channels, "uint8" if how is None else how.dtype
    size = 1 if how is None else how.size
    loads = axes[1].size if operation == "rows" and channels > ALL_AT_ONCE else 1
    heights, tiles, across = tiles_of(operation, output, channels, loads)
    pages = -(-channels // across)
    classes = classes_of(axes, image, 1, channels * size)
    shift = start.strides[0] if start is not None and len(start) > 1 else 0
    rows, tables = class_records(classes, lists or [taps_of(kind, 1, 1) for kind in classes], shift)
    counts = [kind.padded if counts_padding else len(kind.taps) for kind in classes]
    rows[:, record.WINDOW_DIVISOR] = np.array(counts, np.float64).view(np.int64)
    kept = [each for each in (start, packed) if each is not None]
    table = rounding_record(None if how is None else how.output, 0 if start is None else start.strides[1])
    if operation == "average" and how is not None:
        table[record.ZERO] = how.zero_point
        table[record.SCALE] = how.multiplier.view(np.uint32)[0]
    table[record.PIXEL_BYTES] = channels
    table[record.INTERLEAVING :][:8] = interleaving(channels).view(np.int64)
    begin, weights = (0 if each is None else each.ctypes.data for each in (start, packed))
    steps = [
        Step(weights + 4 * page * across, 0, begin + 4 * page * across, page * across, page * across * size,
             page == pages - 1)
        for page in range(pages)
    ]  # fmt: skip
    return window_record(
        axes, (rows, tables), channels, steps, heights, [address(each) for each in tiles], [*kept, table],
        step_bytes=0 if packed is None else packed.strides[0],
        left=(channels - (pages - 1) * across) % tiles[0].lanes, table=table.ctypes.data,
    )  # fmt: skip


def common_bytes_tiles() -> set[Any]:
    """Every tile that an image of bytes can need."""
    found: set[Any] = set()
    for output in ("uint8", "float32"):
        for channels in range(1, 11 * vectors().width(4) + 1):
            plan = bytes_layout(channels, False)
            found |= set(windows_of(plan, False, **dot_fields(output))[1])
            for operation in ("multiply", "average", "max")[: 3 if output == "uint8" else 2]:
                found |= set(tiles_of(operation, output, channels)[1])
    return found
