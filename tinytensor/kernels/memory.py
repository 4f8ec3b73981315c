"""Memory that kernels work in."""

import numpy as np

from tinytensor.kernels.boundary import Array

__all__ = ["LINE", "PAGE", "new_memory"]

LINE = 64  # bytes: a vector that straddles two lines costs twice, and lines go from one core to another
PAGE = 4096


def new_memory(size: int, step: int) -> Array:
    """So many bytes at a multiple of `step`."""
    memory = np.empty(size + step, np.uint8)
    return memory[-memory.ctypes.data % step :][:size]
