"""The tile of bytes: products of uint8 inputs and int8 weights, summed exactly as int32.

    sum[row, lane] = bias[lane] + Σ_g Σ_j x[row, 4g + j] · w[4g + j, lane]
    out[row, lane] = clip(rint(float32(sum) · multiplier[lane]) + zero_point, low, high), or that float32

It is the tile of `tile` with other elements: an input is a group of four bytes of a row, copied to all lanes;
a weight is the four int8 of one output; a step multiplies four pairs in each lane and adds them to an int32.
`vpdpbusd` (AVX-512 VNNI, AVX-VNNI) does that in one instruction, so 64 products take the time of 16 of
float32. AVX2 has none that is exact: `vpmaddubsw` saturates at 32,767, below 2 · 255 · 127. There the even
and the odd bytes are widened to 16 bits and multiplied by two `vpmaddwd`. NEON has `usdot`, or `sdot`, whose
inputs are signed: x - 128 is multiplied, and the bias makes up for it. Elsewhere each byte is multiplied by
itself.

Integers do not round, so every shape of tile, list and CPU gives the same sum. The zero point of the input is
no part of it: Σ (x - z) · w = Σ x · w - z · Σ w, and the second term is in the bias. The result is rounded
by adding and taking away 1.5 · 2²³, which leaves an integer in the low bits of a float32, half to even.
"""

from collections.abc import Callable

from llvmlite import ir

from tinytensor.kernels.record import HIGH, LAST_BYTE, LAST_GROUP, LOW, MULTIPLIERS, ZERO_POINT
from tinytensor.kernels.specs import Tile
from tinytensor.kernels.tile import Emitter
from tinytensor.kernels.vector import I8, I16, I32, Builder, Value, function

__all__ = ["build_bytes_tile", "rounded"]

FLOAT = ir.FloatType()
ROUNDER = 1.5 * 2.0**23  # a sum with it has units as its last bits, and zero in the low byte for 0
SIGN_BITS = -0x7F7F7F80  # 0x80808080: x ^ 128 is x - 128 as int8


def build_bytes_tile(tile: Tile) -> ir.Module:
    """tile(record, x, w, init, out, list, count), with what `record.MULTIPLIERS` … says behind TABLE."""
    module, builder = function(tile.name, 7)
    BytesEmitter(tile, builder).emit()
    return module


class BytesEmitter(Emitter):
    """Writes one tile of bytes."""

    def __init__(self, tile: Tile, builder: Builder):
        super().__init__(tile, builder)
        self.out_size = 1 if tile.output == "uint8" else 4

    @staticmethod
    def element_of(dtype: str) -> ir.Type:
        """Four bytes, and their sum."""
        return I32

    def input(self, row: Value, place: Value) -> Value:
        """Four bytes of a row."""
        b = self.b
        group = b.load(b.add(row, b.multiply(place, self.scale)), I32, align=1)
        return b.ir.xor(group, ir.Constant(I32, SIGN_BITS)) if self.tile.dot == "sdot" else group

    def term(self, weight: Value, x: Value, total: Value) -> Value:
        """Four products more."""
        return DOTS[self.tile.dot](self.b, weight, x, total)

    def places(self, sums: list[Value]) -> list[Value]:
        """All groups in order, or those of the list."""
        return self.with_last(super().places(sums))

    def with_last(self, sums: list[Value]) -> list[Value]:
        """The last four bytes of rows without a whole number of groups; of bytes read twice weights are 0."""
        if not self.tile.partial:
            return sums
        b, place = self.b, b_field(self, LAST_GROUP)
        start = b.add(self.x, b_field(self, LAST_BYTE))
        rows = [b.add(start, b.multiply(self.x_stride, row)) for row in range(self.tile.rows)]
        pages = [b.add(page, b.multiply(place, self.step)) for page in self.pages]
        tail = b.add(self.tail, b.multiply(place, self.size * max(self.tile.end, 0)))
        return self.update(rows, b.integer(0), pages, tail, sums)

    def stored(self, sums: list[Value]) -> list[Value]:
        """Sums as numbers in units of the result's scale, rounded to bytes if it is bytes."""
        b, tile = self.b, self.tile
        at, vector = b.add(self.init, b_field(self, MULTIPLIERS)), ir.VectorType(FLOAT, tile.lanes)
        columns = [self.lanes_at(at, column, vector) for column in range(self.columns)] * tile.rows
        for group in self.tails:
            columns.append(self.side_by_side([self.tail_at(at, FLOAT)] * len(group)))
        numbers = [
            b.ir.fmul(b.ir.sitofp(total, vector), multiplier)
            for total, multiplier in zip(sums, columns, strict=True)
        ]
        return [rounded(b, each, self.table) for each in numbers] if tile.output == "uint8" else numbers


def b_field(emitter: BytesEmitter, place: int) -> Value:
    """A number behind TABLE."""
    return emitter.b.field(emitter.table, place)


def rounded(b: Builder, y: Value, table: Value) -> Value:
    """clip(rint(y) + zero_point, low, high) as bytes; NaN gives low."""
    kind, lanes = y.type, y.type.count
    low, high = (b.splat(b.load(table, FLOAT, 8 * place), lanes) for place in (LOW, HIGH))
    zero_point = b.splat(b.load(table, I32, 8 * ZERO_POINT), lanes)
    y = b.ir.select(b.ir.fcmp_ordered(">", y, low), y, low)
    y = b.ir.select(b.ir.fcmp_ordered("<", y, high), y, high)
    whole = b.ir.bitcast(b.ir.fadd(y, ir.Constant(kind, [ROUNDER] * lanes)), zero_point.type)
    return b.ir.trunc(b.ir.add(whole, zero_point), ir.VectorType(I8, lanes))


# Four products in each lane, added to an int32


def by_vpdpbusd(b: Builder, weight: Value, x: Value, total: Value) -> Value:
    """AVX-512 VNNI or AVX-VNNI; newer LLVM takes vectors of bytes here and converts this older form."""
    return b.call(f"llvm.x86.avx512.vpdpbusd.{32 * total.type.count}", total.type, total, x, weight)


def by_vpmaddwd(b: Builder, weight: Value, x: Value, total: Value) -> Value:
    """Bytes 0 and 2, then 1 and 3, as pairs of 16 bits; those of x stay below 256."""
    lanes = total.type.count
    pairs = ir.VectorType(I16, 2 * lanes)
    eight = ir.Constant(pairs, [8] * 2 * lanes)
    name = "llvm.x86.avx512.pmaddw.d.512" if lanes == 16 else "llvm.x86.avx2.pmadd.wd"
    x, weight = b.ir.bitcast(x, pairs), b.ir.bitcast(weight, pairs)
    even = b.ir.and_(x, ir.Constant(pairs, [255] * 2 * lanes)), b.ir.ashr(b.ir.shl(weight, eight), eight)
    odd = b.ir.lshr(x, eight), b.ir.ashr(weight, eight)
    for a, w in (even, odd):
        total = b.ir.add(total, b.call(name, total.type, a, w))
    return total


def by_neon(name: str) -> Callable[[Builder, Value, Value, Value], Value]:
    """`usdot` with x as the unsigned operand, or `sdot`."""

    def term(b: Builder, weight: Value, x: Value, total: Value) -> Value:
        quads = ir.VectorType(I8, 16)
        x, weight = b.ir.bitcast(x, quads), b.ir.bitcast(weight, quads)
        return b.call(f"llvm.aarch64.neon.{name}.v4i32.v16i8", total.type, total, x, weight)

    return term


def by_lanes(b: Builder, weight: Value, x: Value, total: Value) -> Value:
    """Any CPU: byte after byte in 32 bits."""

    def constant(value: int) -> Value:
        return ir.Constant(total.type, [value] * total.type.count)

    for byte in range(4):
        w = b.ir.ashr(b.ir.shl(weight, constant(24 - 8 * byte)), constant(24))
        a = b.ir.and_(b.ir.lshr(x, constant(8 * byte)), constant(255))
        total = b.ir.add(total, b.ir.mul(a, w))
    return total


DOTS = {
    "vpdpbusd": by_vpdpbusd,
    "vpmaddwd": by_vpmaddwd,
    "usdot": by_neon("usdot"),
    "sdot": by_neon("sdot"),
    "plain": by_lanes,
}
