"""Several threads at one batch, without Python in between.

Python threads that wait for work spin for a while in `serve`, so that a batch of a hundred samples, 60 µs of
work, is worth sharing: to wake a thread that sleeps takes as long. They and the caller meet in a mailbox, an
array of int64. The caller writes the job, counts the generation up, takes ranges of samples like everybody
else, closes the job and waits until nobody is active any more.
"""

from typing import Any

from numba import float32, float64, uint8
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.types import Array, boolean, int64, intp

from tinytensor.kernels._jit import kernel, strided, subroutine
from tinytensor.kernels.address import integers_at
from tinytensor.kernels.atomic import fetch_add, load, pause, store
from tinytensor.kernels.call import call_address

__all__ = ["GENERATION", "MAILBOX", "STOPPED", "run_team", "serve"]

# each on a line of memory of its own, as several threads write them
GENERATION, OPEN, NEXT, ACTIVE, FAILED, TICKET = range(0, 48, 8)
FUNCTION, TABLE, X, X_STRIDE, Y, Y_STRIDE, COUNT, SIZE, HELPERS, SCRATCH, SCRATCH_BYTES = range(48, 59)
MAILBOX = 64  # numbers
STOPPED = -1  # the generation after which nobody serves any more

ARGUMENTS = (intp,) * 8


@intrinsic
def call_program(
    typing_context: Any, address: Any, table: Any, x: Any, x_stride: Any, y: Any, y_stride: Any, start: Any,
    stop: Any, scratch: Any,
) -> Any:  # fmt: skip
    """`run_program` at its address."""
    return call_address(*ARGUMENTS)


@intrinsic
def fails(typing_context: Any, box: Any, start: Any, stop: Any, scratch: Any) -> Any:
    """Run the mailbox's program on a range of its samples; whether a function in it raised."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        box, start, stop, scratch = values

        def field(place: int) -> Any:
            return builder.load(cgutils.gep_inbounds(builder, box, place))

        convention = context.call_conv
        function_type = convention.get_function_type(types.void, ARGUMENTS)
        callee = builder.inttoptr(field(FUNCTION), function_type.as_pointer())
        given = [*(field(place) for place in (TABLE, X, X_STRIDE, Y, Y_STRIDE)), start, stop, scratch]
        status, _ = convention.call_function(builder, callee, types.void, ARGUMENTS, given)
        return status.is_error

    return boolean(box, intp, intp, intp), generate


@subroutine
def work(box: Any) -> None:
    """Take ranges until there are none."""
    scratch = box[SCRATCH] + fetch_add(box, TICKET, 1) * box[SCRATCH_BYTES]
    start = fetch_add(box, NEXT, box[SIZE])
    while start < box[COUNT]:
        if fails(box, start, min(start + box[SIZE], box[COUNT]), scratch):
            store(box, FAILED, 1)
        start = fetch_add(box, NEXT, box[SIZE])


@kernel("serve", int64(intp, int64, int64))
def serve(box_at: int, seen: int, spins: int) -> int:
    """Help with every job after generation `seen`, until none has come for so many turns of a loop."""
    box = integers_at(box_at)
    idle = 0
    while idle < spins:
        generation = load(box, GENERATION)
        if generation == STOPPED:
            return generation  # type: ignore[no-any-return]
        if generation != seen:
            seen, idle = generation, 0
            # first active, then a look whether it is open: its caller first closes it, then looks for both
            if fetch_add(box, ACTIVE, 1) < box[HELPERS] and load(box, OPEN) == seen:
                work(box)
            fetch_add(box, ACTIVE, -1)
        else:
            pause()
            idle += 1
    return seen


SOURCES = ((float32, float32), (float64, float64), (uint8, float32))


@kernel(
    "run_team",
    *[
        boolean(intp, intp, intp, strided(source, 2), Array(target, 2, "A"), intp, intp, intp, intp)
        for source, target in SOURCES
    ],
)
def run_team(
    box_at: int, function_at: int, table_at: int, x: Any, y: Any, size: int, helpers: int, scratch: int,
    scratch_bytes: int,
) -> bool:  # fmt: skip
    """All samples, in ranges of `size`, with up to so many helpers; whether all went well."""
    box = integers_at(box_at)
    box[FUNCTION], box[TABLE], box[COUNT], box[SIZE], box[HELPERS] = (
        function_at,
        table_at,
        x.shape[0],
        size,
        helpers,
    )
    box[X], box[X_STRIDE] = x.ctypes.data, x.strides[0]
    box[Y], box[Y_STRIDE] = y.ctypes.data, y.strides[0]
    box[SCRATCH], box[SCRATCH_BYTES] = scratch, scratch_bytes
    store(box, NEXT, 0)
    store(box, TICKET, 0)
    store(box, FAILED, 0)
    generation = load(box, GENERATION) + 1
    store(box, OPEN, generation)
    store(box, GENERATION, generation)
    work(box)
    store(box, OPEN, 0)
    while load(box, ACTIVE) != 0:
        pause()
    return load(box, FAILED) == 0  # type: ignore[no-any-return]
