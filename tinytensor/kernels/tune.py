"""The shapes of tiles that are fastest on this CPU."""

from typing import Any

import numpy as np

from tinytensor.kernels.cpu import vectors

__all__ = ["page_vectors"]

NARROW = 6  # vectors: a layer up to that wide has one page


def page_vectors(dtype: np.dtype[Any], across: int) -> int:
    """How many vectors wide a page is, for a layer that is `across` vectors wide."""
    most = NARROW if vectors().registers >= 32 else 6
    return across if across <= most else 4 if vectors().registers >= 32 else 3


