"""Convolution: y[n, y, x, o] = bias[o] + Σ over ky, kx, c of image · weight, as tiles of output pixels.

One order: an output starts from its bias, or 0, then one fma for each ky, kx and input channel, ascending;
taps in the padding are skipped; in the end 0 is added, which makes a -0 a 0. So a result's bits depend
neither on the batch nor on the layout, the threads or the CPU. A transposed convolution is the same sum, seen
from the output: its taps are those whose product with the stride falls on an input. NaN and infinities follow
IEEE 754.

To lower a convolution into a program: `convolution_instruction(axes_of(image, window), image, dtype, weight,
bias)`, or with `transposed_axes_of`, and see `image_instructions` for the fields. The result has its channels
last, whatever the image has.
"""

from typing import Any

import numpy as np

from tinytensor.kernels.boundary import FLOATS, Array
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.image_instructions import (
    ALL_TAPS,
    ImageInstruction,
    Pooling,
    Step,
    Windows,
    heights_of,
    window_instruction,
)
from tinytensor.kernels.images import Pair, run_images
from tinytensor.kernels.lanes import by_channel, common_lane_tiles, depthwise_instruction
from tinytensor.kernels.layer import Layout, aligned, layout, pack_weights
from tinytensor.kernels.native import address
from tinytensor.kernels.specs import POOLED, RAGGED, Tile
from tinytensor.kernels.windows import Axis, Image, WindowSpec, axes_of, transposed_axes_of

__all__ = [
    "common_tiles", "convolution_instruction", "convolve", "convolve_transposed", "reads_channels_last",
    "seen_from_output",
]  # fmt: skip

NO_PADDING = ((0, 0), (0, 0))
WEIGHT_BYTES = 32 * 1024  # most of L1: a page's weights for so many taps serve a chunk of pixels
MANY_CHANNELS = 16
MANY_READS = 256  # multiplications of a number of the image: to turn it takes as long as about 30
TALLEST = 10  # rows of a tile: an address each in a register; with 11 × 2 sums LLVM spills, 25% slower


def convolution_instruction(
    axes: tuple[Axis, Axis], image: Image, dtype: np.dtype[Any], weight: Array, bias: Array | None,
    groups: int = 1, table: Array | None = None,
) -> ImageInstruction:  # fmt: skip
    """A convolution of images; weight (out_channels, channels / groups, kh, kw).

    With a table of 256 numbers images are uint8, and each byte means what the table says.
    """
    if image.channels == groups and image.channels_last and table is None and by_channel(groups, weight):
        return depthwise_instruction(axes, image, dtype, weight, bias)
    outputs, each = len(weight) // groups, weight.shape[1]
    plan = convolution_layout(dtype, outputs)
    constants = aligned((4, groups, plan.pages * plan.page_outputs + plan.lanes), dtype)
    start = constants[0]
    start[:, :outputs] = 0 if bias is None else bias.reshape(groups, outputs)
    ordered = weight.astype(dtype, copy=False).transpose(0, 2, 3, 1).reshape(groups, outputs, -1)
    source = 1 if table is not None else dtype.itemsize
    *_, channel = image.strides(source)
    across = plan.page_outputs * dtype.itemsize
    kept, steps = [constants], []
    if table is not None:
        table = aligned_copy(table, dtype)
        kept.append(table)
    for group in range(groups):
        pages, tails = pack_weights(ordered[group], plan)
        kept += [pages, tails]
        for page in range(plan.pages):
            steps.append(Step(
                pages[page].ctypes.data, tails.ctypes.data, start[group].ctypes.data + page * across,
                group * each * channel, group * outputs * dtype.itemsize + page * across,
                page == plan.pages - 1,
            ))  # fmt: skip
    heights, parts = tiles_of(plan, table is not None)
    most_taps = max(1, WEIGHT_BYTES // across) if plan.end == 0 else ALL_TAPS
    if most_taps < weight[0].size:
        parts += [part._replace(resumes=True) for part in parts]
    tiles = [address(part) for part in parts]
    windows = Windows(axes, image, source, len(weight) * dtype.itemsize, each)
    made = window_instruction(
        windows, len(weight), steps, heights, tiles, kept, step_bytes=across, left=outputs % plan.lanes,
        table=0 if table is None else table.ctypes.data, constants=constants, most_taps=most_taps,
    )  # fmt: skip
    pooled = pooled_tiles(plan, table is not None)
    if pooled is None or most_taps < weight[0].size or any(len(axis.classes()) > 1 for axis in axes):
        return made
    return made._replace(pooling=Pooling(windows, *pooled))


def convolution_layout(dtype: np.dtype[Any], outputs: int) -> Layout:
    """The layout of a convolution's outputs: in half vectors, if those hold all of them.

    A load for each multiply-add binds such tiles, and CPUs load 3 vectors of 32 bytes a cycle, but 2 of 64: 8
    outputs or fewer take 20% less time.
    """
    plan = layout(dtype, outputs, pixels=True)
    half = plan.lanes // 2
    if outputs > half or vectors().bytes < 64:
        return plan
    return plan._replace(lanes=half, end=RAGGED if outputs < half else 0)


def reads_channels_last(
    axes: tuple[Axis, Axis], channels: int, weight: Array, groups: int, bytes_in: bool
) -> bool:
    """Whether images with channels first are better turned before a convolution reads them.

    As lanes, channels must be neighbours. Elsewhere windows of many channels lie on as many lines of memory,
    often at the same places of L1's sets: 32 channels of 32×32 take 15% longer where they lie.
    """
    if channels == 1 or bytes_in:
        return False
    if channels == groups and by_channel(groups, weight):
        return True
    read = weight[:, 0].size // (
        axes[0].stride * axes[1].stride
    )  # multiplications of each number of an image
    return channels >= MANY_CHANNELS and read >= groups * MANY_READS


def pooled_tiles(plan: Layout, bytes_in: bool) -> tuple[tuple[int, ...], list[Tile]] | None:
    """Heights and tiles that store maxima, if rows share no vector and registers hold a window's."""
    if plan.end > 0 or plan.rows < POOLED:
        return None
    heights = (min(plan.rows // POOLED, 2) * POOLED, POOLED, POOLED, POOLED)
    return heights, [each._replace(pooled=True) for each in tiles_of(plan, bytes_in, heights)[1]]


def tiles_of(
    plan: Layout, bytes_in: bool, heights: tuple[int, ...] = (), **more: Any
) -> tuple[tuple[int, ...], list[Tile]]:
    """Heights of tiles, and for each height the tile of a page in the middle and that of the last page."""
    heights = heights or heights_of(min(plan.rows, TALLEST))
    tiles = [
        Tile(plan.dtype, plan.lanes, height, plan.vectors, bytes_in=bytes_in, taps=True, **more)
        for height in heights
    ]
    last: dict[str, Any] = {"vectors": plan.last, "end": plan.end}
    middle = {} if plan.pages > 1 else last
    return heights, [each._replace(**end) for each in tiles for end in (middle, last)]


def common_tiles() -> set[Any]:
    """Every tile that a convolution or a pooling can need."""
    found: set[Any] = common_lane_tiles()
    for dtype, bytes_in in ((FLOATS[0], False), (FLOATS[1], False), (FLOATS[0], True)):
        lanes = vectors().width(dtype.itemsize)
        for outputs in (*range(1, 13 * lanes), 24 * lanes):
            plan = convolution_layout(dtype, outputs)
            tiles, pooled = tiles_of(plan, bytes_in)[1], pooled_tiles(plan, bytes_in)
            found |= {*tiles, *(pooled[1] if pooled else ())}
            if plan.end == 0:
                found |= {each._replace(resumes=True) for each in tiles}
    return found


def aligned_copy(values: Array, dtype: np.dtype[Any]) -> Array:
    """A copy that starts at a line of memory."""
    copy = aligned(values.shape, dtype)
    copy[...] = values
    return copy


def image_of(x: Array, channels_last: bool) -> Image:
    """The shape of the images in a batch."""
    height, width, channels = x.shape[1:] if channels_last else (*x.shape[2:], x.shape[1])
    return Image(height, width, channels, channels_last)


def convolve(
    x: Array, weight: Array, bias: Array | None = None, stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = NO_PADDING, dilation: Pair = (1, 1), groups: int = 1, *,
    channels_last: bool = False, table: Array | None = None,
) -> Array:  # fmt: skip
    """y[n, o, y, x] = bias[o] + Σ x[n, c, y·stride + ky·dilation - top, …] · weight[o, c, ky, kx].

    x (n, channels, height, width), or (n, height, width, channels) with `channels_last`, and y alike; weight
    (out_channels, channels / groups, kh, kw), bias (out_channels,). float32 or float64, all of one dtype;
    with a table of 256 numbers, x is uint8 and each byte means what the table says. Padding is ((top,
    bottom), (left, right)). Arguments are checked by the caller.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> convolve(x, np.ones((1, 1, 3, 3)), None).tolist()
    [[[[45.0, 54.0], [81.0, 90.0]]]]
    """
    window = WindowSpec(weight.shape[2:], stride, padding, dilation)
    return convolve_axes(
        axes_of(image_of(x, channels_last), window), x, weight, bias, groups, channels_last, table
    )


def convolve_transposed(
    x: Array, weight: Array, bias: Array | None = None, stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = NO_PADDING, dilation: Pair = (1, 1), groups: int = 1,
    output_padding: Pair = (0, 0), *, channels_last: bool = False,
) -> Array:  # fmt: skip
    """y[n, o, y·stride + ky·dilation - top, …] = bias[o] + Σ x[n, c, y, x] · weight[c, o, ky, kx].

    x as in `convolve`; weight (channels, out_channels / groups, kh, kw), as in PyTorch. Padding is cut off
    the result, `output_padding` are further rows and columns at its end.

    >>> x = np.array([[[[1.0, 2.0]]]])
    >>> convolve_transposed(x, np.array([[[[1.0, 10.0]]]]), None, (1, 2)).tolist()
    [[[[1.0, 10.0, 2.0, 20.0]]]]
    """
    window = WindowSpec(weight.shape[2:], stride, padding, dilation)
    axes = transposed_axes_of(image_of(x, channels_last), window, output_padding)
    return convolve_axes(axes, x, seen_from_output(weight, groups), bias, groups, channels_last, None)


def seen_from_output(weight: Array, groups: int) -> Array:
    """A transposed convolution's weight (channels, out_channels / groups, kh, kw) as a convolution's."""
    channels, each, *size = weight.shape
    parts = weight.reshape(groups, channels // groups, each, *size).transpose(0, 2, 1, 3, 4)
    return parts.reshape(groups * each, channels // groups, *size)


def convolve_axes(
    axes: tuple[Axis, Axis], x: Array, weight: Array, bias: Array | None, groups: int, channels_last: bool,
    table: Array | None,
) -> Array:  # fmt: skip
    """The instruction of a convolution on a whole batch."""
    image = image_of(x, channels_last)
    turned = reads_channels_last(axes, image.channels, weight, groups, table is not None)
    read = image._replace(channels_last=channels_last or turned)
    made = convolution_instruction(axes, read, weight.dtype, weight, bias, groups, table)
    work = made.height * made.width * weight.size
    return run_images(made, image, read, x, weight.dtype, work)
