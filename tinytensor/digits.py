"""Images of digits as a network expects them: resized, and centred as MNIST's are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["centred", "resized"]

Bytes = NDArray[np.uint8]

FILLED = 20 / 28  # MNIST: a digit fills 20 of 28 pixels, its centre of mass lies in the middle
FAINT = 16  # levels of grey that count as paper when the digit's edges are looked for


def averages(old: int, new: int) -> Any:
    """(new, old): the part of each old pixel that lies in each new one, each row with sum 1.

    >>> averages(4, 2)
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]])
    """
    edges = np.arange(new + 1) * (old / new)
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(old)
    overlap = np.minimum(high, pixels + 1) - np.maximum(low, pixels)
    return np.maximum(overlap, 0.0) * (new / old)


def resized(image: Bytes, shape: tuple[int, int]) -> Bytes:
    """Y = R_h X R_wᵀ: each new pixel is the mean of the area that it covers.

    >>> resized(np.array([[0, 100], [100, 200]], np.uint8), (1, 1))
    array([[100]], dtype=uint8)
    """
    rows, columns = averages(image.shape[0], shape[0]), averages(image.shape[1], shape[1])
    grey: Bytes = np.rint(rows @ image @ columns.T).astype(np.uint8)
    return grey


def centred(image: Bytes, shape: tuple[int, int] = (28, 28)) -> Bytes:
    """The ink of an image (0: paper, 255: ink), scaled to 20/28 of `shape`, centre of mass in the middle.

    Source: http://yann.lecun.com/exdb/mnist/, "The original black and white (bilevel) images …".

    >>> dot = np.zeros((60, 60), np.uint8)
    >>> dot[3:13, 40:50] = 255
    >>> np.argwhere(centred(dot)).min(axis=0).tolist(), np.argwhere(centred(dot)).max(axis=0).tolist()
    ([4, 4], [23, 23])
    """
    rows, columns = (np.flatnonzero((image > FAINT).any(axis=axis)) for axis in (1, 0))
    whole = np.zeros(shape, np.uint8)
    if not rows.size:
        return whole
    ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = ink.shape
    scale = min(FILLED * shape[0] / height, FILLED * shape[1] / width)
    small = resized(ink, (max(1, round(height * scale)), max(1, round(width * scale))))
    weights = small / max(1, small.sum(dtype=np.int64))
    placed = []
    for axis in (0, 1):
        middle = (weights.sum(axis=1 - axis) * (np.arange(small.shape[axis]) + 0.5)).sum()
        start = round(shape[axis] / 2 - middle)
        placed.append(min(max(start, 0), shape[axis] - small.shape[axis]))
    top, left = placed
    whole[top : top + small.shape[0], left : left + small.shape[1]] = small
    return whole
