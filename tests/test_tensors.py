import copy
import math
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import gamma, same, within
from tests.strategies import FLOATS, arrays, broadcastable, float_arrays, products

OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.lt, operator.le, operator.gt,
    operator.ge, operator.eq, operator.ne,
)  # fmt: skip
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow, operator.imatmul)


# Construction


def test_the_default_is_float32():
    for data in (1, 2.5, [1, 2], [[1], [2.5]], range(3), np.arange(3), np.int8(1), np.float16(1), [], [[]]):
        assert tt.Tensor(data).dtype == np.float32
        same(tt.Tensor(data), np.asarray(data, np.float32))
    for data in (np.float64(1), np.ones(2), True, [True], np.ones(2, bool)):
        assert tt.Tensor(data).dtype == np.asarray(data).dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool, "float64", int, float])
def test_the_dtype_asked_for(dtype):
    for data in ([1, 0], (True, False), np.array([1, 0]), np.array([1, 0], ">f4"), tt.Tensor([1, 0])):
        t = tt.Tensor(data, dtype)
        same(t, np.array([1, 0], dtype))
        same(t.astype(np.float64), np.array([1.0, 0]))


def test_a_tensor_shares_the_memory_that_it_is_made_of():
    array = np.ones((2, 3), np.float32)
    t = tt.Tensor(array)
    for shared in (t.numpy(), tt.Tensor(t).numpy(), t.astype(np.float32).numpy(), np.asarray(t), t.T.numpy()):
        assert np.shares_memory(shared, array)
    for own in (t.copy(), t.astype(np.float64), t.flatten(), t + 0, abs(t), -t, tt.Tensor(t, np.float64)):
        assert not np.shares_memory(own.numpy(), array)


def test_tensors_inside_lists():
    rows = [tt.Tensor([1.0, 2]), tt.Tensor([3.0, 4])]
    same(tt.Tensor(rows), np.array([[1, 2], [3, 4]], np.float32))
    same(tt.Tensor([[tt.Tensor(1), tt.Tensor(2.5)]]), np.array([[1, 2.5]], np.float32))


# What it is


@given(float_arrays())
def test_what_it_is(array):
    t = tt.Tensor(array)
    assert (t.shape, t.ndim, t.size, t.dtype) == (array.shape, array.ndim, array.size, array.dtype)
    assert t.tolist() == array.tolist()
    if array.ndim:
        assert len(t) == len(array)
        assert [each.tolist() for each in t] == array.tolist()
        assert [each.tolist() for each in reversed(t)] == array.tolist()[::-1]


def test_the_only_element():
    for shape in ((), (1,), (1, 1)):
        t = tt.full(shape, 2.5)
        assert (t.item(), float(t), int(t), bool(t), f"{t:.2f}") == (2.5, 2.5, 2, True, "2.50")
        assert type(t.item()) is float
    assert type(tt.Tensor([3], int).item()) is int
    assert type((tt.Tensor(1) > 0).item()) is bool
    assert math.sqrt(tt.Tensor(4.0)) == 2
    for t in (tt.ones(2), tt.ones(0)):
        for convert in (float, int, tt.Tensor.item, lambda t: f"{t:.2f}"):
            with pytest.raises(tt.ShapeError, match=r"item: expected one element, got shape \(.,\)"):
                convert(t)
        with pytest.raises(tt.ArgumentError, match=r"neither true nor false; use \.any\(\) or \.all\(\)"):
            bool(t)
    for value in (math.nan, math.inf):
        with pytest.raises(tt.ArgumentError, match="int: cannot convert float"):
            int(tt.Tensor(value))


def test_a_tensor_as_an_index():
    assert [10, 20, 30][tt.Tensor(1, int)] == 20
    assert np.arange(3)[tt.Tensor(2, int)] == 2
    for t in (tt.Tensor(1.0), tt.Tensor([1], int)):
        with pytest.raises(tt.DtypeError, match=r"expected an integer of shape \(\) as an index"):
            operator.index(t)


def test_of_no_axes():
    t = tt.Tensor(1.0)
    for ask in (len, list, iter, tuple):
        with pytest.raises(tt.ShapeError, match=r"a Tensor of shape \(\) has no length"):
            ask(t)
    assert 1 in t
    assert 2 not in t


def test_membership_is_by_value():
    t = tt.Tensor([[1.0, math.nan]])
    assert 1 in t
    assert math.nan not in t
    assert "a" not in t
    assert None not in t


def test_it_has_no_hash():
    with pytest.raises(TypeError, match="unhashable"):
        hash(tt.ones(2))


# Indexing


KEYS = (
    0, -1, slice(None), slice(1, None), slice(None, None, -1), slice(5, 5), ..., None, (0, 1),
    (slice(None), 2),
    (..., 0), (None, 1, None), (slice(None, None, 2), None, [0, 2]), [1, 0], [[0], [1]], True, False,
    np.array([1, 1]), np.int64(1), ([0, 1], [2, 0]), (),
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_is_numpys(key):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    same(tt.Tensor(array)[key], array[key])


@given(float_arrays())
def test_indexing_by_tensors(array):
    t = tt.Tensor(array)
    same(t[t > 0], array[array > 0])
    if array.ndim and len(array):
        picked = tt.Tensor([0, -1, 0], int)
        same(t[picked], array[[0, -1, 0]])
        same(t[picked[0]], array[0])


@pytest.mark.parametrize("key", [2, -3, (0, 0, 0), "a", 1.5, [0.5], (slice(None), 3), {}, np.ones(3, bool)])
def test_no_index(key):
    with pytest.raises(tt.IndexingError, match=r"of shape \(2, 3\): ") as raised:
        tt.ones((2, 3))[key]
    assert isinstance(raised.value, IndexError)


def test_a_float_tensor_is_no_index_and_the_error_says_what_to_do():
    with pytest.raises(tt.IndexingError, match=r"did you mean \.astype\(int\)\?"):
        tt.ones(3)[tt.Tensor([0, 1])]


def test_a_tensor_does_not_change():
    t = tt.ones(3)
    with pytest.raises(tt.DtypeError, match=r"a Tensor is a value and does not change; .*tt\.where"):
        t[0] = 2
    with pytest.raises(AttributeError):
        del t[0]
    with pytest.raises(AttributeError):
        t.shape = (1, 3)
    with pytest.raises(AttributeError):
        t.name = "t"


# Operators


@pytest.mark.parametrize("operate", OPERATORS, ids=lambda f: f.__name__)
@given(pair=broadcastable(2))
def test_operators_are_numpys(operate, pair):
    a, b = pair
    with np.errstate(all="ignore"):
        expected = operate(a, b)
    before = a.copy(), b.copy()
    for left, right in ((tt.Tensor(a), tt.Tensor(b)), (tt.Tensor(a), b), (a, tt.Tensor(b))):
        y = operate(left, right)
        assert type(y) is tt.Tensor
        same(y, expected)
    same(a, before[0])
    same(b, before[1])


@pytest.mark.parametrize("operate", [*OPERATORS, operator.pow], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "number", [2, -0.5, True, 0, np.float32(3), np.float64(3), np.int64(3), np.True_], ids=repr
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_scalars_on_either_side(operate, number, dtype):
    array = np.array([[0.5, 2, 3]], dtype)
    with np.errstate(all="ignore"):
        for y, expected in (
            (operate(tt.Tensor(array), number), operate(array, number)),
            (operate(number, tt.Tensor(array)), operate(number, array)),
        ):
            assert type(y) is tt.Tensor
            if operate is operator.pow:  # within 1 ULP
                assert y.dtype == expected.dtype
                np.testing.assert_array_max_ulp(np.asarray(y), expected, 1)
            else:
                same(y, expected)


def test_lists_on_either_side_become_float32():
    t = tt.Tensor([[1, 2], [3, 4]])
    same([10, 20] - t, np.array([[9, 18], [7, 16]], np.float32))
    same(t - [10, 20], np.array([[-9, -18], [-7, -16]], np.float32))
    same([1, 1] @ t, np.array([4, 6], np.float32))
    same(t @ (1, 1), np.array([3, 7], np.float32))


@given(products(2))
def test_the_product_of_tensors_and_arrays(pair):
    a, b = pair
    expected = np.asarray(tt.Tensor(a) @ tt.Tensor(b))
    same(tt.Tensor(a) @ b, expected)
    same(a @ tt.Tensor(b), expected)
    bound = gamma(len(b), a.dtype) * (np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble))
    within(expected, a.astype(np.longdouble) @ b.astype(np.longdouble), bound)


def test_the_product_promotes():
    t, wide, counts = tt.ones((2, 2)), tt.ones((2, 2), np.float64), tt.ones((2, 2), int)
    assert (t @ wide).dtype == (wide @ t).dtype == (t @ counts).dtype == np.float64
    assert (counts @ counts).dtype == np.int64
    same(counts @ counts, np.full((2, 2), 2))


@given(float_arrays())
def test_signs(array):
    t = tt.Tensor(array)
    same(-t, -array)
    same(+t, array)
    same(abs(t), abs(array))
    assert not np.shares_memory((-t).numpy(), array)


@pytest.mark.parametrize("operate", IN_PLACE, ids=lambda f: f.__name__)
def test_in_place_operators_rebind(operate):
    array = np.array([[1, 2], [3, 4]], np.float32)
    t = before = tt.Tensor(array)
    t = operate(t, array + 1)
    assert t is not before
    assert type(t) is tt.Tensor
    same(before, np.array([[1, 2], [3, 4]], np.float32))


def test_an_array_is_changed_in_place_by_a_tensor():
    a = alias = np.ones(2)
    a += tt.Tensor([1, 2])
    assert a is alias
    assert a.tolist() == [2, 3]


def test_masks():
    t = tt.Tensor([1.0, 2, 3, 4])
    assert ((t > 1) & (t < 4)).tolist() == [False, True, True, False]
    assert ((t < 2) | (t > 3)).tolist() == [True, False, False, True]
    assert ((t < 3) ^ (t > 1)).tolist() == [True, False, True, True]
    assert (~(t > 2)).tolist() == [True, True, False, False]
    assert (True & (t > 2)).tolist() == [False, False, True, True]
    assert (np.array([True, False, True, False]) & (t > 2)).tolist() == [False, False, True, False]
    assert (~tt.Tensor([0, 1], np.uint8)).tolist() == [255, 254]
    for operate in (operator.and_, operator.or_, operator.xor):
        with pytest.raises(tt.DtypeError, match="bitwise"):
            operate(t, t)
    with pytest.raises(
        tt.DtypeError, match=r"~t: expected bools or integers, got float32; did you mean -t\?"
    ):
        ~t
    with pytest.raises(tt.DtypeError, match=r"did you mean ~t\?"):
        -(t > 1)


def test_comparison_with_what_is_no_number():
    t = tt.ones(2)
    for other in (None, "a", object(), {}):
        assert (t == other) is False
        assert (t != other) is True
        with pytest.raises(tt.DtypeError, match="expected real numbers, got"):
            operator.lt(t, other)
        with pytest.raises(tt.DtypeError, match="expected real numbers, got"):
            t + other


def test_who_asks_numpy_to_step_back_gets_the_operation():
    class Mine:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "mine"

    assert tt.ones(2) + Mine() == "mine"
    with pytest.raises(TypeError):
        tt.ones(2) - Mine()


def test_operators_that_it_has_not():
    for operate in (operator.floordiv, operator.mod, operator.lshift):
        with pytest.raises(TypeError, match="unsupported operand"):
            operate(tt.ones(2), 2)


def test_arithmetic_is_ieees_without_warnings():
    t = tt.Tensor([0.0, 1, 3e38])
    assert (1 / t)[0].item() == math.inf
    assert math.isnan((t / t)[0].item())
    assert (t * 10)[2].item() == math.inf
    assert (tt.Tensor([1], int) / 0).tolist() == [math.inf]


@pytest.mark.parametrize("shape", [(2,), (3, 1, 4)])
def test_shapes_that_do_not_broadcast(shape):
    with pytest.raises(tt.ShapeError, match=r"add: the shapes .* do not broadcast"):
        tt.ones((2, 3)) + tt.ones(shape)


# As text and as bytes


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (lambda: tt.Tensor(1.5), "Tensor(1.5, shape=(), dtype=float32)"),
        (lambda: tt.Tensor([1, 2], int), "Tensor([1, 2], shape=(2,), dtype=int64)"),
        (lambda: tt.zeros((0, 3), np.float64), "Tensor([], shape=(0, 3), dtype=float64)"),
        (lambda: tt.ones((2, 1)) > 2, "Tensor([[False],\n        [False]], shape=(2, 1), dtype=bool)"),
        (lambda: tt.Tensor([math.nan, -math.inf]), "Tensor([ nan, -inf], shape=(2,), dtype=float32)"),
    ],
)  # fmt: skip
def test_printing_shows_values_shape_and_dtype(t, text):
    assert repr(t()) == str(t()) == f"{t()}" == text


def test_printing_of_many_values_is_short():
    text = repr(tt.arange(10**6).reshape(1000, 1000))
    assert len(text) < 1000
    assert "..." in text
    assert text.endswith("shape=(1000, 1000), dtype=float32)")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@given(array=float_arrays())
def test_pickling(protocol, array):
    again = pickle.loads(pickle.dumps(tt.Tensor(array), protocol))
    assert type(again) is tt.Tensor
    same(again, array)


def test_pickling_keeps_every_dtype():
    for dtype in (np.int8, np.uint64, bool, np.float64):
        t = tt.ones(2, dtype)
        for again in (pickle.loads(pickle.dumps(t)), copy.copy(t), copy.deepcopy(t)):
            same(again, t)


def test_copies():
    t = tt.ones(3)
    assert np.shares_memory(copy.copy(t).numpy(), t.numpy())  # a value needs no second copy
    for own in (copy.deepcopy(t), t.copy()):
        assert not np.shares_memory(own.numpy(), t.numpy())
    layer = tt.Linear(2, 3, seed=0)
    same(copy.deepcopy(layer).weight, layer.weight)


def test_a_tensor_is_final():
    with pytest.raises(TypeError):
        tt.Tensor()
    assert not hasattr(tt.ones(1), "__dict__")


@given(st.data())
def test_a_float_tensor_never_changes_its_dtype_by_a_python_number(data):
    for dtype in FLOATS:
        t = tt.Tensor(data.draw(arrays((2, 2), dtype)))
        number = data.draw(st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.booleans()))
        for y in (
            t + number,
            number * t,
            t / number,
            t.maximum(number),
            t.clip(number),
            t.where(t > 0, number),
        ):
            assert y.dtype == dtype


def test_an_index_of_integers_beyond_the_end_has_no_hint_of_a_conversion():
    with pytest.raises(tt.IndexingError, match="out of bounds") as caught:
        tt.ones(3)[tt.Tensor([7], dtype="int64")]
    assert "astype" not in str(caught.value)
