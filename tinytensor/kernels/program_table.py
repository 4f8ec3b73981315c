"""A program as the driver reads it: one array of int64 (see `record`)."""

from collections.abc import Sequence

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.layer import aligned

__all__ = ["program_table"]


def program_table(
    rows: int, buffers: Sequence[tuple[int, int, int]], phases: Sequence[tuple[int, int, int]],
    instructions: Sequence[Array],
) -> Array:  # fmt: skip
    """The array for blocks of so many rows.

    A buffer is an offset, a stride, and the stride again or 0 (the caller's two come first); a phase is its
    first instruction, the one behind its last, and rows.
    """
    phases_from = record.BUFFER_TABLE + record.BUFFER_ENTRY * len(buffers)
    first = phases_from + record.PHASE * len(phases) + 7 & ~7
    table = aligned((first + record.INSTRUCTION * len(instructions),), np.int64)
    table[[record.ROWS, record.FIRST, record.BUFFERS]] = rows, first, len(buffers)
    table[[record.PHASES, record.PHASES_FROM]] = len(phases), phases_from
    table[record.BUFFER_TABLE : phases_from] = np.ravel(buffers)
    table[phases_from:first][: record.PHASE * len(phases)] = np.ravel(phases)
    for i, row in enumerate(instructions):
        table[first + record.INSTRUCTION * i :][: record.INSTRUCTION] = row
    return table
