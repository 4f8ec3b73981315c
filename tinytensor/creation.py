"""Tensors from a shape, a range or a seed."""

import math
from collections.abc import Iterable
from operator import index
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.kernels.boundary import FLOATS, Array, allowed_dtype, as_array, convert, real_number
from tinytensor.tensors import Tensor

__all__ = ["arange", "eye", "full", "linspace", "normal", "ones", "uniform", "zeros"]

Shape = int | tuple[int, ...] | list[int]
Seed: TypeAlias = "int | np.random.Generator | None"  # a text: numpy.random takes 5 ms to import


def lengths(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of integers.

    Raises:
        ShapeError: no shape, or a negative one.
    """
    try:
        found = tuple(map(index, shape)) if isinstance(shape, Iterable) else (index(shape),)
    except TypeError as error:
        raise ShapeError(f"shape: expected non-negative integers, got {shape!r}: {error}") from error
    if any(length < 0 for length in found):
        raise ShapeError(f"shape: expected non-negative integers, got {shape!r}")
    return found


def empty(shape: Any, dtype: np.dtype[Any]) -> Array:
    """Room for an array of that shape.

    Raises:
        ShapeError: no shape, or one that NumPy cannot have.
    """
    wanted = lengths(shape)
    try:
        return np.empty(wanted, dtype)
    except (ValueError, OverflowError) as error:
        raise ShapeError(f"shape: {wanted}: {error}") from error


def full(shape: Shape, value: float, dtype: DTypeLike = np.float32) -> Tensor:
    """A Tensor filled with `value`.

    >>> import tinytensor as tt
    >>> tt.full((2, 2), 7.0).tolist()
    [[7.0, 7.0], [7.0, 7.0]]
    """
    array = empty(shape, allowed_dtype(dtype))
    number = as_array(value, array.dtype)
    if number.ndim:
        raise ShapeError(f"full: expected one number, got shape {number.shape}")
    array.fill(number)
    return Tensor._wrap(array)


def zeros(shape: Shape, dtype: DTypeLike = np.float32) -> Tensor:
    """A Tensor of zeros.

    >>> import tinytensor as tt
    >>> tt.zeros((2, 3)).shape
    (2, 3)
    """
    return full(shape, 0, dtype)


def ones(shape: Shape, dtype: DTypeLike = np.float32) -> Tensor:
    """A Tensor of ones.

    >>> import tinytensor as tt
    >>> tt.ones(2).tolist()
    [1.0, 1.0]
    """
    return full(shape, 1, dtype)


def eye(rows: int, columns: int | None = None, dtype: DTypeLike = np.float32) -> Tensor:
    """I: ones on the diagonal, zeros elsewhere.

    >>> import tinytensor as tt
    >>> tt.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    array = zeros((rows, rows if columns is None else columns), dtype)._array
    np.fill_diagonal(array, 1)
    return Tensor._wrap(array)


def arange(start: float, stop: float | None = None, step: float = 1, dtype: DTypeLike = np.float32) -> Tensor:
    """start, start + step, … below stop; with one argument 0, 1, … below it.

    Raises:
        ArgumentError: step is 0, or the range is not finite.
        DtypeError: start, stop or step is no number.

    >>> import tinytensor as tt
    >>> tt.arange(3).tolist()
    [0.0, 1.0, 2.0]
    """
    wanted = allowed_dtype(dtype)
    first, last = (0, start) if stop is None else (start, stop)
    numbers = [real_number(f"arange({first!r}, {last!r}, {step!r})", each) for each in (first, last, step)]
    if not all(map(math.isfinite, numbers)) or not step:
        raise ArgumentError(
            f"arange({first!r}, {last!r}, {step!r}): expected finite numbers and a step that is not 0"
        )
    try:
        return Tensor._wrap(convert(np.arange(first, last, step), wanted))
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"arange({first!r}, {last!r}, {step!r}): {error}") from error


def linspace(start: float, stop: float, num: int = 50, dtype: DTypeLike = np.float32) -> Tensor:
    """`num` numbers at equal distances, from start to stop inclusive.

    Raises:
        ArgumentError: num is no integer or negative, or the numbers are not finite.
        DtypeError: start or stop is no number.

    >>> import tinytensor as tt
    >>> tt.linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    wanted = allowed_dtype(dtype)
    first, last = real_number("linspace: start", start), real_number("linspace: stop", stop)
    if not math.isfinite(last - first):
        raise ArgumentError(
            f"linspace: expected finite start, stop and stop - start, got {start!r}, {stop!r}"
        )
    try:
        return Tensor._wrap(convert(np.linspace(first, last, num), wanted))
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(f"linspace({start!r}, {stop!r}, {num!r}): {error}") from error


def generator(seed: Seed) -> "np.random.Generator":
    """NumPy's generator for a seed; None means a new sequence every time.

    Raises:
        ArgumentError: neither a non-negative integer, None nor a Generator.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"seed: expected a non-negative integer or None, got {seed!r}") from error


def finite(dtype: DTypeLike, *numbers: float) -> bool:
    """Whether numbers are finite in a float dtype."""
    largest = float(np.finfo(allowed_float(dtype)).max)
    return all(abs(number) <= largest for number in numbers)


def allowed_float(dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64, checked."""
    wanted = allowed_dtype(dtype)
    if wanted not in FLOATS:
        raise DtypeError(f"random numbers: expected dtype float32 or float64, got {wanted}")
    return wanted


def random_floats(draw: Any, shape: Shape, dtype: DTypeLike) -> Array:
    """What draw(out=…, dtype=…) of a generator fills an array with."""
    room = empty(shape, allowed_float(dtype))
    draw(out=room, dtype=room.dtype.type)
    return room


def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, dtype: DTypeLike = np.float32
) -> Tensor:
    """Independent numbers from [low, high): low + (high - low) · u. The same seed gives the same numbers.

    Raises:
        ArgumentError: not low < high, both finite.

    >>> import tinytensor as tt
    >>> t = tt.uniform((2, 3), -1, 1, seed=0)
    >>> bool((t >= -1).all() and (t < 1).all())
    True
    """
    low, high = real_number("uniform: low", low), real_number("uniform: high", high)
    if not finite(dtype, low, high, high - low) or not low < high:
        raise ArgumentError(
            f"uniform: expected finite low < high, got {low!r} and {high!r}; the shape is the first argument"
        )
    u = random_floats(generator(seed).random, shape, dtype)
    below_high = np.nextafter(u.dtype.type(high), u.dtype.type(low))  # low + (high - low)·u may round to high
    return Tensor._wrap(np.asarray(np.minimum(low + (high - low) * u, below_high)))


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, dtype: DTypeLike = np.float32
) -> Tensor:
    """Independent numbers from N(mean, std²). The same seed gives the same numbers.

    Raises:
        ArgumentError: mean is not finite, or std negative or not finite.

    >>> import tinytensor as tt
    >>> tt.normal(3, seed=0).shape
    (3,)
    """
    mean, std = real_number("normal: mean", mean), real_number("normal: std", std)
    if not finite(dtype, mean, std) or std < 0:
        raise ArgumentError(f"normal: expected a finite mean and std ≥ 0, got {mean!r} and {std!r}")
    z = random_floats(generator(seed).standard_normal, shape, dtype)
    with np.errstate(over="ignore"):
        return Tensor._wrap(np.asarray(mean + std * z))
