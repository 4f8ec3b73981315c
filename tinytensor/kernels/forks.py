"""Locks across a fork: the child has no thread that would free a lock which another thread holds."""

import os
import sys
from typing import Any

__all__ = ["hold_across_forks"]


def hold_across_forks(lock: Any) -> None:
    """Take a lock before each fork, and free it in both processes after it."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


class CompilerLock:
    """Numba's lock, if Numba is there."""

    def __init__(self) -> None:
        self.held: list[Any] = []

    def acquire(self) -> None:
        """Wait until no thread compiles."""
        module = sys.modules.get("numba.core.compiler_lock")
        found = getattr(module, "global_compiler_lock", None)
        if found is not None:
            found.acquire()
            self.held.append(found)

    def release(self) -> None:
        """Let threads compile again."""
        if self.held:
            self.held.pop().release()


hold_across_forks(CompilerLock())
