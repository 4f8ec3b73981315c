"""Where tinytensor keeps what it can make again: compiled kernels and downloaded data."""

import os
import tempfile
from pathlib import Path

from numba.misc import appdirs

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$TINYTENSOR_CACHE`, or `tinytensor` in the user's cache folder; it need not exist.

    A user without a home, as in some containers, has `tinytensor-UID` among the temporary files.

    >>> cache_folder().is_absolute()
    True
    """
    chosen = os.environ.get("TINYTENSOR_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    folder = Path(appdirs.user_cache_dir("tinytensor", appauthor=False))
    return folder if folder.is_absolute() else Path(tempfile.gettempdir()) / f"tinytensor-{os.getuid()}"
