"""IDX, the format of MNIST's files: a header, then unsigned bytes; gzipped or plain."""

import gzip
import math
import zlib
from collections.abc import Iterator

import numpy as np

from tinytensor.datasets.idx import GZIP_MAGIC, UNSIGNED_BYTE
from tinytensor.errors import ArgumentError
from tinytensor.files import opened_file
from tinytensor.samples.arrays import exactly, numbered
from tinytensor.samples.options import Batch, Options

__all__ = ["images"]

MOST_AXES = 4
MOST_BYTES = 1 << 31  # of one batch


def images(path: str, options: Options, size: int) -> Iterator[Batch]:
    """Batches of bytes."""
    with opened_file(path) as file:
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if packed else file
        try:
            head = stream.read(4)
            if head[:3] != bytes([0, 0, UNSIGNED_BYTE]) or not 2 <= head[3] <= MOST_AXES:
                raise ArgumentError(
                    f"{path}: expected IDX of unsigned bytes with 2 to 4 axes, got {head.hex()}"
                )
            lengths = np.frombuffer(exactly(path, stream, 4 * head[3]), ">u4").tolist()
            count, row = lengths[0], math.prod(lengths[1:])
            if row * size > MOST_BYTES:
                raise ArgumentError(
                    f"{path}: a batch of shape {(size, *lengths[1:])} does not fit into 2 GiB"
                )
            for start in range(0, count, size):
                part = min(size, count - start)
                body = exactly(path, stream, part * row)
                yield numbered(start, part), np.frombuffer(body, np.uint8).reshape(part, *lengths[1:])
            if stream.read(1):
                raise ArgumentError(f"{path}: expected {count} samples of {lengths[1:]}, got more bytes")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ArgumentError(f"{path}: damaged gzip file: {error}") from error
