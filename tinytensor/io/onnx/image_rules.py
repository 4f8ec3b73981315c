"""How the primitives of images are written in ONNX; channels last are transposed before and after."""

from typing import Any

import numpy as np

from tinytensor.io.onnx.nodes import Values
from tinytensor.io.pooling import covers_all, has_partial_windows
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["convolve", "convolve_transposed", "one_axis", "pad", "pool", "resample", "resize"]

Attributes = dict[str, Any]


def between(
    values: Values, op: str, inputs: list[str], y: str, channels_last: bool, axes: int, attributes: Attributes
) -> str:  # fmt: skip
    """A node of images, between transpositions if they have their channels last."""
    if not channels_last:
        return values.nodes.add(op, *inputs, to=y, **attributes)
    first = values.nodes.add("Transpose", inputs[0], perm=[0, axes + 1, *range(1, axes + 1)])
    inner = values.nodes.add(op, first, *inputs[1:], **attributes)
    return values.nodes.add("Transpose", inner, to=y, perm=[0, *range(2, axes + 2), 1])


def window_of(parameters: Attributes, size: Any, first: int) -> Attributes:
    """Where windows lie, along the axes from the first on."""
    pads = parameters["padding"][first:]
    return {
        "kernel_shape": list(size[first:]),
        "strides": list(parameters["stride"][first:]),
        "dilations": list(parameters["dilation"][first:]),
        "pads": [before for before, _ in pads] + [after for _, after in pads],
    }


def convolution(values: Values, node: Node, x: Symbol, y: str, op: str, first: int, extra: Attributes) -> str:
    """Conv or ConvTranspose; the weights are laid out as ours."""
    _, weight, *bias = node.operands
    kernel = weight if first == 0 else weight[:, :, 0]
    inputs = [
        values.take(x, node.result.dtype),
        values.take(kernel),
        *(values.take(b) for b in bias if b is not None),
    ]
    attributes = (
        window_of(node.parameters, weight.shape[2:], first) | {"group": node.parameters["groups"]} | extra
    )
    return between(values, op, inputs, y, node.parameters["channels_last"], 2 - first, attributes)


def convolve(values: Values, node: Node, y: str) -> str:
    """Conv."""
    return convolution(values, node, node.operands[0], y, "Conv", 0, {})


def convolve_transposed(values: Values, node: Node, y: str) -> str:
    """ConvTranspose."""
    extra = {"output_padding": list(node.parameters["output_padding"])}
    return convolution(values, node, node.operands[0], y, "ConvTranspose", 0, extra)


def pool(values: Values, node: Node, y: str) -> str:
    """A pooling; of whole images a global one."""
    parameters, x = node.parameters, node.operands[0]
    last = parameters["channels_last"]
    if covers_all(node) and x.dtype.kind == "f":
        op = {"max": "GlobalMaxPool", "average": "GlobalAveragePool"}[parameters["kind"]]
        return between(values, op, [values.take(x)], y, last, 2, {})
    return pooling(values, node, x, y, 0)


def pooling(values: Values, node: Node, x: Symbol, y: str, first: int) -> str:
    """MaxPool or AveragePool."""
    parameters = node.parameters
    last = parameters["channels_last"]
    attributes = window_of(parameters, parameters["size"], first)
    attributes["ceil_mode"] = int(has_partial_windows(node))
    if max(attributes["dilations"]) == 1:
        del attributes["dilations"]
    op = {"max": "MaxPool", "average": "AveragePool"}[parameters["kind"]]
    if op == "AveragePool":
        attributes["count_include_pad"] = int(parameters["counts_padding"])
    return between(values, op, [values.take(x, node.result.dtype)], y, last, 2 - first, attributes)


def one_axis(values: Values, node: Node, x: Symbol, y: str) -> str:
    """A convolution or a pooling of images of one row, as one of sequences."""
    if node.primitive.name == "pool":
        return pooling(values, node, x, y, 1)
    return convolution(values, node, x, y, "Conv", 1, {})


def pad(values: Values, node: Node, y: str) -> str:
    """Pad with a constant."""
    widths = ((0, 0), *node.parameters["widths"])
    pads = values.nodes.constant([a for a, _ in widths] + [b for _, b in widths], np.int64)
    constant = values.take(node.parameters["value"], node.result.dtype)
    return values.nodes.add("Pad", values.take(node.operands[0]), pads, constant, to=y, mode="constant")


def resize(values: Values, node: Node, y: str) -> str:
    """Resize of the spatial axes."""
    parameters = node.parameters
    nearest = parameters["mode"] == "nearest"
    linear = "align_corners" if parameters["corners"] else "half_pixel"
    attributes = {
        "axes": [1, 2] if parameters["channels_last"] else [2, 3],
        "mode": "nearest" if nearest else "linear",
        "coordinate_transformation_mode": "asymmetric" if nearest else linear,
        "nearest_mode": "floor",
    }
    factors = parameters["factors"]
    scales = values.nodes.constant(factors, np.float32) if factors else ""
    sizes = "" if factors else values.nodes.constant(parameters["sizes"], np.int64)
    return values.nodes.add("Resize", values.take(node.operands[0]), "", scales, sizes, to=y, **attributes)


def resample(values: Values, node: Node, y: str) -> str:
    """Resize, as it was."""
    given = dict(node.parameters)
    scales, sizes = given.pop("scales"), given.pop("sizes")
    numbers = [
        values.nodes.constant(scales, np.float32) if scales else "",
        values.nodes.constant(sizes, np.int64) if sizes else "",
    ]
    given["axes"] = list(given["axes"])
    return values.nodes.add("Resize", values.take(node.operands[0]), "", *numbers, to=y, **given)
