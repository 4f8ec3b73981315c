"""All bytes of a file, if they are not too many."""

import os

from tinytensor.errors import ModelFormatError
from tinytensor.files import StrPath, opened_file

__all__ = ["content_of"]


def content_of(path: StrPath, limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        ModelFormatError: there are more than `limit`.
        OSError: it cannot be read.
    """
    with opened_file(path) as file:
        size = os.fstat(file.fileno()).st_size  # read(limit) would allocate the limit
        if size > limit:
            raise ModelFormatError(f"expected at most {limit} bytes, got {size}")
        return file.read(size)
