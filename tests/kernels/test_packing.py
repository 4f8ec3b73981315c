"""Packing: the same numbers, in order."""

import itertools

import numpy as np
import pytest
from numba import float32, float64
from numba.types import intp, void

from tests.naive import same
from tests.strategies import FLOATS, LAYOUTS
from tinytensor.kernels._jit import Kernel, array, out, strided
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.packing import aligned, pack_lanes
from tinytensor.kernels.pointers import full_width, pointer_to, stride_of


def run_pack(x, panel):
    pack_lanes(pointer_to(x, 0), stride_of(x, 0), stride_of(x, 1), x.shape[0], x.shape[1], full_width(x),
               pointer_to(panel, 0), panel.shape[1])  # fmt: skip


pack = Kernel(
    run_pack, "pack", tuple(void(strided(t, 2), out(t, 2)) for t in (float32, float64)), cached=False
)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pack_lanes(dtype, layout):
    width = vectors().width(np.dtype(dtype).itemsize)
    lengths = (1, 2, width - 1, width, width + 1, 2 * width, 2 * width + 1, 3 * width)
    for k, lanes in itertools.product(lengths, lengths):
        x = np.arange(k * lanes, dtype=dtype).reshape(k, lanes)
        for beyond in (0, 3):
            panel = np.full((k, lanes + beyond), -1, dtype)
            pack(layout(x), panel)
            same(panel[:, :lanes], x)
            assert (panel[:, lanes:] == -1).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_aligned(dtype):
    def run(like, count, y):
        room = aligned(count, like)
        y[0], y[1] = room.ctypes.data % 64, room.size

    kernel = Kernel(
        run, "run", tuple(void(array(t, 1), intp, out(float64, 1)) for t in (float32, float64)), cached=False
    )
    y = np.empty(2)
    for count in (0, 1, 7, 100, 100_000):
        kernel(np.ones(1, dtype), count, y)
        assert y[0] == 0
        assert y[1] >= count
