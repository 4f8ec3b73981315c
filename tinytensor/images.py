"""Convolutions of images, as functions of Tensors: arguments checked once, then the kernel.

Images are (batch, channels, height, width), or with `channels_last` (batch, height, width, channels). An
output is one fixed sequence of operations: the bias, then one fma for each tap of the kernel, over ky, kx and
the input channel ascending; taps in the padding are left out.
"""

from typing import Any

import numpy as np

from tinytensor import windows
from tinytensor.errors import ShapeError
from tinytensor.functions import tensor
from tinytensor.kernels.boundary import FLOATS, Array, length
from tinytensor.primitives.definition import Symbol
from tinytensor.primitives.elementwise import cast
from tinytensor.primitives.movement import moved
from tinytensor.primitives.windows import convolve, convolve_transposed
from tinytensor.tensors import Tensor

__all__ = ["conv1d", "conv2d", "conv_transpose2d"]


def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """y[n, o, t] = bias[o] + Σ_k Σ_c x[n, c, t · stride + k · dilation - padding] · weight[o, c, k].

    As `conv2d`, with one spatial axis.

    Args:
        x: (batch, channels, length).
        weight: (out_channels, channels / groups, kernel_size).
        bias: (out_channels,).
        stride: positions between two windows.
        padding: zeros on both sides, `((before, after),)`, "same" or "valid".
        dilation: positions between two taps.
        groups: how many parts the channels are split into.
        channels_last: whether x and y are (batch, length, channels).

    Raises:
        ShapeError: the shapes do not fit, or the kernel is larger than the padded input.
        ArgumentError: another argument lies outside what is described here.

    >>> import tinytensor as tt
    >>> tt.conv1d([[[1, 2, 3, 4]]], [[[1, 10]]]).tolist()
    [[[21.0, 32.0, 43.0]]]
    """
    given = (stride, padding, dilation, groups, channels_last)
    return convolution("conv1d", 1, x, weight, bias, *given)


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1, channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """y[n, o, i, j] = bias[o] + Σ_ky Σ_kx Σ_c x[n, c, i + ky, j + kx] · weight[o, c, ky, kx].

    That is a cross-correlation, as every library has it; with a stride i + ky is i · stride + ky · dilation -
    padding. Every element is computed in one order: the bias, then one fma for each ky, kx, c ascending;
    taps in the padding are left out. |error| ≤ γ_k Σ|x||weight| + |bias|, with k taps. float32 or float64;
    mixed dtypes give float64.

    Args:
        x: (batch, channels, height, width).
        weight: (out_channels, channels / groups, kernel height, kernel width).
        bias: (out_channels,).
        stride: pixels between two windows, a number or (height, width).
        padding: zeros around the image, a number, (height, width), ((top, bottom), (left, right)), "valid"
            for none, or "same" for as many as give ⌈n / stride⌉ outputs; where that is odd, one more follows
            than precedes, as in Keras and in ONNX's SAME_UPPER.
        dilation: pixels between two taps, a number or (height, width).
        groups: output channels o · groups / out_channels of each group see the channels of this group only;
            with `groups=channels` the convolution is depthwise, with out_channels / channels as multiplier.
        channels_last: whether x and y are (batch, height, width, channels); the weight is the same.

    Raises:
        ShapeError: the shapes do not fit, or the kernel is larger than the padded image.
        ArgumentError: another argument lies outside what is described here.

    Source: Saitō, Deep Learning from Scratch, section 7.2.

    >>> import tinytensor as tt
    >>> image = tt.arange(16).reshape(1, 1, 4, 4)
    >>> tt.conv2d(image, tt.ones((1, 1, 3, 3))).tolist()
    [[[[45.0, 54.0], [81.0, 90.0]]]]
    >>> tt.conv2d(image, tt.ones((1, 1, 3, 3)), stride=2, padding="same").shape
    (1, 1, 2, 2)
    """
    given = (stride, padding, dilation, groups, channels_last)
    return convolution("conv2d", 2, x, weight, bias, *given)


def convolution(
    who: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: Any, channels_last: bool,
) -> Tensor:  # fmt: skip
    """A convolution over one or two spatial axes."""
    a, w, b = operands(who, axes, x, weight, bias)
    window = windows.window(who, w.shape[2:], stride, padding, dilation, axes)
    groups, last = length(f"{who}: groups", groups), windows.flag(f"{who}: channels_last", channels_last)
    windows.convolution_shape(who, a.shape, w.shape, None if b is None else b.shape, groups, window, last)
    pads = window.pads(windows.spatial_shape(a.shape, last))
    given: Any = {"stride": window.stride, "padding": pads, "dilation": window.dilation}
    if axes == 2:
        return Tensor._wrap(convolve(a, w, b, **given, groups=groups, channels_last=last))
    row = 1 if last else 2  # an image of one row
    given = {
        "stride": (1, *window.stride), "padding": ((0, 0), *pads), "dilation": (1, *window.dilation),
    }  # fmt: skip
    image = moved(np.expand_dims, (a,), row)
    y = convolve(image, w[:, :, None], b, **given, groups=groups, channels_last=last)
    return Tensor._wrap(moved(np.squeeze, (y,), row))


def conv_transpose2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    dilation: Any = 1, groups: int = 1, channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """y[n, o, i · stride + ky · dilation - padding, …] = bias[o] + Σ x[n, c, i, j] · weight[c, o, ky, kx].

    The transpose of `conv2d` as a linear map: what a convolution with that weight does to gradients. An
    output pixel starts from the bias; one fma follows for each ky, kx, c ascending that reaches it.

    Args:
        x: (batch, channels, height, width).
        weight: (channels, out_channels / groups, kernel height, kernel width).
        bias: (out_channels,).
        stride: output pixels between two input pixels, a number or (height, width).
        padding: pixels cut off from the output, a number, (height, width) or ((top, bottom), (left, right)).
        output_padding: rows and columns more at the end of the output, fewer than the stride or the dilation.
        dilation: output pixels between two taps.
        groups: as in `conv2d`.
        channels_last: as in `conv2d`.

    Raises:
        ShapeError: the shapes do not fit, or the padding cuts off the whole output.
        ArgumentError: another argument lies outside what is described here.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016.

    >>> import tinytensor as tt
    >>> tt.conv_transpose2d([[[[1, 2]]]], [[[[1, 10]]]], stride=2).tolist()
    [[[[1.0, 10.0, 2.0, 20.0]]]]
    """
    who = "conv_transpose2d"
    a, w, b = operands(who, 2, x, weight, bias)
    window = windows.window(who, w.shape[2:], stride, padding, dilation, 2)
    groups, last = length(f"{who}: groups", groups), windows.flag(f"{who}: channels_last", channels_last)
    extra = windows.per_axis(f"{who}: output_padding", output_padding, 2, least=0)
    windows.refuse_extra(who, extra, window)
    bias_shape = None if b is None else b.shape
    windows.transposed_shape(who, a.shape, w.shape, bias_shape, groups, window, extra, last)
    pads = window.pads(windows.spatial_shape(a.shape, last))
    given: Any = {"stride": window.stride, "padding": pads, "dilation": window.dilation}
    y = convolve_transposed(a, w, b, **given, groups=groups, output_padding=extra, channels_last=last)
    return Tensor._wrap(y)


def operands(who: str, axes: int, x: Any, weight: Any, bias: Any) -> tuple[Array, Array, Array | None]:
    """The three arrays in one float dtype."""
    given = [tensor(each)._floating() for each in (x, weight, *(() if bias is None else (bias,)))]
    if given[1].ndim != axes + 2 or 0 in given[1].shape:
        names = ", ".join(f"kernel {name}" for name in windows.AXES[axes])
        raise ShapeError(f"{who}: weight: expected (out, in, {names}), got {given[1].shape}")
    wanted = np.result_type(*(each.dtype for each in given))
    if wanted not in FLOATS:
        wanted = FLOATS[0]
    a, w, *b = (
        each
        if each.dtype == wanted
        else cast(each, dtype=wanted)
        if isinstance(each, Symbol)
        else each.astype(wanted)
        for each in given
    )
    return a, w, b[0] if b else None
