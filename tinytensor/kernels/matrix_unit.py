"""A CPU's matrix unit: whether this process may use it, and what a quantised layer's record says to it.

Linux keeps 8 KiB more for each thread that uses the unit, and wants to be asked once a process.
"""

import ctypes
import platform
import sys
from functools import cache

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.cpu import dot, features, vectors
from tinytensor.kernels.layer import Layout, aligned
from tinytensor.kernels.native import address
from tinytensor.kernels.specs import MatrixTile

__all__ = ["STEP_BYTES", "has_matrix_unit", "last_groups", "matrix_record", "matrix_tiles", "write_steps"]

ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18  # the system call, and what it is told
STEP_BYTES = 64  # inputs of a step
GROUPS = STEP_BYTES // 4
ROWS = 16  # of a register
STRIP = 2 * ROWS
SETTINGS = ("configure", "release")
FEWEST = 4  # rows; fewer take less time in vectors, unless weights come from L2
FEWEST_LARGE, LARGE = 2, 1 << 17  # bytes of weights


@cache
def has_matrix_unit() -> bool:
    """Whether the CPU multiplies matrices of bytes (AMX), and the system lets this process do so."""
    if not {"amx-int8", "amx-tile"} <= features() or dot().name != "vpdpbusd" or vectors().bytes != 64:
        return False
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    return bool(ctypes.CDLL(None).syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA) == 0)


def last_groups(weight: Array) -> Array:
    """(outputs, groups) int32 of the last step of rows without a whole number of steps."""
    outputs, inputs = weight.shape
    left = inputs % STEP_BYTES
    size = STEP_BYTES if inputs >= STEP_BYTES else inputs + 3 & ~3
    groups = np.zeros((outputs, size if left else 0), np.int8)
    if left:
        at = size - left if inputs >= STEP_BYTES else 0
        groups[:, at : at + left] = weight[:, inputs - left :]
    return groups.view(np.int32)


def write_steps(table: Array, inputs: int, groups: int) -> None:
    """What a tile finds behind TABLE; `groups` come before those of the last step."""
    whole, left = divmod(inputs, STEP_BYTES)
    table[[record.WHOLE_STEPS, record.STEP_COUNT]] = whole, whole + bool(left)
    table[[record.LAST_ROW, record.LAST_STEP]] = max(0, inputs - STEP_BYTES), groups


def configurations(inputs: int) -> Array:
    """For every number of rows of a strip the unit's configuration: bytes and rows of its registers."""
    across = min(STEP_BYTES, inputs + 3 & ~3)
    found = aligned((STRIP, STEP_BYTES), np.uint8)
    for rows, setting in enumerate(found, 1):
        heights = [min(rows, ROWS), max(rows - ROWS, 1)]
        setting[0] = 1  # the palette
        setting[48:56] = [*np.repeat(heights, 2), *heights, across // 4, across // 4]
        setting[16:32].view(np.uint16)[:] = [STEP_BYTES] * 4 + [across] * 2 + [STEP_BYTES] * 2
    return found


def products(output: str) -> list[MatrixTile]:
    """The tiles of a layer in the order of its record."""
    return [
        MatrixTile("multiply", squares, across, output, ragged)
        for squares in (1, 2)
        for across in (2, 1)
        for ragged in (False, True)
    ]


def matrix_tiles() -> set[MatrixTile]:
    """Everything that a layer can need of the unit."""
    return {*map(MatrixTile, SETTINGS), *products("uint8"), *products("float32")}


def matrix_record(plan: Layout, inputs: int, page_bytes: int, output: str) -> list[Array]:
    """The record, and what its addresses point at."""
    row, settings = aligned((record.MATRIX_SIZE,), np.int64), configurations(inputs)
    size = 4 if output == "float32" else 1
    columns = []
    for page in range(plan.pages):
        last = page == plan.pages - 1
        across = plan.last if last else plan.vectors
        for first in range(0, across, 2):
            ragged = last and first + 2 >= across and plan.outputs % plan.lanes > 0
            lane = page * plan.page_outputs + first * plan.lanes
            at = page * page_bytes + 4 * first * plan.lanes
            columns.append((at, 4 * lane, size * lane, 2 * (across - first < 2) + ragged))
    table = aligned((len(columns), record.COLUMN), np.int64)
    table[:] = columns
    row[record.FEWEST] = FEWEST_LARGE if plan.pages * page_bytes >= LARGE else FEWEST
    row[[record.CONFIGURE, record.RELEASE]] = [address(MatrixTile(name)) for name in SETTINGS]
    row[[record.CONFIGURATIONS_AT, record.COLUMNS_AT]] = settings.ctypes.data, table.ctypes.data
    row[record.COLUMNS_COUNT] = len(columns)
    row[record.MATRIX_TILES :] = [address(each) for each in products(output)]
    return [row, table, settings]
