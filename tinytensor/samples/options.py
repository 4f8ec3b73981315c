"""What a reader of samples is told."""

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Batch", "Options"]

Batch = tuple[Sequence[str], Any]  # the names of the samples, and their array


class Options(NamedTuple):
    """Which part of a file is read, and how; what does not concern a format is ignored by it."""

    key: str | None = None  # the array of an npz file
    columns: tuple[str, ...] = ()  # of CSV and Parquet, in this order
    drop: tuple[str, ...] = ()
    delimiter: str | None = None
    shape: tuple[int, int] | None = None  # of images
    centre: bool = False
    invert: bool = False
