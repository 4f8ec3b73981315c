"""Tiles of every shape, the transpose, and the small intrinsics."""

import itertools

import numpy as np
import pytest
from numba import float32, float64
from numba.types import intp, void

from tests import naive
from tests.strategies import FLOATS
from tinytensor.kernels._jit import Kernel, array, out, strided
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.matmul import tile_shapes, tiles
from tinytensor.kernels.pointers import (
    copy_two_vectors,
    full_width,
    pointer_to,
    stride_of,
    transpose,
)

DTYPES = (float32, float64)


def compiled(function, *signatures):
    return Kernel(function, function.__name__, signatures, cached=False)


def run_tile(lanes, scalars, init, y, count, width, across, rows):
    tiles(pointer_to(lanes, 0), stride_of(lanes, 0), pointer_to(scalars, 0), stride_of(scalars, 0),
          stride_of(scalars, 1), lanes.shape[0], pointer_to(init, 0), stride_of(init, 0), pointer_to(y, 0),
          stride_of(y, 0), count, width, across, rows)  # fmt: skip


one_tile = compiled(
    run_tile,
    *[void(strided(t, 2), strided(t, 2), strided(t, 2), out(t, 2), intp, intp, intp, intp) for t in DTYPES],
)


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_tile_and_every_number_of_lanes(dtype):
    rng = np.random.default_rng(0)
    most = vectors().width(np.dtype(dtype).itemsize)
    for width, across, rows in tile_shapes(most):
        counts = range(max(width, (across - 1) * width + 1), across * width + 1)
        for k, count in itertools.product((1, 2, 5), counts):
            lanes, by_k, init = (
                rng.standard_normal(shape).astype(dtype)
                for shape in ((k, count + 1), (k, rows), (rows, count))
            )
            lanes, scalars = lanes[:, 1:], by_k.T if k == 2 else np.ascontiguousarray(by_k.T)
            for start in (init, np.broadcast_to(init[0], (rows, count))):
                y = np.full((rows + 1, count + 3), 7, dtype)
                one_tile(lanes, scalars, start, y, count, width, across, rows)
                expected = start
                for i in range(k):
                    expected = naive.fma(scalars[:, i, None], lanes[i], expected)
                naive.same(y[:rows, :count], expected + 0)
                assert (y[rows:] == 7).all()
                assert (y[:, count:] == 7).all()


def test_a_tile_may_start_from_what_it_writes():
    rng = np.random.default_rng(1)
    width = vectors().width(4)
    for count in range(width + 1, 2 * width + 1):  # the second vector overlaps the first
        shapes = ((3, count), (2, 3), (2, count))
        lanes, scalars, y = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
        expected = y
        for i in range(3):
            expected = naive.fma(scalars[:, i, None], lanes[i], expected)
        one_tile(lanes, scalars, y, y, count, width, 2, 2)
        naive.same(y, expected + 0)


def test_an_unknown_shape_does_nothing():
    y = np.ones((2, 2))
    one_tile(np.ones((1, 2)), np.ones((2, 1)), np.ones((2, 2)), y, 2, 2, 9, 2)
    assert y.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("dtype", FLOATS)
def test_transpose(dtype):
    def run(x, y):
        transpose(pointer_to(x, 0), x.shape[1], pointer_to(y, 0), y.shape[1])

    width = vectors().width(np.dtype(dtype).itemsize)
    x = np.arange(width * (width + 3), dtype=dtype).reshape(width, width + 3)
    y = np.full((width, width + 2), -1, dtype)
    compiled(run, *[void(array(t, 2), out(t, 2)) for t in DTYPES])(x, y)
    naive.same(y[:, :width], x[:, :width].T)
    assert (y[:, width:] == -1).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_copy_two_vectors(dtype):
    def run(x, y):
        copy_two_vectors(pointer_to(x, 1), pointer_to(y, 1))

    width = vectors().width(np.dtype(dtype).itemsize)
    x, y = np.arange(2 * width + 3, dtype=dtype), np.full(2 * width + 3, -1, dtype)
    compiled(run, *[void(array(t, 1), out(t, 1)) for t in DTYPES])(x, y)
    naive.same(y[1:-2], x[1:-2])
    assert y[0] == y[-2] == y[-1] == -1


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_an_array_knows_of_itself(dtype):
    def run(x, y):
        y[0], y[1], y[2] = stride_of(x, 0), stride_of(x, 1), full_width(x)
        y[3], y[4] = pointer_to(x, 0)[0], pointer_to(pointer_to(x, 1), 2)[1]

    x, y = np.arange(20, dtype=dtype).reshape(4, 5), np.empty(5, dtype)
    run = compiled(run, *[void(strided(t, 2), out(t, 1)) for t in DTYPES])
    width = vectors().width(x.itemsize)
    for view, strides in ((x, [5, 1]), (x.T, [1, 5]), (x[:, ::2], [5, 2]), (x[::2], [10, 1])):
        run(view, y)
        assert y.tolist() == [*strides, width, 0, 4]
    run(x[1::-1, ::-1], y)
    assert y.tolist() == [-5, -1, width, 9, 13]
