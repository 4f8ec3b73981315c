"""Numbers as addresses: how a table of integers tells a kernel where arrays are."""

from typing import Any

from numba.extending import intrinsic
from numba.types import CPointer, float32, float64, int64, intp, uint8

__all__ = ["bytes_at", "bytes_of", "doubles_at", "floats_at", "integers_at", "number_of", "numbers_at"]


def from_number(pointer: Any, *arguments: Any) -> Any:
    """What an intrinsic returns that makes a pointer of its first argument, a number."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(pointer))

    return pointer(intp, *arguments), generate


@intrinsic
def numbers_at(typing_context: Any, address: Any, like: Any) -> Any:
    """A pointer to numbers of the dtype of an array, or of what is behind another pointer."""
    return from_number(CPointer(like.dtype), like)


def pointers_to(element: Any) -> Any:
    """An intrinsic that makes a pointer to such elements of a number."""

    @intrinsic
    def elements_at(typing_context: Any, address: Any) -> Any:
        return from_number(CPointer(element))

    return elements_at


bytes_at, integers_at, floats_at, doubles_at = map(pointers_to, (uint8, int64, float32, float64))


@intrinsic
def number_of(typing_context: Any, pointer: Any) -> Any:
    """The address behind a pointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ptrtoint(values[0], context.get_value_type(intp))

    return intp(pointer), generate


@intrinsic
def bytes_of(typing_context: Any, pointer: Any) -> Any:
    """How long an element behind a pointer is: a constant."""
    size = pointer.dtype.bitwidth // 8
    return intp(pointer), lambda context, builder, signature, values: context.get_constant(intp, size)
