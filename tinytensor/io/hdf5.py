"""Arrays out of an HDF5 file: found through h5py, but read, and checked before that, by us.

A link may lead to another file and a dataset may be anywhere or of any size; only what lies in one piece in
the file itself is taken, as a view of its bytes.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, require
from tinytensor.io.safetensors import widened
from tinytensor.kernels.boundary import Array

__all__ = ["Arrays", "opened"]

BIAS = {2: {15: "F16", 127: "BF16"}, 4: {127: "F32"}, 8: {1023: "F64"}}  # of the exponent, by bytes
DTYPES = {"F16": "f2", "BF16": "u2", "F32": "f4", "F64": "f8"}


class Bytes(io.RawIOBase):
    """The bytes of an array as a file, without a copy."""

    def __init__(self, content: Array):
        self.content, self.position = content.data, 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """The new position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: len(self.content)}[whence]
        self.position = max(start + offset, 0)
        return self.position

    def readinto(self, buffer: Any, /) -> int:
        """As many bytes as there are."""
        part = self.content[self.position : self.position + len(buffer)]
        buffer[: len(part)] = part
        self.position += len(part)
        return len(part)


class Arrays:
    """The float arrays of a file by their paths."""

    def __init__(self, file: Any, content: Array):
        self.file, self.content = file, content

    def group(self, path: str) -> list[Array]:
        """The datasets named 0, 1, 2, … of a group, in that order, halves as float32.

        Raises:
            ModelFormatError: there is no such group, or it holds anything else.
        """
        group = self.find(path)
        if not hasattr(group, "keys"):
            raise ModelFormatError(f"{path}: expected a group")
        if len(group) > 64:
            raise ModelFormatError(f"{path}: expected the weights of one layer, got {len(group)}")
        return [self.array(f"{path}/{i}") for i in range(len(group))]

    def find(self, path: str) -> Any:
        """What is there, by hard links alone."""
        import h5py

        found = self.file
        for part in path.split("/"):
            link = found.get(part, getlink=True) if hasattr(found, "keys") else None
            if type(link) is not h5py.HardLink:
                raise ModelFormatError(f"{path}: not in the file, or a link to elsewhere")
            found = found[part]
        return found

    def array(self, path: str) -> Array:
        """One dataset, as a read-only view of the file where possible."""
        found = self.find(path)
        if hasattr(found, "keys") or not hasattr(found, "id"):
            raise ModelFormatError(f"{path}: expected a dataset")
        kind, dtype = number_type(path, found)
        shape, offset = found.shape, found.id.get_offset()
        size = -1 if shape is None else math.prod(shape) * dtype.itemsize
        if (
            offset is None
            or size != found.id.get_storage_size()
            or not 0 <= offset <= len(self.content) - size
        ):
            raise ModelFormatError(f"{path}: expected {shape} {dtype} in one piece, uncompressed")
        array = self.content[offset : offset + size].view(dtype).reshape(shape)
        return widened(np.asarray(array.astype(dtype.newbyteorder("="), copy=False)), kind)


def number_type(path: str, dataset: Any) -> tuple[str, np.dtype[Any]]:
    """Which floats these are; a bfloat16 of Keras is two bytes of which an attribute says so."""
    import h5py

    described, kind = dataset.id.get_type(), None
    if isinstance(described, h5py.h5t.TypeFloatID):
        kind = BIAS.get(described.get_size(), {}).get(described.get_ebias())
    elif described.get_size() == 2 and dataset.attrs.get("dtype") == "bfloat16":
        return "BF16", np.dtype("<u2")
    if kind is None:
        raise ModelFormatError(f"{path}: expected floats of 16, 32 or 64 bits")
    order = ">" if described.get_order() == h5py.h5t.ORDER_BE else "<"
    return kind, np.dtype(order + DTYPES[kind])


@contextmanager
def opened(content: Array) -> Iterator[Arrays]:
    """The arrays of the file that has these bytes.

    Raises:
        ModelFormatError: it is damaged.
        MissingExtra: h5py is not installed.
    """
    h5py = require("h5py", "keras")
    content.flags.writeable = False
    try:
        with h5py.File(Bytes(content), "r") as file:
            yield Arrays(file, content)
    except ModelFormatError:
        raise
    except Exception as error:  # the library fails on damaged files in any way there is
        raise ModelFormatError(f"no HDF5 file that can be read: {str(error)[:200]}") from error
