"""What the strategies promise to the tests that use them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import (
    EDGES,
    LANES,
    LAYOUTS,
    arrays,
    axes_of,
    broadcastable,
    float_arrays,
    products,
)
from tinytensor.kernels.layer import TALLEST


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3), (4, 1, 5)])
def test_a_layout_changes_no_value(layout, shape):
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    assert np.array_equal(layout(array), array)
    assert layout(array).dtype == array.dtype


def test_layouts_are_what_they_are_named_for():
    in_order, transposed, strided, reversed_, read_only = (
        layout(np.zeros((4, 3), np.float32)) for layout in LAYOUTS
    )
    assert in_order.strides == (12, 4)
    assert transposed.strides == (4, 16)
    assert strided.strides == (24, 8)
    assert reversed_.strides == (-12, -4)
    assert not read_only.flags.writeable


def test_lengths_lie_around_the_edges_of_a_tile():
    assert {TALLEST - 1, TALLEST, TALLEST + 1, 2 * LANES - 1, 2 * LANES, 2 * LANES + 1} <= set(EDGES)


@given(st.data())
def test_numbers_are_neither_zero_nor_subnormal(data):
    array = data.draw(float_arrays(scale=data.draw(st.sampled_from((1.0, 1e-3, 1e3)))))
    assert (np.abs(array) >= np.finfo(array.dtype).tiny).all()


@given(products(3), broadcastable(3), st.data())
def test_operands_fit(triple, operands, data):
    a, b, c = triple
    assert (a.shape[1], b.shape[1]) == (b.shape[0], c.shape[0])
    whole = np.broadcast_shapes(*(each.shape for each in operands))
    array = data.draw(arrays((2, 3, 4)))
    assert np.sum(array, axis=as_tuple(data.draw(axes_of(3)))).ndim <= 3
    assert len(whole) <= 4


def as_tuple(axis):
    return tuple(axis) if isinstance(axis, list) else axis
