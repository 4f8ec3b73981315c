"""Keras's layers of sequences, and transposed convolutions: of sequences as images of one row."""

from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.io.config import shortened
from tinytensor.io.keras_images import axes_of, kernel_and_bias, last, lengths, own
from tinytensor.io.keras_source import Part, Source

__all__ = ["convolution_transpose", "global_pooling_of_rows", "repeated"]


def on_row(source: Source, layer: Part, squeezed: bool = True) -> list[Part]:
    """A layer of images, applied to a sequence as an image of one row."""
    axis = 1 if last(source) else 2
    layers: list[dict[str, Any]] = [
        {"class": "Constant", "config": {}},
        {"class": "Operator", "config": {"operation": "Unsqueeze"}},
        {"class": layer.cls, "config": layer.arguments},
    ]
    wires = [[[], ["axis"]], [["input", "axis"], ["image"]], [["image"], ["y"]]]
    if squeezed:
        layers.append({"class": "Operator", "config": {"operation": "Squeeze"}})
        wires[2:] = [[["image"], ["found"]], [["found", "axis"], ["y"]]]
    arguments = {"input_names": ["input"], "output_names": ["y"], "layers": layers, "wires": wires}
    state = {f"layers.2.{name}": array for name, array in layer.state.items()}
    return [Part("Graph", arguments, {"layers.0.value": np.array([axis], np.int64), **state})]


def global_pooling_of_rows(source: Source) -> list[Part]:
    """(batch, channels), or with keepdims all axes."""
    cls = "GlobalMaxPool2d" if source.kind.startswith("GlobalMax") else "GlobalAvgPool2d"
    keep = bool(source.config.get("keepdims"))
    layer = Part(cls, {"keepdims": keep, "channels_last": last(source)}, {})
    return on_row(source, layer, squeezed=keep)


def repeated(source: Source) -> list[Part]:
    """UpSampling1D: every step as often as is said."""
    scale = [1, *lengths(source, "size", 2)]
    return on_row(source, Part("Upsample", {"scale_factor": scale, "channels_last": True}, {}))


def convolution_transpose(source: Source) -> list[Part]:
    """Keras keeps the kernel as (height, width, out, in)."""
    kernel, bias = kernel_and_bias(source)
    assert kernel is not None
    axes, outs, ins = axes_of(source), *kernel.shape[-2:]
    size = list(kernel.shape[:-2])
    if outs != source.whole("filters") or size != lengths(source, "kernel_size"):
        raise ModelFormatError(f"{source.kind}: the kernel {kernel.shape} is not that of the configuration")
    stride, dilation = lengths(source, "strides"), lengths(source, "dilation_rate")
    spans = [rate * (n - 1) + 1 for n, rate in zip(size, dilation, strict=True)]
    cuts = cut_of(source, spans, stride)
    one = [1] * (2 - axes)
    arguments = {
        "in_channels": ins, "out_channels": outs, "kernel_size": [*one, *size], "stride": [*one, *stride],
        "padding": [*([0, 0] for _ in one), *([max(cut, 0) // 2, (max(cut, 0) + 1) // 2] for cut in cuts)],
        "output_padding": [*(0 for _ in one), *(max(-cut, 0) for cut in cuts)], "dilation": [*one, *dilation],
        "bias": bias is not None, "channels_last": last(source),
    }  # fmt: skip
    weight = own(np.moveaxis(kernel, (-1, -2), (0, 1)).reshape(ins, outs, *one, *size))
    layer = Part("ConvTranspose2d", arguments, {"weight": weight} | ({} if bias is None else {"bias": bias}))
    return [layer] if axes == 2 else on_row(source, layer)


def cut_of(source: Source, spans: list[int], stride: list[int]) -> list[int]:
    """By how much each axis of all products is longer than the output, which may be negative.

    The output is n · stride long ("same"), or holds all products and is at least that long ("valid"); with an
    `output_padding` it is (n - 1) · stride + span - 2 · padding + output_padding. Of what is cut off, the
    smaller half lies at the beginning.
    """
    name, extra = source.config.get("padding", "valid"), source.config.get("output_padding")
    if name not in ("same", "valid"):
        raise source.error(f"padding: expected same or valid, got {shortened(name)}")
    if extra is None:
        totals = [span - step for span, step in zip(spans, stride, strict=True)]
        return totals if name == "same" else [min(total, 0) for total in totals]
    several = extra if isinstance(extra, list) else [extra] * len(spans)
    if len(several) != len(spans) or not all(
        type(n) is int and 0 <= n < step for n, step in zip(several, stride, strict=True)
    ):
        raise source.error(f"output_padding: expected numbers below the strides, got {shortened(extra)}")
    inside = [span // 2 * 2 if name == "same" else 0 for span in spans]
    return [total - more for total, more in zip(inside, several, strict=True)]
