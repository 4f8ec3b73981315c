"""Digits with what a network reads in them, and confusion matrices."""

from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, ShapeError
from tinytensor.plot.style import BLUE, RED, array_of, figure, sheet

__all__ = ["confusion", "digits"]


def digits(images: Any, probabilities: Any = None, labels: Any = None, columns: int | None = 10) -> Any:
    """Images (n, height, width), each with its predicted class and the probability; red is wrong.

    Args:
        images: dark is 0.
        probabilities: (n, classes), what `predict` returns.
        labels: (n,), the right classes, if they are known.
        columns: how many stand beside each other.

    Raises:
        ShapeError: the arrays do not fit each other.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> images, labels = tt.datasets.mnist("sample")
    >>> y = tt.models.mnist_mlp().predict(images[:20])
    >>> figure = tt.plot.digits(images[:20], y, labels[:20])
    >>> figure.axes[3].get_title().split()[0]
    '3'
    """
    images = array_of("digits: images", images, 3)
    y = None if probabilities is None else array_of("digits: probabilities", probabilities, 2)
    right = None if labels is None else array_of("digits: labels", labels, 1)
    for name, each in (("probabilities", y), ("labels", right)):
        if each is not None and len(each) != len(images):
            raise ShapeError(f"digits: expected {len(images)} {name}, got {len(each)}")
    drawn, axes = sheet(len(images), columns, 1.0)
    for number, (axis, image) in enumerate(zip(axes, images, strict=True)):
        axis.imshow(image, cmap="gray_r", interpolation="nearest")
        label = None if right is None else int(right[number])
        if y is None:
            axis.set_title("" if label is None else str(label), fontsize=10)
            continue
        read = int(y[number].argmax())
        wrong = label is not None and label != read
        axis.set_title(f"{read}  {y[number, read]:.0%}", fontsize=9, color=RED if wrong else BLUE)
        if wrong:
            axis.set_xlabel(f"is {label}", fontsize=8, color="#57606a")
    return drawn


def confusion(labels: Any, predicted: Any) -> Any:
    """How many samples of each class, by row, were read as each class, by column.

    Args:
        labels: (n,), the right classes from 0.
        predicted: (n,), or (n, classes) as `predict` returns them.

    Raises:
        ArgumentError: a class is negative, or no integer.
        ShapeError: the arrays do not fit each other.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> tt.plot.confusion([0, 1, 1], [0, 1, 0]).axes[0].get_ylabel()
    'class'
    """
    right = array_of("confusion: labels", labels, 1)
    found = np.asarray(predicted)
    found = array_of("confusion: predicted", found.argmax(axis=1) if found.ndim == 2 else found, 1)
    if len(found) != len(right) or not len(right):
        raise ShapeError(
            f"confusion: expected as many predictions as labels, got {len(found)} and {len(right)}"
        )
    for name, each in (("labels", right), ("predicted", found)):
        if each.dtype.kind not in "iu" or each.min() < 0:
            raise ArgumentError(f"confusion: {name}: expected classes from 0 as integers")
    count = int(max(right.max(), found.max())) + 1
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (right.astype(np.intp), found.astype(np.intp)), 1)
    drawn = figure(1.5 + 0.5 * count, 1.2 + 0.5 * count)
    axis = drawn.subplots()
    axis.imshow(table / np.maximum(1, table.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(table):
        axis.text(
            column, row, f"{table[row, column]:,}", ha="center", va="center", fontsize=8,
            color="white" if table[row, column] > table[row].sum() / 2 else "#1f2328",
        )  # fmt: skip
    accuracy = np.trace(table) / len(right)
    axis.set(xticks=range(count), yticks=range(count), xlabel="read as", ylabel="class")
    axis.set_title(f"{accuracy:.2%} of {len(right):,} right", fontsize=11)
    return drawn
