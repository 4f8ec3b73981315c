"""Where a caller and its helpers meet: an array of int64, and the kernels that read it.

The caller takes the mailbox, writes a job, counts the generation up, wakes helpers that sleep, and takes
ranges of the job like everybody else. Then it closes the job and waits until nobody is active any more. All
of this is one call of compiled code, so no interrupt comes between two steps. See `kernels.workers`.
"""

from tinytensor.kernels.declare import kernel

__all__ = [
    "BUSY",
    "DONE",
    "MAILBOX",
    "MOST_HELPERS",
    "RAISED",
    "free",
    "serve",
    "share",
    "stop",
    "take",
]

# what several threads write stands on a line of memory of its own
TAKEN, GENERATION, OPEN, NEXT, ACTIVE, FAILED, ALIVE = range(0, 56, 8)
FUNCTION, TABLE, X, X_STRIDE, Y, Y_STRIDE, COUNT, SIZE, HELPERS, SCRATCH, SCRATCH_BYTES = range(56, 67)
STARTED = 67  # helpers that there are
SPIN = 68  # turns that a helper without work waits awake
BACKWARDS = 69  # whether each worker begins with the last of its own ranges
SLOTS = 72  # of helpers, a line each
SLOT = 8  # numbers
# of a slot: the first two are what a thread begins with, the last how many of its own ranges are taken
SERVE, SELF, BOX, INDEX, SEEN, LOCK, ASLEEP, OWN = range(8)
MOST_HELPERS = 511
MAILBOX = SLOTS + MOST_HELPERS * SLOT  # numbers
STOPPED = -1  # the generation after which nobody helps any more

DONE, RAISED, BUSY = range(3)  # what `share` returns

serve = kernel("workers.serve", "void(data)")
share = kernel("workers.share", "i64(data, i64, i64, i64, data, i64, data, i64, i64, i64, i64, data, i64)")
take = kernel("workers.take", "i64(data, i64)")
free = kernel("workers.free", "void(data)")
stop = kernel("workers.stop", "void(data)")
