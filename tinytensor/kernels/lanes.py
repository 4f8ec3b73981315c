"""Instructions whose lanes are channels: depthwise convolution and pooling, of images with channels last."""

from typing import Any

import numpy as np

from tinytensor.kernels.boundary import FLOATS, Array
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.image_instructions import (
    ImageInstruction,
    Step,
    Windows,
    heights_of,
    window_instruction,
)
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.native import address
from tinytensor.kernels.specs import LaneTile
from tinytensor.kernels.windows import Axis, Image

__all__ = ["by_channel", "common_lane_tiles", "depthwise_instruction", "lane_instruction"]

ROWS = 6  # of a tile of two vectors or four; of one vector twice as many, or each sum would wait for the last
ROOM = 64  # channels: weights have whole vectors


def depthwise_instruction(
    axes: tuple[Axis, Axis], image: Image, dtype: np.dtype[Any], weight: Array, bias: Array | None
) -> ImageInstruction:
    """One kernel for each output of images with channels last, or several; weight (outputs, 1, kh, kw)."""
    channels, size, each = len(weight), dtype.itemsize, len(weight) // image.channels
    room = -(-channels // ROOM) * ROOM
    pixels = side_by_side(axes, channels, vectors().width(size)) if each == 1 else 1
    constants, packed = aligned((4, 1, room), dtype), aligned((axes[0].size * axes[1].size, room), dtype)
    constants[0, 0, :channels] = 0 if bias is None else bias
    repeat_channels(constants, channels, pixels)
    packed[:, :channels] = weight.reshape(channels, -1).T
    repeat_channels(packed, channels, pixels)
    lanes = vectors().width(size)
    down = aligned((room // lanes, len(packed), lanes), dtype)  # as tiles that go down an image read it
    down[...] = packed.reshape(len(packed), -1, lanes).swapaxes(0, 1)
    return lane_instruction(
        "multiply", axes, image, dtype, [constants, packed, down], constants, packed.ctypes.data, room * size,
        pixels=pixels, each=each, down=down.ctypes.data if each == 1 else 0,
    )  # fmt: skip


def by_channel(groups: int, weight: Array) -> bool:
    """Whether lanes can be the outputs of channels, each a group: vectors have those of whole channels."""
    outputs, left = divmod(len(weight), groups)
    return len(weight) >= groups > 1 and not left and vectors().width(weight.itemsize) % outputs == 0


def lane_instruction(
    operation: str, axes: tuple[Axis, Axis], image: Image, dtype: np.dtype[Any], kept: list[Array],
    constants: Array | None = None, packed: int = 0, step_bytes: int = 0, counts_padding: bool = False,
    pixels: int = 1, each: int = 1, down: int = 0,
) -> ImageInstruction:  # fmt: skip
    """What works on each channel alone: depthwise convolution, with `each` outputs of a channel; pooling."""
    size, lanes, outputs = dtype.itemsize, vectors().width(dtype.itemsize), image.channels * each
    across = wide_of(operation, lanes, outputs) * lanes
    pages = -(-outputs // across)
    rest = outputs - (pages - 1) * across
    taps = axes[0].size * axes[1].size
    start = 0 if constants is None else constants.ctypes.data
    steps = [
        Step(packed + page * across * size, 0, start + page * across * size, page * across * size // each,
             page * across * size, page == pages - 1, down + page * across * taps * size,
             min(across, outputs - page * across) // lanes if pixels == 1 else 1)
        for page in range(pages)
    ]  # fmt: skip

    heights, tiles = tiles_of(operation, dtype, outputs, pixels, each)
    return window_instruction(
        Windows(axes, image, size, outputs * size, counts_padding=counts_padding, side_by_side=pixels,
                down=dtype.name if down else ""),
        outputs, steps, heights, [address(tile) for tile in tiles], kept, step_bytes=step_bytes,
        left=rest % lanes, constants=constants,
    )  # fmt: skip


def side_by_side(axes: tuple[Axis, Axis], channels: int, lanes: int) -> int:
    """Pixels whose channels a vector holds: neighbours lie one after the other where windows are, too."""
    return max(1, lanes // channels) if axes[1].stride == 1 and not axes[1].transposed else 1


def repeat_channels(rows: Array, channels: int, pixels: int) -> None:
    """The same numbers for every pixel of a vector."""
    for pixel in range(1, pixels):
        rows[..., pixel * channels : (pixel + 1) * channels] = rows[..., :channels]


def wide_of(operation: str, lanes: int, channels: int) -> int:
    """Vectors of a page: as many as are needed and fit registers; of a mean each is two of float64."""
    if channels <= lanes:
        return 1
    most = 4 if channels > 2 * lanes and vectors().registers >= 32 else 2
    return most // 2 if operation == "average" else most


def tiles_of(
    operation: str, dtype: np.dtype[Any], channels: int, pixels: int = 1, each: int = 1
) -> tuple[tuple[int, ...], list[LaneTile]]:
    """Heights of tiles, and for each height the tile of a page in the middle and that of the last page."""
    lanes = vectors().width(dtype.itemsize)
    wide = wide_of(operation, lanes, channels)
    rest = channels - (-(-channels // (wide * lanes)) - 1) * wide * lanes
    heights = heights_of(ROWS if wide > 1 else 2 * ROWS)
    middle = [LaneTile(operation, dtype.name, lanes, height, wide, outputs=each) for height in heights]
    last: dict[str, Any] = {"vectors": -(-rest // lanes), "ragged": bool(rest % lanes) or pixels > 1}
    if rest == channels:
        return heights, [tile._replace(**last) for tile in middle for _ in range(2)]
    return heights, [tile._replace(**end) for tile in middle for end in ({}, last)]


def common_lane_tiles() -> set[Any]:
    """Every tile whose lanes are channels."""
    found: set[Any] = set()
    for dtype in FLOATS:
        lanes = vectors().width(dtype.itemsize)
        for operation in ("multiply", "max", "average"):
            for channels in range(1, 8 * lanes + 1):
                found |= set(tiles_of(operation, dtype, channels)[1])
    return found
