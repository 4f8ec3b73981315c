"""Several threads at one job, without Python: the caller's part, a helper's, and the end.

A job is a kernel f(table, x, x_stride, y, y_stride, first, last, scratch) and a number of rows, or columns,
which are taken in ranges. A helper that waits for the next job first spins: a batch of a hundred samples is
60 µs of work, and to wake a thread that sleeps takes a tenth of that at best. After some turns it lets others
run between two looks, so that it takes no time from the one it waits for where there are fewer cores than
threads, and after some more it sleeps.

No thread waits for one that sleeps: ranges are taken by whoever comes, each worker its own first, so that the
same core reads the same memory when a job is repeated. Every second job goes through the ranges backwards, so
that it begins with those that the core's cache still holds. A job is over when all of them are done. Every
number that two threads use is read and written atomically, in one order that all of them see.
"""

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.types import boolean, int64

from tinytensor.kernels._jit import subroutine
from tinytensor.kernels.address import integers_at
from tinytensor.kernels.atomic import compare_exchange, fetch_add, give_way, load, pause, store
from tinytensor.kernels.mailbox import (
    ACTIVE,
    ALIVE,
    ASLEEP,
    BACKWARDS,
    BOX,
    BUSY,
    COUNT,
    DONE,
    FAILED,
    FUNCTION,
    GENERATION,
    HELPERS,
    INDEX,
    LOCK,
    NEXT,
    OPEN,
    OWN,
    RAISED,
    SCRATCH,
    SCRATCH_BYTES,
    SEEN,
    SELF,
    SERVE,
    SIZE,
    SLOT,
    SLOTS,
    SPIN,
    STARTED,
    STOPPED,
    TABLE,
    TAKEN,
    X_STRIDE,
    Y_STRIDE,
    X,
    Y,
)
from tinytensor.kernels.native_threads import NO_THREAD, acquire, new_lock, release, start_thread

__all__ = ["free", "serve", "share", "stop", "take"]

PAUSES = 100  # turns of some 10 to 50 ns before others are let run
LAST_TURNS = 1_000_000  # a second or more: a helper that has not ended by then has no core
NUMBERS = (int64,) * 8


@intrinsic
def raises(typing_context: Any, box: Any, first: Any, last: Any, scratch: Any) -> Any:
    """Run the mailbox's kernel on a range; whether a function in it raised."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        box, first, last, scratch = values
        function, *given = (
            builder.load(cgutils.gep_inbounds(builder, box, place))
            for place in (FUNCTION, TABLE, X, X_STRIDE, Y, Y_STRIDE)
        )
        convention = context.call_conv
        kind = convention.get_function_type(types.void, NUMBERS)
        callee = builder.inttoptr(function, kind.as_pointer())
        status, _ = convention.call_function(
            builder, callee, types.void, NUMBERS, [*given, first, last, scratch]
        )
        return status.is_error

    return boolean(box, int64, int64, int64), generate


@subroutine
def taken_of(box_at: int, worker: int) -> Any:
    """How many of a worker's own ranges are taken; the caller is worker 0."""
    place = NEXT if worker == 0 else SLOTS + SLOT * (worker - 1) + OWN
    return integers_at(box_at + 8 * place)


@subroutine
def work(box_at: int, worker: int) -> None:
    """Take ranges until there are none: first one's own, then those of others."""
    box = integers_at(box_at)
    scratch, size, count = box[SCRATCH] + worker * box[SCRATCH_BYTES], box[SIZE], box[COUNT]
    ranges, workers = -(-count // size), box[HELPERS] + 1
    for other in range(workers):
        owner = (worker + other) % workers
        begin, stop = -(-ranges * owner // workers), -(-ranges * (owner + 1) // workers)
        taken = taken_of(box_at, owner)
        while load(taken, 0) < stop - begin:
            place = begin + fetch_add(taken, 0, 1)
            if place < stop:
                first = (begin + stop - 1 - place if box[BACKWARDS] else place) * size
                if raises(box, first, min(first + size, count), scratch):
                    store(box, FAILED, 1)


@subroutine
def wait(turn: int) -> None:
    """One turn of waiting."""
    if turn < PAUSES:
        pause()
    else:
        give_way()


@subroutine
def sleep(box: Any, slot: Any, seen: int) -> None:
    """Sleep until woken, unless there is a new job already."""
    store(slot, ASLEEP, 1)
    # either the caller sees that we sleep, or we see its job; whoever resets the mark decides
    if load(box, GENERATION) == seen or not compare_exchange(slot, ASLEEP, 1, 0):
        acquire(slot[LOCK])


@subroutine
def wake(slot: Any) -> None:
    """Wake a helper if it sleeps."""
    if load(slot, ASLEEP) == 1 and compare_exchange(slot, ASLEEP, 1, 0):
        release(slot[LOCK])


def serve(slot_at: int) -> None:
    """Help with every job that wants so many helpers, until the end."""
    slot = integers_at(slot_at)
    box, index, seen = integers_at(slot[BOX]), slot[INDEX], slot[SEEN]
    turn, generation = 0, seen
    while generation != STOPPED:
        if generation != seen:
            seen, turn = generation, 0
            if index < box[HELPERS]:
                # first active, then a look whether it is open: its caller closes it, then looks for both
                fetch_add(box, ACTIVE, 1)
                if load(box, OPEN) == seen:
                    work(slot[BOX], index + 1)
                fetch_add(box, ACTIVE, -1)
        elif turn < box[SPIN]:
            wait(turn)
            turn += 1
        else:
            sleep(box, slot, seen)
            turn = 0
        generation = load(box, GENERATION)
    fetch_add(box, ALIVE, -1)


@subroutine
def start_helper(box_at: int, index: int, seen: int) -> bool:
    """One more helper, which has seen the generation; whether the system gave us a thread."""
    box = integers_at(box_at)
    slot_at = box_at + 8 * (SLOTS + SLOT * index)
    slot = integers_at(slot_at)
    if slot[LOCK] == 0:
        slot[LOCK] = new_lock()
        if slot[LOCK] == 0:
            return False
        acquire(slot[LOCK])
    slot[SELF], slot[BOX], slot[INDEX], slot[SEEN] = slot_at, box_at, index, seen
    fetch_add(box, ALIVE, 1)
    if start_thread(slot_at) == NO_THREAD:
        fetch_add(box, ALIVE, -1)
        return False
    return True


@subroutine
def gather(box_at: int, helpers: int, seen: int) -> None:
    """Wake so many helpers, and start those that there are not yet."""
    box = integers_at(box_at)
    for index in range(min(helpers, box[STARTED])):
        wake(integers_at(box_at + 8 * (SLOTS + SLOT * index)))
    while box[STARTED] < helpers and start_helper(box_at, box[STARTED], seen):
        box[STARTED] += 1


def share(
    box_at: int, serve_at: int, function_at: int, table: int, x: int, x_stride: int, y: int, y_stride: int,
    count: int, size: int, helpers: int, scratch: int, scratch_bytes: int,
) -> int:  # fmt: skip
    """Do a job of `count` rows in ranges of `size`, with up to so many helpers: DONE, RAISED or BUSY."""
    box = integers_at(box_at)
    if not compare_exchange(box, TAKEN, 0, 1):
        return BUSY
    generation = load(box, GENERATION)
    if generation == STOPPED:
        store(box, TAKEN, 0)
        return BUSY
    box[FUNCTION], box[TABLE], box[X], box[X_STRIDE] = function_at, table, x, x_stride
    box[Y], box[Y_STRIDE], box[COUNT], box[SIZE] = y, y_stride, count, size
    box[SCRATCH], box[SCRATCH_BYTES] = scratch, scratch_bytes
    helpers = min(helpers, (count - 1) // size)
    box[HELPERS], box[BACKWARDS] = helpers, generation % 2
    for index in range(box[STARTED], helpers):
        integers_at(box_at + 8 * (SLOTS + SLOT * index))[SERVE] = serve_at
    for worker in range(helpers + 1):
        store(taken_of(box_at, worker), 0, 0)
    store(box, FAILED, 0)
    store(box, OPEN, generation + 1)
    store(box, GENERATION, generation + 1)
    gather(box_at, helpers, generation)
    work(box_at, 0)
    store(box, OPEN, 0)
    turn = 0
    while load(box, ACTIVE) != 0:
        wait(turn)
        turn += 1
    failed = load(box, FAILED)
    store(box, TAKEN, 0)
    return RAISED if failed else DONE


def take(box_at: int, turns: int) -> int:
    """Take the mailbox within so many turns; whether that was possible."""
    box = integers_at(box_at)
    turn = 0
    while not compare_exchange(box, TAKEN, 0, 1):
        turn += 1
        if turn >= turns:
            return 0
        wait(turn)
    return 1


def free(box_at: int) -> None:
    """Let another call take the mailbox."""
    store(integers_at(box_at), TAKEN, 0)


def stop(box_at: int) -> None:
    """End all helpers: nothing that an interpreter at its end gives back must be in use any more."""
    box = integers_at(box_at)
    store(box, GENERATION, STOPPED)
    for index in range(box[STARTED]):
        wake(integers_at(box_at + 8 * (SLOTS + SLOT * index)))
    turn = 0
    while turn < LAST_TURNS and load(box, ALIVE) != 0:
        wait(turn)
        turn += 1
