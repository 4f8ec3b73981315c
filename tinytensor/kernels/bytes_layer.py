"""A quantised layer's weights as the tile of bytes reads them: groups of four inputs, side by side as int32.

Four int8 weights of an output, of inputs that follow each other, are one element of a page, so pages, tails
and lists are those of `layer`. The sums start from the bias with the input's zero point taken off; behind the
starts of all outputs lie their multipliers.
"""

from functools import cache
from typing import Any

import numpy as np

from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.cpu import dot, features, vectors
from tinytensor.kernels.declare import Kernel
from tinytensor.kernels.declared import linear, matrix_linear
from tinytensor.kernels.layer import Layout, aligned, end_of, pack_weights, parts_of, write_layer
from tinytensor.kernels.matrix_unit import (
    STEP_BYTES,
    has_matrix_unit,
    last_groups,
    matrix_record,
    matrix_tiles,
    write_steps,
)
from tinytensor.kernels.specs import BytesLoop

__all__ = [
    "bytes_layout", "bytes_loop", "common_bytes_parts", "dot_fields", "needs_room", "pack_groups",
    "product_kernel", "rounding_record", "start_of_sums", "taken_off", "write_bytes_layer",
]  # fmt: skip

GROUP_BYTES = 4
NARROW = 6  # vectors: a layer up to that wide has one page, where registers suffice


@cache
def bytes_layout(outputs: int, tails: bool = True) -> Layout:
    """How the outputs of a quantised layer are divided on this CPU."""
    lanes = vectors().width(GROUP_BYTES)
    end = end_of(outputs, lanes, tails)
    across = outputs // lanes + (end == -1)
    wide = 2 if dot().sums < 16 else across if across <= NARROW else 4
    pages = -(-across // wide)
    return Layout("int8", lanes, outputs, wide, pages, across - (pages - 1) * wide, end)


def dot_fields(output: str) -> dict[str, Any]:
    """What a tile of bytes is beside its shape."""
    return {"dot": dot().name, "output": output}


def product_kernel() -> Kernel:
    """The instruction of a quantised layer on this CPU."""
    return matrix_linear if has_matrix_unit() else linear


def needs_room(inputs: int) -> bool:
    """Whether a few bytes behind a row of so many are read."""
    return inputs < GROUP_BYTES or (has_matrix_unit() and inputs < STEP_BYTES and inputs % GROUP_BYTES > 0)


def rounding_record(output: Any, multipliers: int) -> Array:
    """What a tile finds behind TABLE; `output` has zero_point, low and high, or is None."""
    row = aligned((record.ROUNDING,), np.int64)
    row[record.MULTIPLIERS] = multipliers
    if output is not None:
        bounds = np.array([output.low - output.zero_point, output.high - output.zero_point], np.float32)
        row[[record.LOW, record.HIGH]] = bounds.view(np.uint32)
        row[record.ZERO_POINT] = output.zero_point
    return row


def pack_groups(weight: Array) -> Array:
    """(outputs, inputs) int8 as (outputs, groups) int32; the last group of a row ends where the row ends."""
    outputs, inputs = weight.shape
    whole, left = divmod(inputs, GROUP_BYTES)
    groups = np.zeros((outputs, whole + bool(left), GROUP_BYTES), np.int8)
    groups[:, :whole] = weight[:, : whole * GROUP_BYTES].reshape(outputs, whole, GROUP_BYTES)
    if left:
        at = GROUP_BYTES - left if whole else 0
        groups[:, whole, at : at + left] = weight[:, whole * GROUP_BYTES :]
    return groups.view(np.int32)[:, :, 0]


def taken_off(zero_point: int) -> int:
    """What the tile reads too much: x, or x - 128 where the CPU multiplies signed bytes only."""
    return zero_point - 128 * dot().signed


def start_of_sums(bias: Array, totals: Array, taken: int) -> Array:
    """bias - taken · Σ weight, modulo 2³² as the sums are."""
    return (bias.astype(np.int64) - taken * totals.astype(np.int64)).astype(np.uint32).view(np.int32)


def write_bytes_layer(
    row: Array, weight: Array, bias: Array, multiplier: Array, zero_point: int, output: Any, lists: bool
) -> list[Array]:
    """Fill in a layer's record; the arrays whose addresses it has."""
    outputs, inputs = weight.shape
    matrix = has_matrix_unit()
    plan, groups = bytes_layout(outputs, not matrix), pack_groups(weight)
    packed = np.concatenate([groups, last_groups(weight)], axis=1) if matrix else groups
    pages, tails = pack_weights(packed, plan)
    whole, left = divmod(inputs, GROUP_BYTES)
    partial = bool(left and whole)
    count = groups.shape[1] - partial
    kind = dot_fields("float32" if output is None else "uint8")
    write_layer(row, plan, count, "group", lists and not dot().signed, **kind, partial=partial)
    room = plan.pages * plan.page_outputs + plan.lanes
    start = aligned((2, room), np.int32)
    start[0, :outputs] = start_of_sums(bias, weight.sum(1, dtype=np.int64), taken_off(zero_point))
    start[1].view(np.float32)[:outputs] = multiplier
    table = rounding_record(output, start.strides[0])
    table[[record.LAST_BYTE, record.LAST_GROUP]] = inputs - GROUP_BYTES, count
    row[record.PAGE_BYTES] = pages.strides[0]
    row[record.PAGE_OUTPUTS] = plan.page_outputs * (4 if output is None else 1)
    row[[record.WEIGHTS, record.TAIL]] = pages.ctypes.data, tails.ctypes.data
    row[[record.BIAS, record.TABLE]] = start.ctypes.data, table.ctypes.data
    kept = [pages, tails, start, table]
    if matrix:
        write_steps(table, inputs, groups.shape[1])
        kept += matrix_record(plan, inputs, pages.strides[0], kind["output"])
        row[record.MATRIX] = kept[4].ctypes.data
    return kept


def bytes_loop(operation: str) -> BytesLoop:
    """A loop over bytes for this CPU."""
    if operation == "lookup":
        return BytesLoop(operation, 64 if vectors().bytes == 64 and "avx512vbmi" in features() else 1)
    return BytesLoop(operation, vectors().width(4))


def common_bytes_parts() -> set[Any]:
    """Every tile, lister and loop that a quantised layer with a whole number of groups can need."""
    found: set[Any] = {bytes_loop(operation) for operation in ("quantize", "add", "lookup")}
    lanes = vectors().width(GROUP_BYTES)
    for outputs in (*range(1, 11 * lanes + 1), 24 * lanes):
        plan = bytes_layout(outputs, not has_matrix_unit())
        for output in ("uint8", "float32"):
            found |= {part.spec for part in parts_of(plan, "group", not dot().signed, **dot_fields(output))}
    return found | (matrix_tiles() if has_matrix_unit() else set())
