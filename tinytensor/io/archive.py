"""ZIP archives from strangers: nothing is unpacked to the disk, no size is believed before it is checked."""

import contextlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.files import StrPath, opened_file
from tinytensor.kernels.boundary import Array

__all__ = ["names", "opened", "read_member"]

READ_LIMIT = 1 << 20  # of the table of contents, whose entries take 15 times their bytes when parsed
EXTRA_SIZE = 32 << 20  # what members may have together beyond twice the file, if they are compressed
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 1
FAILURES = (  # of the library, for damaged archives
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError, RuntimeError, ValueError,
    struct.error,
)  # fmt: skip


class Capped(io.FileIO):
    """A file of which `zipfile` gets only so much at a time; it reads its table of contents at once."""

    def __init__(self, path: StrPath):
        with opened_file(path) as file:
            super().__init__(os.dup(file.fileno()), "rb")

    def read(self, size: int | None = -1, /) -> Any:
        """At most READ_LIMIT bytes."""
        left = os.fstat(self.fileno()).st_size - self.tell()
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > READ_LIMIT:
            raise ModelFormatError(f"ZIP archive: expected a table of contents of at most {READ_LIMIT} bytes")
        return super().read(wanted)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position, which in a damaged archive may lie before the file."""
        if whence == io.SEEK_SET and offset < 0:
            raise zipfile.BadZipFile(f"points to byte {offset}")
        return super().seek(offset, whence)


@contextlib.contextmanager
def opened(path: StrPath) -> Iterator[dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]]]:
    """The members of an archive by name, each for `read_member`.

    Raises:
        ModelFormatError: it is damaged, encrypted, compressed in an unusual way, or grows too much.
    """
    size = os.stat(path).st_size
    try:
        with Capped(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            refuse_unusual(members, size)
            yield {member.filename: (archive, member) for member in members}
    except ModelFormatError:
        raise
    except FAILURES as error:
        raise ModelFormatError(f"ZIP archive: {error}") from error


def refuse_unusual(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raise unless these are the members of an archive that can be read within bounds."""
    names = {member.filename for member in members}
    if len(names) != len(members):
        raise ModelFormatError("ZIP archive: two members have one name")
    for member in members:
        name = member.filename
        if member.compress_type not in METHODS or member.flag_bits & ENCRYPTED:
            raise ModelFormatError(f"{name!r:.80}: expected a member that is stored or deflated, unencrypted")
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
            raise ModelFormatError(f"{name!r:.80}: stored, but its size differs from its size in the archive")
    if sum(member.compress_size for member in members) > size:
        raise ModelFormatError("ZIP archive: its members overlap")
    total = sum(member.file_size for member in members)
    if total > 2 * size + EXTRA_SIZE:
        raise ModelFormatError(
            f"ZIP archive: {size} bytes would become {total}; if you trust it, save it without compression"
        )


def read_member(member: tuple[zipfile.ZipFile, zipfile.ZipInfo]) -> Array:
    """The bytes of a member, whose checksum is right.

    Raises:
        ModelFormatError: it is damaged.
    """
    archive, info = member
    content = np.empty(info.file_size, np.uint8)
    try:
        with archive.open(info) as file:
            position = 0
            while position < info.file_size:
                count = file.readinto(content[position : position + READ_LIMIT].data)  # type: ignore[attr-defined]
                if not count:
                    raise ModelFormatError(f"{info.filename!r:.80}: has {position} bytes of {info.file_size}")
                position += count
            if file.read(1):
                raise ModelFormatError(f"{info.filename!r:.80}: has more than {info.file_size} bytes")
    except ModelFormatError:
        raise
    except FAILURES as error:
        raise ModelFormatError(f"{info.filename!r:.80}: {error}") from error
    return content


def names(path: StrPath) -> list[str]:
    """The names in an archive, for telling formats apart; none if it is damaged."""
    try:
        with Capped(path) as file, zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (ModelFormatError, *FAILURES):
        return []
