"""Primitives that change the size of images: `pad` puts a constant around them, `resize` makes pixels."""

from typing import Any

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Primitive, Result, Symbol

__all__ = ["pad", "resize"]


def padded(x: Array, widths: tuple[Any, ...], value: float) -> Array:
    """As many times the value before and after the elements of each axis of a sample."""
    return np.pad(x, [(0, 0), *widths], constant_values=value)


def padded_result(x: Symbol, widths: tuple[Any, ...], value: float) -> Result:
    """The lengths and what is put around them."""
    return Result(tuple(n + a + b for n, (a, b) in zip(x.sample, widths, strict=True)), x.dtype)


pad = Primitive(
    "pad", padded, padded_result, numpy="np.pad({0}, [(0, 0), *{widths}], constant_values={value})"
)


def resized(
    x: Array, sizes: tuple[int, ...], factors: tuple[float, ...], mode: str, corners: bool,
    channels_last: bool,
) -> Array:  # fmt: skip
    """Along the width, then along the height; `factors` say where pixels lie, if there are any."""
    for axis in (2, 1) if channels_last else (3, 2):
        spatial = axis - (1 if channels_last else 2)
        n, count = x.shape[axis], sizes[spatial]
        ratio = 1 / factors[spatial] if factors else n / count
        if mode == "nearest":
            places = np.arange(count)
            found = np.floor(places * ratio).astype(int) if factors else places * n // count
            x = x.take(np.minimum(found, n - 1), axis)
        else:
            x = interpolated(x, axis, positions(n, count, ratio, corners))
    return np.ascontiguousarray(x)


def positions(n: int, count: int, ratio: float, corners: bool) -> Array:
    """Where along an axis of n pixels the pixels of the output lie."""
    places = np.arange(count, dtype=np.float64)
    if corners:
        return places * (n - 1) / max(count - 1, 1)
    return np.maximum((places + 0.5) * ratio - 0.5, 0)


def interpolated(x: Array, axis: int, places: Array) -> Array:
    """(1 - f) · x[⌊s⌋] + f · x[⌊s⌋ + 1] along an axis."""
    n = x.shape[axis]
    below = np.minimum(np.floor(places).astype(int), n - 1)
    above = np.minimum(below + 1, n - 1)
    side = [1] * x.ndim
    side[axis] = len(places)
    share = (places - below).astype(x.dtype).reshape(side)
    with np.errstate(all="ignore"):
        return np.asarray((1 - share) * x.take(below, axis) + share * x.take(above, axis))


def resized_result(x: Symbol, sizes: tuple[int, ...], channels_last: bool, **others: Any) -> Result:
    """An image of the size."""
    channels = x.sample[-1] if channels_last else x.sample[0]
    return Result((*sizes, channels) if channels_last else (channels, *sizes), x.dtype)


resize = Primitive("resize", resized, resized_result)
