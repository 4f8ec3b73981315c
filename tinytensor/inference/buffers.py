"""Where a program's values lie: buffers of rows in a thread's scratch memory, which later values reuse.

A buffer holds, for each sample of a block, the elements of one value. Values that are other views of the same
elements, or that an instruction computes in place, share one.
"""

from dataclasses import dataclass, field

from tinytensor.errors import UnsupportedOp
from tinytensor.kernels import record

__all__ = ["Buffer", "Memory", "place"]

LINE = 64  # bytes of a line of memory
SQUARE = 16  # rows: softmax reads whole squares of vectors, beyond the last row


@dataclass(eq=False)
class Buffer:
    """Elements for each sample; a fixed number is that of the caller's input or output."""

    features: int
    size: int  # bytes of an element
    number: int | None = None
    readers: int = 0  # nodes that will still read it
    first: int = 0  # the instruction that writes it first
    last: int = 0  # the instruction that uses it last
    packed: bool = False  # a sample's elements are several rows without a gap, so samples have none either
    overread: bool = False  # rows beyond the last are read
    offset: int = 0
    rows: int = 0  # for which there is room

    @property
    def stride(self) -> int:
        """Bytes from sample to sample: no gap, unless the stride were many times a power of two."""
        length = self.features * self.size
        return length + LINE if length % 512 == 0 and not self.packed else length


@dataclass
class Memory:
    """Offsets, strides and steps of buffers, by number (see `record`), and how far they reach."""

    entries: list[tuple[int, int, int]] = field(default_factory=list)
    end: int = 0


def place(buffers: list[Buffer], passing: set[Buffer], begin: int) -> Memory:
    """Give buffers their offsets, from `begin` on, and their numbers; the first that fits is taken.

    Those that pass from phase to phase move on with the rows of a phase's turn.

    Raises:
        UnsupportedOp: there are more places than a thread's scratch memory can list.
    """
    memory = Memory([(0, 0, 0), (0, 0, 0)], begin)
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
        memory.end = max(memory.end, end)
        entry = offset, buffer.stride, buffer.stride * (buffer in passing)
        if entry not in memory.entries:
            memory.entries.append(entry)
        buffer.number = memory.entries.index(entry, 2)
    if len(memory.entries) > record.MOST_BUFFERS:
        raise UnsupportedOp(f"a program has at most {record.MOST_BUFFERS} places for values")
    return memory
