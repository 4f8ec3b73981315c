"""Opening files that strangers name or send."""

import errno
import os
import stat
from io import BufferedReader

__all__ = ["StrPath", "opened_file"]

StrPath = str | os.PathLike[str]  # `pathlib` takes 5 ms to import, so what loads a model does without it

NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)  # opening a pipe would wait for a writer


def opened_file(path: StrPath) -> BufferedReader:
    """A regular file, opened for reading bytes.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a socket or a device, of which some never end.

    >>> opened_file("/dev/null")
    Traceback (most recent call last):
    OSError: [Errno 22] expected a regular file: '/dev/null'
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | NO_WAIT))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "expected a regular file", os.fspath(path))
    return file
