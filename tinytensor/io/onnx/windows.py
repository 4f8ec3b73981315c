"""Layers of images in the place of steps: Conv, pools and Pad, and what stands around them.

A Pad with zeros before a Conv is its padding, an Add of a number for each channel after it its bias. What was
exported from TensorFlow has its channels last and is transposed before each of these steps and back after
it: the layer then reads and gives images with their channels last.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor import windows
from tinytensor.io.onnx.program import Step
from tinytensor.kernels.boundary import Array
from tinytensor.operators.pads import paired

__all__ = ["RULES", "arguments", "lengths_of", "pooling", "source_of", "with_bias"]

Shape = tuple[int | None, ...]


class Source(NamedTuple):
    """What a step of images reads, and the padding of a Pad in between; the channels may be last there."""

    name: str
    pads: tuple[tuple[int, int], ...]
    channels_last: bool


def source_of(chooser: Any, step: Step, axes: int, last: bool, padded: bool) -> Source | None:
    """The value that a layer reads in the place of a step; its channels are last if it says so itself."""
    name, pads, stated = step.inputs[0], ((0, 0),) * axes, bool(step.attributes.get("channels_last"))
    pad = chooser.step(name, "Pad") if padded else None
    if pad is not None and (found := zeros_around(chooser, pad, axes, stated)) is not None:
        name, pads = pad.inputs[0], found
    if stated or not last:
        return Source(name, pads, stated)
    transpose = chooser.step(name, "Transpose")
    if transpose is None or transpose.attributes.get("perm") != [0, axes + 1, *range(1, axes + 1)]:
        return None
    return Source(transpose.inputs[0], pads, True)


def zeros_around(chooser: Any, pad: Step, axes: int, last: bool) -> tuple[tuple[int, int], ...] | None:
    """The padding of a Pad that puts zeros around images and does nothing else."""
    pads, value = chooser.constants.get(pad.inputs[1]), pad.inputs[2] if len(pad.inputs) > 2 else ""
    zero = not value or (value in chooser.constants and not chooser.constants[value].any())
    if (
        pads is None
        or not zero
        or any(pad.inputs[3:])
        or pad.attributes.get("mode", "constant") != "constant"
    ):
        return None
    pairs: tuple[tuple[int, int], ...] = (
        paired([int(n) for n in pads], axes + 2) if pads.size == 2 * axes + 4 else ()
    )
    if not pairs or min(map(min, pairs)) < 0:
        return None
    pairs = (pairs[0], pairs[-1], *pairs[1:-1]) if last else pairs
    return pairs[2:] if pairs[:2] == ((0, 0), (0, 0)) else None


def lengths_of(chooser: Any, step: Step) -> Shape | None:
    """The spatial lengths of what a step of images reads, as far as they are known."""
    shape: Shape | None = chooser.shape(step.inputs[0])
    if shape is None or len(shape) < 3:
        return None
    return shape[1:-1] if step.attributes.get("channels_last") else shape[2:]


def arguments(step: Step, kernel: list[int], lengths: Shape, more: Any) -> dict[str, Any] | None:
    """Stride, padding and dilation of a layer, in their simplest form."""
    axes = len(kernel)
    auto_pad = step.attributes.get("auto_pad", "NOTSET")
    told = [step.attributes.get(name) for name in ("strides", "dilations")]
    if any(each and (len(each) != axes or min(each) < 1) for each in (kernel, *told)):
        return None
    if len(step.attributes.get("pads") or [0] * 2 * axes) != 2 * axes:
        return None
    padding: Any = paired(step.attributes.get("pads"), axes)
    if auto_pad == "SAME_LOWER" or (auto_pad == "SAME_UPPER" and any(map(any, more))):
        return None
    if auto_pad == "SAME_UPPER":
        padding = "same"
    elif auto_pad == "VALID":
        padding = more
    else:
        padding = tuple((a + c, b + d) for (a, b), (c, d) in zip(padding, more, strict=True))
    if not isinstance(padding, str) and min(map(min, padding)) < 0:
        return None
    return {
        "stride": windows.simplest(tuple(step.attributes.get("strides") or [1] * axes)),
        "padding": windows.simplest_pads(padding),
        "dilation": windows.simplest(tuple(step.attributes.get("dilations") or [1] * axes)),
    }


def convolution(chooser: Any, step: Step, last: bool = False, bias: Array | None = None) -> Step | None:
    """A Conv1d or Conv2d with this bias, or with the step's own."""
    weight, lengths = chooser.constant(step, 1), lengths_of(chooser, step)
    if weight is None or lengths is None or weight.ndim != len(lengths) + 2 or weight.ndim not in (3, 4):
        return None
    if 0 in weight.shape:
        return None
    if len(step.inputs) > 2 and step.inputs[2]:
        own = chooser.constant(step, 2)
        if own is None or own.shape != weight.shape[:1] or bias is not None:
            return None
        bias = own
    kernel, groups = list(weight.shape[2:]), step.attributes.get("group", 1)
    source = source_of(chooser, step, len(kernel), last, True)
    given = None if source is None else arguments(step, kernel, lengths, source.pads)
    stated = step.attributes.get("kernel_shape") or kernel
    if source is None or given is None or stated != kernel or groups < 1 or weight.shape[0] % groups:
        return None
    config = {
        "in_channels": weight.shape[1] * groups, "out_channels": weight.shape[0],
        "kernel_size": windows.simplest(tuple(kernel)), **given, "groups": groups,
        "bias": bias is not None, "channels_last": source.channels_last,
    }  # fmt: skip
    parameters = {"weight": weight} | ({} if bias is None else {"bias": bias})
    return Step("", f"Conv{len(kernel)}d", [source.name], [], config, parameters)


def pooling(chooser: Any, step: Step, last: bool = False) -> Step | None:
    """A pooling layer over one or two axes."""
    kernel, lengths = step.attributes["kernel_shape"], lengths_of(chooser, step)
    if lengths is None or len(lengths) != len(kernel) or len(kernel) not in (1, 2) or any(step.outputs[1:]):
        return None
    source = source_of(chooser, step, len(kernel), last, False)
    given = None if source is None else arguments(step, kernel, lengths, source.pads)
    if source is None or given is None:
        return None
    ceil = bool(step.attributes.get("ceil_mode")) and step.attributes.get("auto_pad", "NOTSET") == "NOTSET"
    config = {"kernel_size": windows.simplest(tuple(kernel)), **given, "ceil_mode": ceil}
    if step.op == "AveragePool":
        if config.pop("dilation") != 1:
            return None
        config["count_include_pad"] = bool(step.attributes.get("count_include_pad"))
    name = "MaxPool" if step.op == "MaxPool" else "AvgPool"
    config["channels_last"] = source.channels_last
    return Step("", f"{name}{len(kernel)}d", [source.name], [], config, {})


def global_pooling(chooser: Any, step: Step, last: bool = False) -> Step | None:
    """GlobalAvgPool2d or GlobalMaxPool2d with axes of length 1."""
    if chooser.rank(step.inputs[0]) != 4:
        return None
    source = source_of(chooser, step, 2, last, False)
    name = "GlobalAvgPool2d" if step.op == "GlobalAveragePool" else "GlobalMaxPool2d"
    keepdims = bool(step.attributes.get("keepdims", 1))
    config = {"keepdims": keepdims, "channels_last": source is not None and source.channels_last}
    return None if source is None else Step("", name, [source.name], [], config, {})


STEPS: dict[str, Callable[..., Step | None]] = {
    "AveragePool": pooling,
    "Conv": convolution,
    "GlobalAveragePool": global_pooling,
    "GlobalMaxPool": global_pooling,
    "MaxPool": pooling,
}


def between_transposes(chooser: Any, step: Step) -> tuple[Step, int] | None:
    """The step whose result a Transpose gives with its channels last, if nothing else reads it."""
    perm, inner = step.attributes.get("perm"), chooser.producer.get(step.inputs[0])
    if perm is None or inner is None or inner.op not in STEPS or chooser.readers[step.inputs[0]] != 1:
        return None
    axes = len(perm) - 2
    return (inner, axes) if perm == [0, *range(2, axes + 2), 1] else None


def transpose(chooser: Any, step: Step) -> Step | None:
    """The second of two transpositions around a step."""
    found = between_transposes(chooser, step)
    if found is None:
        return layer_between(chooser, step)
    return STEPS[found[0].op](chooser, found[0], last=True)


def layer_between(chooser: Any, step: Step) -> Step | None:
    """A layer of images between two transpositions, if nothing else reads its result."""
    inner = chooser.producer.get(step.inputs[0])
    if inner is None or inner.attributes.get("channels_last") is not False or len(inner.inputs) != 1:
        return None
    first, alone = chooser.step(inner.inputs[0], "Transpose"), chooser.readers[step.inputs[0]] == 1
    perms = None if first is None else (first.attributes.get("perm"), step.attributes.get("perm"))
    if first is None or perms != ([0, 3, 1, 2], [0, 2, 3, 1]) or not alone:
        return None
    config = inner.attributes | {"channels_last": True}
    return Step("", inner.op, [first.inputs[0]], [], config, inner.parameters)


def with_bias(chooser: Any, step: Step) -> Step | None:
    """An Add of a number for each channel to what a Conv without a bias gives, transposed back or not."""
    for position in (0, 1):
        values, name = chooser.constant(step, position), step.inputs[1 - position]
        before = chooser.producer.get(name)
        if values is None or before is None or chooser.readers[name] != 1:
            continue
        found = between_transposes(chooser, before) if before.op == "Transpose" else None
        conv, last = (found[0], True) if found else (before, False)
        weight = chooser.constant(conv, 1) if conv.op == "Conv" else None
        if weight is None or weight.ndim not in (3, 4) or any(conv.inputs[2:]):
            continue
        shape = (len(weight),) if last else (len(weight), *(1,) * (weight.ndim - 2))
        if values.shape[-len(shape) :] == shape and values.size == len(weight) and values.ndim <= weight.ndim:
            return convolution(chooser, conv, last, np.ascontiguousarray(values.reshape(-1)))
    return None


RULES: dict[str, Callable[[Any, Step], Step | None]] = {**STEPS, "Transpose": transpose}
