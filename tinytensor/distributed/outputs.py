"""Where workers write what they have computed, each its own rows: npy, npy stacks, Zarr, Parquet.

An output is made in a folder of its own and is moved to its place when it is whole. A partition may be
written twice, after a worker was lost: both writes give the same bytes in the same place.
"""

import math
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinytensor.distributed.inputs import Partition
from tinytensor.errors import ArgumentError, require
from tinytensor.io.atomic import replacing, synchronize
from tinytensor.primitives.definition import Result

__all__ = ["Output", "opened_output"]

MOST_CHUNKS = 10  # of a Zarr array for each partition, where these differ in length


class Output(NamedTuple):
    """The rows of one output of a model, at a path."""

    path: str
    result: Result

    def create(self, partitions: Sequence[Partition]) -> None:
        """Make room for so many partitions."""
        os.mkdir(self.path)

    def write(self, partition: Partition, y: Any) -> None:
        """Write a partition; it is on the disk afterwards."""
        raise NotImplementedError

    def finish(self, partitions: Sequence[Partition]) -> None:
        """Write what can be known at the end only."""


class Npy(Output):
    """One npy file."""

    def create(self, partitions: Sequence[Partition]) -> None:
        """The header, and a file as long as it will be."""
        rows = partitions[-1].stop if partitions else 0
        np.lib.format.open_memmap(self.path, "w+", self.result.dtype, (rows, *self.result.sample))

    def write(self, partition: Partition, y: Any) -> None:
        """Written, not mapped: a page that two machines map would be written back by both."""
        with open(self.path, "r+b") as file:
            header = np.lib.format.open_memmap(self.path, "r").offset
            file.seek(header + partition.start * math.prod(self.result.sample) * y.itemsize)
            file.write(np.ascontiguousarray(y).data)
            file.flush()
            os.fsync(file.fileno())


class Stack(Output):
    """A folder of npy files, as Dask's `from_npy_stack` reads it."""

    def write(self, partition: Partition, y: Any) -> None:
        """One file each."""
        with (
            replacing(Path(self.path) / f"{partition.number}.npy") as temporary,
            open(temporary, "wb") as file,
        ):
            np.lib.format.write_array(file, np.ascontiguousarray(y), allow_pickle=False)

    def finish(self, partitions: Sequence[Partition]) -> None:
        """The file that Dask reads first."""
        rows = tuple(each.stop - each.start for each in partitions)
        chunks = (rows, *((length,) for length in self.result.sample))
        with replacing(Path(self.path) / "info") as temporary:
            temporary.write_bytes(pickle.dumps({"chunks": chunks, "dtype": self.result.dtype, "axis": 0}))


class Zarr(Output):
    """A Zarr array, whose chunks are the partitions, or parts of them if these differ in length."""

    def create(self, partitions: Sequence[Partition]) -> None:
        """Its metadata."""
        chunk = math.gcd(*(each.stop - each.start for each in partitions[:-1])) or partitions[-1].stop
        rows = partitions[-1].stop
        if rows > MOST_CHUNKS * chunk * len(partitions):
            raise ArgumentError(
                f"{self.path}: the partitions of the input differ in length, and two would share a chunk; "
                "write .npy, .parquet or a stack, for which that is no matter"
            )
        shape = (rows, *self.result.sample)
        require("zarr", "dask").create_array(
            self.path, shape=shape, dtype=self.result.dtype, chunks=(chunk, *shape[1:])
        )

    def write(self, partition: Partition, y: Any) -> None:
        """Whole chunks."""
        array = require("zarr", "dask").open_array(self.path, mode="r+")
        array[partition.start : partition.stop] = y
        for row in range(partition.start, partition.stop, array.chunks[0]):
            place = (row // array.chunks[0], *(0 for _ in self.result.sample))
            chunk = Path(self.path) / array.metadata.encode_chunk_key(place)
            if chunk.exists():  # one of zeros alone is none
                synchronize(chunk)


class Parquet(Output):
    """A folder of Parquet files: the row, its class, and the score or probability of that class."""

    def write(self, partition: Partition, y: Any) -> None:
        """One file each."""
        arrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
        columns: dict[str, Any] = {"row": np.arange(partition.start, partition.stop)}
        if y.shape[1] == 1:
            columns["output"] = y[:, 0]
        else:
            columns["class"] = y.argmax(axis=1).astype(np.int32)
            columns["score"] = np.take_along_axis(y, columns["class"][:, None], axis=1)[:, 0]
        with replacing(Path(self.path) / f"part.{partition.number}.parquet") as temporary:
            parquet.write_table(arrow.table(columns), temporary)


BY_SUFFIX: dict[str, type[Output]] = {".npy": Npy, ".zarr": Zarr, ".parquet": Parquet, "": Stack}


def opened_output(path: str, name: str, result: Result) -> Output:
    """What is written at `path`, of the kind that `name` asks for.

    Raises:
        ArgumentError: the name ends in none of the known endings, or the outputs do not fit into a table.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in BY_SUFFIX:
        raise ArgumentError(
            f"{name}: expected a name that ends in .npy, .zarr or .parquet, or that has no ending, for a "
            "folder of npy files"
        )
    if suffix == ".parquet" and (len(result.sample) != 1 or result.sample[0] == 0):
        raise ArgumentError(f"{name}: expected outputs (n, classes), got {result.sample}; write them as .npy")
    return BY_SUFFIX[suffix](path, result)
