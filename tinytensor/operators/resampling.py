"""Resize in plain NumPy: every axis by itself, each output element a weighted sum of its neighbours."""

from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.image_shapes import resized
from tinytensor.operators.samples import resized_samples
from tinytensor.primitives.resampling import resize_along, resize_axes

__all__: list[str] = []


@operation(19, resized, of_samples=resized_samples)
def Resize(
    x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, antialias: int = 0, axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel", cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0, extrapolation_value: float = 0.0, keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest", nearest_mode: str = "round_prefer_floor",
) -> Any:  # fmt: skip
    """X in another size, by its nearest elements or interpolated: linear or cubic."""
    named = list(range(x.ndim)) if axes is None else [range(x.ndim)[int(axis)] for axis in axes]
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    box = [(0.0, 1.0)] * len(named)
    if crops:
        box = list(zip(roi[: len(named)].tolist(), roi[len(named) :].tolist(), strict=True))
    words = {
        "scales": None if scales is None or not scales.size else scales.tolist(),
        "sizes": None if sizes is None else sizes.tolist(),
        "antialias": antialias, "coordinate_transformation_mode": coordinate_transformation_mode,
        "cubic_coeff_a": cubic_coeff_a, "exclude_outside": exclude_outside,
        "keep_aspect_ratio_policy": keep_aspect_ratio_policy, "mode": mode, "nearest_mode": nearest_mode,
    }  # fmt: skip
    y = x if mode == "nearest" or x.dtype.kind == "f" else x.astype(np.float64)
    inside = np.ones((1,) * x.ndim, bool)
    found = resize_axes([x.shape[axis] for axis in named], box, words)
    for axis, (places, taps, weights) in zip(named, found, strict=True):
        if taps is None:
            continue
        side = [1] * x.ndim
        side[axis] = len(places)
        inside = inside & ((places >= 0) & (places <= x.shape[axis] - 1)).reshape(side)
        y = resize_along(y, axis, taps, weights)
    if crops:
        y = np.where(inside, y, extrapolation_value)
    if x.dtype.kind in "iu" and mode != "nearest":
        y = np.clip(np.rint(y), np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    return y.astype(x.dtype)
