"""Locks across a fork: the child has no thread that would free a lock which another thread holds."""

import os
import sys
from typing import Any

__all__ = ["COMPILER", "KERNELS", "LAYERS", "hold_across_forks"]

# The order in which a thread takes several of them, and so a fork, or the two wait for each other for ever:
# a plan is made under the lock of layers, loads kernels under theirs, which Numba compiles under its own.
LAYERS, KERNELS, COMPILER = range(3)

locks: dict[int, Any] = {}


def hold_across_forks(place: int, lock: Any) -> None:
    """Take a lock before each fork, and free it in both processes after it."""
    locks[place] = lock


def acquire() -> None:
    """Take all locks."""
    for _, each in sorted(locks.items()):
        each.acquire()


def release() -> None:
    """Free them."""
    for _, each in sorted(locks.items(), reverse=True):
        each.release()


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


hold_across_forks(COMPILER, CompilerLock())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=acquire, after_in_parent=release, after_in_child=release)
