import decimal
import fractions

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import same
from tests.strategies import FLOATS, shapes
from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels.boundary import (
    allowed,
    allowed_dtype,
    as_array,
    as_floating,
    as_operand,
    broadcast_shape,
    convert,
    normalize_axis,
    real_number,
    single_axis,
)

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)


def unaligned(array):
    """The same values one byte behind where they should lie."""
    room = np.zeros(array.nbytes + 1, np.uint8)
    view = room[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


class FromDLPack:
    """A foreign array that knows DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("dtype", [*FLOATS, bool, *INTEGERS])
def test_what_a_tensor_may_hold(dtype):
    native = np.dtype(dtype)
    assert allowed(native)
    assert allowed_dtype(dtype) == allowed_dtype(native.newbyteorder()) == native
    array = np.ones((2, 3), dtype)
    assert as_operand(array) is array
    if native.itemsize > 1:
        assert not allowed(native.newbyteorder())


@pytest.mark.parametrize(
    "dtype", [np.float16, np.longdouble, complex, object, "U1", "M8[s]", "V4", None, "x", 3, {}]
)
def test_what_it_may_not(dtype):
    with pytest.raises(DtypeError, match="dtype: expected float32, float64, bool or an integer type, got"):
        allowed_dtype(dtype)


@pytest.mark.parametrize("read", [as_operand, as_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool])
def test_arrays_that_need_nothing_share_their_memory(read, dtype):
    array = np.ones((4, 3), dtype)
    for view in (array, array.T, array[::2], array[::-1], array[:0], np.broadcast_to(array, (2, 4, 3))):
        same(read(view), view)
        assert np.shares_memory(read(view), array) == bool(view.size)
    assert np.shares_memory(read(memoryview(array)), array)


@pytest.mark.parametrize("read", [as_operand, as_array])
@pytest.mark.parametrize("dtype", FLOATS)
def test_bytes_in_another_order_or_out_of_line_are_copied(read, dtype):
    array = np.linspace(-1, 1, 7).astype(dtype)
    for given_ in (array.astype(np.dtype(dtype).newbyteorder()), unaligned(array)):
        found = read(given_)
        same(found, array)
        assert found.flags.aligned
        assert found.dtype.isnative


def test_dtypes_that_become_float32():
    for dtype in (np.float16, ">f2", np.longdouble):
        same(as_operand(np.ones(2, dtype)), np.ones(2, np.float32))
    for numbers in ([1, 2], (1.0, 2.0), range(1, 3), [np.float32(1), 2], [[1], [2]]):
        assert as_operand(numbers).dtype == np.float32
    assert as_operand(3).dtype == as_operand(3.5).dtype == np.float32
    assert as_operand(np.float64(3)).dtype == np.float64
    assert as_operand(np.int8(3)).dtype == np.int8
    assert as_operand([True]).dtype == as_operand(True).dtype == bool
    for dtype in INTEGERS:
        assert as_operand(np.ones(2, dtype)).dtype == dtype
        assert as_array(np.ones(2, dtype)).dtype == np.float32
        assert as_array(np.ones(2, dtype), dtype).dtype == dtype
    assert as_array([1, 2], np.int32).dtype == np.int32
    assert as_array([0.1], np.float64).tolist() == [0.1]  # not by way of float32


def test_too_large_for_float32_is_infinite_there_without_a_warning():
    assert as_array(np.array([1e300, -1e300, 1e-300]), np.float32).tolist() == [np.inf, -np.inf, 0]
    assert as_array([1e300]).tolist() == [np.inf]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_no_integer_is_made_of_what_has_none(value):
    with pytest.raises(DtypeError, match="does not become int64"):
        convert(np.array([value]), np.dtype(np.int64))
    with pytest.raises(DtypeError):
        as_array([value], np.int64)


def test_dlpack():
    array = np.ones(3, np.float32)
    for each in (array, array.astype(np.float64)):
        same(as_operand(FromDLPack(each)), each)
        assert np.shares_memory(as_operand(FromDLPack(each)), each)
    with pytest.raises(DtypeError, match=r"got complex64 data; did you mean data\.real\?"):
        as_operand(FromDLPack(np.ones(3, np.complex64)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (1j, r"expected real numbers, got complex128 data; did you mean data\.real\?"),
        ("1", "expected real numbers, got <U1 data"),
        (b"1", "got |S1 data"),
        (None, "expected real numbers, got NoneType"),
        ({1: 2}, "expected real numbers, got dict"),
        ({1}, "expected real numbers, got set"),
        (iter([1]), "expected real numbers, got list_iterator"),
        ([None, 1], "expected real numbers, got list"),
        (fractions.Fraction(1, 2), "expected real numbers, got Fraction"),
        ([decimal.Decimal(1)], "expected real numbers, got list"),
        ([10**400], "expected real numbers, got list"),
        (np.array(["2020"], "M8[Y]"), r"got datetime64\[Y\] data"),
        (np.zeros(2, "f4,f4"), "expected real numbers"),
        (np.ma.masked_array([1.0], [True]), r"masked array; did you mean \.filled\(value\)\?"),
    ],
)
def test_no_numbers(data, message):
    for read in (as_operand, as_array):
        with pytest.raises(DtypeError, match=message):
            read(data)


@pytest.mark.parametrize("data", [[[1], [1, 2]], [1, [2]], [np.ones(2), np.ones(3)]])
def test_ragged_rows(data):
    with pytest.raises(ShapeError, match="expected rows of equal length and at most 64 axes"):
        as_operand(data)


def test_too_many_axes():
    nested = 1.0
    for _ in range(65):
        nested = [nested]
    with pytest.raises(ShapeError, match="at most 64 axes"):
        as_operand(nested)
    assert as_operand(nested[0]).ndim == 64


def test_an_object_that_fails_in_its_own_way():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("lost my memory")

    with pytest.raises(DtypeError, match="expected real numbers, got Broken: lost my memory"):
        as_operand(Broken())


@pytest.mark.parametrize("dtype", [*FLOATS, bool, *INTEGERS])
def test_floating(dtype):
    found = as_floating(np.ones(2, dtype))
    assert found.dtype == (dtype if dtype in FLOATS else np.result_type(dtype, np.float32))
    assert found.dtype in FLOATS


@given(st.lists(shapes, min_size=1, max_size=3))
def test_broadcasting_is_numpys(several):
    try:
        expected = np.broadcast_shapes(*several)
    except ValueError:
        with pytest.raises(ShapeError, match=r"add: the shapes .* do not broadcast"):
            broadcast_shape("add", *several)
    else:
        assert broadcast_shape("add", *several) == expected


def test_more_axes_than_numpy_broadcasts():
    assert broadcast_shape("add", (1,) * 64, (3,)) == (1,) * 63 + (3,)


@given(st.integers(0, 5), st.data())
def test_axes(ndim, data):
    axes = data.draw(st.lists(st.integers(-7, 6), max_size=4))
    inside = [a % ndim for a in axes if -ndim <= a < ndim] if ndim else []
    if len(set(inside)) < len(axes):
        with pytest.raises(
            ShapeError, match=r"sum: axis .* (is out of range for an array with|names an axis twice)"
        ):
            normalize_axis("sum", axes, ndim)
        return
    assert normalize_axis("sum", axes, ndim) == tuple(sorted(inside))
    for axis in axes:
        assert (
            normalize_axis("sum", axis, ndim) == (single_axis("sum", np.int64(axis), ndim),) == (axis % ndim,)
        )
    assert normalize_axis("sum", None, ndim) == tuple(range(ndim))


@pytest.mark.parametrize("axis", ["a", 1.0, (1.0,), ["0"], object(), (0, None), ((0,),)])
def test_no_axes(axis):
    with pytest.raises(DtypeError, match="sum: axis: expected an integer, a tuple of them or None, got"):
        normalize_axis("sum", axis, 2)
    with pytest.raises(DtypeError, match="stack: axis: expected an integer, got"):
        single_axis("stack", axis, 2)


def test_real_numbers():
    for value in (2, 2.0, np.float32(2), np.int8(2), fractions.Fraction(2)):
        assert real_number("low", value) == 2.0
    for value in (True, np.True_, "2", None, 2j, [2], np.ones(1), 10**400):
        with pytest.raises(DtypeError, match="low: expected a"):
            real_number("low", value)
