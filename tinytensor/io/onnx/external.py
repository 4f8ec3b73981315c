"""Weights that lie in other files: only regular ones in the model's own folder, reached by no link."""

import os
import stat
from pathlib import Path
from typing import Any

from tinytensor.errors import ModelFormatError

__all__ = ["Files"]


class Files:
    """The files beside a model that its tensors may lie in, or none: then a tensor that does is refused.

    A part that several tensors name is read once, and different parts of one file are together at most as
    long as the file: so a model takes no more memory than its files.
    """

    def __init__(self, folder: Path | None, why_not: str = ""):
        self.folder, self.why_not = folder, why_not
        self.parts: dict[tuple[str, int, int], bytes] = {}
        self.read: dict[str, int] = {}  # bytes of each file

    def bytes_of(self, tensor: Any, who: str, needed: int) -> bytes:
        """The bytes of a tensor that lies in another file.

        Raises:
            ModelFormatError: other files are not to be read, or there is no such part of one.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if len(entries) < len(tensor.external_data):
            raise ModelFormatError(f"{who}: says twice where it lies")
        if self.folder is None:
            raise ModelFormatError(f"{who}: lies in another file, {location!r:.80}; {self.why_not}")
        numbers = [entries.get(key, default) for key, default in (("offset", "0"), ("length", str(needed)))]
        if not all(number.isascii() and number.isdigit() and len(number) < 19 for number in numbers):
            raise ModelFormatError(f"{who}: expected an offset and a length, got {numbers!r:.80}")
        offset, length = map(int, numbers)
        if length != needed:
            raise ModelFormatError(f"{who}: has {needed} bytes, in {location!r:.80} are {length}")
        part = location, offset, needed
        if part not in self.parts:
            self.parts[part] = self.part(self.folder, location, offset, needed, who)
        return self.parts[part]

    def part(self, folder: Path, location: str, offset: int, needed: int, who: str) -> bytes:
        """Bytes of a file, if it has them."""
        with open_within(folder, location, who) as file:
            size = os.fstat(file.fileno()).st_size
            if offset + needed > size:
                raise ModelFormatError(f"{who}: ends at byte {offset + needed} of {size} in {location!r:.80}")
            read = self.read[location] = self.read.get(location, 0) + needed
            if read > size:
                raise ModelFormatError(f"{who}: overlaps other tensors in {location!r:.80}")
            file.seek(offset)
            content = bytes(file.read(needed))
        if len(content) < needed:
            raise ModelFormatError(f"{who}: {location!r:.80} became shorter while it was read")
        return content


def open_within(folder: Path, location: str, who: str) -> Any:
    """Open a file in a folder for reading, if the way to it leaves the folder nowhere.

    Source: CVE-2022-25882, CVE-2024-27318, CVE-2026-27489: `..`, absolute paths, symbolic and hard links.
    """
    refusal = f"{who}: {location!r:.80} is no regular file in the folder of the model"
    parts = location.replace("\\", "/").split("/")
    root = os.path.realpath(folder)
    whole = os.path.join(root, *parts)
    unusual = {"", ".", ".."}.intersection(parts) or ":" in location or "\0" in location
    if unusual or os.path.realpath(whole) != whole:
        raise ModelFormatError(refusal)
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(whole, flags | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise ModelFormatError(f"{refusal}: {error.strerror}") from error
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        file.close()
        raise ModelFormatError(refusal)
    return file
