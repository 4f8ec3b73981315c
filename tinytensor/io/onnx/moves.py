"""How the primitive `move` is written in ONNX: by the function that moved, or by its table of positions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor import padding, shaping
from tinytensor.io.onnx.nodes import Values
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Node

__all__ = ["move"]

INT64 = np.iinfo(np.int64)


def move(values: Values, node: Node, y: str) -> str:
    """The simplest node that moves so; else the elements that the table names."""
    places, operands = node.parameters["places"], node.operands
    if len(operands) > 1:
        axis = joined_along(places, [each.sample for each in operands])
        if axis is not None:
            return values.nodes.add("Concat", *map(values.take, operands), to=y, axis=axis + 1)
        return gathered(values, node, y)
    rule = BY_FUNCTION.get(node.parameters["function"])
    written = rule(values, node, y) if rule is not None else None
    if written is not None:
        return written
    if np.array_equal(places.ravel(), np.arange(math.prod(operands[0].sample))):
        return reshape(values, values.take(operands[0]), places.shape, y)
    return gathered(values, node, y)


def joined_along(places: Array, samples: list[tuple[int, ...]]) -> int | None:
    """The axis of a sample along which operands are put one after the other, if they are."""
    starts = np.cumsum([0, *map(math.prod, samples)])
    parts = [
        np.arange(start, start + math.prod(each)).reshape(each)
        for start, each in zip(starts, samples, strict=False)
    ]
    for axis in range(places.ndim if places.ndim == len(samples[0]) else 0):
        if len({each[:axis] + each[axis + 1 :] for each in samples}) > 1:
            continue
        joined = np.concatenate(parts, axis)
        if joined.shape == places.shape and np.array_equal(joined, places):
            return axis
    return None


def reshape(values: Values, x: str, sample: tuple[int, ...], y: str) -> str:
    """The same elements of each sample in another shape; 0 is the number of samples as it is."""
    if len(sample) == 1:
        return values.nodes.add("Flatten", x, to=y)
    return values.nodes.add("Reshape", x, values.nodes.constant([0, *sample], np.int64), to=y)


def gathered(values: Values, node: Node, y: str) -> str:
    """The elements of all operands side by side, and of these the ones that the table names."""
    places = node.parameters["places"]
    flat = [values.nodes.add("Flatten", values.take(each)) for each in node.operands]
    whole = flat[0] if len(flat) == 1 else values.nodes.add("Concat", *flat, axis=1)
    if places.ndim == 1:
        return values.nodes.add("Gather", whole, values.nodes.constant(places, np.int64), to=y, axis=1)
    chosen = values.nodes.add("Gather", whole, values.nodes.constant(places.ravel(), np.int64), axis=1)
    return reshape(values, chosen, places.shape, y)


def transpose(values: Values, node: Node, y: str) -> str:
    """The axes in another order, which the strides of a view tell."""
    x = node.operands[0]
    strides = tuple(8 << i for i in range(x.ndim))
    example = np.lib.stride_tricks.as_strided(np.zeros(1), (2, *(2 for _ in x.sample)), strides)
    view = node.parameters["function"](example, *node.parameters["arguments"])
    perm = [strides.index(each) for each in view.strides]
    return values.nodes.add("Transpose", values.take(x), to=y, perm=perm)


def squeeze(values: Values, node: Node, y: str) -> str:
    """Without some axes of length 1."""
    return with_axes(values, "Squeeze", node, y)


def expand_dims(values: Values, node: Node, y: str) -> str:
    """With axes of length 1."""
    return with_axes(values, "Unsqueeze", node, y)


def with_axes(values: Values, op: str, node: Node, y: str) -> str:
    """A node whose axes are constants."""
    axes = np.atleast_1d(node.parameters["arguments"][0])
    return values.nodes.add(op, values.take(node.operands[0]), values.nodes.constant(axes, np.int64), to=y)


def padded(values: Values, node: Node, y: str) -> str:
    """Pad with elements of the array itself."""
    widths, mode = node.parameters["arguments"]
    whole = ((0, 0), *widths)
    pads = values.nodes.constant([a for a, _ in whole] + [b for _, b in whole], np.int64)
    return values.nodes.add("Pad", values.take(node.operands[0]), pads, to=y, mode=mode)


def index(values: Values, node: Node, y: str) -> str | None:
    """Slices; None if the index has arrays in it."""
    key = node.parameters["arguments"][0]
    keys = key if isinstance(key, tuple) else (key,)
    if not all(each is None or each is Ellipsis or type(each) in (int, slice) for each in keys):
        return None
    x = node.operands[0]
    given = sum(each is not None and each is not Ellipsis for each in keys)
    place = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys = (*keys[:place], *(slice(None),) * (x.ndim - given), *keys[place + 1 :])
    slices, gone, new, axis, there = [], [], [], 0, 0
    for each in keys:
        if each is None:
            new.append(there)
        elif each != slice(None):
            slices.append((axis, each if isinstance(each, slice) else slice(each, each + 1 or None)))
            gone += [axis] if not isinstance(each, slice) else []
        axis += each is not None
        there += not isinstance(each, int)
    name = values.take(x)
    steps: list[tuple[str, list[Any]]] = []
    if slices:
        bounds = [bounds_of(each) for _, each in slices]
        starts, ends, strides = (list(column) for column in zip(*bounds, strict=True))
        steps.append(("Slice", [starts, ends, [axis for axis, _ in slices], strides]))
    steps += [("Squeeze", [gone])] if gone else []
    steps += [("Unsqueeze", [new])] if new else []
    if not steps:
        return values.nodes.add("Identity", name, to=y)
    for position, (op, constants) in enumerate(steps):
        inputs = [values.nodes.constant(each, np.int64) for each in constants]
        name = values.nodes.add(op, name, *inputs, to=y if position == len(steps) - 1 else "")
    return name


def bounds_of(part: slice) -> tuple[int, int, int]:
    """Start, end and step of a slice, the ends of an axis as numbers beyond them."""
    step = 1 if part.step is None else part.step
    first, last = (0, INT64.max) if step > 0 else (INT64.max, INT64.min)
    return first if part.start is None else part.start, last if part.stop is None else part.stop, step


BY_FUNCTION: dict[Callable[..., Any], Callable[[Values, Node, str], str | None]] = {
    np.expand_dims: expand_dims,
    np.moveaxis: transpose,
    np.squeeze: squeeze,
    np.swapaxes: transpose,
    padding.mirrored: padded,
    shaping.chosen: index,
    shaping.transposed: transpose,
}
