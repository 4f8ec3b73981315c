"""The primitive `resample`: ONNX's Resize of samples, each axis by itself.

Every element of the result is one element of the axis, or a weighted sum of a few: from the first tap on,
each product and each sum rounded. Coordinates are computed in float32, as ONNX Runtime has them, so that both
choose the same nearest pixels. All but the primitive is plain NumPy that goes into a model's Python file.
"""

import math
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import FLOATS, UINT8, Array
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol

__all__ = ["MOST_PLACES", "are_few", "resample"]

MOST_TAPS = 64  # of one output along an axis: a program has an instruction or two for each
MOST_PLACES = 1 << 21  # of all taps of a sample: a program keeps 8 bytes for each


def resize_axes(lengths: Any, box: Any, words: Any) -> Any:
    """Count, taps and weights of each axis that changes: None, or for each tap the weights in float64.

    The taps are places along the axis, which may lie outside: there the outermost element goes on.
    """
    mode, coordinates = words["mode"], words["coordinate_transformation_mode"]
    targets = resize_targets(lengths, box, words)
    found: Any = []
    for n, (count, scale), ends in zip(lengths, targets, box, strict=True):
        if count == n and scale == 1 and coordinates != "tf_crop_and_resize":
            found.append((None, None, None))
            continue
        places = resize_places(n, count, scale, ends, coordinates)
        if mode == "nearest":
            taps, weights = [resize_nearest(places, scale, words["nearest_mode"])], None
        else:
            stretch = min(scale, 1.0) if words["antialias"] else 1.0
            taps, weights = resize_weights(n, places, mode, stretch, words)
        whole = [np.clip(each, 0, n - 1).astype(np.int64) for each in taps]
        found.append((places, whole, weights))
    return found


def resize_along(x: Any, axis: int, taps: Any, weights: Any) -> Any:
    """Elements along an axis, or weighted sums of them in the dtype of x."""
    if weights is None:
        return x.take(taps[0], axis)
    side = [1] * x.ndim
    side[axis] = len(taps[0])
    terms = [
        x.take(tap, axis) * weight.astype(x.dtype).reshape(side)
        for tap, weight in zip(taps, weights, strict=True)
    ]
    return sum(terms[1:], terms[0])


def resize_targets(lengths: Any, box: Any, words: Any) -> Any:
    """(length, scale) of each axis of the result, from scales or from sizes."""
    scales, sizes, policy = words["scales"], words["sizes"], words["keep_aspect_ratio_policy"]
    if (scales is None) == (sizes is None):
        raise ValueError("expected either scales or sizes")
    if len(lengths) != len(sizes if scales is None else scales):
        raise ValueError(f"expected a number for each of {len(lengths)} axes")
    if 0 in lengths or not (scales is None or min(scales) > 0):
        raise ValueError("expected axes with elements, and positive scales")
    if scales is not None:
        spans = [np.float32(end) - np.float32(start) for start, end in box]
        products = [
            np.float32(n) * span * scale for n, span, scale in zip(lengths, spans, scales, strict=True)
        ]
        counts, ratios = [math.floor(each) for each in products], list(scales)
    else:
        counts, ratios = list(sizes), [count / n for count, n in zip(sizes, lengths, strict=True)]
    if scales is None and policy != "stretch":
        scale = min(ratios) if policy == "not_larger" else max(ratios)
        counts, ratios = [math.floor(scale * n + 0.5) for n in lengths], [scale] * len(lengths)
    if min(counts, default=1) < 1:
        raise ValueError(f"nothing would be left of axes of lengths {lengths}, which would be {counts}")
    return list(zip(counts, ratios, strict=True))


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


def resize_weights(n: int, places: Any, mode: str, stretch: float, words: Any) -> Any:
    """The neighbours of places along an axis, and their weights."""
    radius = math.ceil({"linear": 1, "cubic": 2}[mode] / stretch)
    if radius > 1 << 16:
        raise ValueError(f"expected scales from {2.0**-15} on, got {stretch}")
    first = np.floor(places.astype(np.float64))
    taps = [first + shift for shift in range(1 - radius, radius + 1)]
    weights = [resize_kernel((tap - places) * stretch, mode, words["cubic_coeff_a"]) for tap in taps]
    if words["exclude_outside"]:
        weights = [
            np.where((tap >= 0) & (tap < n), weight, 0) for tap, weight in zip(taps, weights, strict=True)
        ]
    total = sum(weights) if words["antialias"] or words["exclude_outside"] else 1.0
    return taps, [weight / total for weight in weights]


def resize_kernel(t: Any, mode: str, a: float) -> Any:
    """The weight of an element at a distance: the linear or the cubic convolution kernel (Keys, 1981)."""
    d = np.abs(t)
    if mode == "linear":
        return np.maximum(1 - d, 0)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def resize_samples(x: Any, axes: Any, words: Any) -> Any:
    """X in another size along some axes."""
    named = [axis % x.ndim for axis in axes]
    found = resize_axes([x.shape[axis] for axis in named], [(0.0, 1.0)] * len(named), words)
    for axis, (_, taps, weights) in zip(named, found, strict=True):
        if taps is not None:
            x = resize_along(x, axis, taps, weights)
    return x


def resample_result(x: Symbol, axes: tuple[int, ...], **words: Any) -> Result:
    """The lengths that scales or sizes give."""
    sample = list(x.sample)
    targets = resize_targets([sample[axis - 1] for axis in axes], [(0.0, 1.0)] * len(axes), words)
    for axis, (count, _) in zip(axes, targets, strict=True):
        sample[axis - 1] = count
    return Result(tuple(sample), x.dtype)


def tables_of(node: Node) -> list[tuple[int, Any, Any]]:
    """Axis of the sample, taps and weights, for each axis that changes."""
    words, sample = dict(node.parameters), node.operands[0].sample
    axes = words.pop("axes")
    found = resize_axes([sample[axis - 1] for axis in axes], [(0.0, 1.0)] * len(axes), words)
    return [(axis - 1, taps, weights) for axis, (_, taps, weights) in zip(axes, found, strict=True)
            if taps is not None]  # fmt: skip


def are_few(node: Node, tables: list[tuple[int, Any, Any]]) -> bool:
    """Whether the places that the taps of a sample name are few enough for a program to keep them."""
    largest = [max(pair) for pair in zip(node.operands[0].sample, node.result.sample, strict=True)]
    taps = [len(each) for _, each, _ in tables]
    return max(taps, default=0) <= MOST_TAPS and sum(taps) * math.prod(largest) <= MOST_PLACES


def is_resampled(node: Node) -> bool:
    """Whether elements are floats or chosen bytes, and few."""
    nearest, dtype = node.parameters["mode"] == "nearest", node.result.dtype
    if 0 in node.result.sample or not (dtype in FLOATS or (nearest and dtype == UINT8)):
        return False
    return are_few(node, tables_of(node))


def compute(x: Array, axes: tuple[int, ...], **words: Any) -> Array:
    """X resized, in C order."""
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(resize_samples(x, axes, words))


resample = Primitive(
    "resample", compute, resample_result, lambda program, node: program.resample(node, tables_of(node)),
    is_resampled,
)  # fmt: skip
