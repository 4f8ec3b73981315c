"""Elementwise binary operations with broadcasting, and `where`.

Neighbouring axes along which an operand is repeated, or is not, are merged, so nearly every pair of shapes
becomes three axes. One kernel per operation runs over those; its inner loops are vector with vector, vector
with scalar and scalar with vector. Integers and bools go through NumPy.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numba import float32, float64, types, uint8
from numba.core.types import void

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.kernels._jit import array, inline, kernel, out
from tinytensor.kernels.boundary import FLOAT32, FLOAT64, FLOATS, Array, broadcast_shape, number
from tinytensor.kernels.matmul import matmul
from tinytensor.kernels.pointers import pointer_to
from tinytensor.kernels.power import power as scalar_power

__all__ = [
    "BY_UFUNC",
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

Kernel = Callable[[Array, Array, Array], None]
Binary = Callable[[Any, Any], Array]
Shape = tuple[int, ...]
BYTE = np.dtype(np.uint8)

# A row of 50 floats is mostly remainder of a vector loop (36 ns instead of 10): rows shorter than this are
# repeated into a buffer and taken several at once.
SHORT_ROW = 1024


def make_kernel(name: str, scalar: Callable[[Any, Any], Any], result: types.Type | None) -> Kernel:
    """Y = scalar(a, b) over three axes; a and b have the length of y along an axis, or 1."""
    compiled = inline(scalar)

    @inline
    def line(a: Any, a_repeated: bool, b: Any, b_repeated: bool, y: Any, count: int) -> None:
        if b_repeated:
            right = b[0]
            for k in range(count):
                y[k] = compiled(a[k], right)
        elif a_repeated:
            left = a[0]
            for k in range(count):
                y[k] = compiled(left, b[k])
        else:
            for k in range(count):
                y[k] = compiled(a[k], b[k])

    @inline
    def rows_of(x: Any, i: int, rows: int) -> Any:
        """Block i of x; a single row is repeated `rows` times."""
        block = x[i if x.shape[0] > 1 else 0]
        if block.shape[0] > 1 or rows == 1:
            return block
        repeated = np.empty((rows, block.shape[1]), block.dtype)
        for j in range(rows):
            for k in range(block.shape[1]):
                repeated[j, k] = block[0, k]
        return repeated

    def loops(a: Any, b: Any, y: Any) -> None:
        blocks, middle, inner = y.shape
        a_repeated, b_repeated = a.shape[2] < inner, b.shape[2] < inner
        short = inner < SHORT_ROW and not a_repeated and not b_repeated
        rows = min(middle, -(-SHORT_ROW // inner)) if short else 1
        a_step = a.shape[2] if a.shape[1] > 1 else 0
        b_step = b.shape[2] if b.shape[1] > 1 else 0
        for i in range(blocks):
            left, right, target = rows_of(a, i, rows), rows_of(b, i, rows), y[i]
            for j in range(0, middle, rows):
                count = min(rows, middle - j) * inner
                line(pointer_to(left, j * a_step), a_repeated, pointer_to(right, j * b_step), b_repeated,
                     pointer_to(target, j * inner), count)  # fmt: skip

    signatures = [void(array(t, 3), array(t, 3), out(result or t, 3)) for t in (float32, float64)]
    return kernel(f"binary_{name}", *signatures)(loops)


def contiguous(x: Array) -> Array:
    """The array itself if it is in C order, else a copy that is."""
    return x if x.flags.c_contiguous else x.copy("C")


class Layout(NamedTuple):
    """The shape of a result, and the three axes that its and its operands' axes are merged to."""

    shape: Shape
    merged: tuple[Shape, Shape, Shape] | None  # of a, b and the result; None if three do not suffice


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
        return Layout(shape, None)
    merged = [(1, 1)] * (3 - len(merged)) + merged
    merged_a, merged_b = zip(*merged, strict=True)
    return Layout(shape, (merged_a, merged_b, broadcast_shape(name, merged_a, merged_b)))


def run(name: str, compiled: Kernel, a: Array, b: Array, result: np.dtype[Any]) -> Array:
    """The kernel over two float arrays of one dtype."""
    if not (a.flags.c_contiguous and b.flags.c_contiguous):
        if a.flags.f_contiguous and b.flags.f_contiguous and (a.shape == b.shape or not (a.ndim and b.ndim)):
            return run(name, compiled, a.T, b.T, result).T
        a, b = contiguous(a), contiguous(b)
    if a.shape == b.shape:
        y = np.empty(a.shape, result)
        if y.size:
            compiled(a.reshape(1, 1, -1), b.reshape(1, 1, -1), y.reshape(1, 1, -1))
        return y
    shape, merged = layout(name, a.shape, b.shape)
    if merged is None:
        return run(name, compiled, np.broadcast_to(a, shape), np.broadcast_to(b, shape), result)
    y = np.empty(shape, result)
    if y.size:
        compiled(a.reshape(merged[0]), b.reshape(merged[1]), y.reshape(merged[2]))
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


def binary(ufunc: np.ufunc, scalar: Callable[[Any, Any], Any], comparison: bool = False) -> Binary:
    """An operation on arrays and Python numbers: `scalar` compiled for floats, `ufunc` for the rest."""
    name = ufunc.__name__
    compiled = make_kernel(name, scalar, uint8 if comparison else None)

    def operation(a: Any, b: Any) -> Array:
        floats = same_float(a, b)
        if floats is None:
            return by_numpy(ufunc, a, b)
        if comparison:
            return run(name, compiled, *floats, BYTE).view(bool)
        return run(name, compiled, *floats, floats[0].dtype)

    return operation


add = binary(np.add, lambda x, y: x + y)
subtract = binary(np.subtract, lambda x, y: x - y)
multiply = binary(np.multiply, lambda x, y: x * y)
divide_floats = binary(np.divide, lambda x, y: x / y)
power_general = binary(np.power, lambda x, y: scalar_power(x, y))
# NaN is returned by the second test if it is x, and by the failed first one if it is y.
maximum = binary(np.maximum, lambda x, y: x if x >= y or x != x else y)
minimum = binary(np.minimum, lambda x, y: x if x <= y or x != x else y)
less = binary(np.less, lambda x, y: np.uint8(x < y), comparison=True)
less_equal = binary(np.less_equal, lambda x, y: np.uint8(x <= y), comparison=True)
greater = binary(np.greater, lambda x, y: np.uint8(x > y), comparison=True)
greater_equal = binary(np.greater_equal, lambda x, y: np.uint8(x >= y), comparison=True)
equal = binary(np.equal, lambda x, y: np.uint8(x == y), comparison=True)
not_equal = binary(np.not_equal, lambda x, y: np.uint8(x != y), comparison=True)
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


# What NumPy calls these operations: `np.add(array, tensor)` gives the bits that `tensor + array` gives.
BY_UFUNC: dict[np.ufunc, Binary] = {
    np.add: add, np.subtract: subtract, np.multiply: multiply, np.divide: divide, np.power: power,
    np.maximum: maximum, np.minimum: minimum, np.less: less, np.less_equal: less_equal,
    np.greater: greater, np.greater_equal: greater_equal, np.equal: equal, np.not_equal: not_equal,
    np.matmul: matmul, np.bitwise_and: bitwise_and, np.bitwise_or: bitwise_or, np.bitwise_xor: bitwise_xor,
}  # fmt: skip
