"""Work that several threads share, and the scratch memory of each.

Where the system gives no thread, or another call has them, a caller works alone.
"""

from functools import cache
from typing import Any

from tinytensor.kernels.boundary import Array
from tinytensor.kernels.mailbox import DONE, serve, share
from tinytensor.kernels.memory import PAGE, new_memory
from tinytensor.threads import check_environment, stop_at_exit, the_team

__all__ = ["borrow", "give_back", "run"]

idle: list[Array] = []  # scratch memory that no call uses now


def borrow(size: int) -> Array:
    """Scratch memory of so many bytes, at the beginning of a page."""
    try:
        found = idle.pop()
    except IndexError:
        return new_memory(size, PAGE)
    return found if found.size >= size else new_memory(size, PAGE)


def give_back(memory: Array) -> None:
    """Let another call have it."""
    idle.append(memory)


@cache
def entry() -> tuple[Any, int]:
    """The kernels, loaded."""
    check_environment()
    stop_at_exit()
    return share.function, serve.address


def run(
    function_at: int, table_at: int, x: Any, x_stride: int, y: Any, y_stride: int, count: int, size: int,
    threads: int, scratch_bytes: int,
) -> bool:  # fmt: skip
    """function(table, x, x_stride, y, y_stride, first, last, scratch) for ranges of `size` up to `count`.

    False: another call has the threads, or a function that the kernel calls raised; then it is to be run by
    the caller alone.
    """
    call, serve_at = entry()
    scratch = borrow(threads * scratch_bytes) if scratch_bytes else None
    status: int = call(
        the_team().box, serve_at, function_at, table_at, x, x_stride, y, y_stride, count, size, threads - 1,
        0 if scratch is None else scratch, scratch_bytes,
    )  # fmt: skip
    if scratch is not None:
        give_back(scratch)
    return status == DONE
