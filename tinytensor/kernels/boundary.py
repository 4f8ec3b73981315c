"""Where data comes in: anything array-like becomes an aligned, native array of an allowed dtype, or an error.

Kernels are not told about byte order, alignment or exotic dtypes, and check nothing themselves.
"""

import numbers
import operator
import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinytensor.errors import ArgumentError, DtypeError, ShapeError

__all__ = [
    "FLOATS",
    "Array",
    "Axis",
    "allowed",
    "allowed_dtype",
    "as_array",
    "as_floating",
    "as_operand",
    "broadcast_shape",
    "index",
    "joint_shape",
    "length",
    "normalize_axis",
    "number",
    "real_number",
    "single_axis",
]

Array = NDArray[Any]
Axis = int | list[int] | tuple[int, ...] | None

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
FLOATS = (FLOAT32, FLOAT64)
UINT8, INT8 = np.dtype(np.uint8), np.dtype(np.int8)
FLOAT32_OVERFLOW = 2.0**128 - 2.0**103  # the least double that rounds to an infinite float32
UNTYPED = (int, float, list, tuple, range)  # Python's own do not tell float32 from float64


def allowed(dtype: np.dtype[Any]) -> bool:
    """Whether a Tensor may have this dtype: float32, float64, bool or an integer type, in native order.

    >>> allowed(np.dtype("float32")), allowed(np.dtype(">f4")), allowed(np.dtype("float16"))
    (True, False, False)
    """
    return dtype in FLOATS or (dtype.kind in "biu" and dtype.isnative)


def allowed_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype that the caller asked for, in native byte order.

    Raises:
        DtypeError: not float32, float64, bool or an integer type.

    >>> allowed_dtype(float), allowed_dtype(">f4")
    (dtype('float64'), dtype('float32'))
    """
    try:
        wanted = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError):
        wanted = None
    if wanted is None or dtype is None or not allowed(wanted):
        hint = "; a shape of two lengths is a pair, as in zeros((2, 3))" if isinstance(dtype, int) else ""
        raise DtypeError(f"dtype: expected float32, float64, bool or an integer type, got {dtype!r}{hint}")
    return wanted


def describe(data: Any) -> str:
    """What came, in words for an error message."""
    dtype = getattr(data, "dtype", None)
    return f"{type(data).__name__} of {dtype}" if dtype is not None else type(data).__name__


def read(data: Any) -> Array:
    """NumPy's own view of `data`, its errors turned into ours."""
    # whoever has a masked array has imported numpy.ma, which takes 10 ms; a thread may be doing so now
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
    if isinstance(data, masked):
        raise DtypeError("expected plain numbers, got a masked array; did you mean .filled(value)?")
    try:
        if hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
            return np.from_dlpack(data)
        return np.asarray(data)
    except ValueError as error:
        raise ShapeError(f"expected rows of equal length and at most 64 axes: {error}") from error
    except (TypeError, RuntimeError, BufferError, OverflowError) as error:
        raise DtypeError(f"expected real numbers, got {describe(data)}: {error}") from error


def as_operand(data: Any) -> Array:
    """An operand of an operator: dtypes that a Tensor may have stay, so NumPy's promotion rules apply.

    float16 and long double become float32, and so do sequences of Python numbers. Shares memory with
    `data` where nothing has to be converted.

    Raises:
        DtypeError: complex, object, string or date data, or no numbers at all.
        ShapeError: rows of different lengths, or more axes than NumPy has.

    >>> as_operand([1, 2]).dtype, as_operand(np.array([1, 2])).dtype
    (dtype('float32'), dtype('int64'))
    """
    array = read(data)
    if array.dtype.kind not in "fiub":
        hint = "; did you mean data.real?" if array.dtype.kind == "c" else ""
        got = describe(data) if array.dtype == object else f"{array.dtype} data"
        raise DtypeError(f"expected real numbers, got {got}{hint}")
    dtype = array.dtype.newbyteorder("=")
    if not allowed(dtype) or (dtype.kind != "b" and isinstance(data, UNTYPED) and not hasattr(data, "dtype")):
        dtype = FLOAT32
    return convert(array, dtype)


def as_array(data: Any, dtype: DTypeLike | None = None) -> Array:
    """What a Tensor holds: as `as_operand`, but integers without `dtype=` become float32, as weights are.

    >>> as_array([1, 2]).dtype, as_array(np.array([1, 2])).dtype, as_array([1, 2], np.int32).dtype
    (dtype('float32'), dtype('float32'), dtype('int32'))
    """
    if dtype is not None:
        wanted = allowed_dtype(dtype)
        array = read(data)
        return convert(array if array.dtype.kind in "fiub" else as_operand(data), wanted)
    array = as_operand(data)
    return array.astype(FLOAT32) if array.dtype.kind in "iu" else array


def convert(array: Array, dtype: np.dtype[Any]) -> Array:
    """The same numbers in an aligned array of `dtype`, without a copy where none is needed."""
    if array.dtype == dtype:
        return array if array.flags.aligned else array.copy()
    try:
        # what is too large for float32 is infinite in float32: IEEE arithmetic, as in every kernel
        with np.errstate(over="ignore", under="ignore", invalid="raise"):
            return array.astype(dtype)
    except FloatingPointError:
        raise DtypeError(f"NaN, infinity or a number out of range does not become {dtype}") from None


def number(value: float, dtype: np.dtype[Any]) -> Array:
    """A Python number in a float dtype; what is too large is infinite."""
    try:
        value = float(value)
    except OverflowError:
        value = float("inf") if value > 0 else float("-inf")
    if dtype == FLOAT32 and abs(value) >= FLOAT32_OVERFLOW:
        value *= float("inf")
    return np.array(value, dtype)


def as_floating(array: Array) -> Array:
    """A Tensor's array as float32 or float64: the others are promoted as NumPy promotes them with float32.

    >>> as_floating(np.array([True])).dtype, as_floating(np.array([1])).dtype
    (dtype('float32'), dtype('float64'))
    """
    return array if array.dtype in FLOATS else array.astype(np.result_type(array.dtype, FLOAT32))


def broadcast_shape(who: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all shapes broadcast to.

    Raises:
        ShapeError: they do not; names the shapes and a likely fix.

    >>> broadcast_shape("add", (3, 1), (4,))
    (3, 4)
    """
    shape = joint_shape(*shapes)
    if shape is None:
        listed = " and ".join(str(each) for each in shapes)
        raise ShapeError(
            f"{who}: the shapes {listed} do not broadcast: counted from the right, lengths must be "
            f"equal or 1{broadcast_hint(*shapes[-2:])}"
        )
    return shape


def joint_shape(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """As np.broadcast_shapes, which stops at 32 axes; None if they do not broadcast."""
    ndim = max(len(shape) for shape in shapes)
    joint = []
    for lengths in zip(*((1,) * (ndim - len(shape)) + shape for shape in shapes), strict=True):
        others = {length for length in lengths if length != 1} or {1}
        if len(others) > 1:
            return None
        joint.append(others.pop())
    return tuple(joint)


def broadcast_hint(left: tuple[int, ...], right: tuple[int, ...]) -> str:
    """What would have made two shapes broadcast, if there is something simple."""
    for name, changed, other in (("right", right, left), ("left", left, right)):
        for fix, shape in ((".T", changed[::-1]), ("[:, None]", (*changed, 1))):
            if len(shape) == 2 and joint_shape(shape, other):
                return f"; did you mean {name}{fix}?"
    return ""


def index(value: Any) -> int:
    """An integer of Python's, NumPy's or ours; True and False are none.

    Raises:
        TypeError: anything else.
    """
    if isinstance(value, bool | np.bool):
        raise TypeError(f"expected an integer, got {value!r}")
    return operator.index(value)


def length(who: str, value: Any) -> int:
    """A number of things, at least 1.

    Raises:
        ArgumentError: anything else.

    >>> length("batch_size", 100)
    100
    """
    try:
        number = index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ArgumentError(f"{who}: expected a positive integer, got {value!r}")
    return number


def normalize_axis(who: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """`axis` as a sorted tuple of axes from 0 on; None means all of them.

    Raises:
        ShapeError: there is no such axis, or one is named twice.
        DtypeError: not an integer, a tuple of integers or None.

    >>> normalize_axis("sum", -1, 2), normalize_axis("sum", None, 2)
    ((1,), (0, 1))
    """
    if axis is None:
        return tuple(range(ndim))
    try:
        named = [index(a) for a in (axis if isinstance(axis, list | tuple) else (axis,))]
    except TypeError:
        raise DtypeError(f"{who}: axis: expected an integer, a tuple of them or None, got {axis!r}") from None
    if any(not -ndim <= a < ndim for a in named):
        raise ShapeError(f"{who}: axis {axis} is out of range for an array with {ndim} axes")
    axes = sorted({a % ndim for a in named})
    if len(axes) != len(named):
        raise ShapeError(f"{who}: axis {axis} names an axis twice")
    return tuple(axes)


def single_axis(who: str, axis: Any, ndim: int) -> int:
    """One axis, counted from 0 on.

    Raises:
        ShapeError: there is no such axis.
        DtypeError: not an integer.

    >>> single_axis("stack", -1, 2)
    1
    """
    try:
        return normalize_axis(who, index(axis), ndim)[0]
    except TypeError:
        raise DtypeError(f"{who}: axis: expected an integer, got {axis!r}") from None


def real_number(who: str, value: Any) -> float:
    """A Python or NumPy number as a float.

    Raises:
        DtypeError: anything else, a bool included.

    >>> real_number("uniform: low", 2)
    2.0
    """
    if isinstance(value, bool | np.bool) or not isinstance(value, numbers.Real):
        raise DtypeError(f"{who}: expected a real number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise DtypeError(f"{who}: expected a number that fits a float, got {value!r}") from None
