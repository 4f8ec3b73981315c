"""Inputs of any size, cut into partitions that workers read on their own: npy, npy stacks, Zarr, Parquet.

An input is a small value that travels with each task: it names the files and holds no numbers.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ArgumentError, require
from tinytensor.samples import parquet
from tinytensor.samples.arrays import HEADER_LIMIT
from tinytensor.samples.options import Options

__all__ = ["Input", "Partition", "opened_input"]

PARTITION_BYTES = 1 << 26  # 64 MiB of input: some 10 ms of a small network, and little of a worker's memory


class Partition(NamedTuple):
    """Rows `start` to `stop` of an input, which are `first` to `last` of a file: its rows, or row groups."""

    number: int
    start: int
    stop: int
    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"partition {self.number}, rows {self.start:,} to {self.stop - 1:,}"


@dataclass(frozen=True)
class Input:
    """Samples in files; `files` are (path, rows, size in bytes, time of the last change in ns)."""

    files: tuple[tuple[str, int, int, int], ...]
    sample: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return sum(rows for _, rows, _, _ in self.files)

    def partitions(self, rows: int | None) -> list[Partition]:
        """All of it, in partitions of so many rows at most, or of 64 MiB; none lies in two files."""
        step = rows or max(1, PARTITION_BYTES // max(1, math.prod(self.sample) * self.dtype.itemsize))
        found: list[Partition] = []
        start = 0
        for file, count, _, _ in self.files:
            for first, last, number in self.pieces(file, count, step):
                found.append(Partition(len(found), start, start + number, file, first, last))
                start += number
        return found

    def pieces(self, file: str, count: int, step: int) -> Iterator[tuple[int, int, int]]:
        """The pieces of a file: where each begins and ends, and its number of rows."""
        for first in range(0, count, step):
            last = min(first + step, count)
            yield first, last, last - first

    def batches(self, partition: Partition, size: int) -> Iterator[Any]:
        """The samples of a partition, in arrays of so many at most."""
        raise NotImplementedError


class Npy(Input):
    """An npy file, or a folder of them as Dask's `to_npy_stack` writes; read where they lie."""

    def batches(self, partition: Partition, size: int) -> Iterator[Any]:
        """Slices of a memory map."""
        array = mapped(partition.file)
        for start in range(partition.first, partition.last, size):
            yield np.asarray(array[start : min(start + size, partition.last)])


@dataclass(frozen=True)
class Zarr(Input):
    """A Zarr array; partitions are made of whole chunks, so that none is read twice."""

    chunk: int = 1  # rows

    def pieces(self, file: str, count: int, step: int) -> Iterator[tuple[int, int, int]]:
        """Some chunks each."""
        return super().pieces(file, count, max(1, step // self.chunk) * self.chunk)

    def batches(self, partition: Partition, size: int) -> Iterator[Any]:
        """Parts of a chunk after the other."""
        array = require("zarr", "dask").open_array(partition.file, mode="r")
        for first in range(partition.first, partition.last, self.chunk):
            chunk = array[first : min(first + self.chunk, partition.last)]
            for start in range(0, len(chunk), size):
                yield chunk[start : start + size]


@dataclass(frozen=True)
class Parquet(Input):
    """A Parquet file or a folder of them; partitions are made of whole row groups."""

    columns: tuple[str, ...] = ()

    def pieces(self, file: str, count: int, step: int) -> Iterator[tuple[int, int, int]]:
        """Some row groups each."""
        with parquet.opened(file, Options(columns=self.columns)) as (opened, _):
            groups = [opened.metadata.row_group(i).num_rows for i in range(opened.metadata.num_row_groups)]
        first = 0
        while first < len(groups):
            last, rows = first + 1, groups[first]
            while last < len(groups) and rows + groups[last] <= step:
                rows += groups[last]
                last += 1
            yield first, last, rows
            first = last

    def batches(self, partition: Partition, size: int) -> Iterator[Any]:
        """Arrays of float32."""
        groups = range(partition.first, partition.last)
        with parquet.opened(partition.file, Options(columns=self.columns)) as (file, names):
            yield from parquet.arrays(partition.file, file, names, size, groups)


def opened_input(path: str, options: Options) -> Input:
    """The input at a path; its kind is told by the name or, of a folder, by what lies in it.

    Raises:
        ArgumentError: it is of none of these kinds, or damaged.
        OSError: it cannot be opened.
    """
    folder = Path(path)
    if not folder.exists():
        raise ArgumentError(f"{path}: there is no such file or folder")
    if not folder.is_dir():
        if folder.suffix.lower() == ".npy":
            return npy([path])
        if folder.suffix.lower() == ".parquet":
            return tables([path], options)
    elif any((folder / name).exists() for name in ("zarr.json", ".zarray")):
        return chunked(path)
    elif stack := by_number(folder, ".npy"):
        return npy(stack)
    elif files := by_number(folder, ".parquet"):
        return tables(files, options)
    raise ArgumentError(
        f"{path}: expected .npy, .parquet, a Zarr array, or a folder of .npy or .parquet files; "
        "without --dask, other files are read, too"
    )


def by_number(folder: Path, suffix: str) -> list[str]:
    """The files of that kind in a folder; 10.npy comes after 9.npy."""

    def key(name: str) -> list[Any]:
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)]

    names = sorted((each.name for each in folder.iterdir() if each.suffix.lower() == suffix), key=key)
    return [str(folder / name) for name in names]


def stamped(path: str, rows: int) -> tuple[str, int, int, int]:
    """A file as an input lists it; workers may have another working directory."""
    status = os.stat(path)
    return os.path.abspath(path), rows, status.st_size, status.st_mtime_ns


def mapped(path: str) -> Any:
    """The array of an npy file, which is not read yet."""
    try:
        return np.lib.format.open_memmap(path, mode="r", max_header_size=HEADER_LIMIT)
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python, and that fails in many ways
        raise ArgumentError(f"{path}: no npy file of numbers: {str(error)[:200]}") from error


def npy(files: list[str]) -> Npy:
    """npy files, one after the other."""
    arrays = [mapped(file) for file in files]
    for file, array in zip(files, arrays, strict=True):
        if array.ndim == 0 or (array.shape[1:], array.dtype) != (arrays[0].shape[1:], arrays[0].dtype):
            raise ArgumentError(
                f"{file}: expected samples of shape {arrays[0].shape[1:]} and {arrays[0].dtype}, as in "
                f"{files[0]}, got {array.dtype} of shape {array.shape}"
            )
    stamps = tuple(stamped(file, len(array)) for file, array in zip(files, arrays, strict=True))
    return Npy(stamps, arrays[0].shape[1:], arrays[0].dtype)


def chunked(path: str) -> Zarr:
    """A Zarr array."""
    zarr = require("zarr", "dask")
    try:
        array = zarr.open_array(path, mode="r")
    except Exception as error:  # Zarr reads JSON of anyone's, and that fails in many ways
        raise ArgumentError(f"{path}: no Zarr array: {str(error)[:200]}") from error
    if array.ndim == 0:
        raise ArgumentError(f"{path}: expected an array of samples, got shape ()")
    rows = (array.shards or array.chunks)[0]
    return Zarr((stamped(path, array.shape[0]),), tuple(array.shape[1:]), np.dtype(array.dtype), rows)


def tables(files: list[str], options: Options) -> Parquet:
    """Parquet files, one after the other, with the columns of the first."""
    with parquet.opened(files[0], options) as (_, names):
        columns = tuple(names)
    stamps = []
    for path in files:
        with parquet.opened(path, Options(columns=columns)) as (file, _):
            stamps.append(stamped(path, file.metadata.num_rows))
    return Parquet(tuple(stamps), (len(columns),), np.dtype(np.float32), columns)
