"""The micro-kernel of every product: a tile of rows × outputs, held in registers from bias to result.

    out[row, lane] = bias[lane] + Σ_i x[row, place_i] · w[place_i, lane]

Lanes are outputs, rows are samples. The picture, for 6 rows and 50 outputs with vectors of 16 floats:

              w[k]:  |  vector 0  |  vector 1  |  vector 2  | 2 left over
    row 0   x[0,k] → |  16 sums   |  16 sums   |  16 sums   | ┐
    row 1   x[1,k] → |  16 sums   |  16 sums   |  16 sums   | │ one tail vector holds
      ⋮                                                       │ the 2 × 6 sums left over
    row 5   x[5,k] → |  16 sums   |  16 sums   |  16 sums   | ┘

A step loads one input of each row, copied to all lanes, and the 3 vectors and 2 numbers of w[k], and does
6 · 3 + 1 fused multiply-adds: 10 loads for 19 FMAs, so a CPU with two FMA units and two load ports is bound
by its FMA units (10 cycles a step). Rows are read where they lie; nothing is transposed. The places i are
all inputs in order (dense) or a list of those that are not zero in all rows of the tile (listed): a term
0 · w changes no sum as long as w is finite. One fma for each i in ascending order, so the bits of an output
depend neither on the tile's shape nor on the CPU.

Rows of a convolution are output pixels (taps): `x` is then a table of addresses of windows in the image, and
OUT_TABLE bytes behind each is the address of its pixel in the result; X_STRIDE is added to the first, `out`
to the second. Weights and bias are padded to whole vectors. An entry of the list is 64 bits: where the tap
lies in the window, in bytes and signed, and above it, which tap of the kernel it is. So padding, dilation,
strides and the layout of the image are all in the list, and rows of a tile may lie anywhere, as long as their
windows have the same taps.

The first loads of a tile are the bias or, where a long sum goes on, what was summed before: a convolution
whose weights are more than L1 holds goes through some taps for all pixels of a chunk, then through the next
ones. What follows the sums is computed before they leave the registers, if EPILOGUE is not 0: where AFTER is
not 0, a batch norm, ((sum - a) · b) + c with the a, b and c of a lane AFTER, 2·AFTER and 3·AFTER bytes behind
its bias; then FLOOR and CEILING, which are infinite where nothing is bounded. Each costs an instruction for
each vector, but an infinite CEILING none. Max pooling of 2 by 2 pixels is part of the tile, too, where its
rows are the four pixels of a window, of the next window, and so on.
"""

from functools import reduce

from llvmlite import ir

from tinytensor.kernels.record import (
    AFTER,
    CEILING,
    CONSTANTS_AT,
    EPILOGUE,
    FLOOR,
    INIT_STRIDE,
    LEFT,
    OUT_STRIDE,
    OUT_TABLE,
    PAGE_BYTES,
    TABLE,
    TAIL,
    WEIGHT_STRIDE,
    X_STRIDE,
)
from tinytensor.kernels.specs import POOLED, RAGGED, Tile
from tinytensor.kernels.vector import I8, I16, I32, I64, Builder, Value, function

__all__ = ["build_tile"]

AHEAD = 8  # terms, of 10 to 12 cycles: weights come from L2 in that time; a list has room for so many more
FEW = 3  # rows, whose loads take all load ports: their tiles ask for nothing ahead
LINE = 64  # bytes


def build_tile(tile: Tile) -> ir.Module:
    """tile(record, x, w, init, out, list, count): one tile of a product that the record describes."""
    module, builder = function(tile.name, 7)
    Emitter(tile, builder).emit()
    return module


class Emitter:
    """Writes one tile."""

    def __init__(self, tile: Tile, builder: Builder):
        self.tile, self.b = tile, builder
        self.element = self.element_of(tile.dtype)
        self.size = self.out_size = 8 if tile.dtype == "float64" else 4
        self.vector = ir.VectorType(self.element, tile.lanes)
        self.record, self.x, self.w, self.init, self.out, self.list, self.count = builder.made.args
        self.step = builder.field(self.record, WEIGHT_STRIDE)
        page = builder.field(self.record, PAGE_BYTES)
        self.pages = [builder.add(self.w, builder.multiply(page, each)) for each in range(tile.pages)]
        self.x_stride = builder.field(self.record, X_STRIDE)
        self.tail = builder.field(self.record, TAIL)
        self.left = builder.field(self.record, LEFT)
        self.table = builder.field(self.record, TABLE)
        self.columns = tile.vectors * tile.pages
        self.scale = 1 if tile.taps else self.size  # bytes from a place to the next; of taps they are bytes
        # which rows share each tail vector
        self.per_tail = tile.lanes // tile.end if tile.end > 0 else 0
        self.tails = [
            range(first, min(first + self.per_tail, tile.rows))
            for first in (range(0, tile.rows, self.per_tail) if self.per_tail else ())
        ]

    @staticmethod
    def element_of(dtype: str) -> ir.Type:
        """What a lane holds."""
        return ir.FloatType() if dtype == "float32" else ir.DoubleType()

    def emit(self) -> None:
        """Sums from init, over the places, to out."""
        walk = self.tapped if self.tile.taps else self.places
        values = self.stored(walk(self.start()))
        self.store_rows(self.largest(values) if self.tile.pooled else values)
        self.b.ir.ret_void()

    def stored(self, sums: list[Value]) -> list[Value]:
        """What is stored: what follows the sums, if anything does; a -0 becomes 0."""
        b = self.b

        def constants(address: Value) -> list[Value]:
            return self.constants([address] * self.tile.rows, padded=True)

        return b.followed(sums, self.record, EPILOGUE, CONSTANTS_AT, (AFTER, FLOOR, CEILING), constants)

    def full(self, column: int) -> bool:
        """Whether a column of vectors has all its lanes."""
        return self.tile.end != RAGGED or column < self.columns - 1

    def start(self) -> list[Value]:
        """What the sums start from."""
        b, tile = self.b, self.tile
        if tile.taps:
            rows = [self.pixel(row) if tile.resumes else self.init for row in range(tile.rows)]
            return self.constants(rows, padded=True)
        stride = b.field(self.record, INIT_STRIDE)
        rows = [b.add(self.init, b.multiply(stride, row)) for row in range(tile.rows)]
        return self.constants(rows, padded=False)

    def constants(self, rows: list[Value], padded: bool) -> list[Value]:
        """A number for each sum, from an address for each row; whole vectors of it can be read if padded."""
        read = {
            row: [self.lanes_at(row, column, self.vector, padded) for column in range(self.columns)]
            for row in rows
        }
        found = [each for row in rows for each in read[row]]
        for group in self.tails:
            found.append(self.side_by_side([self.tail_at(rows[row], self.element, padded) for row in group]))
        return found

    def lanes_at(self, row: Value, column: int, kind: ir.VectorType, padded: bool = False) -> Value:
        """A vector of a row, whose last one may not be full."""
        place = self.size * self.tile.lanes * column
        if self.full(column) or padded:
            return self.b.load(row, kind, place)
        mask = self.b.first_lanes(self.left, self.tile.lanes)
        return self.b.masked_load(self.b.add(row, place), kind, mask)

    def tail_at(self, row: Value, element: ir.Type, padded: bool = False) -> Value:
        """The left-over lanes of one row."""
        kind = ir.VectorType(element, self.tile.end)
        address = self.b.add(row, self.size * self.tile.lanes * self.columns)
        if self.tile.end <= 2 or padded:
            return self.b.load(address, kind)
        return self.b.masked_load(address, kind, self.b.first_lanes(self.left, self.tile.end))

    def side_by_side(self, parts: list[Value]) -> Value:
        """The left-over lanes of several rows in one vector."""
        width, lanes = self.tile.end, self.tile.lanes
        whole = self.b.pick(parts[0], [lane % width for lane in range(lanes)])
        for place, part in enumerate(parts[1:], 1):
            spread = self.b.pick(part, [lane % width for lane in range(lanes)])
            whole = self.b.blend([lane // width == place for lane in range(lanes)], spread, whole)
        return whole

    def update(
        self, rows: list[Value], place: Value, pages: list[Value], tail: Value, sums: list[Value]
    ) -> list[Value]:
        """One term of every sum; an input is at `place` of each row.

        LLVM would load the inputs of all rows first, more than there are registers: so an input is
        loaded after the sums of the row before. Sums that lie in memory cost 1.2 times, and 2 times in a
        thread whose stack is such that they straddle two lines.
        """
        b, tile = self.b, self.tile
        weights = [
            self.weight(page, number * tile.vectors + vector, vector)
            for number, page in enumerate(pages)
            for vector in range(tile.vectors)
        ]
        new: list[Value] = []
        shared: list[Value] = []  # the inputs of the tails
        for row, address in enumerate(rows):
            if row:
                place = b.after([*new[-len(weights) :], *shared[-1:]], place)
            x = b.splat(self.input(address, place), tile.lanes)
            first = row * self.columns
            new += [self.term(w, x, sums[first + column]) for column, w in enumerate(weights)]
            if self.tails:
                slot = row % self.per_tail
                if slot:
                    x = b.blend([lane // tile.end == slot for lane in range(tile.lanes)], x, shared.pop())
                shared.append(x)
        if self.tails:
            left = b.load(tail, ir.VectorType(self.element, tile.end))
            w = b.pick(left, [lane % tile.end for lane in range(tile.lanes)])
            new += [self.term(w, x, total) for x, total in zip(shared, sums[len(new) :], strict=True)]
        return new

    def term(self, weight: Value, x: Value, total: Value) -> Value:
        """One term more."""
        return self.b.fma(weight, x, total)

    def weight(self, page: Value, column: int, vector: int) -> Value:
        """A vector of weights."""
        place = self.size * self.tile.lanes * vector
        if self.full(column) or self.tile.taps:
            return self.b.load(page, self.vector, place)
        mask = self.b.first_lanes(self.left, self.tile.lanes)
        return self.b.masked_load(self.b.add(page, place), self.vector, mask)

    def input(self, row: Value, place: Value) -> Value:
        """One number of a row."""
        b = self.b
        if not self.tile.bytes_in:
            return b.load(b.add(row, b.multiply(place, self.scale)), self.element)
        byte = b.load(b.add(row, place), I8)
        return b.load(b.add(self.table, b.multiply(b.ir.zext(byte, I64), self.size)), self.element)

    def places(self, sums: list[Value]) -> list[Value]:
        """All places in order, or those of the list."""
        b, tile = self.b, self.tile
        rows = [b.add(self.x, b.multiply(self.x_stride, row)) for row in range(tile.rows)]

        def place_of(term: Value) -> Value:
            return b.ir.zext(b.load(b.add(self.list, b.multiply(term, 2)), I16), I64) if tile.listed else term

        def body(i: Value, state: list[Value]) -> list[Value]:
            place = place_of(i)
            offset = b.multiply(place, self.step)
            tail = b.add(self.tail, b.multiply(place, self.size * max(tile.end, 0)))
            pages = [b.add(page, offset) for page in self.pages]
            if tile.rows > FEW:
                later = b.multiply(place_of(b.add(i, AHEAD)), self.step)
                for page in self.pages:
                    for line in range(0, self.size * tile.lanes * tile.vectors, LINE):
                        b.prefetch(b.add(page, later), line, level=1)
            return self.update(rows, place, pages, tail, state)

        return b.loop(self.count, sums, body)

    def tapped(self, sums: list[Value]) -> list[Value]:
        """The taps of the list, for windows anywhere."""
        b = self.b
        rows = [b.add(b.load(self.x, I64, 8 * row), self.x_stride) for row in range(self.tile.rows)]

        def body(i: Value, state: list[Value]) -> list[Value]:
            entry = b.load(b.add(self.list, b.multiply(i, 8)), I64)
            offset, tap = b.ir.sext(b.ir.trunc(entry, I32), I64), b.ir.lshr(entry, b.integer(32))
            tail = b.add(self.tail, b.multiply(tap, self.size * max(self.tile.end, 0)))
            pages = [b.add(page, b.multiply(tap, self.step)) for page in self.pages]
            return self.update(rows, offset, pages, tail, state)

        return b.loop_if_any(self.count, sums, body)

    def largest(self, values: list[Value]) -> list[Value]:
        """The largest of each window's rows, in their order; NaN stays."""
        found = []
        for first in range(0, self.tile.rows, POOLED):
            for column in range(self.columns):
                rows = [values[(first + i) * self.columns + column] for i in range(POOLED)]
                found.append(reduce(self.b.larger, rows))
        return found

    def pixel(self, row: int) -> Value:
        """Where a row of a convolution lies in the result."""
        return self.b.add(self.out, self.b.load(self.x, I64, OUT_TABLE + 8 * row))

    def store_rows(self, values: list[Value]) -> None:
        """Values to the rows of out."""
        b, tile, size = self.b, self.tile, self.out_size
        stride = b.field(self.record, OUT_STRIDE)
        for place, row in enumerate(range(0, tile.rows, POOLED if tile.pooled else 1)):
            target = self.pixel(row) if tile.taps else b.add(self.out, b.multiply(stride, row))
            for column in range(self.columns):
                value = values[place * self.columns + column]
                shift = size * tile.lanes * column
                if self.full(column):
                    b.store(value, target, shift)
                else:
                    b.masked_store(value, b.add(target, shift), b.first_lanes(self.left, tile.lanes))
            if self.tails:
                slot = row % self.per_tail
                tail = values[tile.rows * self.columns + row // self.per_tail]
                part = b.pick(tail, range(slot * tile.end, (slot + 1) * tile.end))
                address = b.add(target, size * tile.lanes * self.columns)
                if tile.end <= 2:
                    b.store(part, address)
                else:
                    b.masked_store(part, address, b.first_lanes(self.left, tile.end))
