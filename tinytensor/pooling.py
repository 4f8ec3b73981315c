"""Pooling of images, as functions of Tensors: the largest value or the mean of every window."""

from typing import Any

import numpy as np

from tinytensor import windows
from tinytensor.errors import ArgumentError, ShapeError
from tinytensor.functions import concatenate, tensor
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.movement import moved
from tinytensor.primitives.windows import pool
from tinytensor.shaping import elements
from tinytensor.tensors import Tensor
from tinytensor.windows import Window

__all__ = [
    "adaptive_avg_pool2d", "avg_pool1d", "avg_pool2d", "global_avg_pool2d", "global_max_pool2d",
    "max_pool1d", "max_pool2d",
]  # fmt: skip


def max_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """y[n, c, t] = max_k x[n, c, t · stride + k · dilation - padding]; as `max_pool2d` with one spatial axis.

    >>> import tinytensor as tt
    >>> tt.max_pool1d([[[1, 5, 2, 3]]], 2).tolist()
    [[[5.0, 3.0]]]
    """
    given = (kernel_size, stride, padding, dilation, ceil_mode, channels_last)
    return pooled("max_pool1d", 1, "max", x, *given)


def max_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """y[n, c, i, j] = max over ky, kx of x[n, c, i · stride + ky · dilation - padding, …].

    NaN where one is in the window; padding is never the largest. A Tensor of uint8 gives uint8.

    Args:
        x: (batch, channels, height, width).
        kernel_size: of the window, a number or (height, width).
        stride: pixels between two windows; the kernel size by default.
        padding: as in `conv2d`, smaller than the window.
        dilation: pixels between two pixels of a window.
        ceil_mode: whether a last window that is partly outside counts, if it starts in the image or in the
            padding before it.
        channels_last: whether x and y are (batch, height, width, channels).

    Raises:
        ShapeError: x has other axes, the window is larger than the padded image or lies in the padding.
        ArgumentError: another argument lies outside what is described here.

    Source: Saitō, Deep Learning from Scratch, section 7.3.

    >>> import tinytensor as tt
    >>> tt.max_pool2d(tt.arange(16).reshape(1, 1, 4, 4), 2).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """
    given = (kernel_size, stride, padding, dilation, ceil_mode, channels_last)
    return pooled("max_pool2d", 2, "max", x, *given)


def avg_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """y[n, c, t] = the mean of x[n, c, t · stride + k - padding] over k; as `avg_pool2d` with one axis.

    >>> import tinytensor as tt
    >>> tt.avg_pool1d([[[1, 5, 2, 4]]], 2).tolist()
    [[[3.0, 3.0]]]
    """
    given = (kernel_size, stride, padding, 1, ceil_mode, channels_last, count_include_pad)
    return pooled("avg_pool1d", 1, "average", x, *given)


def avg_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """y[n, c, i, j] = the mean of the window that `max_pool2d` has.

    The sum over ky, kx ascending in float64, divided by the number of pixels and rounded once.

    Args:
        x: (batch, channels, height, width).
        kernel_size: of the window, a number or (height, width).
        stride: pixels between two windows; the kernel size by default.
        padding: as in `conv2d`, smaller than the window.
        ceil_mode: as in `max_pool2d`; what lies beyond the padding is never counted.
        count_include_pad: whether the divisor counts the padding, as PyTorch has it by default; Keras and
            ONNX (by default) do not.
        channels_last: whether x and y are (batch, height, width, channels).

    Raises:
        ShapeError: x has other axes, the window is larger than the padded image or lies in the padding.
        ArgumentError: another argument lies outside what is described here.

    >>> import tinytensor as tt
    >>> tt.avg_pool2d(tt.arange(16).reshape(1, 1, 4, 4), 2).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    given = (kernel_size, stride, padding, 1, ceil_mode, channels_last, count_include_pad)
    return pooled("avg_pool2d", 2, "average", x, *given)


def pooled(
    who: str, axes: int, kind: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: Any, channels_last: Any, count_include_pad: Any = True,
) -> Tensor:  # fmt: skip
    """A pooling over one or two spatial axes."""
    stride = kernel_size if stride is None else stride
    window = windows.window(who, kernel_size, stride, padding, dilation, axes, ceil_mode)
    last = windows.flag(f"{who}: channels_last", channels_last)
    counted = windows.flag(f"{who}: count_include_pad", count_include_pad)
    a = pooled_array(x, kind)
    shape = windows.pooled_shape(who, a.shape, window, last)
    expect_channels(who, a, last)
    if axes == 2:
        return Tensor._wrap(run(a, kind, window, shape, counted, last))
    row = 1 if last else 2  # an image of one row
    high = Window(
        (1, *window.kernel), (1, *window.stride),
        ((0, 0), *window.pads(windows.spatial_shape(a.shape, last))), (1, *window.dilation),
    )  # fmt: skip
    image = moved(np.expand_dims, (a,), row)
    y = run(image, kind, high, (*shape[:row], 1, *shape[row:]), counted, last)
    return Tensor._wrap(moved(np.squeeze, (y,), row))


def pooled_array(x: Any, kind: str) -> Any:
    """What is pooled: floats, and for the largest of a window a Tensor of bytes as it is."""
    t = tensor(x)
    return t._array if kind == "max" and t.dtype == np.uint8 else t._floating()


def expect_channels(who: str, a: Any, last: bool) -> None:
    """Raise if images have no channels."""
    if a.shape[-1 if last else 1] == 0:
        raise ShapeError(f"{who}: expected images with at least one channel, got shape {a.shape}")


def run(a: Array, kind: str, window: Window, shape: tuple[int, ...], counted: bool, last: bool) -> Array:
    """A pooling by the kernel."""
    pads = window.pads(windows.spatial_shape(a.shape, last))
    given: Any = {
        "size": window.kernel, "stride": window.stride, "padding": pads, "dilation": window.dilation,
        "outputs": windows.spatial_shape(shape, last),
    }  # fmt: skip
    y: Array = pool(a, kind=kind, **given, counts_padding=counted, channels_last=last)
    return y


def global_avg_pool2d(x: Any, keepdims: bool = False, channels_last: bool = False) -> Tensor:
    """y[n, c] = the mean of x[n, c, i, j] over all pixels, as `avg_pool2d` has it.

    Args:
        x: (batch, channels, height, width).
        keepdims: whether y is (batch, channels, 1, 1), as in ONNX, instead of (batch, channels).
        channels_last: whether x is (batch, height, width, channels).

    Raises:
        ShapeError: x has other axes, or no pixels.

    >>> import tinytensor as tt
    >>> tt.global_avg_pool2d(tt.arange(8).reshape(1, 2, 2, 2)).tolist()
    [[1.5, 5.5]]
    """
    return global_pool("global_avg_pool2d", "average", x, keepdims, channels_last)


def global_max_pool2d(x: Any, keepdims: bool = False, channels_last: bool = False) -> Tensor:
    """y[n, c] = the largest x[n, c, i, j] of all pixels, NaN if there is one; see `global_avg_pool2d`.

    >>> import tinytensor as tt
    >>> tt.global_max_pool2d(tt.arange(8).reshape(1, 2, 2, 2)).tolist()
    [[3.0, 7.0]]
    """
    return global_pool("global_max_pool2d", "max", x, keepdims, channels_last)


def global_pool(who: str, kind: str, x: Any, keepdims: Any, channels_last: Any) -> Tensor:
    """One window that is the whole image."""
    keep, last = (
        windows.flag(f"{who}: keepdims", keepdims),
        windows.flag(f"{who}: channels_last", channels_last),
    )
    a = pooled_array(x, kind)
    windows.expect_images(who, a.shape, 2, last)
    windows.expect_pixels(who, windows.spatial_shape(a.shape, last))
    expect_channels(who, a, last)
    whole = windows.window(who, windows.spatial_shape(a.shape, last), 1, 0, 1, 2)
    y = run(a, kind, whole, windows.pooled_shape(who, a.shape, whole, last), True, last)
    return Tensor._wrap(y if keep else moved(np.squeeze, (y,), (1, 2) if last else (2, 3)))


def adaptive_avg_pool2d(x: Any, output_size: Any, channels_last: bool = False) -> Tensor:
    """y[n, c, i, j] = the mean of the rows ⌊i · h / oh⌋ to ⌈(i + 1) · h / oh⌉ - 1, and likewise columns.

    Args:
        x: (batch, channels, height, width).
        output_size: (oh, ow), or one number for both; None stands for the length of x.
        channels_last: whether x and y are (batch, height, width, channels).

    Raises:
        ShapeError: x has other axes, or no pixels.
        ArgumentError: a size below 1.

    Source: PyTorch's AdaptiveAvgPool2d.

    >>> import tinytensor as tt
    >>> tt.adaptive_avg_pool2d(tt.arange(9).reshape(1, 1, 3, 3), 2).tolist()
    [[[[2.0, 3.0], [5.0, 6.0]]]]
    """
    who = "adaptive_avg_pool2d"
    last, a = windows.flag(f"{who}: channels_last", channels_last), tensor(x)._floating()
    windows.expect_images(who, a.shape, 2, last)
    lengths = windows.spatial_shape(a.shape, last)
    windows.expect_pixels(who, lengths)
    sizes = output_sizes(output_size)
    wanted = tuple(n if size is None else size for n, size in zip(lengths, sizes, strict=True))
    if all(n % size == 0 for n, size in zip(lengths, wanted, strict=True)):
        kernel = tuple(n // size for n, size in zip(lengths, wanted, strict=True))
        return pooled(who, 2, "average", Tensor._wrap(a), kernel, None, 0, 1, False, last)
    rows, columns = (parts(n, size) for n, size in zip(lengths, wanted, strict=True))
    lines = [
        side_by_side([part_mean(a, row, column, last) for column in columns], 2 if last else 3)
        for row in rows
    ]
    return side_by_side(lines, 1 if last else 2)


def part_mean(a: Array, row: slice, column: slice, last: bool) -> Tensor:
    """The mean of a part of each image, an image of one pixel."""
    part = elements(a, (slice(None), row, column) if last else (slice(None), slice(None), row, column))
    return global_pool("adaptive_avg_pool2d", "average", Tensor._wrap(part), True, last)


def side_by_side(images: list[Tensor], axis: int) -> Tensor:
    """Images one beside the other."""
    return images[0] if len(images) == 1 else concatenate(images, axis)


def output_sizes(value: Any) -> tuple[int | None, int | None]:
    """The size of an adaptive pooling's output: None, a number, or one of them for each axis."""
    several = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(several) != 2:
        raise ArgumentError(
            f"adaptive_avg_pool2d: output_size: expected a number or (height, width), got {value!r:.80}"
        )
    who = "adaptive_avg_pool2d: output_size"
    first, second = (None if each is None else windows.per_axis(who, each, 1)[0] for each in several)
    return first, second


def parts(n: int, count: int) -> list[slice]:
    """`count` parts of n things, which overlap where n is no multiple."""
    return [slice(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
