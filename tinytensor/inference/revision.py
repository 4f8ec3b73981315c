"""The count of changes to layers in this process, and the lock under which several change as one.

Whoever packs parameters (the plan) reads `count` first and packs under `lock`; as long as `count` stays, what
was packed is current. That is one integer comparison instead of a look at every weight.
"""

import threading

from tinytensor.kernels.forks import LAYERS, hold_across_forks

__all__ = ["bump", "lock"]

count = 0
lock = threading.RLock()

hold_across_forks(LAYERS, lock)


def bump() -> None:
    """Say that a layer has changed; call it after the change.

    Two threads may lose one of their two counts, but every value that is seen before a change differs from
    every value after it.
    """
    global count
    count += 1
