"""What all figures share: how they are made, and their colours."""

import math
from typing import Any

import numpy as np

from tinytensor.errors import DtypeError, ShapeError, require

__all__ = ["BLUE", "GREY", "RED", "array_of", "figure", "sheet", "tidy"]

BLUE, RED, GREY = "#1f6feb", "#cf222e", "#8c959f"
DIVERGING = "RdBu"  # red is negative, blue is positive, as on the page of `tinytensor demo`
MOST_PICTURES = 1024


def figure(width: float, height: float) -> Any:
    """An empty figure, in inches.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    return require("matplotlib.figure", extra="viz").Figure(figsize=(width, height), layout="constrained")


def sheet(count: int, columns: int | None, size: float) -> tuple[Any, list[Any]]:
    """A figure with so many axes in rows, each `size` inches wide, without ticks."""
    if not 0 < count <= MOST_PICTURES:
        raise ShapeError(f"expected 1 to {MOST_PICTURES} pictures, got {count}")
    across = columns or math.ceil(math.sqrt(2 * count))
    across = min(across, count)
    down = -(-count // across)
    drawn = figure(across * size, down * size)
    axes = list(drawn.subplots(down, across, squeeze=False).flat)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_color("#d0d7de")
    for axis in axes[count:]:
        axis.remove()
    return drawn, axes[:count]


def tidy(axis: Any) -> None:
    """No lines above and on the right."""
    axis.spines[["top", "right"]].set_visible(False)


def array_of(name: str, values: Any, ndim: int) -> Any:
    """Real numbers with so many axes.

    Raises:
        DtypeError: something else.
        ShapeError: another number of axes.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"{name}: expected real numbers, got {array.dtype}")
    if array.ndim != ndim:
        raise ShapeError(f"{name}: expected {ndim} axes, got shape {array.shape}")
    return array
