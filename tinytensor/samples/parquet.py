"""Parquet: a row a sample, numbers in columns (extra `parquet`)."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, require
from tinytensor.samples.arrays import numbered
from tinytensor.samples.csv import chosen
from tinytensor.samples.options import Batch, Options

__all__ = ["arrays", "opened", "rows"]


def rows(path: str, options: Options, size: int) -> Iterator[Batch]:
    """Batches of float32."""
    with opened(path, options) as (file, names):
        start = 0
        for array in arrays(path, file, names, size):
            yield numbered(start, len(array)), array
            start += len(array)


@contextlib.contextmanager
def opened(path: str, options: Options) -> Iterator[tuple[Any, list[str]]]:
    """The file and the names of the columns that are asked for, which hold numbers."""
    arrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    try:
        file = parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        raise ArgumentError(f"{path}: not a Parquet file: {str(error)[:200]}") from error
    with file:
        schema = file.schema_arrow
        names = [schema.names[place] for place in chosen(path, schema.names, options)]
        for name in names:
            kind = schema.field(name).type
            if not (arrow.types.is_integer(kind) or arrow.types.is_floating(kind)):
                raise ArgumentError(
                    f"{path}: column {name!r}: expected numbers, got {kind}; try --drop {name}"
                )
        yield file, names


def arrays(
    path: str, file: Any, names: list[str], size: int, row_groups: Sequence[int] | None = None
) -> Iterator[Any]:
    """Arrays of float32 of so many rows at most, of all row groups or of some."""
    for batch in file.iter_batches(batch_size=size, columns=names, row_groups=row_groups):
        array = np.empty((batch.num_rows, len(names)), np.float32)
        for place, name in enumerate(names):
            column = batch.column(batch.schema.names.index(name))
            if column.null_count:
                raise ArgumentError(f"{path}: column {name!r}: expected a number in every row, got none")
            array[:, place] = column.to_numpy(zero_copy_only=False)
        yield array
