"""The nodes of ONNX that compute each layer of images; channels last are transposed before and after."""

from typing import Any

from tinytensor import windows
from tinytensor.io.onnx.emit import Emitter, Nodes, Value
from tinytensor.layers.avg_pool import AvgPool1d, AvgPool2d
from tinytensor.layers.conv import Conv1d, Conv2d
from tinytensor.layers.conv_transpose import ConvTranspose2d
from tinytensor.layers.max_pool import MaxPool1d, MaxPool2d
from tinytensor.layers.pad import Pad
from tinytensor.layers.upsample import Upsample
from tinytensor.padding import pads_of

__all__ = ["EMITTERS", "sample_shape"]


def node(nodes: Nodes, op: str, layer: Any, x: Value, y: str, *inputs: str, **attributes: Any) -> Value:
    """A node of images, between transpositions if the layer has its channels last."""
    if not layer.channels_last:
        return x._replace(name=nodes.add(op, x.name, *inputs, to=y, **attributes))
    axes = x.rank - 2
    first = nodes.add("Transpose", x.name, perm=[0, axes + 1, *range(1, axes + 1)])
    inner = nodes.add(op, first, *inputs, **attributes)
    return x._replace(name=nodes.add("Transpose", inner, to=y, perm=[0, *range(2, axes + 2), 1]))


def padding_of(padding: Any, axes: int) -> dict[str, Any]:
    """A layer's padding as attributes."""
    pads = windows.pads_of("to_onnx", padding, axes)
    if isinstance(pads, str):
        return {"auto_pad": "SAME_UPPER"}
    return {"pads": [before for before, _ in pads] + [after for _, after in pads]}


def convolution(
    nodes: Nodes, layer: Conv1d | Conv2d | ConvTranspose2d, x: Value, y: str, op: str = "Conv"
) -> Value:
    """Conv or ConvTranspose; the weights are laid out as ours."""
    x = nodes.cast(x, layer.weight, layer.bias)
    axes = layer.weight.ndim - 2
    inputs = [nodes.constant(layer.weight, x.dtype, "weight")]
    inputs += [] if layer.bias is None else [nodes.constant(layer.bias, x.dtype, "bias")]
    attributes = {
        "kernel_shape": list(layer.weight.shape[2:]),
        "strides": list(windows.per_axis("to_onnx", layer.stride, axes)),
        "dilations": list(windows.per_axis("to_onnx", layer.dilation, axes)),
        "group": layer.groups,
        **padding_of(layer.padding, axes),
    }
    if isinstance(layer, ConvTranspose2d):
        extra = windows.per_axis("to_onnx", layer.output_padding, axes, least=0)
        attributes["output_padding"] = list(extra)
    return node(nodes, op, layer, x, y, *inputs, **attributes)


def conv_transpose(nodes: Nodes, layer: ConvTranspose2d, x: Value, y: str) -> Value:
    """ConvTranspose."""
    return convolution(nodes, layer, x, y, "ConvTranspose")


def pooling(nodes: Nodes, layer: MaxPool1d | MaxPool2d | AvgPool1d | AvgPool2d, x: Value, y: str) -> Value:
    """MaxPool or AveragePool; without a stride it is the kernel's size."""
    axes = x.rank - 2
    stride = layer.kernel_size if layer.stride is None else layer.stride
    attributes = {
        "kernel_shape": list(windows.per_axis("to_onnx", layer.kernel_size, axes)),
        "strides": list(windows.per_axis("to_onnx", stride, axes)),
        "ceil_mode": int(layer.ceil_mode),
        **padding_of(layer.padding, axes),
    }
    if isinstance(layer, AvgPool1d | AvgPool2d):
        return node(
            nodes, "AveragePool", layer, x, y, **attributes, count_include_pad=int(layer.count_include_pad)
        )
    attributes["dilations"] = list(windows.per_axis("to_onnx", layer.dilation, axes))
    return node(nodes, "MaxPool", layer, x, y, **attributes)


def global_pooling(op: str) -> Emitter:
    """A global pool, whose axes of length 1 are removed unless they are kept."""

    def emit(nodes: Nodes, layer: Any, x: Value, y: str) -> Value:
        if layer.keepdims:
            return node(nodes, op, layer, x, y)
        pooled = node(nodes, op, layer, x, "")
        axes = nodes.constant([1, 2] if layer.channels_last else [2, 3], "int64")
        return Value(nodes.add("Squeeze", pooled.name, axes, to=y), x.dtype, 2)

    return emit


def pad(nodes: Nodes, layer: Pad, x: Value, y: str) -> Value:
    """Pad of the spatial axes."""
    pairs = pads_of(layer.padding, x.rank - 2)
    whole = ((0, 0), *pairs, (0, 0)) if layer.channels_last else ((0, 0), (0, 0), *pairs)
    pads = nodes.constant([before for before, _ in whole] + [after for _, after in whole], "int64")
    value = [nodes.constant(layer.value, x.dtype)] if layer.mode == "constant" else []
    return x._replace(name=nodes.add("Pad", x.name, pads, *value, to=y, mode=layer.mode))


def upsample(nodes: Nodes, layer: Upsample, x: Value, y: str) -> Value:
    """Resize of the spatial axes."""
    linear = "align_corners" if layer.align_corners else "half_pixel"
    attributes = {
        "axes": [1, 2] if layer.channels_last else [2, 3],
        "mode": "nearest" if layer.mode == "nearest" else "linear",
        "coordinate_transformation_mode": "asymmetric" if layer.mode == "nearest" else linear,
        "nearest_mode": "floor",
    }
    if layer.size is not None:
        sizes = nodes.constant(windows.per_axis("to_onnx", layer.size, 2), "int64")
        inputs = ("", "", sizes)
    else:
        factor = layer.scale_factor
        inputs = ("", nodes.constant(factor if isinstance(factor, tuple) else (factor,) * 2, "float32"), "")
    return x._replace(name=nodes.add("Resize", x.name, *inputs, to=y, **attributes))


def moved_channels(to_last: bool) -> Emitter:
    """ChannelsLast or ChannelsFirst: a Transpose."""

    def emit(nodes: Nodes, layer: Any, x: Value, y: str) -> Value:
        axes = x.rank - 2
        perm = [0, *range(2, axes + 2), 1] if to_last else [0, axes + 1, *range(1, axes + 1)]
        return x._replace(name=nodes.add("Transpose", x.name, to=y, perm=perm))

    return emit


def sample_shape(layer: Any) -> list[int | None] | None:
    """The shape of one sample that a layer of images takes, None if it says none."""
    if not isinstance(layer, Conv1d | Conv2d | ConvTranspose2d):
        return None
    lengths: list[int | None] = [None] * (layer.weight.ndim - 2)
    channels = layer.config()["in_channels"]
    return [*lengths, channels] if layer.channels_last else [channels, *lengths]


EMITTERS: dict[str, Emitter] = {
    "AvgPool1d": pooling,
    "AvgPool2d": pooling,
    "ChannelsFirst": moved_channels(False),
    "ChannelsLast": moved_channels(True),
    "Conv1d": convolution,
    "Conv2d": convolution,
    "ConvTranspose2d": conv_transpose,
    "GlobalAvgPool2d": global_pooling("GlobalAveragePool"),
    "GlobalMaxPool2d": global_pooling("GlobalMaxPool"),
    "MaxPool1d": pooling,
    "MaxPool2d": pooling,
    "Pad": pad,
    "Upsample": upsample,
}
