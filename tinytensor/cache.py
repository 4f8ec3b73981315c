"""Where tinytensor keeps what it can make again: compiled kernels and downloaded data."""

import os
import sys
import tempfile
from pathlib import Path

__all__ = ["cache_folder"]


def users_folder() -> Path:
    """The folder of this system in which a user's programs keep what they can make again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser()
    if sys.platform == "darwin":
        return Path("~/Library/Caches").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def cache_folder() -> Path:
    """`$TINYTENSOR_CACHE`, or `tinytensor` in the user's cache folder; it need not exist.

    A user without a home, as in some containers, has `tinytensor-UID` among the temporary files.

    >>> cache_folder().is_absolute()
    True
    """
    chosen = os.environ.get("TINYTENSOR_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        folder = users_folder() / "tinytensor"
    except RuntimeError:  # no home is known
        folder = Path()
    return folder if folder.is_absolute() else Path(tempfile.gettempdir()) / f"tinytensor-{os.getuid()}"
