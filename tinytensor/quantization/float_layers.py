"""A layer for one node of a trace; moves and maxima among them work on bytes as well."""

import itertools
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tinytensor import activations
from tinytensor.kernels.boundary import Array
from tinytensor.layers.activation import Activation
from tinytensor.layers.avg_pool import AvgPool2d
from tinytensor.layers.channels import ChannelsFirst, ChannelsLast
from tinytensor.layers.conv import Conv2d
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.global_pool import GlobalAvgPool2d
from tinytensor.layers.layer import Layer
from tinytensor.layers.linear import Linear
from tinytensor.layers.max_pool import MaxPool2d
from tinytensor.layers.operator import Operator
from tinytensor.layers.pad import Pad
from tinytensor.layers.rescale import Rescale
from tinytensor.layers.reshape import Reshape
from tinytensor.operators import activations as other
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["layer_of", "window_of"]

OPERATIONS = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"}


def layer_of(node: Node) -> Layer | None:
    """A layer that computes a node from its symbols, or None."""
    rule = RULES.get(node.primitive.name)
    return None if rule is None else rule(node)


def of_linear(node: Node) -> Layer:
    """The product with a constant weight."""
    return Linear.of(*node.operands[1:])


def of_matmul(node: Node) -> Layer | None:
    """The product with a constant matrix."""
    matrix = node.operands[1]
    return None if type(matrix) is Symbol or matrix.ndim != 2 else Linear.of(matrix.T)


def of_convolution(node: Node) -> Layer:
    """The convolution, with a constant weight."""
    _, weight, *bias = node.operands
    given = {
        key: node.parameters[key] for key in ("stride", "padding", "dilation", "groups", "channels_last")
    }
    channels = weight.shape[1] * given["groups"]
    return Conv2d(
        channels, len(weight), weight.shape[2:], **given, bias=bias[0] if bias else None, weight=weight
    )


def window_of(node: Node) -> dict[str, Any]:
    """The arguments of a pooling layer."""
    parameters, (x,) = node.parameters, node.symbols
    last = parameters["channels_last"]
    lengths = x.sample[:2] if last else x.sample[1:]
    (height, width), padding = parameters["size"], parameters.get("padding", ((0, 0), (0, 0)))
    fitting = tuple(
        (n + sum(pads) - dilation * (size - 1) - 1) // stride + 1
        for n, pads, size, stride, dilation in zip(
            lengths, padding, (height, width), parameters["stride"], parameters["dilation"], strict=True
        )
    )
    given = {
        "kernel_size": parameters["size"], "stride": parameters["stride"], "padding": padding,
        "ceil_mode": parameters["outputs"] not in (None, fitting), "channels_last": last,
    }  # fmt: skip
    more = (
        {"dilation": parameters["dilation"]}
        if parameters["kind"] == "max"
        else {"count_include_pad": parameters["counts_padding"]}
    )
    return given | more


def of_pool(node: Node) -> Layer:
    """The pooling of images."""
    return (MaxPool2d if node.parameters["kind"] == "max" else AvgPool2d)(**window_of(node))


def of_pad(node: Node) -> Layer | None:
    """A constant around images, on their spatial axes."""
    widths, value = node.parameters["widths"], float(node.parameters["value"])
    if len(widths) not in (2, 3) or (any(widths[0]) and any(widths[-1])):
        return None
    last = any(widths[0])
    return Pad(widths[:-1] if last else widths[1:], value=value, channels_last=last)


def of_mean(node: Node) -> Layer | None:
    """The mean over the pixels of images."""
    axis, x = node.parameters["axis"], node.symbols[0]
    if x.ndim != 4 or not isinstance(axis, tuple | list):
        return None
    axes = sorted(each % 4 for each in axis)
    last = axes == [1, 2]
    if not last and axes != [2, 3]:
        return None
    return GlobalAvgPool2d(node.parameters["keepdims"], last)


def of_move(node: Node) -> Layer | None:
    """A reshape, a permutation of axes, or values one after the other."""
    places: Array = node.parameters["places"]
    samples = [each.sample for each in node.symbols]
    counts = [math.prod(each) for each in samples]
    starts = np.cumsum([0, *counts])
    tables = [
        np.arange(start, start + count).reshape(sample)
        for start, count, sample in zip(starts, counts, samples, strict=False)
    ]
    if len(tables) > 1:
        return joined(places, tables)
    (table,) = tables
    if np.array_equal(places.ravel(), table.ravel()):
        return Flatten() if places.ndim == 1 and table.ndim > 1 else Reshape(places.shape)
    for order in itertools.permutations(range(table.ndim)) if table.ndim <= 5 else ():
        if table.transpose(order).shape == places.shape and np.array_equal(table.transpose(order), places):
            return permuted(order)
    return None


def permuted(order: tuple[int, ...]) -> Layer:
    """The layer that permutes the axes of samples."""
    n = len(order)
    if n > 1 and order == (*range(1, n), 0):
        return ChannelsLast()
    if n > 1 and order == (n - 1, *range(n - 1)):
        return ChannelsFirst()
    return Operator("Transpose", {"perm": [0, *(axis + 1 for axis in order)]})


def joined(places: Array, tables: list[Array]) -> Layer | None:
    """Values one after the other along an axis."""
    for axis in range(tables[0].ndim):
        try:
            table = np.concatenate(tables, axis)
        except ValueError:
            continue
        if table.shape == places.shape and np.array_equal(table, places):
            return Operator("Concat", {"axis": axis + 1})
    return None


@cache
def scalar_classes() -> dict[Any, type[Activation]]:
    """The classes of activations by their scalar functions."""
    found = [type(activations.get(name)) for name in activations.names()]
    found += [getattr(other, name) for name in other.__all__ if name[0].isupper()]
    return {each.scalar: each for each in found if hasattr(each, "scalar")}


def of_map(node: Node) -> Layer | None:
    """One of our activations."""
    function, arguments = node.parameters["function"], node.parameters["arguments"]
    cls = scalar_classes().get(function)
    return None if cls is None else cls(**dict(zip(cls._names, arguments, strict=True)))


def of_pair(node: Node) -> Layer | None:
    """Arithmetic of two values, or of a value and a number."""
    name, operands = node.primitive.name, node.operands
    numbers = [float(np.asarray(each).item()) for each in operands if type(each) is not Symbol]
    if not numbers:
        return Operator(OPERATIONS[name])
    first = type(operands[0]) is Symbol
    if name == "multiply":
        return Rescale(numbers[0])
    if name == "add":
        return Rescale(1.0, numbers[0])
    return Rescale(1.0, -numbers[0]) if name == "subtract" and first else None


RULES: dict[str, Callable[[Node], Layer | None]] = {
    "linear": of_linear, "matmul": of_matmul, "convolve": of_convolution, "pool": of_pool, "mean": of_mean,
    "pad": of_pad, "move": of_move, "map": of_map, **dict.fromkeys(OPERATIONS, of_pair),
}  # fmt: skip
