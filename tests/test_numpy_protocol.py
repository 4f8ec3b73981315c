import numpy as np
import pytest
from hypothesis import given

import tinytensor as tt
from tests.naive import same
from tests.strategies import float_arrays
from tinytensor.numpy_protocol import METHODS, WRITERS

A = np.array([[1.0, 2], [3, 4]], np.float32)


@given(float_arrays())
def test_asarray_shares_memory(array):
    t = tt.Tensor(array)
    assert np.asarray(t) is array
    assert np.asarray(t, copy=False) is array
    assert np.asarray(t, array.dtype) is array
    for own in (np.array(t), np.asarray(t, copy=True)):
        same(own, array)
        assert own is not array
    same(np.asarray(t, dtype="f2"), array.astype("f2"))
    same(np.array(t, dtype=object), array.astype(object))


def test_no_copy_where_one_is_needed():
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        np.asarray(tt.ones(2), dtype=np.float64, copy=False)


@given(float_arrays())
def test_dlpack_goes_both_ways_without_a_copy_of_what_may_be_written_to(array):
    t = tt.Tensor(array)
    there = np.from_dlpack(t)
    same(there, array)
    assert np.shares_memory(there, array) == bool(array.size and array.flags.writeable)
    assert t.__dlpack_device__() == (1, 0)  # the CPU


def test_dlpack_exports_a_copy_of_what_is_read_only():
    array = np.ones(3)
    array.flags.writeable = False
    there = np.from_dlpack(tt.Tensor(array))
    same(there, array)
    assert not np.shares_memory(there, array)


def test_torch_shares_memory_both_ways():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    t = tt.Tensor(A.copy())
    there = torch.from_dlpack(t)
    assert there.data_ptr() == t.numpy().ctypes.data
    back = tt.Tensor(there)
    assert np.shares_memory(back.numpy(), t.numpy())
    same(back, A)
    with pytest.raises(tt.DtypeError, match="requires grad"):
        tt.Tensor(torch.ones(2, requires_grad=True))


# Functions of NumPy


@pytest.mark.parametrize(
    "function",
    [
        np.linalg.norm, np.sum, np.mean, np.max, np.argmax, np.transpose, np.sort, np.linalg.inv, np.isnan,
        np.floor, np.sign, np.zeros_like, np.ravel, np.cumsum, np.abs, np.negative, np.square,
        np.unique, np.add.reduce,
        lambda a: np.concatenate([a, a]), lambda a: np.stack((a, a)), lambda a: np.where(a > 2, a, 0),
        lambda a: np.dot(a, a), lambda a: np.einsum("ij,jk->ik", a, a), lambda a: np.reshape(a, -1),
        lambda a: np.clip(a, 2, 3), lambda a: np.add.outer(a, a), lambda a: np.sum(a, axis=0, keepdims=True),
        lambda a: np.pad(a, 1), lambda a: np.multiply(a, a, dtype=np.float64), lambda a: np.var(a, 1, ddof=1),
        lambda a: np.take(a, [0], axis=1), lambda a: np.repeat(a, 2), lambda a: np.logical_and(a > 1, a < 4),
        lambda a: np.tensordot(a, a), lambda a: np.expand_dims(a, 0), lambda a: np.broadcast_to(a, (3, 2, 2)),
    ],
)  # fmt: skip
def test_a_function_of_numpy_gives_a_tensor(function):
    y, expected = function(tt.Tensor(A)), function(A)
    assert type(y) is tt.Tensor
    same(y, expected)


def test_functions_that_give_no_array():
    t = tt.Tensor(A)
    assert np.shape(t) == (2, 2)
    assert np.size(t) == 4
    assert np.ndim(t) == 2
    assert np.allclose(t, t) is True
    assert np.array_equal(t, A) is True
    np.testing.assert_allclose(t, A)


def test_several_results():
    halves = np.split(tt.Tensor(A), 2)
    assert [type(each) for each in halves] == [tt.Tensor] * 2
    same(halves[1], A[1:])
    fractions, wholes = np.modf(tt.Tensor(A))
    same(wholes, A)
    assert fractions.tolist() == [[0, 0], [0, 0]]
    values, vectors = np.linalg.eigh(tt.Tensor(np.eye(2)))
    assert np.shape(values) == (2,)
    assert np.shape(vectors) == (2, 2)


def test_results_that_a_tensor_may_not_have_stay_numpys():
    t = tt.Tensor(A)
    for function in (np.fft.fft, np.iscomplexobj, lambda a: np.exp2(a, dtype=np.longdouble)):
        same(function(t), function(A))
        assert type(function(t)) is type(function(A))
    for operate in (lambda: np.multiply(t, 1j), lambda: np.ones(2, complex) * t):
        with pytest.raises(tt.DtypeError, match=r"got complex128 data; did you mean data\.real\?"):
            operate()


@given(float_arrays())
def test_operations_of_ours_keep_our_bits(array):
    t, array = tt.Tensor(array), np.abs(array)
    t = abs(t)
    for ufunc in METHODS:
        same(ufunc(t), getattr(t, ufunc.__name__)())
    same(np.add(array, t), tt.Tensor(array) + t)
    same(np.power(t, 2), t**2)
    if array.ndim > 1:
        same(np.matmul(t.mT, array), t.mT @ t)


def test_ieee_without_warnings():
    zeros = tt.zeros(2)
    assert np.divide(1, zeros).tolist() == [np.inf, np.inf]
    assert np.isnan(np.floor_divide(zeros, zeros)).all()
    assert np.log(zeros).tolist() == [-np.inf, -np.inf]
    assert np.log2(zeros).tolist() == [-np.inf, -np.inf]


# A Tensor does not change


def test_no_tensor_as_out():
    t, room = tt.Tensor(A.copy()), np.empty((2, 2), np.float32)
    for write in (
        lambda: np.add(t, 1, out=t), lambda: np.exp(t, out=t), lambda: np.add(A, 1, out=(t,)),
        lambda: np.add.at(t, 0, 1), lambda: np.sum(t, axis=0, out=t[0]), lambda: np.clip(t, 0, 1, out=t),
        lambda: np.concatenate([t, t], out=tt.zeros((4, 2))), lambda: np.cumsum(t, axis=0, out=t),
    ):  # fmt: skip
        with pytest.raises(tt.DtypeError, match=r"np\.\w+: a Tensor does not change"):
            write()
    for function, arguments in (
        (np.copyto, (t, 0)), (np.fill_diagonal, (t, 0)), (np.put, (t, 0, 1)), (np.place, (t, A > 1, 0)),
        (np.putmask, (t, A > 1, 0)), (np.put_along_axis, (t, np.array([[0], [0]]), 9, 1)),
    ):  # fmt: skip
        assert function in WRITERS
        with pytest.raises(tt.DtypeError, match=rf"np\.{function.__name__}: a Tensor does not change"):
            function(*arguments)
    same(t, A)
    assert np.add(t, 1, out=room) is room
    assert np.sum(t, axis=0, out=room[0]).tolist() == [4, 6]
    same(np.concatenate([t[0], t[1]], out=np.empty(4, np.float32)), A.ravel())


def test_arrays_are_written_from_tensors():
    room = np.zeros((2, 2), np.float32)
    np.copyto(room, tt.Tensor(A))
    same(room, A)
    room[0] = tt.Tensor([7, 8])
    assert room[0].tolist() == [7, 8]
    np.put(room, 0, tt.Tensor(9))
    assert room[0, 0] == 9
