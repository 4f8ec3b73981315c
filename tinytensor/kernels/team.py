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
from numba.types import Array, CPointer, boolean, int64, intp, void

from tinytensor.kernels._jit import kernel, strided, subroutine
from tinytensor.kernels.address import integers_at
from tinytensor.kernels.atomic import fetch_add, load, pause, store
from tinytensor.kernels.call import call_address
from tinytensor.kernels.microkernel import pointer_to, stride_of

__all__ = ["GENERATION", "MAILBOX", "STOPPED", "run_alone", "run_team", "serve"]

# each on a line of memory of its own, as several threads write them
GENERATION, OPEN, NEXT, ACTIVE, FAILED = range(0, 40, 8)
FUNCTION, TABLE, X, X_STRIDE, Y, Y_STRIDE, COUNT, SIZE, HELPERS = range(40, 49)
MAILBOX = 56  # numbers
STOPPED = -1  # the generation after which nobody serves any more

POINTER = CPointer(float32)  # whatever it points to: the program at the address knows
ARGUMENTS = (intp, POINTER, intp, POINTER, intp, intp, intp)


@intrinsic
def call_program(
    typing_context: Any, address: Any, table: Any, x: Any, x_stride: Any, y: Any, y_stride: Any, start: Any,
    stop: Any,
) -> Any:  # fmt: skip
    """`run_program` at its address; x and y are pointers."""
    return call_address(intp, x, intp, y, intp, intp, intp)


@intrinsic
def fails(typing_context: Any, box: Any, start: Any, stop: Any) -> Any:
    """Run the mailbox's program on a range of its samples; whether a function in it raised."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        box, start, stop = values

        def field(place: int) -> Any:
            return builder.load(cgutils.gep_inbounds(builder, box, place))

        convention = context.call_conv
        function_type = convention.get_function_type(types.void, ARGUMENTS)
        pointer = context.get_value_type(POINTER)
        callee = builder.inttoptr(field(FUNCTION), function_type.as_pointer())
        x, y = (builder.inttoptr(field(place), pointer) for place in (X, Y))
        given = [field(TABLE), x, field(X_STRIDE), y, field(Y_STRIDE), start, stop]
        status, _ = convention.call_function(builder, callee, types.void, ARGUMENTS, given)
        return status.is_error

    return boolean(box, intp, intp), generate


@subroutine
def work(box: Any) -> None:
    """Take ranges until there are none."""
    start = fetch_add(box, NEXT, box[SIZE])
    while start < box[COUNT]:
        if fails(box, start, min(start + box[SIZE], box[COUNT])):
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
    "run_alone",
    *[void(intp, intp, strided(source, 2), Array(target, 2, "A"), intp, intp) for source, target in SOURCES],
)
def run_alone(function_at: int, table_at: int, x: Any, y: Any, start: int, stop: int) -> None:
    """Samples start … stop - 1 of x into the same rows of y, on this thread."""
    call_program(function_at, table_at, pointer_to(x, 0), stride_of(x, 0), pointer_to(y, 0), stride_of(y, 0),
                 start, stop)  # fmt: skip


@kernel(
    "run_team",
    *[
        boolean(intp, intp, intp, strided(source, 2), Array(target, 2, "A"), intp, intp)
        for source, target in SOURCES
    ],
)
def run_team(box_at: int, function_at: int, table_at: int, x: Any, y: Any, size: int, helpers: int) -> bool:
    """All samples, in ranges of `size`, with up to so many helpers; whether all went well."""
    box = integers_at(box_at)
    box[FUNCTION], box[TABLE], box[COUNT], box[SIZE], box[HELPERS] = (
        function_at,
        table_at,
        x.shape[0],
        size,
        helpers,
    )
    box[X], box[X_STRIDE] = x.ctypes.data, stride_of(x, 0)
    box[Y], box[Y_STRIDE] = y.ctypes.data, stride_of(y, 0)
    store(box, NEXT, 0)
    store(box, FAILED, 0)
    generation = load(box, GENERATION) + 1
    store(box, OPEN, generation)
    store(box, GENERATION, generation)
    work(box)
    store(box, OPEN, 0)
    while load(box, ACTIVE) != 0:
        pause()
    return load(box, FAILED) == 0  # type: ignore[no-any-return]
