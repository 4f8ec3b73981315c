"""Parquet: a row a sample, numbers in columns (extra `parquet`)."""

from collections.abc import Iterator

import numpy as np

from tinytensor.errors import ArgumentError, require
from tinytensor.samples.arrays import numbered
from tinytensor.samples.csv import chosen
from tinytensor.samples.options import Batch, Options

__all__ = ["rows"]


def rows(path: str, options: Options, size: int) -> Iterator[Batch]:
    """Batches of float32."""
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
        start = 0
        for batch in file.iter_batches(batch_size=size, columns=names):
            array = np.empty((batch.num_rows, len(names)), np.float32)
            for place, name in enumerate(names):
                column = batch.column(batch.schema.names.index(name))
                if column.null_count:
                    raise ArgumentError(f"{path}: column {name!r}: expected a number in every row, got none")
                array[:, place] = column.to_numpy(zero_copy_only=False)
            yield numbered(start, len(array)), array
            start += len(array)
