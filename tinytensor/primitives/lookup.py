"""The primitive that takes rows of a table: `embed`."""

from typing import Any

import numpy as np

from tinytensor.errors import DtypeError, IndexingError
from tinytensor.kernels.boundary import FLOATS, Array
from tinytensor.primitives.definition import Primitive, Result, Symbol

__all__ = ["embed"]


def rows_of(indices: Array, table: Array) -> Array:
    """table[indices[…], :]."""
    return np.asarray(table[row_numbers(indices, len(table))])


def row_numbers(given: Array, count: int) -> Array:
    """Indices of rows as integers, checked."""
    if given.dtype == bool:
        raise DtypeError("embedding: expected indices, got bools; did you mean .astype(int)?")
    if given.dtype in FLOATS and not (np.floor(given) == given).all():
        wrong = given[~(np.floor(given) == given)].flat[0]
        raise DtypeError(f"embedding: expected whole numbers as indices, got {wrong}")
    if given.dtype == np.float32 and count > 2**24:
        raise DtypeError("embedding: float32 holds whole numbers to 16,777,216; pass a Tensor of integers")
    outside = given[(given < 0) | (given >= count)]
    if outside.size:
        raise IndexingError(
            f"embedding: expected indices from 0 to {count - 1}, got {outside.flat[0]}; "
            "negative ones do not count from the end"
        )
    return given.astype(np.int64)


def embedded(indices: Any, table: Any) -> Result:
    """A new last axis, of the features of a row."""
    if type(indices) is not Symbol or type(table) is Symbol:
        raise DtypeError("embedding: a weight that is computed from the samples")
    return Result((*indices.sample, table.shape[1]), table.dtype)


embed = Primitive("embed", rows_of, embedded)
