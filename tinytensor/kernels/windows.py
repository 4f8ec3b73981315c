"""Windows over images as tables: the taps of each output pixel, where they lie, and which pixels are alike.

An output pixel sees some taps of the kernel; those that fall into the padding, or between two steps of a
transposed convolution, are skipped. Pixels whose windows have the same taps at the same distances are a
class: 3×3 with padding 1 has nine, the interior, four edges and four corners. The tile needs for a class one
list of taps, and for each of its pixels where the window begins in the image and where the pixel lies in the
result. So padding, strides, dilation, transposed convolutions and either layout differ in tables only.

Rows and columns are independent, so classes are made axis by axis: (class of y) × (class of x).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import Array

__all__ = [
    "Axis",
    "AxisClass",
    "Class",
    "Image",
    "WindowSpec",
    "axes_of",
    "class_of",
    "classes_of",
    "taps_of",
    "transposed_axes_of",
]

Pair = tuple[int, int]
MOST_BYTES = 1 << 31  # of an image, as offsets of taps are 32 bits


class Image(NamedTuple):
    """One sample: its shape, and whether channels are the last axis or the first."""

    height: int
    width: int
    channels: int
    channels_last: bool = True

    def strides(self, size: int) -> tuple[int, int, int]:
        """Bytes from row to row, from pixel to pixel, and from channel to channel."""
        if self.channels_last:
            return self.width * self.channels * size, self.channels * size, size
        return self.width * size, size, self.height * self.width * size

    @property
    def size(self) -> int:
        """Numbers in it."""
        return self.height * self.width * self.channels


class WindowSpec(NamedTuple):
    """A window over an image; pairs are (y, x), padding is ((top, bottom), (left, right))."""

    size: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)


class Axis(NamedTuple):
    """Windows along one axis of an image."""

    length: int
    outputs: int
    size: int
    stride: int
    before: int
    after: int
    dilation: int
    transposed: bool = False

    def taps(self, output: int) -> tuple[list[Pair], int]:
        """(tap, input) in ascending taps for one output, and how many taps lie in the padded image."""
        if self.transposed:
            found = [
                (k, *divmod(output + self.before - k * self.dilation, self.stride)) for k in range(self.size)
            ]
            return [(k, i) for k, i, rest in found if rest == 0 and 0 <= i < self.length], self.size
        every = [(k, output * self.stride - self.before + k * self.dilation) for k in range(self.size)]
        padded = sum(-self.before <= i < self.length + self.after for _, i in every)
        return [(k, i) for k, i in every if 0 <= i < self.length], padded

    def classes(self) -> list["AxisClass"]:
        """The outputs, by their taps."""
        found: dict[tuple[tuple[Pair, ...], int], AxisClass] = {}
        for output in range(self.outputs):
            taps, padded = self.taps(output)
            first = taps[0][1] if taps else 0
            key = tuple((k, i - first) for k, i in taps), padded
            each = found.setdefault(key, AxisClass(*key, [], []))
            each.outputs.append(output)
            each.inputs.append(first)
        return list(found.values())


class AxisClass(NamedTuple):
    """Outputs along an axis that have the same taps: (tap, distance from the first)."""

    taps: tuple[Pair, ...]
    padded: int  # taps in the image and its padding
    outputs: list[int]
    inputs: list[int]  # of the first tap

    @property
    def neighbours(self) -> int:
        """How many outputs follow each other, and their windows, too: all or one."""
        alike = all((np.diff(each) == 1).all() for each in (self.outputs, self.inputs))
        return len(self.outputs) if alike else 1


class Class(NamedTuple):
    """Windows with the same taps."""

    taps: list[tuple[int, int]]  # which tap of the kernel, and its offset in bytes
    sources: Array  # where each window lies in the image, in bytes
    targets: Array  # where its pixel lies in the result, in bytes
    padded: int  # taps in the image and its padding
    columns: int  # windows that follow each other in a row


def axes_of(image: Image, window: WindowSpec, outputs: Pair | None = None) -> tuple[Axis, Axis]:
    """The axes of a window; `outputs` if there are more than fit, as pooling that rounds up has."""
    y, x = (axis_of(image, window, axis, False) for axis in (0, 1))
    if outputs is not None:
        y, x = y._replace(outputs=outputs[0]), x._replace(outputs=outputs[1])
    return y, x


def transposed_axes_of(image: Image, window: WindowSpec, more: Pair = (0, 0)) -> tuple[Axis, Axis]:
    """The axes of a transposed convolution, with so many further outputs at the end."""
    y, x = (axis_of(image, window, axis, True) for axis in (0, 1))
    return y._replace(outputs=y.outputs + more[0]), x._replace(outputs=x.outputs + more[1])


def axis_of(image: Image, window: WindowSpec, axis: int, transposed: bool) -> Axis:
    """One axis, with as many outputs as fit."""
    length, size, stride = image[:2][axis], window.size[axis], window.stride[axis]
    (before, after), dilation = window.padding[axis], window.dilation[axis]
    if transposed:
        outputs = (length - 1) * stride - before - after + dilation * (size - 1) + 1
    else:
        outputs = (length + before + after - dilation * (size - 1) - 1) // stride + 1
    return Axis(length, outputs, size, stride, before, after, dilation, transposed)


@lru_cache(maxsize=256)
def classes_of(axes: tuple[Axis, Axis], image: Image, size: int, out_pixel: int) -> list[Class]:
    """The classes of windows over images of `size` bytes an element; a pixel of the result has `out_pixel`.

    Raises:
        ArgumentError: an image has 2 GiB or more.
    """
    if max(image.size * size, axes[0].outputs * axes[1].outputs * out_pixel) >= MOST_BYTES:
        raise ArgumentError(
            f"convolution: expected images below 2 GiB, got {tuple(image[:3])}; split the image"
        )
    return [
        class_of(rows, columns, axes, image, size, out_pixel)
        for rows in axes[0].classes()
        for columns in axes[1].classes()
    ]


def class_of(
    rows: AxisClass, columns: AxisClass, axes: tuple[Axis, Axis], image: Image, size: int, out_pixel: int
) -> Class:
    """The windows in some rows and some columns."""
    line, pixel, _ = image.strides(size)
    taps = [(ky * axes[1].size + kx, y * line + x * pixel) for ky, y in rows.taps for kx, x in columns.taps]
    sources = np.add.outer(np.array(rows.inputs) * line, np.array(columns.inputs) * pixel)
    targets = np.add.outer(np.array(rows.outputs) * axes[1].outputs, np.array(columns.outputs))
    return Class(
        taps, sources.ravel(), targets.ravel() * out_pixel, rows.padded * columns.padded, columns.neighbours
    )


def taps_of(kind: Class, channels: int, channel: int) -> Array:
    """A class's list as the tile reads it, for so many channels that lie `channel` bytes apart."""
    taps = np.array(kind.taps, np.int64).reshape(-1, 2)
    each = np.arange(channels)
    places = taps[:, :1] * channels + each
    offsets = taps[:, 1:] + each * channel
    return np.ascontiguousarray((places << 32 | offsets & 0xFFFFFFFF).ravel())
