"""Images of digits as lines of text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["picture", "side_by_side"]

SHADES = " ░▒▓█"


def picture(image: NDArray[np.uint8]) -> list[str]:
    """One line for two rows of pixels, as a terminal's characters are twice as high as wide.

    >>> print(*picture(np.array([[0, 128, 255], [0, 128, 255]], np.uint8)), sep="")
     ▒█
    """
    pairs = image.reshape(image.shape[0] // 2, 2, image.shape[1]).mean(axis=1)
    return ["".join(SHADES[round(ink * (len(SHADES) - 1) / 255)] for ink in row) for row in pairs]


def side_by_side(blocks: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Blocks of equally many lines, each as wide as its widest line, beside each other.

    >>> side_by_side([["a", "bc"], ["d", "e"]])
    ['a   d', 'bc  e']
    """
    widths = [max(map(len, block)) for block in blocks]
    lines = zip(*blocks, strict=True)
    return [
        gap.join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
