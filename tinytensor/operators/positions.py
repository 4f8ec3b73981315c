"""Where the largest elements of windows are, in plain NumPy, which a model's Python file holds too."""

from typing import Any

import numpy as np

__all__ = ["positions_of_largest"]


def positions_of_largest(
    x: Any, y: Any, kernel: Any, stride: Any, pads: Any, dilation: Any, column_major: bool
) -> Any:
    """Where the largest element y of every window of x is, counted through all of x: the first that is equal.

    Within an image they are counted row by row, or column by column.

    >>> x = np.array([[[1.0, 3.0, 3.0, 2.0]]])
    >>> positions_of_largest(x, np.array([[[3.0, 3.0]]]), [2], [2], [(0, 0)], [1], False)
    array([[[1, 2]]])
    """
    lengths, found = x.shape[2:], np.full(y.shape, -1, np.int64)
    order = range(len(lengths)) if column_major else range(len(lengths))[::-1]
    steps, step = [0] * len(lengths), 1
    for axis in order:
        steps[axis], step = step, step * lengths[axis]
    for place in np.ndindex(*kernel):
        axes = [
            np.arange(count) * s - before + k * d
            for k, count, s, (before, _), d in zip(place, y.shape[2:], stride, pads, dilation, strict=True)
        ]
        clipped = [np.clip(axis, 0, n - 1) for axis, n in zip(axes, lengths, strict=True)]
        part = x[(slice(None), slice(None), *np.ix_(*clipped))]
        inside: Any = (part == y) | ((part != part) & (y != y))
        position: Any = 0
        for axis, kept, factor, shape in zip(axes, clipped, steps, np.eye(len(axes)), strict=True):
            side = [-1 if one else 1 for one in shape]
            inside = inside & (axis == kept).reshape(side)
            position = position + (kept * factor).reshape(side)
        found = np.where(inside & (found < 0), position, found)
    first = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[:2]) * step
    return found + first.reshape(*x.shape[:2], *(1,) * len(lengths))
