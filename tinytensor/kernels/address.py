"""Numbers as addresses: how a table of integers tells a kernel where arrays are."""

from typing import Any

from numba.extending import intrinsic
from numba.types import CPointer, int64, intp

__all__ = ["at", "convert", "integers_at"]


def from_number(pointer: Any, *arguments: Any) -> Any:
    """What an intrinsic returns that makes a pointer of its first argument, a number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(pointer))

    return pointer(intp, *arguments), generate


@intrinsic
def at(typing_context: Any, address: Any, like: Any) -> Any:
    """A pointer to numbers of the dtype of an array, or of what is behind another pointer."""
    return from_number(CPointer(like.dtype), like)


@intrinsic
def integers_at(typing_context: Any, address: Any) -> Any:
    """A pointer to int64, as tables are."""
    return from_number(CPointer(int64))


@intrinsic
def convert(typing_context: Any, number: Any, like: Any) -> Any:
    """A number in the dtype of what is behind a pointer: Numba multiplies uint8 by float32 as float64."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.cast(builder, values[0], number, like.dtype)

    return like.dtype(number, like), generate
