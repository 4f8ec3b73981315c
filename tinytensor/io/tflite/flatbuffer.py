"""Whether the bytes of a TFLite file are the tables that the schema says, before anything follows an offset.

The reader of flatbuffers follows every offset that it finds. This walks the tables that ours reads, each
field as often as it is pointed to, and stops where one leaves the file or where too much has been counted: a
few bytes may point to one large vector many times.

Source: the internals of FlatBuffers; the schema of TensorFlow Lite.
"""

import struct
from typing import Any

from tinytensor.errors import ModelFormatError

__all__ = ["expect_tables"]

ALLOWANCE = 1 << 20  # bytes that may be pointed to beside twice the file
MOST_TABLES = 100_000
PADDING = 8  # bytes that a number at the end of a table may be read beyond it
TABLE, TABLES, VECTOR, UNION = "table", "tables", "vector", "union"

# Of each table the fields that are followed, by their positions: what they are, then of what. Fields that are
# not named lie in the table itself or are not read.
Fields = dict[int, tuple[str, Any]]
SCHEMA: dict[str, Fields] = {
    "Model": {1: (TABLES, "OperatorCode"), 2: (TABLES, "SubGraph"), 4: (TABLES, "Buffer")},
    "OperatorCode": {1: (VECTOR, 1)},
    "SubGraph": {0: (TABLES, "Tensor"), 1: (VECTOR, 4), 2: (VECTOR, 4), 3: (TABLES, "Operator")},
    "Tensor": {
        0: (VECTOR, 4), 3: (VECTOR, 1), 4: (TABLE, "Quantization"), 6: (TABLE, "Sparsity"), 7: (VECTOR, 4),
    },
    "Quantization": {2: (VECTOR, 4), 3: (VECTOR, 8)},
    "Sparsity": {},
    "Operator": {1: (VECTOR, 4), 2: (VECTOR, 4), 4: (UNION, 3)},
    "Buffer": {0: (VECTOR, 1)},
}  # fmt: skip
# Tables of options that hold more than numbers: their vectors of numbers, by the number of the table's type.
OPTIONS: dict[int, Fields] = {17: {0: (VECTOR, 4)}, 30: {0: (VECTOR, 4)}}  # ReshapeOptions, SqueezeOptions


class Walk:
    """What has been seen of a file."""

    def __init__(self, content: bytes):
        self.content = content
        self.left, self.tables = 2 * len(content) + ALLOWANCE, MOST_TABLES

    def number(self, form: str, position: int) -> int:
        """A number of the file."""
        size = struct.calcsize(form)
        if not 0 <= position <= len(self.content) - size:
            raise ModelFormatError(f"byte {position}: an offset leaves the file")
        return int(struct.unpack_from(form, self.content, position)[0])

    def pay(self, position: int, size: int) -> None:
        """Count bytes that are pointed to, and raise if there are not so many, or too many by now."""
        if size > len(self.content) - position:
            raise ModelFormatError(f"byte {position}: {size} bytes leave the file")
        self.left -= size
        if self.left < 0:
            raise ModelFormatError(f"byte {position}: the same bytes are pointed to again and again")

    def fields(self, position: int) -> list[int]:
        """Where the fields of a table are, 0 for those that are left out."""
        self.tables -= 1
        if self.tables < 0:
            raise ModelFormatError(f"byte {position}: expected at most {MOST_TABLES} tables")
        vtable = position - self.number("<i", position)
        size, inline = self.number("<H", vtable), self.number("<H", vtable + 2)
        self.pay(vtable, size)
        self.pay(position, inline)
        if size < 4 or size % 2 or inline < 4:
            raise ModelFormatError(f"byte {vtable}: no table of fields")
        offsets = struct.unpack_from(f"<{size // 2 - 2}H", self.content, vtable + 4)
        if any(0 < each < 4 or each >= inline for each in offsets):
            raise ModelFormatError(f"byte {vtable}: a field lies outside of its table")
        return [position + each if each else 0 for each in offsets]

    def target(self, field: int) -> int:
        """Where an offset points to."""
        return field + self.number("<I", field)

    def vector(self, field: int, size: int) -> range:
        """Where the elements of a vector are."""
        start = self.target(field)
        count = self.number("<I", start)
        self.pay(start, 4 + count * size)
        return range(start + 4, start + 4 + count * size, size)

    def table(self, position: int, known: Fields) -> None:
        """Follow the fields of a table that are read."""
        fields = self.fields(position)
        for slot, (kind, what) in known.items():
            field = fields[slot] if slot < len(fields) else 0
            if not field:
                continue
            if kind == VECTOR:
                self.vector(field, what)
            elif kind == TABLE:
                self.table(self.target(field), SCHEMA[what])
            elif kind == TABLES:
                for element in self.vector(field, 4):
                    self.table(self.target(element), SCHEMA[what])
            else:
                type_of = fields[what] if what < len(fields) else 0
                number = self.number("<B", type_of) if type_of else 0
                self.table(self.target(field), OPTIONS.get(number, {}))


def expect_tables(content: bytes) -> bytes:
    """The content, a little longer, so that no number that is read from it lies beyond its end.

    Raises:
        ModelFormatError: an offset leaves the file, or bytes are pointed to again and again; says where.
    """
    walk = Walk(content)
    walk.table(walk.target(0), SCHEMA["Model"])
    return content + bytes(PADDING)
