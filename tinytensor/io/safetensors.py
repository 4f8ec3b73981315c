"""safetensors files, read strictly: header first, every byte accounted for, then the data once.

The library's own reader accepts what its format forbids (duplicate keys, a header that starts with a
space) and copies from a memory map, twice the time of a plain read; writing is its work.

Source: the format section of the safetensors README.
"""

import contextlib
import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.files import StrPath
from tinytensor.kernels.boundary import Array

__all__ = ["Header", "checksum", "crc_of_text", "parse_json", "read_data", "read_header", "write"]

CHUNK = 2 << 20  # bytes that are read while the checksum of those before is computed
HEADER_LIMIT = 2 << 20  # parsed JSON takes up to 24 times its bytes: 50 MB

DTYPES = {
    "F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8", "BOOL": "|b1", "I8": "|i1", "I16": "<i2",
    "I32": "<i4", "I64": "<i8", "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
}  # fmt: skip


class Entry(NamedTuple):
    """One tensor of a file: where its bytes are, counted from the start of the data."""

    kind: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """What stands before the data."""

    metadata: dict[str, str]
    entries: dict[str, Entry]


def read_header(file: BufferedReader) -> Header:
    """The checked header; leaves the file at the first byte of the data.

    Raises:
        ModelFormatError: it breaks a rule of the format, or does not account for every byte of the file.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise ModelFormatError(f"the header is said to have {length} bytes, the file has {size}")
    if length > HEADER_LIMIT:
        raise ModelFormatError(f"expected a header of at most {HEADER_LIMIT} bytes, got {length}")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise ModelFormatError("the header does not start with {")
    try:
        parsed = parse_json(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"the header is no UTF-8: {error}") from error
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelFormatError("__metadata__: expected strings")
    entries = {name: entry(name, described) for name, described in parsed.items()}
    refuse_gaps(entries, size - 8 - length)
    return Header(metadata, entries)


def parse_json(text: str) -> Any:
    """What a JSON text says, if it says each thing once."""
    try:
        return json.loads(text, object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"no JSON: {str(error)[:200]}") from error


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, whose keys must differ."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def is_size(value: Any) -> bool:
    """Whether this is an integer from 0 on that fits 63 bits."""
    return type(value) is int and 0 <= value < 1 << 63


def entry(name: str, described: Any) -> Entry:
    """One tensor's description, checked by itself."""
    if not isinstance(described, dict) or described.keys() != {"dtype", "shape", "data_offsets"}:
        raise ModelFormatError(f"{name!r:.80}: expected dtype, shape and data_offsets")
    dtype, shape, offsets = described["dtype"], described["shape"], described["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ModelFormatError(f"{name!r:.80}: dtype: expected one of {', '.join(DTYPES)}, got {dtype!r:.40}")
    if not isinstance(shape, list) or len(shape) > 64 or not all(map(is_size, shape)):
        raise ModelFormatError(f"{name!r:.80}: shape: expected at most 64 lengths, got {shape!r:.80}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(is_size, offsets)):
        raise ModelFormatError(f"{name!r:.80}: data_offsets: expected [begin, end], got {offsets!r:.80}")
    begin, end = offsets
    needed = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if math.prod(filter(None, shape)) >= 1 << 59:  # more than NumPy takes, even with a length of 0
        raise ModelFormatError(f"{name!r:.80}: shape: {shape} is too large")
    if needed != end - begin:
        raise ModelFormatError(f"{name!r:.80}: {dtype} {shape} has {needed} bytes, the offsets {end - begin}")
    return Entry(dtype, np.dtype(DTYPES[dtype]), tuple(shape), begin, end)


def refuse_gaps(entries: Mapping[str, Entry], size: int) -> None:
    """Raise unless the tensors fill the data one after the other."""
    end = 0
    for name, each in sorted(entries.items(), key=lambda item: item[1][3:]):
        if each.begin != end:
            raise ModelFormatError(f"{name!r:.80}: starts at byte {each.begin}, the one before ends at {end}")
        end = each.end
    if end != size:
        raise ModelFormatError(f"the tensors have {end} bytes, the file has {size} bytes of data")


def read_data(
    file: BufferedReader, header: Header, checksums: bool
) -> tuple[dict[str, Array], dict[str, int]]:
    """The tensors as read-only views of one buffer, and if asked for their checksums.

    float16 and bfloat16 are widened to float32, which holds all their values.

    Raises:
        ModelFormatError: the file is shorter than it was, or a bool is neither 0 nor 1.
    """
    size = max((each.end for each in header.entries.values()), default=0)
    buffer = np.empty(size, np.uint8)
    sums = {name: preamble(name, each.dtype, each.shape) for name, each in header.entries.items()}

    def add(name: str, content: memoryview) -> None:
        sums[name] = zlib.crc32(content, sums[name])

    with in_background(add, size > CHUNK) as submit:  # a checksum takes as long as the reading
        for name, each in sorted(header.entries.items(), key=lambda item: item[1].begin):
            for begin in range(each.begin, each.end, CHUNK):
                content = buffer[begin : min(begin + CHUNK, each.end)].data
                if file.readinto(content) != len(content):
                    raise ModelFormatError(f"{name!r:.80}: the file ends within its data")
                if checksums:
                    submit(name, content)
            if each.dtype == bool and (buffer[each.begin : each.end] > 1).any():
                raise ModelFormatError(f"{name!r:.80}: expected bytes 0 and 1 as bools")
    buffer.flags.writeable = False
    tensors = {
        name: widened(buffer[each.begin : each.end].view(each.dtype), each.kind).reshape(each.shape)
        for name, each in header.entries.items()
    }
    return tensors, sums if checksums else {}


@contextlib.contextmanager
def in_background(function: Callable[..., Any], worthwhile: bool) -> Iterator[Callable[..., Any]]:
    """What calls a function on another thread, in order, or on this one: the thread's module takes 3 ms."""
    if not worthwhile:
        yield function
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as pool:
        yield partial(pool.submit, function)


def widened(array: Array, kind: str) -> Array:
    """float32 in the place of float16 and bfloat16; the upper half of a float32 is a bfloat16."""
    if kind == "F16":
        return array.astype(np.float32)
    return (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array


def preamble(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Where a tensor's checksum starts, so that name, dtype and shape are covered."""
    return crc_of_text(f"{name} {dtype.name} {list(shape)}")


def crc_of_text(text: str) -> int:
    """The CRC-32 of a text; JSON may hold halves of surrogate pairs."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def checksum(name: str, array: Array) -> int:
    """The CRC-32 of a tensor's name, dtype, shape and bytes, as `read_data` computes it."""
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return zlib.crc32(content.data, preamble(name, array.dtype, array.shape))


def write(path: StrPath, tensors: Mapping[str, Array], metadata: dict[str, str]) -> None:
    """Write tensors of any layout.

    Raises:
        OSError: the disk does not take it.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}
    try:
        save_file(contiguous, path, metadata or None)  # 0.8 writes no JSON for {}
    except SafetensorError as error:
        raise OSError(f"{os.path.basename(path)}: {error}") from error
    with open(path, "rb") as file:
        read_header(file)  # what we would not read, we do not write
