"""npy files, read where they lie, and npz files, unpacked batch by batch."""

import math
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.samples.options import Batch, Options

__all__ = ["npy", "npz"]

HEADER_LIMIT = 10_000  # characters that NumPy evaluates as a literal
MOST_BYTES = 1 << 31  # of an array that has to be read as a whole


def npy(path: str, options: Options, size: int) -> Iterator[Batch]:
    """The rows of a memory map."""
    try:
        array = np.lib.format.open_memmap(path, mode="r", max_header_size=HEADER_LIMIT)
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python, and that fails in many ways
        raise ArgumentError(f"{path}: not an npy file of numbers: {str(error)[:200]}") from error
    yield from cut(path, array, size)


def cut(path: str, array: Any, size: int) -> Iterator[Batch]:
    """Batches of an array."""
    if array.ndim == 0:
        raise ArgumentError(f"{path}: expected an array of samples, got shape ()")
    for start in range(0, len(array), size):
        part = array[start : start + size]
        yield numbered(start, len(part)), np.asarray(part)


def numbered(start: int, count: int) -> list[str]:
    """The names of rows: their numbers from 0."""
    return [str(number) for number in range(start, start + count)]


def npz(path: str, options: Options, size: int) -> Iterator[Batch]:
    """The rows of one array of the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = f"{chosen(path, archive.namelist(), options.key)}.npy"
            with archive.open(name) as member:
                yield from unpacked(path, member, size)
    except (zipfile.BadZipFile, ValueError, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"{path}: not an npz file of numbers: {str(error)[:200]}") from error


def chosen(path: str, members: list[str], key: str | None) -> str:
    """The name of the array that is asked for, or the only one."""
    names = [name.removesuffix(".npy") for name in members if name.endswith(".npy")]
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        got = "none was named" if key is None else f"got {key}"
        raise ArgumentError(f"{path}: expected --key with one of {', '.join(names)[:200]}, {got}")
    return str(key)


def unpacked(path: str, member: Any, size: int) -> Iterator[Batch]:
    """Batches of an npy file that is a stream."""
    version = np.lib.format.read_magic(member)
    headers: dict[Any, Any] = {
        (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0
    }  # fmt: skip
    if version not in headers:
        raise ArgumentError(f"{path}: expected version 1.0 or 2.0 of the npy format, got {version}")
    shape, fortran, dtype = headers[version](member, max_header_size=HEADER_LIMIT)
    if dtype.hasobject or not shape:
        raise ArgumentError(f"{path}: expected an array of numbers, got {dtype!s:.40} of shape {shape!r:.80}")
    row = math.prod(shape[1:]) * dtype.itemsize
    if fortran:
        if row * shape[0] > MOST_BYTES:
            raise ArgumentError(f"{path}: an array in Fortran's order is read as a whole, up to 2 GiB")
        body = exactly(path, member, row * shape[0])
        yield from cut(path, np.frombuffer(body, dtype).reshape(shape, order="F"), size)
        return
    if row * size > MOST_BYTES:
        raise ArgumentError(f"{path}: a batch of shape {(size, *shape[1:])!r:.80} does not fit into 2 GiB")
    for start in range(0, shape[0], size):
        count = min(size, shape[0] - start)
        body = exactly(path, member, row * count)
        yield numbered(start, count), np.frombuffer(body, dtype).reshape(count, *shape[1:])


def exactly(path: str, member: Any, count: int) -> bytes:
    """So many bytes."""
    body: bytes = member.read(count)
    if len(body) != count:
        raise ArgumentError(f"{path}: the array is cut short")
    return body
