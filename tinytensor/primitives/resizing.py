"""Primitives that change the size of images: `pad` puts a constant around them, `resize` makes pixels."""

from typing import Any

import numpy as np

from tinytensor.kernels.boundary import FLOATS, UINT8, Array
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol
from tinytensor.primitives.resampling import are_few

__all__ = ["pad", "resize"]


def padded(x: Array, widths: tuple[Any, ...], value: float) -> Array:
    """As many times the value before and after the elements of each axis of a sample."""
    return np.pad(x, [(0, 0), *widths], constant_values=value)


def padded_result(x: Symbol, widths: tuple[Any, ...], value: float) -> Result:
    """The lengths and what is put around them."""
    return Result(tuple(n + a + b for n, (a, b) in zip(x.sample, widths, strict=True)), x.dtype)


def has_elements(node: Node) -> bool:
    """Whether elements are floats or bytes, before and after."""
    x = node.operands[0]
    return node.result.dtype in (*FLOATS, UINT8) and 0 not in (*x.sample, *node.result.sample)


pad = Primitive(
    "pad", padded, padded_result,
    lambda program, node: program.pad(node, node.parameters["widths"], node.parameters["value"]),
    has_elements, numpy="np.pad({0}, [(0, 0), *{widths}], constant_values={value})",
)  # fmt: skip


def resized(
    x: Array, sizes: tuple[int, ...], factors: tuple[float, ...], mode: str, corners: bool,
    channels_last: bool,
) -> Array:  # fmt: skip
    """Along the width, then along the height; `factors` say where pixels lie, if there are any."""
    for axis in (2, 1) if channels_last else (3, 2):
        spatial = axis - (1 if channels_last else 2)
        factor = factors[spatial] if factors else None
        taps, shares = resized_axis(x.shape[axis], sizes[spatial], factor, mode, corners)
        side = [1] * x.ndim
        side[axis] = sizes[spatial]
        terms = [x.take(tap, axis) for tap in taps]
        if shares is not None:
            share = shares.astype(x.dtype).reshape(side)
            with np.errstate(all="ignore"):
                terms = [(1 - share) * terms[0] + share * terms[1]]
        x = terms[0]
    return np.ascontiguousarray(x)


def resized_axis(n: int, count: int, factor: Any, mode: str, corners: bool) -> Any:
    """Where along an axis of n pixels those of the output are taken from, and the second one's shares."""
    places, ratio = np.arange(count), 1 / factor if factor else n / count
    if mode == "nearest":
        found = np.floor(places * ratio).astype(int) if factor else places * n // count
        return [np.minimum(found, n - 1)], None
    outermost = places * (n - 1) / max(count - 1, 1)
    real = outermost if corners else np.maximum((places + 0.5) * ratio - 0.5, 0)
    below = np.minimum(np.floor(real).astype(int), n - 1)
    return [below, np.minimum(below + 1, n - 1)], real - below


def resized_result(x: Symbol, sizes: tuple[int, ...], channels_last: bool, **others: Any) -> Result:
    """An image of the size."""
    channels = x.sample[-1] if channels_last else x.sample[0]
    return Result((*sizes, channels) if channels_last else (channels, *sizes), x.dtype)


def tables_of(node: Node) -> list[tuple[int, Any, Any]]:
    """Axis of the sample, taps and weights: of the width, then of the height."""
    x, given = node.operands[0], node.parameters
    tables = []
    for axis in (1, 0) if given["channels_last"] else (2, 1):
        spatial = axis - (0 if given["channels_last"] else 1)
        factor = given["factors"][spatial] if given["factors"] else None
        count, mode, corners = given["sizes"][spatial], given["mode"], given["corners"]
        taps, shares = resized_axis(x.sample[axis], count, factor, mode, corners)
        if shares is not None:
            shares = shares.astype(x.dtype)
            shares = [1 - shares, shares]
        tables.append((axis, taps, shares))
    return tables


def is_resizable(node: Node) -> bool:
    """Whether elements are floats, or bytes that are copied, and few."""
    whole = node.parameters["mode"] == "nearest" or node.result.dtype in FLOATS
    return has_elements(node) and whole and are_few(node, tables_of(node))


resize = Primitive(
    "resize", resized, resized_result, lambda program, node: program.resample(node, tables_of(node)),
    is_resizable,
)  # fmt: skip
