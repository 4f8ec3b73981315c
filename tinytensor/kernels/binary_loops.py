"""The loops under binary operations: three axes, along each of which an operand is repeated or not.

The inner loops are vector with vector, vector with scalar and scalar with vector. Rows shorter than
SHORT_ROW are taken several at once; an operand of which there is one row is repeated into scratch memory.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.kernels._jit import inline
from tinytensor.kernels.binary import SHORT_ROW
from tinytensor.kernels.pointers import pointer_to
from tinytensor.kernels.power import power as scalar_power

__all__ = [
    "add",
    "divide",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "multiply",
    "not_equal",
    "power",
    "subtract",
]


@inline
def block_of(x: Any, i: int, blocks: int, middle: int, inner: int, rows: int, room: Any) -> Any:
    """Block i of x; a single row is repeated `rows` times."""
    block = pointer_to(x, i * middle * inner if blocks > 1 else 0)
    if middle > 1 or rows == 1:
        return block
    for j in range(rows):
        for k in range(inner):
            room[j * inner + k] = block[k]
    return room


def make_loops(scalar: Callable[[Any, Any], Any]) -> Callable[..., None]:
    """Y = scalar(a, b) over three axes; a and b have the length of y along an axis, or 1."""
    compiled = inline(scalar)

    @inline
    def line(a: Any, a_repeated: bool, b: Any, b_repeated: bool, y: Any, count: int) -> None:
        if b_repeated:
            right = b[0]
            for k in range(count):
                y[k] = compiled(a[k], right)
        elif a_repeated:
            left = a[0]
            for k in range(count):
                y[k] = compiled(left, b[k])
        else:
            for k in range(count):
                y[k] = compiled(a[k], b[k])

    def loops(
        a: Any, b: Any, y: Any, scratch: Any, blocks: int, middle: int, inner: int, a_blocks: int,
        a_middle: int, a_inner: int, b_blocks: int, b_middle: int, b_inner: int,
    ) -> None:  # fmt: skip
        a_repeated, b_repeated = a_inner < inner, b_inner < inner
        short = inner < SHORT_ROW and not a_repeated and not b_repeated
        rows = min(middle, -(-SHORT_ROW // inner)) if short else 1
        a_step = a_inner if a_middle > 1 else 0
        b_step = b_inner if b_middle > 1 else 0
        other = pointer_to(scratch, 2 * SHORT_ROW)
        for i in range(blocks):
            left = block_of(a, i, a_blocks, a_middle, a_inner, rows, scratch)
            right = block_of(b, i, b_blocks, b_middle, b_inner, rows, other)
            target = pointer_to(y, i * middle * inner)
            for j in range(0, middle, rows):
                count = min(rows, middle - j) * inner
                line(pointer_to(left, j * a_step), a_repeated, pointer_to(right, j * b_step), b_repeated,
                     pointer_to(target, j * inner), count)  # fmt: skip

    return loops


add = make_loops(lambda x, y: x + y)
subtract = make_loops(lambda x, y: x - y)
multiply = make_loops(lambda x, y: x * y)
divide = make_loops(lambda x, y: x / y)
power = make_loops(lambda x, y: scalar_power(x, y))
# NaN is returned by the second test if it is x, and by the failed first one if it is y.
maximum = make_loops(lambda x, y: x if x >= y or x != x else y)
minimum = make_loops(lambda x, y: x if x <= y or x != x else y)
less = make_loops(lambda x, y: np.uint8(x < y))
less_equal = make_loops(lambda x, y: np.uint8(x <= y))
greater = make_loops(lambda x, y: np.uint8(x > y))
greater_equal = make_loops(lambda x, y: np.uint8(x >= y))
equal = make_loops(lambda x, y: np.uint8(x == y))
not_equal = make_loops(lambda x, y: np.uint8(x != y))
