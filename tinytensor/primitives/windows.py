"""Primitives that slide a window over images: convolution, transposed convolution, pooling."""

from typing import Any

import numpy as np

from tinytensor.kernels import convolution, pooling
from tinytensor.kernels.boundary import UINT8
from tinytensor.kernels.windows import Axis, Image, WindowSpec, axes_of, transposed_axes_of
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol
from tinytensor.primitives.elementwise import is_float

__all__ = ["convolve", "convolve_transposed", "pool"]

Axes = tuple[Axis, Axis]


def image_of(x: Symbol, channels_last: bool) -> Image:
    """The shape of the images of samples."""
    height, width, channels = x.sample if channels_last else (*x.sample[1:], x.sample[0])
    return Image(height, width, channels, channels_last)


def result_of(x: Symbol, axes: Axes, channels: int, channels_last: bool) -> Result:
    """An image of the result."""
    height, width = (axis.outputs for axis in axes)
    sample = (height, width, channels) if channels_last else (channels, height, width)
    return Result(sample, x.dtype)


def convolution_axes(x: Symbol, weight: Any, parameters: dict[str, Any]) -> Axes:
    """Where the windows of a convolution are."""
    window = WindowSpec(weight.shape[2:], parameters["stride"], parameters["padding"], parameters["dilation"])
    return axes_of(image_of(x, parameters["channels_last"]), window)


def convolved(x: Symbol, weight: Any, bias: Any = None, **parameters: Any) -> Result:
    """An image of out_channels."""
    if type(x) is not Symbol or type(weight) is Symbol or type(bias) is Symbol:
        raise TypeError("convolution: a weight that is computed from the samples")
    axes = convolution_axes(x, weight, parameters)
    return result_of(x, axes, len(weight), parameters["channels_last"])


def lower_convolution(program: Any, node: Node) -> None:
    """One instruction; its result has its channels last."""
    x, weight, *bias = node.operands
    axes = convolution_axes(x, weight, node.parameters)
    last, groups = node.parameters["channels_last"], node.parameters["groups"]
    program.convolution(node, axes, weight, bias[0] if bias else None, groups, last)


def is_convolution(node: Node) -> bool:
    """Whether there are pixels, and all is of one float dtype."""
    arrays = [each for each in node.operands[1:] if each is not None]
    return (
        is_float(node)
        and 0 not in node.result.sample
        and all(each.dtype == node.result.dtype for each in arrays)
    )


def transposed_axes(x: Symbol, weight: Any, parameters: dict[str, Any]) -> Axes:
    """Where the windows of a transposed convolution are."""
    window = WindowSpec(weight.shape[2:], parameters["stride"], parameters["padding"], parameters["dilation"])
    return transposed_axes_of(image_of(x, parameters["channels_last"]), window, parameters["output_padding"])


def transposed(x: Symbol, weight: Any, bias: Any = None, **parameters: Any) -> Result:
    """An image of out_channels."""
    if type(x) is not Symbol or type(weight) is Symbol or type(bias) is Symbol:
        raise TypeError("convolution: a weight that is computed from the samples")
    axes = transposed_axes(x, weight, parameters)
    return result_of(x, axes, weight.shape[1] * parameters["groups"], parameters["channels_last"])


def lower_transposed(program: Any, node: Node) -> None:
    """The convolution that it is, seen from the output."""
    x, weight, *bias = node.operands
    axes = transposed_axes(x, weight, node.parameters)
    last, groups = node.parameters["channels_last"], node.parameters["groups"]
    ordered = convolution.seen_from_output(weight, groups)
    program.convolution(node, axes, ordered, bias[0] if bias else None, groups, last)


def pooled_axes(x: Symbol, parameters: dict[str, Any]) -> Axes:
    """Where the windows of a pooling are."""
    window = WindowSpec(*(parameters[name] for name in ("size", "stride", "padding", "dilation")))
    return axes_of(image_of(x, parameters["channels_last"]), window, parameters["outputs"])


def pooled(x: Symbol, **parameters: Any) -> Result:
    """An image of as many channels."""
    last = parameters["channels_last"]
    return result_of(x, pooled_axes(x, parameters), image_of(x, last).channels, last)


def lower_pool(program: Any, node: Node) -> None:
    """One instruction on images with channels last."""
    parameters = node.parameters
    axes = pooled_axes(node.operands[0], parameters)
    program.pool(node, parameters["kind"], axes, parameters["counts_padding"], parameters["channels_last"])


def has_pixels(node: Node) -> bool:
    """Whether it is of floats, or the largest of bytes, and there are pixels."""
    bytes_only = node.parameters["kind"] == "max" and node.result.dtype == UINT8
    return (is_float(node) or bytes_only) and 0 not in node.result.sample


convolve = Primitive("convolve", convolution.convolve, convolved, lower_convolution, is_convolution)
convolve_transposed = Primitive(
    "convolve_transposed", convolution.convolve_transposed, transposed, lower_transposed, is_convolution,
)  # fmt: skip
pool = Primitive("pool", pooling.pool, pooled, lower_pool, has_pixels)


def multiply_adds(node: Node) -> int:
    """Multiply-adds of one sample, taps in the padding included."""
    weight = node.operands[1]
    of = node.operands[0] if node.primitive is convolve_transposed else node.result
    pixels = int(np.prod(of.sample))
    return pixels * int(np.prod(weight.shape[1:]))
