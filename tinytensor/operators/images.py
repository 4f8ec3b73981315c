"""Operations of images with one or two spatial axes (batch, channels, *lengths), of Tensors."""

from typing import Any

from tinytensor.errors import ShapeError, UnsupportedOp
from tinytensor.images import conv1d, conv2d, conv_transpose2d
from tinytensor.operators.arithmetic import cast
from tinytensor.operators.pads import automatic_pads, transposed_pads
from tinytensor.operators.positions import positions_of_largest
from tinytensor.pooling import global_avg_pool2d, global_max_pool2d, pooled
from tinytensor.primitives.normalization import standardize
from tinytensor.tensors import Tensor

__all__ = [
    "average_pool", "conv", "conv_transpose", "global_average_pool", "global_max_pool",
    "group_normalization", "instance_normalization", "max_pool",
]  # fmt: skip

Ints = list[int] | None


def conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, auto_pad: str = "NOTSET", dilations: Ints = None,
    group: int = 1, kernel_shape: Ints = None, pads: Ints = None, strides: Ints = None,
) -> Tensor:  # fmt: skip
    """The convolution of images, as `tt.conv1d` and `tt.conv2d` have it."""
    axes = spatial_axes("Conv", x)
    expect_kernel("Conv", weight, kernel_shape)
    expect_lengths("Conv", axes, list(weight.shape[2:]), strides, dilations, pads)
    stride, dilation = strides or [1] * axes, dilations or [1] * axes
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    padding = automatic_pads(auto_pad, pads, x.shape[2:], spans, stride)
    function = conv1d if axes == 1 else conv2d
    return function(x, weight, bias, tuple(stride), padding, tuple(dilation), group)


def conv_transpose(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, auto_pad: str = "NOTSET", dilations: Ints = None,
    group: int = 1, kernel_shape: Ints = None, output_padding: Ints = None, output_shape: Ints = None,
    pads: Ints = None, strides: Ints = None,
) -> Tensor:  # fmt: skip
    """The transposed convolution, as `tt.conv_transpose2d` has it; of one axis, as an image of one row."""
    axes = spatial_axes("ConvTranspose", x)
    expect_kernel("ConvTranspose", weight, kernel_shape)
    expect_lengths("ConvTranspose", axes, list(weight.shape[2:]), strides, dilations, pads)
    expect_lengths("ConvTranspose", axes, output_padding and [n + 1 for n in output_padding])
    stride, dilation = strides or [1] * axes, dilations or [1] * axes
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    padding, extra = transposed_pads(auto_pad, pads, x.shape[2:], spans, stride, output_padding, output_shape)
    if axes == 2:
        return conv_transpose2d(x, weight, bias, tuple(stride), padding, tuple(extra), tuple(dilation), group)
    image, row = x.expand_dims(2), weight.expand_dims(2)
    steps: Any = {"stride": (1, *stride), "padding": ((0, 0), *padding), "dilation": (1, *dilation)}
    return conv_transpose2d(image, row, bias, output_padding=(0, *extra), groups=group, **steps).squeeze(2)


def max_pool(
    x: Tensor, auto_pad: str = "NOTSET", ceil_mode: int = 0, dilations: Ints = None,
    kernel_shape: Ints = None, pads: Ints = None, storage_order: int = 0, strides: Ints = None,
    indices: int = 0,
) -> Any:  # fmt: skip
    """The largest value of every window; integers stay what they are. With `indices` where it is, too."""
    y = pool("MaxPool", "max", x, auto_pad, ceil_mode, dilations, kernel_shape, pads, strides, True)
    y = y if y.dtype == x.dtype else cast(y, x.dtype.name)
    if not indices:
        return y
    kernel, stride, padding, rates = window_of("MaxPool", x, auto_pad, dilations, kernel_shape, pads, strides)
    by_column = bool(storage_order)
    found = positions_of_largest(x.numpy(), y.numpy(), kernel, stride, padding, rates, by_column)
    return y, Tensor._wrap(found)


def average_pool(
    x: Tensor, auto_pad: str = "NOTSET", ceil_mode: int = 0, count_include_pad: int = 0,
    dilations: Ints = None, kernel_shape: Ints = None, pads: Ints = None, strides: Ints = None,
) -> Tensor:  # fmt: skip
    """The mean of every window; the padding counts only if that is asked for."""
    counted = bool(count_include_pad)
    return pool(
        "AveragePool", "average", x, auto_pad, ceil_mode, dilations, kernel_shape, pads, strides, counted
    )


def pool(
    who: str, kind: str, x: Tensor, auto_pad: str, ceil_mode: int, dilations: Ints, kernel_shape: Ints,
    pads: Ints, strides: Ints, counted: bool,
) -> Tensor:  # fmt: skip
    """A pooling; with automatic padding the windows are as many either way of rounding."""
    kernel, stride, padding, dilation = window_of(who, x, auto_pad, dilations, kernel_shape, pads, strides)
    ceil = bool(ceil_mode) and auto_pad in ("NOTSET", "")
    given = (tuple(kernel), tuple(stride), padding, tuple(dilation), ceil, False, counted)
    return pooled(who, len(kernel), kind, x, *given)


def window_of(
    who: str, x: Tensor, auto_pad: str, dilations: Ints, kernel_shape: Ints, pads: Ints, strides: Ints
) -> Any:
    """Kernel, stride, padding and dilation of a pooling for each axis."""
    axes = spatial_axes(who, x)
    expect_lengths(who, axes, kernel_shape, strides, dilations, pads)
    kernel, stride, dilation = (each or [1] * axes for each in (kernel_shape, strides, dilations))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    return kernel, stride, automatic_pads(auto_pad, pads, x.shape[2:], spans, stride), dilation


def global_average_pool(x: Tensor) -> Tensor:
    """The mean of all pixels of each channel, with axes of length 1."""
    return ones_for_pixels(x, global_avg_pool2d(as_image("GlobalAveragePool", x)))


def global_max_pool(x: Tensor) -> Tensor:
    """The largest of all pixels of each channel, with axes of length 1."""
    return ones_for_pixels(x, global_max_pool2d(as_image("GlobalMaxPool", x)))


def as_image(who: str, x: Tensor) -> Tensor:
    """Any number of spatial axes as two."""
    if x.ndim < 3:
        raise ShapeError(f"{who}: expected (batch, channels, *lengths), got {x.shape}")
    return x if x.ndim == 4 else x.reshape((*x.shape[:3], -1))


def ones_for_pixels(x: Tensor, y: Tensor) -> Tensor:
    """A number for each channel, with as many axes as x."""
    return y.reshape((*y.shape, *(1,) * (x.ndim - 2)))


def instance_normalization(x: Tensor, scale: Tensor, bias: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Every channel of every image standardized over its pixels, · scale + bias."""
    if x.ndim < 3:
        raise ShapeError(f"InstanceNormalization: expected (batch, channels, *lengths), got {x.shape}")
    if scale.shape != x.shape[1:2] or bias.shape != x.shape[1:2]:
        raise ShapeError(
            f"InstanceNormalization: expected a scale and a bias for each of {x.shape[1]} channels, "
            f"got shapes {scale.shape} and {bias.shape}"
        )
    y = Tensor._wrap(standardize(x._floating(), count=x.ndim - 2, eps=epsilon))
    return y * for_channels(scale, x) + for_channels(bias, x)


def group_normalization(
    x: Tensor, scale: Tensor, bias: Tensor, num_groups: int, epsilon: float = 1e-5, per_group: int = 0
) -> Tensor:
    """Every group of channels of every image standardized, · scale + bias.

    These have a number for each channel; until opset 20, `per_group`, one for each group.
    """
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(
            f"GroupNormalization: expected channels in {num_groups} groups of one size, got {x.shape}"
        )
    groups = x.reshape((x.shape[0], num_groups, -1))
    y = Tensor._wrap(standardize(groups._floating(), count=1, eps=epsilon))
    if per_group:
        y = y * scale.reshape((num_groups, 1)) + bias.reshape((num_groups, 1))
        return y.reshape(x.shape)
    return y.reshape(x.shape) * for_channels(scale, x) + for_channels(bias, x)


def for_channels(values: Tensor, x: Tensor) -> Tensor:
    """A number for each channel, beside images."""
    return values.reshape((-1, *(1,) * (x.ndim - 2)))


def spatial_axes(who: str, x: Tensor) -> int:
    """The number of spatial axes: one or two."""
    if x.ndim in (3, 4):
        return x.ndim - 2
    if x.ndim < 3:
        raise ShapeError(f"{who}: expected (batch, channels, *lengths), got {x.shape}")
    raise UnsupportedOp(f"{who}: {x.ndim - 2} spatial axes; tinytensor computes with one or two")


def expect_kernel(who: str, weight: Tensor, kernel_shape: Ints) -> None:
    """Raise if the kernel is said to have another shape than the weight."""
    if kernel_shape and tuple(kernel_shape) != weight.shape[2:]:
        raise ShapeError(f"{who}: kernel_shape is {kernel_shape}, the weight's is {list(weight.shape[2:])}")


def expect_lengths(
    who: str, axes: int, kernel: Ints, strides: Ints = None, dilations: Ints = None, pads: Ints = None
) -> None:
    """Raise unless each attribute has a positive number for each axis, the padding two."""
    for each in (kernel, strides, dilations):
        if each and (len(each) != axes or min(each) < 1):
            raise ShapeError(f"{who}: expected a positive number for each of {axes} axes, got {each}")
    if pads and len(pads) != 2 * axes:
        raise ShapeError(f"{who}: expected two numbers of padding for each of {axes} axes, got {pads}")
