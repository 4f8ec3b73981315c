"""Elementwise binary operations with broadcasting, and `where`.

Neighbouring axes along which an operand is repeated, or is not, are merged, so nearly every pair of shapes
becomes three axes. One kernel per operation runs over those, see `binary_loops`. Integers and bools go
through NumPy.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.kernels.boundary import FLOAT32, FLOAT64, FLOATS, Array, broadcast_shape, number
from tinytensor.kernels.declare import Kernel, by_dtype

__all__ = [
    "add",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "divide",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "multiply",
    "not_equal",
    "power",
    "subtract",
    "where",
]

Kernels = dict[np.dtype[Any], Kernel]
Binary = Callable[[Any, Any], Array]
Shape = tuple[int, ...]
BYTE = np.dtype(np.uint8)

# A row of 50 floats is mostly remainder of a vector loop (36 ns instead of 10): rows shorter than this are
# repeated into a buffer and taken several at once.
SHORT_ROW = 1024


def contiguous(x: Array) -> Array:
    """The array itself if it is in C order, else a copy that is."""
    return x if x.flags.c_contiguous else x.copy("C")


class Layout(NamedTuple):
    """The shape of a result, and the three axes that its and its operands' axes are merged to."""

    shape: Shape
    lengths: tuple[int, ...] | None  # of the result, of a and of b; None if three axes do not suffice
    scratch: int  # elements of memory for rows that are repeated


@lru_cache(4096)
def layout(name: str, a: Shape, b: Shape) -> Layout:
    """How to run a kernel over operands of these shapes.

    Raises:
        ShapeError: they do not broadcast.
    """
    shape = broadcast_shape(name, a, b)
    merged: list[tuple[int, int]] = []
    repeated = None
    for length_a, length_b in zip(
        (1,) * (len(shape) - len(a)) + a, (1,) * (len(shape) - len(b)) + b, strict=True
    ):
        if length_a == length_b == 1:
            continue
        if repeated == (length_a == 1, length_b == 1):
            merged[-1] = merged[-1][0] * length_a, merged[-1][1] * length_b
        else:
            repeated = length_a == 1, length_b == 1
            merged.append((length_a, length_b))
    if len(merged) > 3:
        return Layout(shape, None, 0)
    merged = [(1, 1)] * (3 - len(merged)) + merged
    merged_a, merged_b = zip(*merged, strict=True)
    result = broadcast_shape(name, merged_a, merged_b)
    repeats = result[1] > 1 and result[2] < SHORT_ROW and 1 in (merged_a[1], merged_b[1])
    return Layout(shape, (*result, *merged_a, *merged_b), 4 * SHORT_ROW if repeats else 0)


def run(name: str, kernels: Kernels, a: Array, b: Array, result: np.dtype[Any]) -> Array:
    """The kernel over two float arrays of one dtype."""
    if not (a.flags.c_contiguous and b.flags.c_contiguous):
        if a.flags.f_contiguous and b.flags.f_contiguous and (a.shape == b.shape or not (a.ndim and b.ndim)):
            return run(name, kernels, a.T, b.T, result).T
        a, b = contiguous(a), contiguous(b)
    if a.shape == b.shape:
        y = np.empty(a.shape, result)
        if y.size:
            kernels[a.dtype].function(a, b, y, 0, 1, 1, y.size, 1, 1, y.size, 1, 1, y.size)
        return y
    shape, lengths, scratch = layout(name, a.shape, b.shape)
    if lengths is None:
        return run(name, kernels, np.broadcast_to(a, shape), np.broadcast_to(b, shape), result)
    y = np.empty(shape, result)
    if y.size:
        kernels[a.dtype].function(a, b, y, np.empty(scratch, a.dtype) if scratch else 0, *lengths)
    return y


def integral(x: Any) -> bool:
    """Whether an operand is of integers or bools."""
    return x.dtype.kind != "f" if type(x) is np.ndarray else type(x) is not float


def same_float(a: Any, b: Any) -> tuple[Array, Array] | None:
    """Both operands as arrays of one float dtype, by NumPy's promotion rules; None if both are integral."""
    if type(b) is not np.ndarray:
        if a.dtype in FLOATS:
            return a, number(b, a.dtype)
    elif type(a) is not np.ndarray:
        if b.dtype in FLOATS:
            return number(a, b.dtype), b
    elif a.dtype == b.dtype and a.dtype in FLOATS:
        return a, b
    if integral(a) and integral(b):
        return None
    dtype = np.result_type(a, b)
    return np.asarray(a, dtype), np.asarray(b, dtype)


def by_numpy(function: Callable[..., Any], *operands: Any) -> Array:
    """A function of NumPy's, with errors of ours."""
    broadcast_shape(function.__name__, *map(np.shape, operands))
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*operands))
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{function.__name__}: {error}") from error
    except TypeError as error:
        raise DtypeError(f"{function.__name__}: {error}") from error


def binary(ufunc: np.ufunc, comparison: bool = False) -> Binary:
    """An operation on arrays and Python numbers: a kernel for floats, `ufunc` for the rest."""
    name = ufunc.__name__
    kernels = by_dtype(f"binary_loops.{name}", SIGNATURE.format("u8" if comparison else "T"))

    def operation(a: Any, b: Any) -> Array:
        floats = same_float(a, b)
        if floats is None:
            return by_numpy(ufunc, a, b)
        if comparison:
            return run(name, kernels, *floats, BYTE).view(bool)
        return run(name, kernels, *floats, floats[0].dtype)

    return operation


# a, b, y, scratch memory, then the lengths of three axes of y, of a and of b
SIGNATURE = "void(T*, T*, {}*, T*, i64, i64, i64, i64, i64, i64, i64, i64, i64)"

add, subtract, multiply = map(binary, (np.add, np.subtract, np.multiply))
divide_floats, power_general = map(binary, (np.divide, np.power))
maximum, minimum = map(binary, (np.maximum, np.minimum))
less, less_equal, greater, greater_equal, equal, not_equal = (
    binary(each, comparison=True)
    for each in (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
)
bitwise_and, bitwise_or, bitwise_xor = (
    partial(by_numpy, each) for each in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)
)


def divide(a: Any, b: Any) -> Array:
    """A / b; of two integers float64."""
    if integral(a) and integral(b):
        a, b = (x.astype(float) if type(x) is np.ndarray else number(x, FLOAT64) for x in (a, b))
    return divide_floats(a, b)


def power(a: Any, b: Any) -> Array:
    """a^b; the square is a · a, correctly rounded."""
    square = type(b) in (int, float) and b == 2 and a.dtype in FLOATS
    return multiply(a, a) if square else power_general(a, b)


def where(condition: Any, x: Any, y: Any) -> Array:
    """X where `condition` is not 0, else y."""
    if type(x) is not np.ndarray and type(y) is not np.ndarray:
        x = number(x, FLOAT32)
    return by_numpy(np.where, condition, *(same_float(x, y) or (x, y)))
