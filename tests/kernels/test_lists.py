"""Lists of what is not zero in all of a few rows, by the CPU's instruction and by the table."""

import ctypes

import numpy as np
import pytest

from tinytensor.kernels import native
from tinytensor.kernels.cpu import features
from tinytensor.kernels.specs import GROUP, Lister

FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 5)
SOURCES = ("float32", "float64", "uint8")
WAYS = [
    False,
    pytest.param(
        True,
        marks=pytest.mark.skipif(
            not {"avx512vbmi2", "avx512bw"} <= features(), reason="this CPU compresses no 16-bit integers"
        ),
    ),
]


def listed(x, compress):
    """The list of some rows; room behind it must stay as it is beyond one group."""
    rows, inputs = x.shape
    room = np.full(inputs + 3 * GROUP, 65535, np.uint16)
    lister = native.address(Lister(x.dtype.name, rows, compress))
    count = FUNCTION(lister)(x.ctypes.data, x.strides[0], inputs, room.ctypes.data, 0)
    assert (room[inputs + 2 * GROUP :] == 65535).all()
    return room[:count].tolist()


@pytest.mark.parametrize("compress", WAYS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("rows", [1, 2, 5, 12])
def test_places_that_are_not_zero_in_all_rows(source, rows, compress):
    rng = np.random.default_rng(rows)
    for inputs in (GROUP, GROUP + 1, 2 * GROUP - 1, 2 * GROUP, 100, 784):
        for share in (0.0, 0.05, 0.5, 1.0):
            x = rng.integers(1, 255, (rows, inputs + 5)) * (rng.random((rows, inputs + 5)) < share)
            x = x.astype(source)[:, :inputs]
            expected = np.flatnonzero((x != 0).any(axis=0)).tolist()
            assert listed(x, compress) == (expected or [0])


@pytest.mark.parametrize("compress", WAYS)
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_nan_and_subnormals_are_listed_and_minus_zero_is_not(source, compress):
    x = np.zeros((2, 40), source)
    x[0, [3, 17]] = np.nan, np.finfo(source).smallest_subnormal
    x[1, 39] = -np.inf
    x[:, 20] = -0.0
    assert listed(x, compress) == [3, 17, 39]
