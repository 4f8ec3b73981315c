"""A program on one thread."""

from typing import Any

from numba import float32, float64, uint8
from numba.extending import intrinsic
from numba.types import Array, intp, void

from tinytensor.kernels._jit import kernel, strided
from tinytensor.kernels.call import call_address
from tinytensor.kernels.microkernel import pointer_to, stride_of

__all__ = ["run_alone"]


@intrinsic
def call_program(
    typing_context: Any, address: Any, table: Any, x: Any, x_stride: Any, y: Any, y_stride: Any, start: Any,
    stop: Any, scratch: Any,
) -> Any:  # fmt: skip
    """`run_program` at its address; x and y are pointers."""
    return call_address(intp, x, intp, y, intp, intp, intp, intp)


SOURCES = ((float32, float32), (float64, float64), (uint8, float32))


@kernel(
    "run_alone",
    *[void(intp, intp, strided(source, 2), Array(target, 2, "A"), intp, intp) for source, target in SOURCES],
)
def run_alone(function_at: int, table_at: int, x: Any, y: Any, start: int, stop: int) -> None:
    """Samples start … stop - 1 of x into the same rows of y, on this thread."""
    call_program(function_at, table_at, pointer_to(x, 0), stride_of(x, 0), pointer_to(y, 0), stride_of(y, 0),
                 start, stop, 0)  # fmt: skip
