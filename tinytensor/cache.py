"""Where tinytensor keeps what it can make again: compiled kernels and downloaded data."""

import os
import sys

__all__ = ["cache_folder"]


def users_folder() -> str:
    """The folder of this system in which a user's programs keep what they can make again."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    if sys.platform == "darwin":
        return "~/Library/Caches"
    return os.environ.get("XDG_CACHE_HOME") or "~/.cache"


def cache_folder() -> str:
    """`$TINYTENSOR_CACHE`, or `tinytensor` in the user's cache folder; it need not exist.

    A user without a home, as in some containers, has `tinytensor-UID` among the temporary files.

    >>> os.path.isabs(cache_folder())
    True
    """
    chosen = os.environ.get("TINYTENSOR_CACHE")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    folder = os.path.join(os.path.expanduser(users_folder()), "tinytensor")
    if os.path.isabs(folder):
        return folder
    from tempfile import gettempdir

    return os.path.join(gettempdir(), f"tinytensor-{os.getuid()}")
