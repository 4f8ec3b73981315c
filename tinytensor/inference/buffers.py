"""Where a program's values lie: buffers of rows in a thread's scratch memory, which later values reuse.

A buffer holds, for each sample of a block, the elements of one value. Values that are other views of the same
elements, or that an instruction computes in place, share one.
"""

from typing import NamedTuple

from tinytensor.errors import UnsupportedOp
from tinytensor.kernels import record

__all__ = ["Buffer", "Memory", "place"]

LINE = 64  # bytes of a line of memory
SQUARE = 16  # rows: softmax reads whole squares of vectors, beyond the last row


class Buffer:
    """Elements for each sample; a fixed number is that of the caller's input or output."""

    def __init__(
        self, features: int, size: int, number: int | None = None, readers: int = 0, first: int = 0,
        last: int = 0, packed: bool = False, overread: bool = False, offset: int = 0, rows: int = 0,
    ):  # fmt: skip
        self.features = features
        self.size = size  # bytes of an element
        self.number = number
        self.readers = readers  # nodes that will still read it
        self.first = first  # the instruction that writes it first
        self.last = last  # the instruction that uses it last
        self.packed = packed  # a sample's elements are rows without a gap, so samples have none either
        self.overread = overread  # rows beyond the last are read
        self.offset = offset
        self.rows = rows  # for which there is room

    @property
    def stride(self) -> int:
        """Bytes from sample to sample: no gap, unless the stride were many times a power of two."""
        length = self.features * self.size
        return length + LINE if length % 512 == 0 and not self.packed else length


class Memory(NamedTuple):
    """Offsets, strides and steps of buffers, by number (see `record`), and how far they reach."""

    entries: list[tuple[int, int, int]]
    end: int


def place(buffers: list[Buffer], passing: set[Buffer], begin: int) -> Memory:
    """Give buffers their offsets, from `begin` on, and their numbers; the first that fits is taken.

    Those that pass from phase to phase move on with the rows of a phase's turn.

    Raises:
        UnsupportedOp: there are more places than a thread's scratch memory can list.
    """
    entries, end_of_all = [(0, 0, 0), (0, 0, 0)], begin
    placed: list[tuple[Buffer, int]] = []  # with the end of its memory
    for buffer in buffers:
        if buffer.number is not None:
            continue
        room = (buffer.rows + SQUARE * buffer.overread) * buffer.stride + 4 * LINE
        busy = sorted(
            (other.offset, end)
            for other, end in placed
            if other.first <= buffer.last and buffer.first <= other.last
        )
        offset = begin
        for start, end in busy:
            if offset + room <= start:
                break
            offset = max(offset, end)
        buffer.offset = offset
        end = offset + (room + 4095 & ~4095) + LINE  # not all at the same place of a page
        placed.append((buffer, end))
        end_of_all = max(end_of_all, end)
        entry = offset, buffer.stride, buffer.stride * (buffer in passing)
        if entry not in entries:
            entries.append(entry)
        buffer.number = entries.index(entry, 2)
    if len(entries) > record.MOST_BUFFERS:
        raise UnsupportedOp(f"a program has at most {record.MOST_BUFFERS} places for values")
    return Memory(entries, end_of_all)
