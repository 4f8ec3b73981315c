"""Instructions whose lanes are channels: depthwise convolution and pooling, of images with channels last."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.image_instructions import (
    ImageInstruction,
    Step,
    Windows,
    heights_of,
    tile_addresses,
    window_instruction,
)
from tinytensor.kernels.lane_tile import LaneTile, build_lane_tile
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.native import address
from tinytensor.kernels.windows import Axis, Image

__all__ = ["depthwise_instruction", "lane_instruction"]

ROWS = 6  # of a tile whose lanes are channels; two vectors each
ROOM = 64  # channels: weights have whole vectors


def depthwise_instruction(
    axes: tuple[Axis, Axis], image: Image, dtype: np.dtype[Any], weight: Array, bias: Array | None
) -> ImageInstruction:
    """One kernel for each channel of images with channels last; weight (channels, 1, kh, kw)."""
    channels, size = image.channels, dtype.itemsize
    room = -(-channels // ROOM) * ROOM
    start, packed = aligned((room,), dtype), aligned((axes[0].size * axes[1].size, room), dtype)
    start[:channels] = 0 if bias is None else bias
    packed[:, :channels] = weight.reshape(channels, -1).T
    return lane_instruction(
        "multiply", axes, image, dtype, [start, packed], start.ctypes.data, packed.ctypes.data, room * size
    )


def lane_instruction(
    operation: str, axes: tuple[Axis, Axis], image: Image, dtype: np.dtype[Any], kept: list[Array],
    start: int = 0, packed: int = 0, step_bytes: int = 0, counts_padding: bool = False,
) -> ImageInstruction:  # fmt: skip
    """What works on each channel alone: depthwise convolution, pooling."""
    size, lanes = dtype.itemsize, vectors().width(dtype.itemsize)
    wide = 1 if operation == "average" or image.channels <= lanes else 2
    across = wide * lanes
    pages = -(-image.channels // across)
    rest = image.channels - (pages - 1) * across
    steps = [
        Step(packed + page * across * size, 0, start + page * across * size, page * across * size,
             page * across * size, page == pages - 1)
        for page in range(pages)
    ]  # fmt: skip

    def pair(height: int) -> Iterator[int]:
        tile = LaneTile(operation, dtype.name, lanes, height, wide)
        yield address(tile, build_lane_tile) if pages > 1 else 0
        yield address(tile._replace(vectors=-(-rest // lanes), ragged=bool(rest % lanes)), build_lane_tile)

    heights = heights_of(ROWS)
    return window_instruction(
        Windows(axes, image, size, image.channels * size, counts_padding=counts_padding), image.channels,
        steps, heights, tile_addresses(heights, pair), kept, step_bytes=step_bytes, left=rest % lanes,
    )  # fmt: skip
