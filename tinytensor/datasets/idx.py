"""IDX, the format of MNIST's files: magic number and axes, big-endian, then the bytes; often gzipped."""

import gzip
import hashlib
import math
import os
import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinytensor.errors import DatasetError
from tinytensor.files import opened_file

__all__ = ["parse_idx", "read_idx"]

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"
# A megabyte of gzip can unpack to a gigabyte. MNIST's largest file has 45 MiB.
MAX_BYTES = 256 << 20
CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str], ndim: int, sha256: str | None = None) -> NDArray[np.uint8]:
    """The uint8 array of `ndim` axes in an IDX file, gzipped or plain.

    Args:
        path: the file; whether it is gzipped is told by its content.
        ndim: how many axes it must have.
        sha256: what the unpacked content must hash to, if anything.

    Raises:
        DatasetError: the file cannot be read, is damaged, or is no IDX file of unsigned bytes with `ndim`
            axes and exactly the bytes that its header promises, 256 MiB at most.

    Source: http://yann.lecun.com/exdb/mnist/, "File formats for the MNIST database".

    >>> from pathlib import Path
    >>> import tinytensor.datasets
    >>> read_idx(Path(tinytensor.datasets.__file__).with_name("sample-labels-idx1-ubyte.gz"), ndim=1)[:4]
    array([0, 1, 2, 3], dtype=uint8)
    """
    try:
        with opened_file(path) as file:
            return parse_idx(file, str(path), ndim, sha256)
    except OSError as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: {error.strerror or error}") from error


def parse_idx(file: BinaryIO, name: str, ndim: int, sha256: str | None = None) -> NDArray[np.uint8]:
    """`read_idx` of an open file that can seek; `name` is what errors call it."""
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    try:
        stream = gzip.GzipFile(fileobj=file) if packed else file
        header = stream.read(4 + 4 * ndim)
        shape = axes(header, name, ndim)
        size = math.prod(shape)
        # One byte more than promised: it shows what is too long, and brings gzip to check its own sum.
        body = read_exactly(stream, size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{name}: damaged gzip file: {error}") from error
    if len(body) != size:
        amount = "more" if len(body) > size else f"only {len(body):,}"
        raise DatasetError(f"{name}: expected {size:,} bytes for the shape {shape}, got {amount}")
    if sha256 and hashlib.sha256(header + body).hexdigest() != sha256:
        raise DatasetError(f"{name}: expected the published content, got another (SHA-256 differs)")
    try:
        return np.frombuffer(body, np.uint8).reshape(shape)
    except ValueError as error:  # of no elements, as one length is 0, and beyond all bounds without it
        raise DatasetError(f"{name}: a shape of {shape}: {error}") from error


def read_exactly(stream: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """So many bytes, or those that there are; one read of all would take memory for all before it looks."""
    body = bytearray()
    while len(body) < size:
        part = stream.read(min(size - len(body), CHUNK))
        if not part:
            break
        body += part
    return body


def axes(header: bytes, name: str, ndim: int) -> tuple[int, ...]:
    """The shape that an IDX header promises."""
    magic = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if header[:4] != magic:
        raise DatasetError(
            f"{name}: expected an IDX file of unsigned bytes with {ndim} axes (magic number {magic.hex()}), "
            f"got {header[:4].hex() or 'an empty file'}"
        )
    if len(header) < 4 + 4 * ndim:
        raise DatasetError(f"{name}: expected a header of {4 + 4 * ndim} bytes, got only {len(header)}")
    shape = tuple(map(int, np.frombuffer(header, ">u4", offset=4)))
    if math.prod(shape) > MAX_BYTES:
        raise DatasetError(
            f"{name}: expected at most {MAX_BYTES >> 20} MiB, got a header for the shape {shape}"
        )
    return shape
