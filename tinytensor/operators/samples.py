"""Operations of ONNX on samples that stay apart, by primitives, which programs fuse.

Each function takes the operands and attributes of an operation whose definition is in plain NumPy, and gives
an array, a symbol, or None where only that definition computes it.
"""

from typing import Any

from tinytensor.kernels.boundary import FLOATS, number
from tinytensor.padding import mirrored
from tinytensor.primitives.movement import moved
from tinytensor.primitives.normalization import local_response
from tinytensor.primitives.resampling import resample
from tinytensor.primitives.resizing import pad
from tinytensor.shaping import elements
from tinytensor.tensors import Tensor

__all__ = ["normalized_responses", "padded_samples", "resized_samples", "sliced_samples"]


def axes_of(x: Tensor, axes: Any) -> list[int] | None:
    """Axes counted from 0, all of them by default; None if one of them is none of x."""
    named = [int(axis) for axis in (range(x.ndim) if axes is None else axes)]
    inside = all(-x.ndim <= axis < x.ndim for axis in named)
    return [axis % x.ndim for axis in named] if inside else None


def resized_samples(
    x: Tensor, roi: Any = None, scales: Any = None, sizes: Any = None, antialias: int = 0, axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel", cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0, extrapolation_value: float = 0.0, keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest", nearest_mode: str = "round_prefer_floor",
) -> Any:  # fmt: skip
    """A Resize that leaves the samples alone; not of integers that are interpolated, and without a crop."""
    named = axes_of(x, axes)
    given = [None if each is None or not each.size else each.tolist() for each in (scales, sizes)]
    numbers: Any = next((each for each in given if each is not None), [])
    if named is None or coordinate_transformation_mode == "tf_crop_and_resize" or len(numbers) != len(named):
        return None
    if mode != "nearest" and x.dtype not in FLOATS:
        return None
    kept = [i for i, axis in enumerate(named) if axis]
    if len(kept) < len(named) and (given[0] is None or numbers[named.index(0)] != 1):
        return None
    words = {
        "antialias": antialias, "coordinate_transformation_mode": coordinate_transformation_mode,
        "cubic_coeff_a": cubic_coeff_a, "exclude_outside": exclude_outside,
        "keep_aspect_ratio_policy": keep_aspect_ratio_policy, "mode": mode, "nearest_mode": nearest_mode,
    }  # fmt: skip
    for name, each in zip(("scales", "sizes"), given, strict=True):
        words[name] = None if each is None else tuple(each[i] for i in kept)
    return resample(x._array, axes=tuple(named[i] for i in kept), **words)


def padded_samples(
    x: Tensor, pads: Tensor, value: Any = None, axes: Any = None, mode: str = "constant"
) -> Any:
    """A Pad that leaves the samples alone."""
    named = axes_of(x, None if axes is None else axes.tolist())
    numbers = [int(n) for n in pads.tolist()]
    if named is None or len(numbers) != 2 * len(named) or x.ndim < 2:
        return None
    widths = [(0, 0)] * x.ndim
    for axis, before, after in zip(named, numbers[: len(named)], numbers[len(named) :], strict=True):
        widths[axis] = before, after
    cuts = [max(-a, 0) + max(-b, 0) for a, b in widths[1:]]
    if widths[0] != (0, 0) or any(cut > n for cut, n in zip(cuts, x.shape[1:], strict=True)):
        return None
    inside = [slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape[1:], widths[1:], strict=True)]
    kept = elements(x._array, (slice(None), *inside)) if any(cuts) else x._array
    more = tuple((max(a, 0), max(b, 0)) for a, b in widths[1:])
    if mode != "constant":
        return moved(mirrored, (kept,), more, mode)
    fill = 0 if value is None else value.numpy().ravel()[0]
    return pad(kept, widths=more, value=number(fill, x.dtype) if x.dtype in FLOATS else fill)


def sliced_samples(x: Tensor, starts: Tensor, ends: Tensor, axes: Any = None, steps: Any = None) -> Any:
    """A Slice that takes all samples."""
    named = axes_of(x, range(starts.size) if axes is None else axes.tolist())
    every = [1] * starts.size if steps is None else steps.tolist()
    if named is None or 0 in named or 0 in every:
        return None
    if not starts.size == ends.size == len(named) == len(every):
        return None
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), named, every, strict=True):
        index[axis] = slice(int(start), int(end), int(step))
    return elements(x._array, tuple(index))


def normalized_responses(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Any:
    """An LRN of floats whose base is positive."""
    if x.dtype not in FLOATS or x.ndim < 2 or not (size >= 1 and alpha >= 0 and bias > 0):
        return None
    return local_response(x._array, size=size, alpha=alpha, beta=beta, bias=bias)
