"""The micro-kernel of a depthwise convolution for pixels below each other, which share inputs.

    out[row, lane] = bias[lane] + Σ over ky, kx of x[row · stride + ky, kx, lane] · w[ky, kx, lane]

The lane tile loads an input for each multiply-add. Here a vector of weights stays in a register for each
tap, and an input is loaded once for all rows whose windows have it: 3×3 taps of 8 rows take 30 loads for 72
multiply-adds, with 9 registers of weights and 8 of sums, and the FMA units bind it. Going down the image,
each row meets its inputs in the order of ky and kx, so the bits are those of the lane tile.
"""

from llvmlite import ir

from tinytensor.kernels.record import (
    AFTER,
    CEILING,
    CONSTANTS_AT,
    EPILOGUE,
    FLOOR,
    OUT_STRIDE,
    OUT_TABLE,
    X_STRIDE,
)
from tinytensor.kernels.specs import ColumnTile
from tinytensor.kernels.vector import I32, I64, Builder, Value, function

__all__ = ["build_column_tile"]


def build_column_tile(tile: ColumnTile) -> ir.Module:
    """tile(record, rows, w, init, out, taps, vectors); OUT_STRIDE has the bytes from row to row of out."""
    module, builder = function(tile.name, 7)
    Emitter(tile, builder).emit()
    return module


class Emitter:
    """Writes one tile."""

    def __init__(self, tile: ColumnTile, builder: Builder):
        self.tile, self.b = tile, builder
        self.element = ir.FloatType() if tile.dtype == "float32" else ir.DoubleType()
        self.bytes = (4 if tile.dtype == "float32" else 8) * tile.lanes
        self.vector = ir.VectorType(self.element, tile.lanes)
        self.record, self.rows_at, self.w, self.init, self.out, self.list, self.count = builder.made.args

    def emit(self) -> None:
        """All vectors of the channels, one after the other."""
        b = self.b
        x = b.add(b.load(self.rows_at, I64), b.field(self.record, X_STRIDE))
        y = b.add(b.load(self.rows_at, I64, OUT_TABLE), self.out)
        stride = b.field(self.record, OUT_STRIDE)
        first, last = self.tile.columns
        columns = [self.offset(i) for i in range(last - first)]  # the first is 0
        line = self.offset(last - first)

        def body(i: Value, state: list[Value]) -> list[Value]:
            shift = b.multiply(i, self.bytes)
            for row, value in enumerate(self.sums(b.add(x, shift), line, columns, i, shift)):
                b.store(value, b.add(y, shift, b.multiply(stride, row)))
            return state

        b.loop(self.count, [], body)
        b.ir.ret_void()

    def offset(self, i: int) -> Value:
        """Bytes from the first tap of the list to another."""
        return self.b.ir.sext(self.b.load(self.list, I32, 8 * i), I64)

    def sums(self, x: Value, line: Value, columns: list[Value], i: Value, shift: Value) -> list[Value]:
        """What is stored of one vector of channels."""
        b, tile = self.b, self.tile
        height, width = tile.size
        at = b.add(self.w, b.multiply(i, height * width * self.bytes))
        weights = [b.load(at, self.vector, self.bytes * each) for each in range(height * width)]
        sums = [b.load(b.add(self.init, shift), self.vector)] * tile.rows
        above, below = tile.padding
        for down in range(above, (tile.rows - 1) * tile.stride + height - below):
            for kx, column in zip(range(*tile.columns), columns, strict=True):
                value = b.load(b.add(x, column), self.vector)
                for row in range(tile.rows):
                    ky = down - row * tile.stride
                    if 0 <= ky < height:
                        sums[row] = b.fma(value, weights[ky * width + kx], sums[row])
            # else LLVM computes all addresses before the loop, and keeps them in memory
            x = b.after(sums[:1], b.add(x, line))

        def constants(address: Value) -> list[Value]:
            return [b.load(b.add(address, shift), self.vector)] * tile.rows

        return b.followed(sums, self.record, EPILOGUE, CONSTANTS_AT, (AFTER, FLOOR, CEILING), constants)
