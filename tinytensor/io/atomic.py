"""Writing a file so that at every moment either the old one or the new one is there, whole."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`; what is written to it takes the place of `path` at the end.

    If anything fails, the disk being full included, `path` is as it was. A link is followed. The new file
    has the mode of the old one, or what the umask leaves.

    Raises:
        OSError: the folder or the disk does not let us write.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder; make it first", str(target.parent))
    existed = target.exists()
    if existed:
        with open(target, "r+b"):  # raises for a folder, and for a file that we may not write
            pass
    temporary = target.with_name(f".tinytensor-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:  # with the mode that the umask leaves
            mode = os.stat(target if existed else file.fileno()).st_mode
        yield temporary
        temporary.chmod(stat.S_IMODE(mode))  # what writes it may have made the file anew
        synchronize(temporary)
        temporary.replace(target)
        synchronize(target.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def synchronize(path: Path) -> None:
    """Wait until the file, or the folder's list of names, is on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
