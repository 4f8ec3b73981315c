"""The tile of bytes in a CPU's matrix unit (AMX): up to 32 rows by 2 vectors of outputs.

A register of the unit is 16 rows of 64 bytes. `tdpbusd` multiplies 16 rows of 64 inputs, read where they lie,
by 64 weights of 16 outputs, packed as for the tile of bytes, and adds to 16 × 16 int32: 16,384 products in 16
cycles, where `vpdpbusd` has 2,048. Four registers of sums, two of rows and two of weights are all there are:

              w[64 k]:  | 16 outputs | 16 outputs |
    16 rows   x[64 k] → |    sums    |    sums    |
    16 rows   x[64 k] → |    sums    |    sums    |

The last inputs of a row that has no whole number of 64 are those at its end; weights of inputs that were read
before are 0 there, in groups of their own behind all others. A row shorter than 64 is one step of less. Sums
start from the bias, the same 64 bytes for 16 rows, and go through memory to vectors that round them.
"""

from llvmlite import ir

from tinytensor.kernels.bytes_tile import rounded
from tinytensor.kernels.record import (
    LAST_ROW,
    LAST_STEP,
    LEFT,
    MULTIPLIERS,
    OUT_STRIDE,
    STEP_COUNT,
    TABLE,
    WEIGHT_STRIDE,
    WHOLE_STEPS,
    X_STRIDE,
)
from tinytensor.kernels.specs import MatrixTile
from tinytensor.kernels.vector import I8, I32, Builder, Value, function

__all__ = ["build_matrix_tile"]

LANES, ROWS = 16, 16  # of a register of sums
VECTOR_BYTES = 64
FIRST_ROWS, FIRST_WEIGHTS = 4, 6  # registers; those of sums come before
NUMBERS = ir.VectorType(ir.FloatType(), LANES)
SUMS = ir.VectorType(I32, LANES)


def build_matrix_tile(tile: MatrixTile) -> ir.Module:
    """tile(record, x, w, init, out, work, rows); work has 4 KiB; "configure" has its setting for a record."""
    module, builder = function(tile.name, 7)
    if tile.operation == "multiply":
        Emitter(tile, builder).emit()
    elif tile.operation == "configure":
        builder.call("llvm.x86.ldtilecfg", ir.VoidType(), builder.pointer(builder.made.args[0], I8))
    else:
        builder.call("llvm.x86.tilerelease", ir.VoidType())
    builder.ir.ret_void()
    return module


def register(number: int) -> Value:
    """The name of a register."""
    return ir.Constant(I8, number)


class Emitter:
    """Writes one tile."""

    def __init__(self, tile: MatrixTile, builder: Builder):
        self.tile, self.b = tile, builder
        self.record, self.x, self.w, self.init, self.out, self.work, self.rows = builder.made.args
        self.table = builder.field(self.record, TABLE)
        self.squares = [(row, vector) for row in range(tile.squares) for vector in range(tile.vectors)]

    def emit(self) -> None:
        """Sums in registers, through work to out."""
        b, tile = self.b, self.tile
        for row, vector in self.squares:  # the bias in every row
            self.move("tileloadd64", 2 * row + vector, b.add(self.init, VECTOR_BYTES * vector), b.integer(0))
        whole = b.field(self.table, WHOLE_STEPS)
        stride, step = b.field(self.record, X_STRIDE), b.field(self.record, WEIGHT_STRIDE)

        def body(i: Value, state: list[Value]) -> list[Value]:
            last = b.ir.icmp_signed("==", i, whole)
            along = b.ir.select(last, b.field(self.table, LAST_ROW), b.multiply(i, VECTOR_BYTES))
            group = b.ir.select(last, b.field(self.table, LAST_STEP), b.multiply(i, VECTOR_BYTES // 4))
            x, w = b.add(self.x, along), b.add(self.w, b.multiply(group, step))
            for row in range(tile.squares):
                self.move("tileloadd64", FIRST_ROWS + row, b.add(x, b.multiply(stride, ROWS * row)), stride)
            for vector in range(tile.vectors):
                self.move("tileloadd64", FIRST_WEIGHTS + vector, b.add(w, VECTOR_BYTES * vector), step)
            for row, vector in self.squares:
                names = (2 * row + vector, FIRST_ROWS + row, FIRST_WEIGHTS + vector)
                b.call("llvm.x86.tdpbusd", ir.VoidType(), *map(register, names))
            return []

        b.loop(b.field(self.table, STEP_COUNT), [], body)
        across = VECTOR_BYTES * tile.vectors
        for row, vector in self.squares:
            at = b.add(self.work, across * ROWS * row + VECTOR_BYTES * vector)
            self.move("tilestored64", 2 * row + vector, at, b.integer(across))
        self.finish(across)

    def move(self, name: str, number: int, address: Value, stride: Value) -> None:
        """Load or store a register."""
        self.b.call(f"llvm.x86.{name}", ir.VoidType(), register(number), self.b.pointer(address, I8), stride)

    def finish(self, across: int) -> None:
        """Rows of sums to results."""
        b, tile = self.b, self.tile
        size = 1 if tile.output == "uint8" else 4
        multipliers = b.add(self.init, b.field(self.table, MULTIPLIERS))
        scales = [b.load(multipliers, NUMBERS, VECTOR_BYTES * v) for v in range(tile.vectors)]
        stride = b.field(self.record, OUT_STRIDE)
        mask = b.first_lanes(b.field(self.record, LEFT), LANES) if tile.ragged else None

        def body(i: Value, state: list[Value]) -> list[Value]:
            source, target = b.add(self.work, b.multiply(i, across)), b.add(self.out, b.multiply(i, stride))
            for v in range(tile.vectors):
                total = b.load(source, SUMS, VECTOR_BYTES * v)
                y = b.ir.fmul(b.ir.sitofp(total, NUMBERS), scales[v])
                y = rounded(b, y, self.table) if tile.output == "uint8" else y
                if mask is not None and v == tile.vectors - 1:
                    b.masked_store(y, b.add(target, size * LANES * v), mask)
                else:
                    b.store(y, target, size * LANES * v)
            return []

        b.loop(self.rows, [], body)
