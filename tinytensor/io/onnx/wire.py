"""What parsing an ONNX file would allocate, told from its bytes beforehand.

Two bytes are an empty node and cost 155 when parsed, one byte is a number and costs 8: the walk follows the
fields that hold messages, skips the weights, and stops when too much has been counted.

Source: the Protocol Buffers encoding specification.
"""

from typing import Any

from tinytensor.errors import ModelFormatError

__all__ = ["refuse_bombs"]

ALLOWANCE = 24 << 20  # bytes beside the weights
MESSAGE, STRING, NUMBER = 256, 40, 16  # measured with protobuf 7: up to 202, 37, 8.9 of a repeated one
PACKED = 8  # bytes that a number becomes, which has at least one
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
TYPE_STRING, TYPE_BYTES, TYPE_MESSAGE = 9, 12, 11
FIXED_TYPES = {1, 2, 6, 7, 15, 16}  # double, float, fixed64, fixed32, sfixed32, sfixed64


def refuse_bombs(data: bytes, message: Any) -> None:
    """Raise if bytes are no message of that descriptor's type, or would become much more memory.

    Raises:
        ModelFormatError: says at which byte.
    """
    left = ALLOWANCE
    stack = [(0, len(data), message)]
    while stack:
        position, end, descriptor = stack.pop()
        fields = descriptor.fields_by_number
        while position < end:
            start = position
            tag, position = varint(data, position, end)
            kind, field = tag & 7, fields.get(tag >> 3)
            size = FIXED_SIZES.get(kind, 0)
            cost = NUMBER
            if kind == VARINT:
                _, position = varint(data, position, end)
            elif kind == DELIMITED:
                size, position = varint(data, position, end)
                cost = cost_of(field, size)
                if field is not None and field.type == TYPE_MESSAGE:
                    stack.append((position, position + size, field.message_type))
                elif field is not None and field.type == TYPE_STRING:
                    refuse_other_text(data[position : position + size], start)
            elif kind not in FIXED_SIZES:
                raise ModelFormatError(f"byte {start}: no field of a model")
            position += size
            left -= cost
            if position > end:
                raise ModelFormatError(f"byte {start}: a field ends {position - end} bytes after its message")
            if left < 0:
                raise ModelFormatError(f"byte {start}: expected at most {ALLOWANCE} bytes beside weights")


def refuse_other_text(text: bytes, start: int) -> None:
    """Raise unless a string is UTF-8; the library would give bytes in its place."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"byte {start}: expected text in UTF-8: {error}") from error


def cost_of(field: Any, size: int) -> int:
    """Bytes that a field of variable length becomes, beyond its own."""
    if field is None:
        return NUMBER
    if field.type == TYPE_MESSAGE:
        return MESSAGE
    if field.type in (TYPE_STRING, TYPE_BYTES):
        return STRING
    return NUMBER if field.type in FIXED_TYPES else NUMBER + PACKED * size


def varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ModelFormatError(f"byte {position}: a number does not end")
