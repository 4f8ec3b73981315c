"""Convolution of bytes as tiles of output pixels: which four bytes of an image meet which weights.

A tile of bytes reads four bytes that follow each other in memory. The bytes under a window lie in runs: with
channels last those of a row of the window, with channels first those of each channel and row. A run is cut
into groups of four; the last one ends where the run ends, and its weights are 0 for bytes that another group
has. So an image with 1 or 3 channels needs no copy with more, and reads nothing behind its end, unless a run
has fewer than four bytes (`reads_beyond`).

A window at an edge has other runs, and so other groups: the list of a class names them among all groups that
occur. What is in the padding is left out of the sum, so the zero point is taken off a different sum of
weights for each class, and each class has a start of its own.
"""

from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.bytes_layer import (
    GROUP_BYTES,
    bytes_layout,
    dot_fields,
    rounding_record,
    start_of_sums,
    taken_off,
)
from tinytensor.kernels.convolution import tiles_of
from tinytensor.kernels.image_instructions import ImageInstruction, Step, window_record
from tinytensor.kernels.layer import aligned, pack_weights
from tinytensor.kernels.native import address
from tinytensor.kernels.windows import Axis, Class, Image, classes_of

__all__ = ["Rescaling", "bytes_convolution_instruction", "class_records", "reads_beyond", "starts_of"]


class Rescaling(NamedTuple):
    """From sums of products to results: what they start from, and how they are rounded."""

    bias: Array
    multiplier: Array
    zero_point: int  # of the input
    output: Any  # zero_point, low and high of the result, or None

    @property
    def dtype(self) -> str:
        """Of the result."""
        return "float32" if self.output is None else "uint8"

    @property
    def size(self) -> int:
        """Bytes of an element of the result."""
        return 4 if self.output is None else 1


class Groups:
    """Groups of four bytes of windows that occur, each once; -1 stands for a byte without a weight."""

    def __init__(self) -> None:
        self.found: dict[bytes, int] = {}

    def entries(self, offsets: Array, places: Array) -> Array:
        """A class's list: groups and where they lie, for bytes at `offsets` whose weights are `places`."""
        order = np.argsort(offsets, kind="stable")
        offsets, places = offsets[order], places[order].astype(np.int32)
        ends = [*(np.flatnonzero(np.diff(offsets) != 1) + 1), len(offsets)]
        listed, first = [], 0
        for end in ends if len(offsets) else ():
            run, start = places[first:end], int(offsets[first])
            whole, left = divmod(len(run), GROUP_BYTES)
            rows = run[: whole * GROUP_BYTES].reshape(whole, GROUP_BYTES)
            at = [start + GROUP_BYTES * i for i in range(whole)]
            if left:
                last = np.full((1, GROUP_BYTES), -1, np.int32)
                shift = GROUP_BYTES - left if whole else 0
                last[0, shift : shift + left] = run[len(run) - left :]
                rows, at = np.concatenate([rows, last]), [*at, start + GROUP_BYTES * whole - shift]
            listed += [
                self.found.setdefault(row.tobytes(), len(self.found)) << 32 | place & 0xFFFFFFFF
                for row, place in zip(rows, at, strict=True)
            ]
            first = end
        return np.array(listed, np.int64)

    def weights(self, flat: Array) -> Array:
        """(outputs, groups) int32 of weights (outputs, places)."""
        rows = np.frombuffer(b"".join(self.found), np.int32).reshape(-1, GROUP_BYTES)
        padded = np.concatenate([flat, np.zeros((len(flat), 1), np.int8)], axis=1)
        return np.ascontiguousarray(padded[:, rows]).view(np.int32)[:, :, 0]


def bytes_of_class(kind: Class, channels: int, channel: int) -> tuple[Array, Array]:
    """For each byte of a window its distance from the window's first pixel, and its weight's place."""
    taps = np.array(kind.taps, np.int64).reshape(-1, 2)
    each = np.arange(channels)
    return (taps[:, 1:] + each * channel).ravel(), (taps[:, :1] * channels + each).ravel()


def reads_beyond(axes: tuple[Axis, Axis], image: Image, each: int) -> bool:
    """Whether a run of a window of so many channels is shorter than the four bytes that are read."""
    *_, channel = image.strides(1)
    for kind in classes_of(axes, image, 1, 1):
        offsets = np.sort(bytes_of_class(kind, each, channel)[0])
        runs = np.split(offsets, np.flatnonzero(np.diff(offsets) != 1) + 1)
        if any(0 < len(run) < GROUP_BYTES for run in runs):
            return True
    return False


def class_records(classes: list[Class], lists: list[Array], shift: int) -> tuple[Array, list[Array]]:
    """Records of classes with lists of their own; sums of each start `shift` bytes after the class before."""
    rows = aligned((len(classes), record.CLASS), np.int64)
    for i, (row, kind, taps) in enumerate(zip(rows, classes, lists, strict=True)):
        row[[record.TAPS_AT, record.TAP_COUNT]] = taps.ctypes.data, len(taps)
        row[[record.SOURCES_AT, record.TARGETS_AT]] = kind.sources.ctypes.data, kind.targets.ctypes.data
        row[[record.PIXEL_COUNT, record.INIT_SHIFT]] = len(kind.sources), i * shift
    return rows, [rows, *lists, *(each for kind in classes for each in (kind.sources, kind.targets))]


def starts_of(flat: Array, places: list[Array], how: Rescaling, taken: int, room: int) -> Array:
    """Starts of sums and multipliers behind them, (classes, 2, room); one for all if nothing is taken off."""
    start = aligned((len(places) if taken else 1, 2, room), np.int32)
    for row, of_class in zip(start, places, strict=False):
        totals = flat[:, of_class].sum(1, dtype=np.int64)
        row[0, : len(flat)] = start_of_sums(how.bias, totals, taken)
        row[1].view(np.float32)[: len(flat)] = how.multiplier
    return start


def bytes_convolution_instruction(
    axes: tuple[Axis, Axis], image: Image, weight: Array, how: Rescaling, groups: int = 1
) -> ImageInstruction:
    """A convolution of images of bytes; weight int8 (out_channels, channels / groups, kh, kw)."""
    outputs, each = len(weight) // groups, weight.shape[1]
    plan, size = bytes_layout(outputs, False), how.size
    room = plan.pages * plan.page_outputs + plan.lanes
    classes = classes_of(axes, image, 1, len(weight) * size)
    *_, channel = image.strides(1)
    found, lists, places = Groups(), [], []
    for kind in classes:
        offsets, of_class = bytes_of_class(kind, each, channel)
        lists.append(found.entries(offsets, of_class))
        places.append(of_class)
    flat = weight.transpose(0, 2, 3, 1).reshape(groups, outputs, -1)
    table, steps = rounding_record(how.output, 4 * room), []
    kept: list[Array] = [table]
    for group in range(groups):
        here = slice(group * outputs, (group + 1) * outputs)
        part = how._replace(bias=how.bias[here], multiplier=how.multiplier[here])
        pages, tails = pack_weights(found.weights(flat[group]), plan)
        start = starts_of(flat[group], places, part, taken_off(how.zero_point), room)
        kept += [pages, tails, start]
        for page in range(plan.pages):
            across = page * plan.page_outputs
            steps.append(Step(
                pages[page].ctypes.data, tails.ctypes.data, start.ctypes.data + 4 * across,
                group * each * channel, (group * outputs + across) * size, page == plan.pages - 1,
            ))  # fmt: skip
    shift = start.strides[0] if len(start) > 1 else 0
    heights, tiles = tiles_of(plan, False, **dot_fields(how.dtype))
    return window_record(
        axes, class_records(classes, lists, shift), len(weight), steps, heights,
        [address(part) for part in tiles], kept, step_bytes=4 * plan.page_outputs,
        left=outputs % plan.lanes, table=table.ctypes.data,
    )  # fmt: skip
