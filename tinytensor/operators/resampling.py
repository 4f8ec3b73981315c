"""Resize in plain NumPy: every axis by itself, each output element a weighted sum of its neighbours.

Coordinates are computed in float32, as ONNX Runtime has them, so that both choose the same nearest pixels.
"""

import math
from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.image_shapes import resized

__all__: list[str] = []


@operation(19, resized)
def Resize(
    x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, antialias: int = 0, axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel", cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0, extrapolation_value: float = 0.0, keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest", nearest_mode: str = "round_prefer_floor",
) -> Any:  # fmt: skip
    """X in another size, by its nearest elements or interpolated: linear or cubic."""
    named = list(range(x.ndim)) if axes is None else [int(axis) % x.ndim for axis in axes]
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    box = [(0.0, 1.0)] * len(named)
    if crops:
        box = list(zip(roi[: len(named)].tolist(), roi[len(named) :].tolist(), strict=True))
    given = None if scales is None or not scales.size else scales
    targets = resize_targets([x.shape[axis] for axis in named], box, given, sizes, keep_aspect_ratio_policy)
    y = x if mode == "nearest" else x.astype(np.float64)
    inside = np.ones((1,) * x.ndim, bool)
    for axis, (count, scale), ends in zip(named, targets, box, strict=True):
        n = x.shape[axis]
        if count == n and scale == 1 and not crops:
            continue
        places = resize_places(n, count, scale, ends, coordinate_transformation_mode)
        if mode == "nearest":
            found = resize_nearest(places, scale, nearest_mode)
            y = y.take(np.clip(found, 0, n - 1).astype(np.int64), axis)
        else:
            stretch = min(scale, 1.0) if antialias else 1.0
            normed = bool(antialias or exclude_outside)
            y = resize_mixed(y, axis, places, mode, stretch, cubic_coeff_a, bool(exclude_outside), normed)
        side = [1] * x.ndim
        side[axis] = count
        inside = inside & ((places >= 0) & (places <= n - 1)).reshape(side)
    if crops:
        y = np.where(inside, y, extrapolation_value)
    if x.dtype.kind in "iu" and mode != "nearest":
        y = np.clip(np.rint(y), np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    return y.astype(x.dtype)


def resize_targets(lengths: Any, box: Any, scales: Any, sizes: Any, policy: str) -> Any:
    """(length, scale) of each axis of the result, from scales or from sizes."""
    if (scales is None) == (sizes is None):
        raise ValueError("expected either scales or sizes")
    if len(lengths) != (sizes if scales is None else scales).size:
        raise ValueError(f"expected a number for each of {len(lengths)} axes")
    if 0 in lengths or not (scales is None or (scales > 0).all()):
        raise ValueError("expected axes with elements, and positive scales")
    if scales is not None:
        spans = [np.float32(end) - np.float32(start) for start, end in box]
        products = [
            np.float32(n) * span * scale for n, span, scale in zip(lengths, spans, scales, strict=True)
        ]
        return [(math.floor(each), float(scale)) for each, scale in zip(products, scales, strict=True)]
    wanted = [int(n) for n in sizes]
    ratios = [count / n for count, n in zip(wanted, lengths, strict=True)]
    if policy != "stretch":
        scale = min(ratios) if policy == "not_larger" else max(ratios)
        return [(math.floor(scale * n + 0.5), scale) for n in lengths]
    return list(zip(wanted, ratios, strict=True))


def resize_places(n: int, count: int, scale: float, ends: Any, mode: str) -> Any:
    """Where along an axis of n elements those of the result lie."""
    i, half, factor = np.arange(count, dtype=np.float32), np.float32(0.5), np.float32(scale)
    if mode == "asymmetric":
        return i / factor
    if mode == "tf_half_pixel_for_nn":
        return (i + half) / factor
    if mode == "align_corners":
        # of n · scale elements where that is no whole number, as ONNX's tests have it; ONNX Runtime rounds it
        return i if count == 1 else i * np.float32(n - 1) / np.float32(n * scale - 1)
    if mode == "tf_crop_and_resize":
        start, end = (np.float32(each) for each in ends)
        if count == 1:
            return i + half * (start + end) * np.float32(n - 1)
        return start * np.float32(n - 1) + i * (end - start) * np.float32(n - 1) / np.float32(count - 1)
    if mode == "pytorch_half_pixel" and count == 1:
        return i
    if mode == "half_pixel_symmetric":
        offset = np.float32(n / 2 * (1 - count / (n * scale)))
        return offset + (i + half) / factor - half
    if mode not in ("half_pixel", "pytorch_half_pixel"):
        raise ValueError(f"coordinate_transformation_mode: {mode!r:.80} is not known")
    return (i + half) / factor - half


def resize_nearest(places: Any, scale: float, mode: str) -> Any:
    """Places rounded; "simple" is the rule of opset 10 and before, which is not written down anywhere."""
    if mode == "round_prefer_floor":
        return np.ceil(places - 0.5)
    if mode == "round_prefer_ceil":
        return np.floor(places + 0.5)
    if mode == "simple":
        mode = "ceil" if scale < 1 else "floor"
    if mode not in ("ceil", "floor"):
        raise ValueError(f"nearest_mode: {mode!r:.80} is not known")
    return np.ceil(places) if mode == "ceil" else np.floor(places)


def resize_mixed(
    y: Any, axis: int, places: Any, mode: str, stretch: float, a: float, exclude: bool, normed: bool
) -> Any:
    """Weighted sums of the neighbours of places along an axis; the outermost element goes on outside."""
    n, support = y.shape[axis], {"linear": 1, "cubic": 2}[mode]
    radius = math.ceil(support / stretch)
    if radius > 1 << 16:
        raise ValueError(f"expected scales from {2.0**-15} on, got {stretch}")
    first = np.floor(places.astype(np.float64))
    taps = [first + shift for shift in range(1 - radius, radius + 1)]
    weights = [resize_kernel((tap - places) * stretch, mode, a) for tap in taps]
    if exclude:
        weights = [
            np.where((tap >= 0) & (tap < n), weight, 0) for tap, weight in zip(taps, weights, strict=True)
        ]
    side = [1] * y.ndim
    side[axis] = len(places)
    total = sum(weights) if normed else 1.0
    terms = [
        (weight / total).reshape(side) * y.take(np.clip(tap, 0, n - 1).astype(np.int64), axis)
        for tap, weight in zip(taps, weights, strict=True)
    ]
    return sum(terms)


def resize_kernel(t: Any, mode: str, a: float) -> Any:
    """The weight of an element at a distance: the linear or the cubic convolution kernel (Keys, 1981)."""
    d = np.abs(t)
    if mode == "linear":
        return np.maximum(1 - d, 0)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))
