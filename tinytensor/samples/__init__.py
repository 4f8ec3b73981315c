"""Samples from files, batch by batch, for `tinytensor predict`; `read` chooses the reader by the name.

A reader is a function `(path, options, size)` that yields pairs: the names of the samples in a batch, and the
array of the batch. It holds one batch in memory.
"""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinytensor.errors import ArgumentError
from tinytensor.files import opened_file
from tinytensor.samples.options import Batch, Options

__all__ = ["Batch", "Options", "read"]

BY_SUFFIX = {
    ".npy": "arrays.npy", ".npz": "arrays.npz", ".csv": "csv.rows", ".tsv": "csv.rows",
    ".parquet": "parquet.rows", ".png": "pictures.one", ".jpg": "pictures.one", ".jpeg": "pictures.one",
}  # fmt: skip


def read(path: str, options: Options, size: int) -> Iterator[Batch]:
    """The samples of a file or of a folder of images, in batches of `size` at most.

    Raises:
        ArgumentError: the file is of no kind that is read, or is damaged.
        OSError: it cannot be opened.
    """
    suffix = Path(path).suffix.lower()
    if os.path.isdir(path):
        place = "pictures.folder"
    elif suffix in BY_SUFFIX:
        opened_file(path).close()  # refuses what is no regular file
        place = BY_SUFFIX[suffix]
    elif looks_like_idx(path):
        place = "idx.images"
    else:
        raise ArgumentError(
            f"{path}: expected IDX, a folder of images, or a name that ends in {', '.join(BY_SUFFIX)}"
        )
    module, _, name = place.partition(".")
    reader: Any = getattr(importlib.import_module(f"tinytensor.samples.{module}"), name)
    return reader(path, options, size)  # type: ignore[no-any-return]


def looks_like_idx(path: str) -> bool:
    """IDX of unsigned bytes, or gzip, in which MNIST's files come."""
    with opened_file(path) as file:
        head = file.read(3)
    return head in (b"\0\0\x08",) or head[:2] == b"\x1f\x8b"
