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

The first loads of a tile are the bias or, where a long sum goes on, what was summed before. What follows the
sums of a window is computed before they leave the registers: where AFTER is not 0, a batch norm,
((sum - a) · b) + c with the a, b and c of a lane AFTER, 2·AFTER and 3·AFTER bytes behind its bias; then
FLOOR and CEILING, which are infinite where nothing is bounded. They cost two instructions for each vector.
"""

from llvmlite import ir

from tinytensor.kernels.record import (
    AFTER,
    CEILING,
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
from tinytensor.kernels.specs import RAGGED, Tile
from tinytensor.kernels.vector import I8, I16, I32, I64, Builder, Value, function

__all__ = ["build_tile"]

AHEAD = 8  # terms, of 10 to 12 cycles: weights come from L2 in that time
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
        walk = self.tapped if self.tile.taps else self.listed if self.tile.listed else self.dense
        self.store_rows(self.finished(walk(self.start())))
        self.b.ir.ret_void()

    def followed(self, sums: list[Value]) -> list[Value]:
        """A batch norm of the sums, if there is one, and their bounds."""
        b, after = self.b, self.b.field(self.record, AFTER)

        def scale(values: list[Value]) -> list[Value]:
            at = [b.add(self.init, b.multiply(after, i)) for i in (1, 2, 3)]
            a, m, c = (self.constants([each] * self.tile.rows) for each in at)
            return [b.normalized(*each) for each in zip(values, a, m, c, strict=True)]

        low, high = (b.load(self.record, self.element, 8 * place) for place in (FLOOR, CEILING))
        return [b.bounded(each, low, high) for each in b.if_any(after, sums, scale)]

    def full(self, column: int) -> bool:
        """Whether a column of vectors has all its lanes."""
        return self.tile.end != RAGGED or column < self.columns - 1

    def start(self) -> list[Value]:
        """What the sums start from."""
        b, tile = self.b, self.tile
        if tile.taps:
            return self.constants([self.init] * tile.rows)
        stride = b.field(self.record, INIT_STRIDE)
        return self.constants([b.add(self.init, b.multiply(stride, row)) for row in range(tile.rows)])

    def constants(self, rows: list[Value]) -> list[Value]:
        """A number for each sum, from an address for each row."""
        read = {
            row: [self.lanes_at(row, column, self.vector) for column in range(self.columns)] for row in rows
        }
        found = [each for row in rows for each in read[row]]
        for group in self.tails:
            found.append(self.side_by_side([self.tail_at(rows[row], self.element) for row in group]))
        return found

    def lanes_at(self, row: Value, column: int, kind: ir.VectorType) -> Value:
        """A vector of a row, whose last one may not be full."""
        place = self.size * self.tile.lanes * column
        if self.full(column) or self.tile.taps:
            return self.b.load(row, kind, place)
        mask = self.b.first_lanes(self.left, self.tile.lanes)
        return self.b.masked_load(self.b.add(row, place), kind, mask)

    def tail_at(self, row: Value, element: ir.Type) -> Value:
        """The left-over lanes of one row."""
        kind = ir.VectorType(element, self.tile.end)
        address = self.b.add(row, self.size * self.tile.lanes * self.columns)
        if self.tile.end <= 2:
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

    def update(self, inputs: list[Value], pages: list[Value], tail: Value, sums: list[Value]) -> list[Value]:
        """One term of every sum."""
        b, tile = self.b, self.tile
        weights = [
            self.weight(page, place * tile.vectors + vector, vector)
            for place, page in enumerate(pages)
            for vector in range(tile.vectors)
        ]
        new, spread = [], []
        for row, scalar in enumerate(inputs):
            spread.append(b.splat(scalar, tile.lanes))
            new += [
                self.term(weight, spread[row], sums[row * self.columns + column])
                for column, weight in enumerate(weights)
            ]
        for place, group in enumerate(self.tails):
            x = spread[group[0]]
            for slot, row in enumerate(group[1:], 1):
                x = b.blend([lane // tile.end == slot for lane in range(tile.lanes)], spread[row], x)
            left = b.load(tail, ir.VectorType(self.element, tile.end))
            w = b.pick(left, [lane % tile.end for lane in range(tile.lanes)])
            new.append(self.term(w, x, sums[tile.rows * self.columns + place]))
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

    def input(self, row: Value, place: Value | None) -> Value:
        """One number of a row: at a place, or where the row's address points."""
        b = self.b
        if not self.tile.bytes_in:
            return b.load(row if place is None else b.add(row, b.multiply(place, self.size)), self.element)
        byte = b.load(row if place is None else b.add(row, place), I8)
        return b.load(b.add(self.table, b.multiply(b.ir.zext(byte, I64), self.size)), self.element)

    def dense(self, sums: list[Value]) -> list[Value]:
        """All places in order; one moving address for three rows, as the others are that plus a stride."""
        b, rows = self.b, self.tile.rows
        thirds = [b.add(self.x, b.multiply(self.x_stride, first)) for first in range(0, rows, 3)]
        twice, pages, size = (
            b.multiply(self.x_stride, 2),
            self.tile.pages,
            1 if self.tile.bytes_in else self.size,
        )
        moving = pages + 1 + len(thirds)
        ahead = b.multiply(self.step, AHEAD)

        def body(i: Value, state: list[Value]) -> list[Value]:
            here, tail, bases = state[:pages], state[pages], state[pages + 1 : moving]
            if rows > FEW:
                for page in here:
                    for offset in range(0, self.size * self.tile.lanes * self.tile.vectors, LINE):
                        b.prefetch(b.add(page, ahead), offset, level=1)
            addresses = [
                (bases[row // 3], b.add(bases[row // 3], self.x_stride), b.add(bases[row // 3], twice))[
                    row % 3
                ]
                for row in range(rows)
            ]
            inputs = [self.input(each, None) for each in addresses]
            new = self.update(inputs, here, tail, state[moving:])
            steps = [
                *(b.add(each, self.step) for each in here),
                b.add(tail, self.size * max(self.tile.end, 0)),
            ]
            return [*steps, *(b.add(each, size) for each in bases), *new]

        return b.loop(self.count, [*self.pages, self.tail, *thirds, *sums], body)[moving:]

    def listed(self, sums: list[Value]) -> list[Value]:
        """The places of the list."""
        b = self.b
        rows = [b.add(self.x, b.multiply(self.x_stride, row)) for row in range(self.tile.rows)]

        def body(i: Value, state: list[Value]) -> list[Value]:
            place = b.ir.zext(b.load(b.add(self.list, b.multiply(i, 2)), I16), I64)
            offset = b.multiply(place, self.step)
            tail = b.add(self.tail, b.multiply(place, self.size * max(self.tile.end, 0)))
            inputs = [self.input(row, place) for row in rows]
            return self.update(inputs, [b.add(page, offset) for page in self.pages], tail, state)

        return b.loop(self.count, sums, body)

    def tapped(self, sums: list[Value]) -> list[Value]:
        """The taps of the list, for windows anywhere."""
        b = self.b
        rows = [b.add(b.load(self.x, I64, 8 * row), self.x_stride) for row in range(self.tile.rows)]

        def body(i: Value, state: list[Value]) -> list[Value]:
            entry = b.load(b.add(self.list, b.multiply(i, 8)), I64)
            offset, tap = b.ir.sext(b.ir.trunc(entry, I32), I64), b.ir.lshr(entry, b.integer(32))
            inputs = [self.input(b.add(row, offset), None) for row in rows]
            tail = b.add(self.tail, b.multiply(tap, self.size * max(self.tile.end, 0)))
            pages = [b.add(page, b.multiply(tap, self.step)) for page in self.pages]
            return self.update(inputs, pages, tail, state)

        return b.loop_if_any(self.count, sums, body)

    def finished(self, sums: list[Value]) -> list[Value]:
        """What is stored: a -0 becomes 0, then comes what follows the sums of a window."""
        sums = [self.b.ir.fadd(each, ir.Constant(each.type, None)) for each in sums]
        return self.followed(sums) if self.tile.taps else sums

    def store_rows(self, values: list[Value]) -> None:
        """Values to the rows of out."""
        b, tile, size = self.b, self.tile, self.out_size
        stride = b.field(self.record, OUT_STRIDE)
        for row in range(tile.rows):
            place = b.load(self.x, I64, OUT_TABLE + 8 * row) if tile.taps else b.multiply(stride, row)
            target = b.add(self.out, place)
            for column in range(self.columns):
                value = values[row * self.columns + column]
                place = size * tile.lanes * column
                if self.full(column):
                    b.store(value, target, place)
                else:
                    b.masked_store(value, b.add(target, place), b.first_lanes(self.left, tile.lanes))
            if self.tails:
                slot = row % self.per_tail
                tail = values[tile.rows * self.columns + row // self.per_tail]
                part = b.pick(tail, range(slot * tile.end, (slot + 1) * tile.end))
                place = b.add(target, size * tile.lanes * self.columns)
                if tile.end <= 2:
                    b.store(part, place)
                else:
                    b.masked_store(part, place, b.first_lanes(self.left, tile.end))
