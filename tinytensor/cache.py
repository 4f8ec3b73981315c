"""Where tinytensor keeps what it can make again: compiled kernels and downloaded data."""

import os
from pathlib import Path

from numba.misc import appdirs

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$TINYTENSOR_CACHE`, or `tinytensor` in the user's cache folder; it need not exist.

    >>> cache_folder().name != ""
    True
    """
    return Path(os.environ.get("TINYTENSOR_CACHE") or appdirs.user_cache_dir("tinytensor", appauthor=False))
