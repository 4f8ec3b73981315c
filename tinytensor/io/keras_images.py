"""Keras's layers of images, which keep their channels where Keras has them: last by default."""

from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.io.config import shortened
from tinytensor.io.keras_source import Part, Source, plain
from tinytensor.kernels.boundary import Array

__all__ = [
    "axes_of", "convolution", "cropping", "depthwise", "embedding", "global_pooling", "kernel_and_bias",
    "last", "lengths", "own", "permute", "pooling", "separable", "upsampling", "zero_padding",
]  # fmt: skip


def axes_of(source: Source) -> int:
    """How many spatial axes a layer of images has, by its name."""
    return 1 if source.kind.endswith("1D") or source.kind.endswith("1DTranspose") else 2


def last(source: Source) -> bool:
    """Whether the channels are the last axis."""
    form = source.config.get("data_format", "channels_last")
    if form not in ("channels_last", "channels_first", None):
        raise source.error(f"data_format: expected channels_last or channels_first, got {shortened(form)}")
    return bool(form != "channels_first")


def lengths(source: Source, key: str, default: Any = 1) -> list[int]:
    """A positive integer for each spatial axis."""
    axes, value = axes_of(source), source.config.get(key, default)
    several = value if isinstance(value, list) else [value] * axes
    if len(several) != axes or not all(type(n) is int and n > 0 for n in several):
        raise source.error(f"{key}: expected {axes} positive integers, got {shortened(value)}")
    return several


def padding_of(source: Source, kernel: list[int], dilation: list[int]) -> Any:
    """The padding in our words."""
    name = source.config.get("padding", "valid")
    if name == "causal" and len(kernel) == 1:
        return [[dilation[0] * (kernel[0] - 1), 0]]
    if name not in ("same", "valid"):
        raise source.error(f"padding: expected same or valid, got {shortened(name)}")
    return name if name == "same" else 0


def own(array: Array) -> Array:
    """The array in C order, in memory of its own that nobody else writes to."""
    result = np.array(array, order="C")
    result.flags.writeable = False
    return result


def conv_part(source: Source, weight: Array, bias: Array | None, groups: int, **changed: Any) -> Part:
    """The convolution of a weight (out, in / groups, …)."""
    kernel = list(weight.shape[2:])
    dilation = lengths(source, "dilation_rate")
    arguments = {
        "in_channels": weight.shape[1] * groups, "out_channels": weight.shape[0], "kernel_size": kernel,
        "stride": lengths(source, "strides"), "padding": padding_of(source, kernel, dilation),
        "dilation": dilation, "groups": groups, "bias": bias is not None, "channels_last": last(source),
    } | changed  # fmt: skip
    state = {"weight": own(weight)} | ({} if bias is None else {"bias": bias})
    return Part(f"Conv{axes_of(source)}d", arguments, state)


def kernel_and_bias(source: Source, kernels: int = 1) -> list[Array | None]:
    """The kernels of a layer and its bias, or None."""
    biased = bool(source.config.get("use_bias", True))
    found: list[Array | None] = [*source.arrays(kernels + biased)]
    axes = axes_of(source)
    for each in found[:kernels]:
        if each is None or each.ndim != axes + 2 or not each.size:
            shape = None if each is None else each.shape
            raise ModelFormatError(f"{source.kind}: expected a kernel of {axes + 2} axes, got {shape}")
    return found if biased else [*found, None]


def convolution(source: Source) -> list[Part]:
    """Keras keeps the kernel as (height, width, in / groups, out)."""
    kernel, bias = kernel_and_bias(source)
    assert kernel is not None
    groups = source.whole("groups", 1)
    if kernel.shape[-1] != source.whole("filters") or list(kernel.shape[:-2]) != lengths(
        source, "kernel_size"
    ):
        raise ModelFormatError(f"{source.kind}: the kernel {kernel.shape} is not that of the configuration")
    if groups < 1 or kernel.shape[-1] % groups:
        raise source.error(f"groups: expected a divisor of {kernel.shape[-1]} filters, got {groups}")
    return [conv_part(source, np.moveaxis(kernel, (-1, -2), (0, 1)), bias, groups)]


def depth_first(source: Source, kernel: Array) -> tuple[Array, int]:
    """A depthwise kernel (height, width, in, multiplier) as a weight of as many groups as it has inputs."""
    if kernel.shape[-1] != source.whole("depth_multiplier", 1):
        raise ModelFormatError(f"{source.kind}: the kernel {kernel.shape} is not that of the configuration")
    inputs, multiplier = kernel.shape[-2:]
    moved = np.moveaxis(kernel, (-2, -1), (0, 1))
    return moved.reshape(inputs * multiplier, 1, *kernel.shape[:-2]), inputs


def depthwise(source: Source) -> list[Part]:
    """Each channel by itself; what Keras 2 writes as groups says nothing here."""
    kernel, bias = kernel_and_bias(source)
    assert kernel is not None
    weight, groups = depth_first(source, kernel)
    return [conv_part(source, weight, bias, groups)]


def separable(source: Source) -> list[Part]:
    """Depthwise, then 1×1; one bias at the end."""
    spatial, across, bias = kernel_and_bias(source, 2)
    assert spatial is not None
    assert across is not None
    weight, groups = depth_first(source, spatial)
    if across.shape[:-2] != (1,) * axes_of(source) or across.shape[-2] != len(weight):
        raise ModelFormatError(
            f"{source.kind}: expected a 1×1 kernel of {len(weight)} inputs, got {across.shape}"
        )
    first = conv_part(source, weight, None, groups)._replace(suffix="_depthwise")
    moved = np.moveaxis(across, (-1, -2), (0, 1))
    return [first, conv_part(source, moved, bias, 1, stride=1, padding=0, dilation=1)]


def pooling(source: Source) -> list[Part]:
    """The padding of a mean is not counted."""
    size = lengths(source, "pool_size", 2)
    stride = size if source.config.get("strides") is None else lengths(source, "strides")
    arguments = {
        "kernel_size": size, "stride": stride, "padding": padding_of(source, [], []),
        "channels_last": last(source),
    }  # fmt: skip
    axes = axes_of(source)
    if source.kind.startswith("Max"):
        return plain(f"MaxPool{axes}d", **arguments)
    return plain(f"AvgPool{axes}d", count_include_pad=False, **arguments)


def global_pooling(source: Source) -> list[Part]:
    """(batch, channels), or with keepdims all axes."""
    cls = "GlobalMaxPool2d" if source.kind.startswith("GlobalMax") else "GlobalAvgPool2d"
    return plain(cls, keepdims=bool(source.config.get("keepdims")), channels_last=last(source))


def sides(source: Source, key: str, default: Any) -> list[list[int]]:
    """Numbers of pixels on both sides of each spatial axis."""
    value, axes = source.config.get(key, default), axes_of(source)
    if axes == 1 and isinstance(value, list):
        value = [value]
    each_axis = value if isinstance(value, list) else [value] * axes
    pairs = [each if isinstance(each, list) else [each, each] for each in each_axis]
    if len(pairs) != axes or not all(
        len(p) == 2 and all(type(n) is int and n >= 0 for n in p) for p in pairs
    ):
        raise source.error(f"{key}: expected numbers of pixels, got {shortened(value)}")
    return pairs


def zero_padding(source: Source) -> list[Part]:
    """Zeros around an image."""
    return plain("Pad", padding=sides(source, "padding", 1), channels_last=last(source))


def cropping(source: Source) -> list[Part]:
    """A negative padding."""
    cut = sides(source, "cropping", [1, 1] if axes_of(source) == 1 else 0)
    return plain("Pad", padding=[[-n for n in pair] for pair in cut], channels_last=last(source))


def upsampling(source: Source) -> list[Part]:
    """Pixels repeated, or means of neighbours."""
    mode = source.config.get("interpolation", "nearest")
    if mode not in ("nearest", "bilinear"):
        raise source.error(f"interpolation: expected nearest or bilinear, got {shortened(mode)}")
    return plain("Upsample", scale_factor=lengths(source, "size", 2), mode=mode, channels_last=last(source))


def permute(source: Source) -> list[Part]:
    """The axes of a sample in another order, counted from 1."""
    order = source.config.get("dims")
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(map(str, range(1, len(order) + 1))):
        raise source.error(f"dims: expected a permutation of the axes from 1 on, got {shortened(order)}")
    return plain("Operator", operation="Transpose", attributes={"perm": [0, *order]})


def embedding(source: Source) -> list[Part]:
    """A row for each index; a mask, which only other layers would use, is none of ours."""
    table = source.arrays(1)[0]
    if table.ndim != 2 or table.shape != (source.whole("input_dim"), source.whole("output_dim")):
        raise ModelFormatError(f"Embedding: the weight {table.shape} is not that of the configuration")
    arguments = {"num_embeddings": table.shape[0], "embedding_dim": table.shape[1]}
    return [Part("Embedding", arguments, {"weight": own(table)})]
