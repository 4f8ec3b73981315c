"""Weights and feature maps as pictures: blue is positive, red is negative, white is 0."""

from typing import Any

import numpy as np

from tinytensor.errors import ShapeError
from tinytensor.plot.style import DIVERGING, array_of, figure, sheet

__all__ = ["feature_maps", "filters", "weights"]


def weights(W: Any, shape: tuple[int, int] | None = None, columns: int | None = None) -> Any:
    """A weight matrix (outputs, inputs) as one picture, or each row as a picture of that shape.

    Args:
        W: the matrix.
        shape: of one row as an image, as (28, 28) for the first layer of a network of digits.
        columns: how many pictures stand beside each other.

    Raises:
        ShapeError: W is no matrix, or a row has another number of elements than the shape.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> len(tt.plot.weights(tt.Linear(784, 6, seed=0).weight, shape=(28, 28)).axes)
    6
    """
    matrix = array_of("weights", W, 2)
    if shape is None:
        drawn = figure(8, 1 + 6 * min(1.0, matrix.shape[0] / max(1, matrix.shape[1])))
        axis = drawn.subplots()
        image = axis.imshow(matrix, aspect="auto", interpolation="nearest", **limits(matrix))
        axis.set(xlabel="input", ylabel="output", title=f"weights, {matrix.shape[0]} × {matrix.shape[1]}")
        drawn.colorbar(image)
        return drawn
    if matrix.shape[1] != shape[0] * shape[1]:
        raise ShapeError(f"weights: expected {shape[0]} × {shape[1]} inputs, got {matrix.shape[1]}")
    return pictures(matrix.reshape(-1, *shape), columns)


def filters(W: Any, columns: int | None = None) -> Any:
    """The filters (outputs, inputs, height, width) of a convolution; a row of pictures for several inputs.

    Raises:
        ShapeError: W has other axes.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> len(tt.plot.filters(tt.uniform((8, 1, 5, 5), seed=0)).axes)
    8
    """
    array = array_of("filters", W, 4)
    beside = columns or (array.shape[1] if array.shape[1] > 1 else None)
    return pictures(array.reshape(-1, *array.shape[2:]), beside)


def feature_maps(A: Any, columns: int | None = None) -> Any:
    """The feature maps (channels, height, width) that a convolution makes of one image.

    Raises:
        ShapeError: A has other axes.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> len(tt.plot.feature_maps(tt.zeros((3, 24, 24))).axes)
    3
    """
    return pictures(array_of("feature_maps", A, 3), columns)


def pictures(stack: Any, columns: int | None) -> Any:
    """Pictures with one scale of colours, each with its number."""
    drawn, axes = sheet(len(stack), columns, 0.9)
    for number, (axis, each) in enumerate(zip(axes, stack, strict=True)):
        axis.imshow(each, interpolation="nearest", **limits(stack))
        axis.set_title(str(number), fontsize=7, color="#57606a", pad=2)
    return drawn


def limits(array: Any) -> dict[str, Any]:
    """The colours of an array: white is 0, the strongest is the largest magnitude."""
    finite = np.abs(array[np.isfinite(array)])
    most = float(finite.max()) if finite.size and finite.max() else 1.0
    return {"cmap": DIVERGING, "vmin": -most, "vmax": most}
