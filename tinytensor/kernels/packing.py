"""Copying blocks of a matrix to where a kernel reads them in order."""

from typing import Any

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.pointers import copy_vector, pointer_to, transpose

__all__ = ["pack_lanes"]


@subroutine
def pack_lanes(source: Any, k_stride: int, lane_stride: int, k_count: int, lanes: int, width: int,
               panel: Any, panel_stride: int) -> None:  # fmt: skip
    """panel[k, lane] = source[k, lane]; lanes beyond the last are left as they are."""
    whole_lanes = whole_k = 0
    if k_stride == 1 and lane_stride != 1:  # the other way round in memory: squares are transposed
        whole_lanes, whole_k = lanes - lanes % width, k_count - k_count % width
        for lane in range(0, whole_lanes, width):
            for k in range(0, whole_k, width):
                transpose(pointer_to(source, lane * lane_stride + k), lane_stride,
                          pointer_to(panel, k * panel_stride + lane), panel_stride)  # fmt: skip
    first_k = whole_k if whole_lanes == lanes else 0
    for k in range(first_k, k_count):
        start, row = pointer_to(source, k * k_stride), pointer_to(panel, k * panel_stride)
        if lane_stride == 1:
            for lane in range(0, lanes - width + 1, width):
                copy_vector(pointer_to(start, lane), pointer_to(row, lane))
            for lane in range(lanes - lanes % width, lanes):
                row[lane] = start[lane]
        else:
            for lane in range(whole_lanes if k < whole_k else 0, lanes):
                row[lane] = start[lane * lane_stride]
