"""Arrays and texts out of an HDF5 file: found through h5py, but arrays are read, and checked before, by us.

A link may lead to another file and a dataset may be anywhere or of any size; only what lies in one piece in
the file itself is taken, as a view of its bytes, and all arrays together have no more bytes than the file.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, require
from tinytensor.io.safetensors import HEADER_LIMIT, widened
from tinytensor.kernels.boundary import Array

__all__ = ["Arrays", "opened"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
BIAS = {2: {15: "F16", 127: "BF16"}, 4: {127: "F32"}, 8: {1023: "F64"}}  # of the exponent, by bytes
DTYPES = {"F16": "f2", "BF16": "u2", "F32": "f4", "F64": "f8"}
STRINGS_SIZE = 64 << 20  # what the strings of one attribute may take


class Bytes(io.RawIOBase):
    """The bytes of an array as a file, without a copy; HDF5 reads names and texts from it, no arrays."""

    def __init__(self, content: Array):
        self.content, self.position = content.data, 0
        self.largest, self.limit = 1 << 16, 2 * HEADER_LIMIT  # what was read at once, and what may be

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """The new position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: len(self.content)}[whence]
        self.position = max(start + offset, 0)
        return self.position

    def readinto(self, buffer: Any, /) -> int:
        """As many bytes as there are."""
        if len(buffer) > self.limit:
            raise ModelFormatError(f"expected at most {self.limit} bytes of names and texts at once")
        self.largest = max(self.largest, len(buffer))
        part = self.content[self.position : self.position + len(buffer)]
        if bytes(part[:4]) == b"GCOL":  # of which HDF5 may read the rest later
            size = int.from_bytes(part[8:16], "little")
            check_strings(bytes(self.content[self.position : self.position + min(size, self.limit)]), size)
        buffer[: len(part)] = part
        self.position += len(part)
        return len(part)


def check_strings(block: bytes, size: int) -> None:
    """Raise unless a block of strings is whole, and each ends in it: HDF5 2.0 goes round for ever otherwise.

    After a header of 16 bytes there are objects, each with a header of 16, the size of its content in the
    last 8 of them, and its content, up to a multiple of 8; number 0 is free space, header included.
    """
    at = 16
    while at + 16 <= len(block) == size:
        length = int.from_bytes(block[at + 8 : at + 16], "little")
        at += length if block[at : at + 2] == b"\0\0" else 16 + (length + 7) // 8 * 8
        if at > size or not length:
            size = -1
    if len(block) != size:
        raise ModelFormatError("HDF5: a block of strings is damaged")


class Arrays:
    """The float arrays of a file by their paths."""

    def __init__(self, file: Any, content: Array, source: Bytes):
        self.file, self.content, self.source = file, content, source
        self.left = content.size  # bytes that arrays may still have
        # Keras on Windows put several names into one: "layers\\dense".
        self.joined = {name.replace("\\", "/"): name for name in file if "\\" in name}

    def inside(self, path: str) -> list[str]:
        """The names in a group; none if there is no such group."""
        joined = [name[len(path) + 1 :] for name in self.joined if name.startswith(f"{path}/")]
        names = [name for name in joined if "/" not in name]
        group = self.found(path)
        return names if group is None or not hasattr(group, "keys") else names + list(group)

    def count(self, path: str) -> int:
        """How much a group holds.

        Raises:
            ModelFormatError: there is no such group.
        """
        group = self.find(path)
        if not hasattr(group, "keys"):
            raise ModelFormatError(f"{path}: expected a group")
        return len(group)

    def find(self, path: str) -> Any:
        """What is there.

        Raises:
            ModelFormatError: nothing, or a link.
        """
        found = self.found(path)
        if found is None:
            raise ModelFormatError(f"{path}: not in the file, or a link to elsewhere")
        return found

    def found(self, path: str) -> Any:
        """What is there, by hard links alone, or None."""
        import h5py

        parts = path.split("/")
        for count in range(len(parts), 0, -1):
            joined = self.joined.get("/".join(parts[:count]))
            if joined is not None:
                parts = [joined, *parts[count:]]
                break
        found = self.file
        for part in parts:
            link = found.get(part, getlink=True) if hasattr(found, "keys") else None
            if type(link) is not h5py.HardLink:
                return None
            found = found[part]
        return found

    def array(self, path: str) -> Array:
        """One dataset, as a read-only view of the file where possible, halves as float32."""
        found = self.find(path)
        if hasattr(found, "keys") or not hasattr(found, "id"):
            raise ModelFormatError(f"{path}: expected a dataset")
        kind, dtype = self.number_type(path, found)
        shape, offset = found.shape, found.id.get_offset()
        size = -1 if shape is None else math.prod(shape) * dtype.itemsize
        if (
            offset is None
            or size != found.id.get_storage_size()
            or not 0 <= offset <= len(self.content) - size
        ):
            raise ModelFormatError(f"{path}: expected {shape} {dtype} in one piece, uncompressed")
        self.left -= size
        if self.left < 0:
            raise ModelFormatError(f"{path}: the arrays together have more bytes than the file")
        array = self.content[offset : offset + size].view(dtype).reshape(shape)
        return widened(np.asarray(array.astype(dtype.newbyteorder("="), copy=False)), kind)

    def number_type(self, path: str, dataset: Any) -> tuple[str, np.dtype[Any]]:
        """Which floats these are; a bfloat16 of Keras is two bytes of which an attribute says so."""
        import h5py

        described, kind = dataset.id.get_type(), None
        if isinstance(described, h5py.h5t.TypeFloatID):
            kind = BIAS.get(described.get_size(), {}).get(described.get_ebias())
        elif described.get_size() == 2 and self.text(path, "dtype") == "bfloat16":
            return "BF16", np.dtype("<u2")
        if kind is None:
            raise ModelFormatError(f"{path}: expected floats of 16, 32 or 64 bits")
        order = ">" if described.get_order() == h5py.h5t.ORDER_BE else "<"
        return kind, np.dtype(order + DTYPES[kind])

    def text(self, path: str, name: str) -> str | None:
        """A string that an attribute of a group is; None if there is no such attribute."""
        attributes = self.find(path).attrs if path else self.file.attrs
        return text_of(attributes, name) if name in attributes else None

    def strings(self, path: str, name: str) -> list[str]:
        """The strings in an attribute, or, where they are many, in several, named with 0, 1, … at the end."""
        attributes = self.find(path).attrs
        several = [name] if name in attributes else []
        while not several or (several[0] != name and f"{name}{len(several)}" in attributes):
            several.append(f"{name}{len(several)}")
        return [text for each in several for text in self.some(attributes, each)]

    def some(self, attributes: Any, name: str) -> list[str]:
        """The strings in one attribute; those of any length are in blocks, which are read whole."""
        if name not in attributes:
            raise ModelFormatError(f"{name}: not in the file")
        attribute = attributes.get_id(name)
        lengths = attribute.shape
        if lengths == (0,):  # of whatever type
            return []
        refuse_no_strings(attribute, name)
        if len(lengths or ()) != 1 or lengths[0] * attribute.dtype.itemsize > HEADER_LIMIT:
            raise ModelFormatError(f"{name}: expected a list of names")
        if attribute.dtype.kind == "O" and lengths[0] * self.source.largest > STRINGS_SIZE:
            raise ModelFormatError(f"{name}: expected fewer names, got {lengths[0]}")
        limit, self.source.limit = self.source.limit, self.source.largest
        values = attributes[name]
        self.source.limit = limit
        return [decoded(name, value) for value in values]


def text_of(attributes: Any, name: str) -> str:
    """The string that an attribute is."""
    attribute = attributes.get_id(name)
    refuse_no_strings(attribute, name)
    if attribute.shape != () or attribute.dtype.itemsize > HEADER_LIMIT:
        raise ModelFormatError(f"{name}: expected one text of at most {HEADER_LIMIT} bytes")
    return decoded(name, attributes[name])


def refuse_no_strings(attribute: Any, name: str) -> None:
    """Raise unless an attribute holds text: HDF5 2.0 crashes when it reads types that damage has made."""
    import h5py

    if not isinstance(attribute.get_type(), h5py.h5t.TypeStringID):
        raise ModelFormatError(f"{name}: expected text")


def decoded(name: str, value: Any) -> str:
    """A string of HDF5, which may be bytes of UTF-8."""
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(value, str):
        raise ModelFormatError(f"{name}: expected text")
    return value


def refuse_unusual(head: bytes) -> None:
    """Raise unless offsets and lengths in the file have 8 bytes, as the checks here take for granted."""
    at = 13 if head[8:9] < b"\2" else 9
    if not head.startswith(SIGNATURE) or head[at : at + 2] != b"\x08\x08":
        raise ModelFormatError("no HDF5 file that can be read: expected offsets and lengths of 8 bytes")


@contextmanager
def opened(content: Array) -> Iterator[Arrays]:
    """The arrays of the file that has these bytes.

    Raises:
        ModelFormatError: it is damaged.
        MissingExtra: h5py is not installed.
    """
    h5py = require("h5py", "keras")
    content.flags.writeable = False
    source = Bytes(content)
    refuse_unusual(content[:16].tobytes())
    try:
        with h5py.File(source, "r") as file:
            yield Arrays(file, content, source)
    except ModelFormatError:
        raise
    except Exception as error:  # the library fails on damaged files in any way there is
        raise ModelFormatError(f"no HDF5 file that can be read: {str(error)[:200]}") from error
