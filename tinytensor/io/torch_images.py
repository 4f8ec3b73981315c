"""Modules of PyTorch for images, as our layers; None where there is no such layer."""

from collections.abc import Callable
from typing import Any

from tinytensor.kernels.boundary import Array
from tinytensor.layers.avg_pool import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d
from tinytensor.layers.conv import Conv1d, Conv2d
from tinytensor.layers.conv_transpose import ConvTranspose2d
from tinytensor.layers.embedding import Embedding
from tinytensor.layers.layer import Layer
from tinytensor.layers.max_pool import MaxPool1d, MaxPool2d
from tinytensor.layers.pad import Pad
from tinytensor.layers.upsample import Upsample
from tinytensor.sequential import Sequential

__all__ = ["modules_of_images"]

Arrays = Callable[[Any], Array | None]
PADDING = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}


def one_or_tuple(value: Any) -> Any:
    """PyTorch's numbers, which may be a tuple of its own."""
    return value if isinstance(value, int | float | str) or value is None else tuple(value)


def convolution(cls: Any, array: Arrays) -> Callable[[Any], Layer | None]:
    """A convolution; padding that is not of zeros is a layer of its own."""

    def read(m: Any) -> Layer | None:
        padding = one_or_tuple(m.padding)
        if m.padding_mode not in PADDING or (m.padding_mode != "zeros" and isinstance(padding, str)):
            return None
        layer = cls(
            m.in_channels, m.out_channels, one_or_tuple(m.kernel_size), one_or_tuple(m.stride),
            padding if m.padding_mode == "zeros" else 0, one_or_tuple(m.dilation), m.groups,
            array(m.bias), weight=array(m.weight),
        )  # fmt: skip
        return (
            layer if m.padding_mode == "zeros" else Sequential(Pad(padding, PADDING[m.padding_mode]), layer)
        )

    return read


def transposed(array: Arrays) -> Callable[[Any], Layer]:
    """A transposed convolution."""
    return lambda m: ConvTranspose2d(
        m.in_channels, m.out_channels, one_or_tuple(m.kernel_size), one_or_tuple(m.stride),
        one_or_tuple(m.padding), one_or_tuple(m.output_padding), m.groups, array(m.bias),
        one_or_tuple(m.dilation), weight=array(m.weight),
    )  # fmt: skip


def max_pool(cls: Any) -> Callable[[Any], Layer | None]:
    """One that does not return where the largest were."""
    return lambda m: (
        None
        if m.return_indices
        else cls(
            one_or_tuple(m.kernel_size), one_or_tuple(m.stride), one_or_tuple(m.padding),
            one_or_tuple(m.dilation), m.ceil_mode,
        )
    )  # fmt: skip


def avg_pool(cls: Any) -> Callable[[Any], Layer | None]:
    """One that divides by what it counts."""
    return lambda m: (
        None
        if getattr(m, "divisor_override", None) is not None
        else cls(
            one_or_tuple(m.kernel_size), one_or_tuple(m.stride), one_or_tuple(m.padding), m.ceil_mode,
            m.count_include_pad,
        )
    )  # fmt: skip


def padding(mode: str) -> Callable[[Any], Layer]:
    """PyTorch lists the sides from the last axis on: (left, right, top, bottom)."""

    def read(m: Any) -> Layer:
        sides = tuple(m.padding)
        pairs = tuple(zip(sides[::2], sides[1::2], strict=True))[::-1]
        return Pad(pairs, mode, float(getattr(m, "value", 0.0)))

    return read


def upsample(m: Any) -> Layer | None:
    """By the nearest pixel, or bilinear."""
    if m.mode not in ("nearest", "bilinear") or m.recompute_scale_factor:
        return None
    return Upsample(
        one_or_tuple(m.size), one_or_tuple(m.scale_factor) if m.size is None else None, m.mode,
        bool(m.align_corners) and m.mode == "bilinear",
    )  # fmt: skip


def embedding(array: Arrays) -> Callable[[Any], Layer | None]:
    """One that does not change its rows."""
    return lambda m: (
        None
        if m.max_norm is not None
        else Embedding(m.num_embeddings, m.embedding_dim, weight=array(m.weight))
    )


def modules_of_images(array: Arrays) -> dict[str, Callable[[Any], Layer | None]]:
    """What each module is here, by its name; `array` reads a tensor."""
    return {
        "AdaptiveAvgPool2d": lambda m: AdaptiveAvgPool2d(one_or_tuple(m.output_size)),
        "AvgPool1d": avg_pool(AvgPool1d),
        "AvgPool2d": avg_pool(AvgPool2d),
        "ConstantPad1d": padding("constant"),
        "ConstantPad2d": padding("constant"),
        "Conv1d": convolution(Conv1d, array),
        "Conv2d": convolution(Conv2d, array),
        "ConvTranspose2d": transposed(array),
        "Embedding": embedding(array),
        "MaxPool1d": max_pool(MaxPool1d),
        "MaxPool2d": max_pool(MaxPool2d),
        "ReflectionPad1d": padding("reflect"),
        "ReflectionPad2d": padding("reflect"),
        "ReplicationPad1d": padding("edge"),
        "ReplicationPad2d": padding("edge"),
        "Upsample": upsample,
        "UpsamplingBilinear2d": upsample,
        "UpsamplingNearest2d": upsample,
        "ZeroPad1d": padding("constant"),
        "ZeroPad2d": padding("constant"),
    }
