"""What the tiles of a product compute of its sums before they store them: a batch norm, then bounds.

    y = min(max(((sum - a) · b) + c, low), high), each operation rounded

A product that nobody else reads takes up what follows it, so that its result is written once. The tiles read
all of it from a record (see `tile`): no code is compiled for it.

Without a batch norm, a sum of -0 becomes 0 by a 0 that is added. With one, it does so if an `a` of 0 is -0:
sum - -0 is sum + 0, and where `a` is another number the sign of a zero does not matter.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.layer import aligned

__all__ = ["Epilogue", "epilogue_of", "follow_by_batch_norm", "follow_by_bounds"]


class Epilogue(NamedTuple):
    """The record of what follows a product's sums."""

    table: Array
    constants: Array  # (4, groups, …): the bias, then three numbers of a batch norm
    channels: int  # in all groups
    place: Array  # the number that is to be the record's address, once something follows
    side_by_side: int  # pixels, each of which reads the constants

    @property
    def bounds(self) -> Array:
        """The two bounds, in the dtype of the constants."""
        size = self.constants.itemsize
        both = self.table[record.FLOOR : record.CEILING + 1].view(self.constants.dtype)
        return both[:: 8 // size]


def epilogue_of(constants: Array, channels: int, place: Array, side_by_side: int = 1) -> Epilogue:
    """The epilogue of a product that nothing follows yet."""
    made = Epilogue(aligned((record.EPILOGUE_FIELDS,), np.int64), constants, channels, place, side_by_side)
    made.bounds[:] = -np.inf, np.inf
    return made


def follow_by_batch_norm(made: Epilogue, steps: Sequence[Array]) -> bool:
    """Let the tiles compute ((y - a) · b) + c, three numbers of each channel; whether they can."""
    wrong = any(len(each) != made.channels for each in steps)
    if wrong or made.table[record.AFTER] or np.isfinite(made.bounds).any():
        return False
    _, groups, _ = made.constants.shape
    for row, values in zip(made.constants[1:], steps, strict=True):
        each = np.tile(values.reshape(groups, -1), made.side_by_side)
        row[:, : each.shape[1]] = each
    subtracted = made.constants[1]
    subtracted[subtracted == 0] = -0.0
    made.table[record.AFTER] = made.constants.strides[0]
    made.place[...] = made.table.ctypes.data
    return True


def follow_by_bounds(made: Epilogue, low: float, high: float) -> bool:
    """Let the tiles compute min(max(y, low), high); whether they can."""
    if np.isfinite(made.bounds).any() or not low <= high:
        return False
    made.bounds[:] = low, high
    made.place[...] = made.table.ctypes.data
    return True
