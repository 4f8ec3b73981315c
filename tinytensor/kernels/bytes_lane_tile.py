"""The micro-kernel of depthwise convolution and of pooling of bytes: lanes are channels, rows output pixels.

    out[row, lane] = rounded(float32(bias[lane] + Σ_t x[row, t, lane] · w[t, lane]) · multiplier[lane])
    out[row, lane] = max_t x[row, t, lane]
    out[row, lane] = rounded(float32((Σ_t x[row, t, lane] - count · zero) / divisor) · scale)

Bytes are widened to int32 as they are loaded, one shuffle a vector, which is the bound. A product has 16 bits
or fewer on either side, so `vpdpwssd` or `vpmaddwd` multiplies it, whose second pair is 0; `vpmulld` takes
twice as long. Where the taps of a window's row can be interleaved (`bytes_taps`), `vpdpbusd` does up to four
in one step. Sums are exact. Rows and taps are found as in `lane_tile`. A mean is a double, rounded once.
"""

from llvmlite import ir

from tinytensor.kernels.bytes_tile import by_vpdpbusd, rounded
from tinytensor.kernels.record import (
    INTERLEAVING,
    LEFT,
    MULTIPLIERS,
    OUT_STRIDE,
    OUT_TABLE,
    PIXEL_BYTES,
    SCALE,
    TABLE,
    WEIGHT_STRIDE,
    X_STRIDE,
    ZERO,
)
from tinytensor.kernels.specs import BytesLaneTile
from tinytensor.kernels.vector import I8, I16, I32, I64, Builder, Value, function

__all__ = ["build_bytes_lane_tile"]

FLOAT = ir.FloatType()
PIXELS = ir.VectorType(I8, 64)


def build_bytes_lane_tile(tile: BytesLaneTile) -> ir.Module:
    """tile(record, rows, w, init, out, taps, count), as a tile with taps; weights are int32."""
    module, builder = function(tile.name, 7)
    Emitter(tile, builder).emit()
    return module


class Emitter:
    """Writes one tile."""

    def __init__(self, tile: BytesLaneTile, builder: Builder):
        self.tile, self.b = tile, builder
        self.record, self.rows_at, self.w, self.init, self.out, self.list, self.count = builder.made.args
        self.bytes = ir.VectorType(I8, tile.lanes)
        self.sums = self.bytes if tile.operation == "max" else ir.VectorType(I32, tile.lanes)
        self.numbers = ir.VectorType(FLOAT, tile.lanes)
        self.multiplies = tile.operation in ("multiply", "rows")
        self.table = builder.field(self.record, TABLE)
        self.mask = builder.first_lanes(builder.field(self.record, LEFT), tile.lanes) if tile.ragged else None

    def emit(self) -> None:
        """From the start over the taps to out."""
        b, tile = self.b, self.tile
        shift, step = b.field(self.record, X_STRIDE), b.field(self.record, WEIGHT_STRIDE)
        rows = [b.add(b.load(self.rows_at, I64, 8 * row), shift) for row in range(tile.rows)]

        def body(i: Value, state: list[Value]) -> list[Value]:
            entry = b.load(b.add(self.list, b.multiply(i, 8)), I64)
            offset, tap = b.ir.sext(b.ir.trunc(entry, I32), I64), b.ir.lshr(entry, b.integer(32))
            weights = [None] * tile.vectors
            if self.multiplies:
                at = b.add(self.w, b.multiply(tap, step))
                weights = [b.load(at, self.sums, 4 * tile.lanes * v) for v in range(tile.vectors)]
            return [
                self.update(state[row * tile.vectors + v], self.read(b.add(rows[row], offset), v), weights[v])
                for row in range(tile.rows)
                for v in range(tile.vectors)
            ]

        sums = b.loop_if_any(self.count, self.start(), body)
        size = 4 if tile.output == "float32" else 1
        for row in range(tile.rows):
            target = b.add(self.out, b.load(self.rows_at, I64, OUT_TABLE + 8 * row))
            for v in range(tile.vectors):
                value, place = self.result(sums[row * tile.vectors + v], v), size * tile.lanes * v
                if self.is_ragged(v):
                    b.masked_store(value, b.add(target, place), self.mask)
                else:
                    b.store(value, target, place)
        b.ir.ret_void()

    def is_ragged(self, vector: int) -> bool:
        """Whether a vector is not full."""
        return self.mask is not None and vector == self.tile.vectors - 1

    def read(self, address: Value, vector: int) -> Value:
        """Bytes of an image."""
        place = self.tile.lanes * vector
        if self.tile.operation == "rows":
            return self.taps(self.b.add(address, place))
        if self.is_ragged(vector):
            return self.b.masked_load(self.b.add(address, place), self.bytes, self.mask)
        return self.b.load(address, self.bytes, place)

    def taps(self, address: Value) -> Value:
        """The bytes of up to four pixels, those of a channel in one lane."""
        b = self.b
        if self.tile.loads == 1:
            pixels = b.load(address, PIXELS)
        else:
            stride = b.field(self.table, PIXEL_BYTES)
            parts = [
                b.load(b.add(address, b.multiply(stride, min(i, self.tile.loads - 1))), self.bytes)
                for i in range(4)
            ]
            pixels = b.join(b.join(*parts[:2]), b.join(*parts[2:]))
        order = b.load(b.add(self.table, 8 * INTERLEAVING), PIXELS)
        mixed = b.call("llvm.x86.avx512.permvar.qi.512", PIXELS, pixels, order)
        return b.ir.bitcast(mixed, self.sums)

    def start(self) -> list[Value]:
        """What the results start from."""
        tile = self.tile
        if self.multiplies:
            row = [self.b.load(self.init, self.sums, 4 * tile.lanes * v) for v in range(tile.vectors)]
            return row * tile.rows
        return [ir.Constant(self.sums, None)] * (tile.rows * tile.vectors)

    def update(self, state: Value, x: Value, weight: Value | None) -> Value:
        """One tap more."""
        b = self.b
        if self.tile.operation == "rows":
            return by_vpdpbusd(b, weight, x, state)
        if self.tile.operation == "max":
            return b.ir.select(b.ir.icmp_unsigned(">", x, state), x, state)
        wide = b.ir.zext(x, self.sums)
        return b.ir.add(state, wide) if weight is None else self.product(state, wide, weight)

    def product(self, state: Value, x: Value, weight: Value) -> Value:
        """state + x · weight, of numbers below 2¹⁵."""
        b, lanes = self.b, self.tile.lanes
        bits = 32 * lanes
        if self.tile.dot == "vpdpbusd" and bits in (256, 512):
            return b.call(f"llvm.x86.avx512.vpdpwssd.{bits}", self.sums, state, x, weight)
        if self.tile.dot == "vpmaddwd" and bits in (256, 512):
            pairs = ir.VectorType(I16, 2 * lanes)
            name = "llvm.x86.avx512.pmaddw.d.512" if bits == 512 else "llvm.x86.avx2.pmadd.wd"
            both = b.ir.bitcast(x, pairs), b.ir.bitcast(weight, pairs)
            return b.ir.add(state, b.call(name, self.sums, *both))
        return b.ir.add(state, b.ir.mul(x, weight))

    def result(self, state: Value, vector: int) -> Value:
        """What is stored."""
        b, tile = self.b, self.tile
        if tile.operation == "max":
            return state
        if self.multiplies:
            at = b.add(self.init, b.field(self.table, MULTIPLIERS))
            number, scale = (
                b.ir.sitofp(state, self.numbers),
                b.load(at, self.numbers, 4 * tile.lanes * vector),
            )
        else:
            double = ir.VectorType(ir.DoubleType(), tile.lanes)
            taken = b.ir.mul(b.ir.trunc(self.count, I32), b.load(self.table, I32, 8 * ZERO))
            total = b.ir.sitofp(b.ir.sub(state, b.splat(taken, tile.lanes)), double)
            divisor = b.ir.bitcast(b.field(self.record, OUT_STRIDE), ir.DoubleType())
            number = b.ir.fptrunc(b.ir.fdiv(total, b.splat(divisor, tile.lanes)), self.numbers)
            scale = b.splat(b.load(self.table, FLOAT, 8 * SCALE), tile.lanes)
        number = b.ir.fmul(number, scale)
        return rounded(b, number, self.table) if tile.output == "uint8" else number
