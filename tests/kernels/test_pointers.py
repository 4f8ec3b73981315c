"""Transposing a square of vectors, and copying one vector."""

import numpy as np
import pytest

from tests import naive
from tests.strategies import FLOATS
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.declare import SHORT, Kernel
from tinytensor.kernels.pointers import copy_vector, pointer_to, transpose


def compiled(function, signature, dtype):
    short = SHORT[np.dtype(dtype)]
    return Kernel(function.__name__, signature.replace("T", short), lambda: function, cached=False)


def transpose_square(x, x_stride, y, y_stride):
    transpose(x, x_stride, y, y_stride)


def copy_one(x, y):
    copy_vector(pointer_to(x, 1), pointer_to(y, 1))


@pytest.mark.parametrize("dtype", FLOATS)
def test_transpose(dtype):
    width = vectors().width(np.dtype(dtype).itemsize)
    x = np.arange(width * (width + 3), dtype=dtype).reshape(width, width + 3)
    y = np.full((width, width + 2), -1, dtype)
    compiled(transpose_square, "void(T*, i64, T*, i64)", dtype)(x, width + 3, y, width + 2)
    naive.same(y[:, :width], x[:, :width].T)
    assert (y[:, width:] == -1).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_copy_vector(dtype):
    width = vectors().width(np.dtype(dtype).itemsize)
    x, y = np.arange(width + 3, dtype=dtype), np.full(width + 3, -1, dtype)
    compiled(copy_one, "void(T*, T*)", dtype)(x, y)
    naive.same(y[1:-2], x[1:-2])
    assert y[0] == y[-2] == y[-1] == -1
