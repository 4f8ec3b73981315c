import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import same
from tests.strategies import float_arrays, shapes
from tinytensor.shaping import takes_all


@given(float_arrays(), st.data())
def test_reshape(array, data):
    t = tt.Tensor(array)
    for shape in ((array.size,), (1, array.size), (array.size, 1, 1)):
        same(t.reshape(shape), array.reshape(shape))
        same(t.reshape(*shape), array.reshape(shape))
        same(t.reshape(list(shape)), array.reshape(shape))
        same(t.reshape(shape).reshape(array.shape), array)
    if array.size:
        same(t.reshape(-1), array.reshape(-1))
        axis = data.draw(st.integers(0, array.ndim))
        shape = (*array.shape[:axis], -1, *array.shape[axis:])
        same(t.reshape(shape), array.reshape(shape))


@given(float_arrays())
def test_one_axis(array):
    t = tt.Tensor(array)
    same(t.ravel(), array.ravel())
    same(t.flatten(), array.flatten())
    assert not np.shares_memory(t.flatten().numpy(), array)


@given(float_arrays(), st.data())
def test_transposing(array, data):
    t = tt.Tensor(array)
    order = data.draw(st.permutations(range(array.ndim)))
    same(t.transpose(), array.T)
    same(t.transpose(tuple(order)), array.transpose(order))
    same(t.transpose(*order), array.transpose(order) if order else array)
    if array.ndim:
        first, second = (data.draw(st.integers(-array.ndim, array.ndim - 1)) for _ in range(2))
        same(t.swapaxes(first, second), array.swapaxes(first, second))
    if array.ndim > 1:
        same(t.mT, array.mT)


@given(shapes, st.data())
def test_axes_of_length_one(shape, data):
    array = np.zeros(shape, np.float32)
    t = tt.Tensor(array)
    axes = data.draw(st.lists(st.integers(0, array.ndim + 1), unique=True, max_size=2))
    axes = [axis for axis in axes if axis < array.ndim + len(axes)]
    same(t.expand_dims(tuple(axes)), np.expand_dims(array, tuple(axes)))
    assert t.expand_dims(tuple(axes)).squeeze(tuple(axes)).shape == array.shape
    same(t.expand_dims(-1), np.expand_dims(array, -1))
    same(t.squeeze(), array.squeeze())


@given(shapes, st.lists(st.integers(0, 3), max_size=2).map(tuple))
def test_broadcast_to(shape, more):
    array = np.ones(tuple(1 if n == 0 else n for n in shape), np.float32)
    same(tt.Tensor(array).broadcast_to((*more, *array.shape)), np.broadcast_to(array, (*more, *array.shape)))
    same(tt.ones(1).broadcast_to(5), np.ones(5, np.float32))


def test_views_share_memory():
    array = np.ones((2, 1, 3), np.float32)
    t = tt.Tensor(array)
    for view in (
        t.reshape(3, 2), t.reshape(-1), t.ravel(), t.T, t.mT, t.transpose(2, 0, 1), t.swapaxes(0, 2),
        t.squeeze(), t.expand_dims(0), t.broadcast_to((4, 2, 1, 3)), t[1:], t[:, None],
    ):  # fmt: skip
        assert np.shares_memory(view.numpy(), array)


def test_every_view_can_be_computed_with():
    t = tt.arange(6).reshape(2, 3)
    for view in (t.T, t[::-1], t[:, ::2], t.broadcast_to((4, 2, 3)), t.expand_dims(1), t[:0]):
        array = view.numpy()
        same(view + view, array + array)
        same(view.sum(axis=-1), array.sum(axis=-1))
        same(view.exp(), tt.Tensor(np.ascontiguousarray(array)).exp())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.reshape(5),
            r"reshape: 6 elements of shape \(2, 3\) do not fit 5; did you mean reshape\(2, -1\)\?",
        ),
        (lambda t: t.reshape(-1, -1), "do not fit"),
        (lambda t: t.reshape(4, -1), "do not fit"),
        (lambda t: t.reshape(-2, -3), "do not fit"),
        (lambda t: t.reshape("a"), "do not fit"),
        (lambda t: t.reshape(2.0, 3.0), "do not fit"),
        (lambda t: t.reshape(), "do not fit"),
        (lambda t: t.transpose(0), "transpose: .* is no permutation of 2 axes"),
        (lambda t: t.transpose(0, 0), "is no permutation"),
        (lambda t: t.transpose("a"), "is no permutation"),
        (lambda t: t.swapaxes(0, 2), "swapaxes: axis 2 is out of range for an array with 2 axes"),
        (lambda t: t[0].mT, "swapaxes: axis -2 is out of range for an array with 1 axes"),
        (lambda t: t.squeeze(0), r"squeeze: expected length 1 along axis 0, got shape \(2, 3\)"),
        (lambda t: t.squeeze(2), "squeeze: axis 2 is out of range"),
        (lambda t: t.expand_dims(3), "expand_dims: axis 3 is out of range for an array with 3 axes"),
        (lambda t: t.expand_dims((0, 0)), "names an axis twice"),
        (lambda t: t.reshape((6,) + (1,) * 63).expand_dims(0), "expand_dims: "),
        (lambda t: t.broadcast_to((3, 2)), r"broadcast_to: \(2, 3\) does not broadcast to \(3, 2\)"),
        (lambda t: t.broadcast_to(-1), "does not broadcast"),
        (lambda t: t.broadcast_to("a"), "does not broadcast"),
        (lambda t: t.broadcast_to((1,) * 64 + (2, 3)), "does not broadcast"),
    ],
)
def test_what_does_not_fit(change, message):
    with pytest.raises(tt.ShapeError, match=message):
        change(tt.zeros((2, 3)))


@pytest.mark.parametrize("axis", [None, 1.0, "a", (0,)])
def test_no_axis(axis):
    t = tt.zeros((2, 3))
    with pytest.raises(tt.DtypeError, match="swapaxes: axis: expected an integer, got"):
        t.swapaxes(axis, 0)


def test_of_no_elements_and_no_axes():
    assert tt.zeros((0, 3)).reshape(3, 0).shape == (3, 0)
    assert tt.Tensor(1.0).T.shape == tt.Tensor(1.0).squeeze().shape == ()
    assert tt.Tensor(1.0).flatten().shape == (1,)
    assert tt.zeros((2,) * 10).reshape(-1).size == math.prod((2,) * 10)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (..., True), ((..., 1), True), ((..., 1, 0), False), ((..., slice(1), None), True),
        ((..., [0, 1]), False), ((slice(None), 1), True), ((slice(1), ...), False), ((), False),
    ],
)  # fmt: skip
def test_which_index_takes_all_samples(key, expected):
    assert takes_all(key, 2) is expected
