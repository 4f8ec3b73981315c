"""Packing: the same numbers, in order."""

import itertools

import numpy as np
import pytest
from numba import float32, float64
from numba.types import void

from tests.compiled import compiled, out, strided
from tests.naive import same
from tests.strategies import FLOATS, LAYOUTS
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.packing import pack_lanes
from tinytensor.kernels.pointers import full_width, pointer_to


def run_pack(x, panel):
    rows, lanes = x.strides[0] // x.itemsize, x.strides[1] // x.itemsize
    pack_lanes(pointer_to(x, 0), rows, lanes, x.shape[0], x.shape[1], full_width(x),
               pointer_to(panel, 0), panel.shape[1])  # fmt: skip


pack = compiled(run_pack, *(void(strided(t, 2), out(t, 2)) for t in (float32, float64)))


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
