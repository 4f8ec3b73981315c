"""The micro-kernel of depthwise convolution and of pooling: lanes are channels, rows are output pixels.

    out[row, lane] = bias[lane] + Σ_t x[row, t, lane] · w[t, lane]     multiply; with m outputs of a channel
                                                                       x[row, t, lane // m]
    out[row, lane] = max_t x[row, t, lane]                             max
    out[row, lane] = (Σ_t x[row, t, lane]) / divisor                   average, in float64, rounded once

A step loads a vector of each row and does one operation with it: the load ports bind it, one FMA a load.
Rows and taps are found as in the tile (`tile`, taps). Max keeps NaN: once a row's result is NaN, nothing
replaces it.
"""

from llvmlite import ir

from tinytensor.kernels.record import (
    AFTER,
    CEILING,
    CONSTANTS_AT,
    EPILOGUE,
    FLOOR,
    LEFT,
    OUT_STRIDE,
    OUT_TABLE,
    WEIGHT_STRIDE,
    X_STRIDE,
)
from tinytensor.kernels.specs import LaneTile
from tinytensor.kernels.vector import I32, I64, Builder, Value, function

__all__ = ["build_lane_tile"]


def build_lane_tile(tile: LaneTile) -> ir.Module:
    """tile(record, rows, w, init, out, taps, count), as a tile with taps; OUT_STRIDE has a divisor's bits."""
    module, builder = function(tile.name, 7)
    Emitter(tile, builder).emit()
    return module


class Emitter:
    """Writes one tile."""

    def __init__(self, tile: LaneTile, builder: Builder):
        self.tile, self.b = tile, builder
        self.element = ir.FloatType() if tile.dtype == "float32" else ir.DoubleType()
        self.size = 4 if tile.dtype == "float32" else 8
        self.vector = ir.VectorType(self.element, tile.lanes)
        self.double = ir.VectorType(ir.DoubleType(), tile.lanes)
        self.record, self.rows_at, self.w, self.init, self.out, self.list, self.count = builder.made.args

    def emit(self) -> None:
        """From the start over the taps to out."""
        b, tile = self.b, self.tile
        mask = read = None
        if tile.ragged:
            left = b.field(self.record, LEFT)
            mask = b.first_lanes(left, tile.lanes)
            channels = b.ir.udiv(left, b.integer(tile.outputs))
            read = mask if tile.outputs == 1 else b.first_lanes(channels, tile.lanes // tile.outputs)
        shift, step = b.field(self.record, X_STRIDE), b.field(self.record, WEIGHT_STRIDE)
        rows = [b.add(b.load(self.rows_at, I64, 8 * row), shift) for row in range(tile.rows)]

        def body(i: Value, state: list[Value]) -> list[Value]:
            entry = b.load(b.add(self.list, b.multiply(i, 8)), I64)
            offset, tap = b.ir.sext(b.ir.trunc(entry, I32), I64), b.ir.lshr(entry, b.integer(32))
            weights = []
            if tile.operation == "multiply":
                at = b.add(self.w, b.multiply(tap, step))
                weights = [b.load(at, self.vector, self.place(v)) for v in range(tile.vectors)]
            new = []
            for row in range(tile.rows):
                at = b.add(rows[row], offset)
                for v in range(tile.vectors):
                    x = self.read(at, v, read)
                    new.append(self.update(state[row * tile.vectors + v], x, weights[v] if weights else None))
            return new

        results = b.loop_if_any(self.count, self.start(), body)
        if tile.operation == "multiply":
            results = self.followed(results)
        if tile.operation == "average":
            results = [self.mean(each) for each in results]
        for row in range(tile.rows):
            target = b.add(self.out, b.load(self.rows_at, I64, OUT_TABLE + 8 * row))
            for v in range(tile.vectors):
                value = results[row * tile.vectors + v]
                if mask is not None and v == tile.vectors - 1:
                    b.masked_store(value, b.add(target, self.place(v)), mask)
                else:
                    b.store(value, target, self.place(v))
        b.ir.ret_void()

    def followed(self, sums: list[Value]) -> list[Value]:
        """What is stored of sums, as in the tile."""
        b = self.b

        def constants(address: Value) -> list[Value]:
            row = [b.load(address, self.vector, self.place(v)) for v in range(self.tile.vectors)]
            return row * self.tile.rows

        return b.followed(sums, self.record, EPILOGUE, CONSTANTS_AT, (AFTER, FLOOR, CEILING), constants)

    def place(self, vector: int) -> int:
        """Where a vector is, in bytes."""
        return vector * self.tile.lanes * self.size

    def read(self, address: Value, vector: int, mask: Value) -> Value:
        """A vector of an image; of a part of one, each channel as often as it has outputs."""
        b, each = self.b, self.tile.outputs
        kind, place = ir.VectorType(self.element, self.tile.lanes // each), self.place(vector) // each
        if mask is None or vector < self.tile.vectors - 1:
            found = b.load(address, kind, place)
        else:
            found = b.masked_load(b.add(address, place), kind, mask)
        return found if each == 1 else b.pick(found, [lane // each for lane in range(self.tile.lanes)])

    def start(self) -> list[Value]:
        """What the results start from."""
        tile = self.tile
        if tile.operation == "multiply":
            return [
                self.b.load(self.init, self.vector, self.place(v)) for v in range(tile.vectors)
            ] * tile.rows
        if tile.operation == "max":
            lowest = ir.Constant(self.element, float("-inf"))
            return [self.b.splat(lowest, tile.lanes)] * (tile.rows * tile.vectors)
        return [ir.Constant(self.double, None)] * (tile.rows * tile.vectors)

    def update(self, state: Value, x: Value, weight: Value) -> Value:
        """One tap more."""
        b = self.b
        if self.tile.operation == "multiply":
            return b.fma(x, weight, state)
        if self.tile.operation == "max":
            return b.larger(state, x)
        return b.ir.fadd(state, x if self.size == 8 else b.ir.fpext(x, self.double))

    def mean(self, state: Value) -> Value:
        """A total divided, in the dtype."""
        b = self.b
        divisor = b.ir.bitcast(b.field(self.record, OUT_STRIDE), ir.DoubleType())
        mean = b.ir.fdiv(state, b.splat(divisor, self.tile.lanes))
        return mean if self.size == 8 else b.ir.fptrunc(mean, self.vector)
