"""Loops over bytes, element by element: quantising numbers, looking bytes up in a table, adding two values.

    quantize    y = clip(rint(x / scale) + zero_point, low, high)          x float32
    add         y = the same of (a - zero) · scale + (b - zero') · scale'  a, b uint8; three roundings, no fma
    lookup      y = table[x]                                               x uint8

Vectors first, then what is left over one by one: rows without a gap are one long row, so little is. The table
of a lookup lies in four vectors of 64 bytes: `vpermi2b` (AVX-512 VBMI) picks from two of them by seven bits
of each byte, and the eighth bit picks between the two results. A CPU without it reads a byte at a time.
"""

from llvmlite import ir

from tinytensor.kernels.bytes_tile import rounded
from tinytensor.kernels.record import SCALE, SECOND_SCALE, SECOND_ZERO, ZERO
from tinytensor.kernels.specs import BytesLoop
from tinytensor.kernels.vector import I8, I32, I64, Builder, Value, function

__all__ = ["build_bytes_loop"]

FLOAT = ir.FloatType()
TABLE_PART = 64  # bytes of the table in a vector


def build_bytes_loop(spec: BytesLoop) -> ir.Module:
    """loop(record, x, other, 0, y, 0, count), as a tile is called; the record of a lookup is its table."""
    module, b = function(spec.name, 7)
    Loop(spec, b).emit()
    return module


class Loop:
    """Writes one loop."""

    def __init__(self, spec: BytesLoop, builder: Builder):
        self.spec, self.b = spec, builder
        self.record, self.x, self.other, _, self.y, _, self.count = builder.made.args

    def emit(self) -> None:
        """Whole vectors, then single elements."""
        b, lanes = self.b, self.spec.lanes
        step = {"quantize": self.quantize, "add": self.add, "lookup": self.lookup}[self.spec.operation]

        def body(width: int, first: Value) -> None:
            def elements(i: Value, state: list[Value]) -> list[Value]:
                place = b.add(first, b.multiply(i, width))
                b.store(step(place, width), b.add(self.y, place))
                return []

            left = b.ir.sub(self.count, first)
            b.loop_if_any(b.ir.sdiv(left, b.integer(width)), [], elements)

        if self.spec.operation == "lookup" and lanes > 1:
            self.parts = [
                b.load(self.record, ir.VectorType(I8, lanes), TABLE_PART * part) for part in range(4)
            ]
        body(lanes, b.integer(0))
        if lanes > 1:
            body(1, b.multiply(b.ir.sdiv(self.count, b.integer(lanes)), lanes))
        b.ir.ret_void()

    def constant(self, place: int, lanes: int) -> Value:
        """A float32 of the record in every lane."""
        return self.b.splat(self.b.load(self.record, FLOAT, 8 * place), lanes)

    def quantize(self, place: Value, lanes: int) -> Value:
        """Numbers as bytes."""
        b = self.b
        x = b.load(b.add(self.x, b.multiply(place, 4)), ir.VectorType(FLOAT, lanes))
        return rounded(b, b.ir.fdiv(x, self.constant(SCALE, lanes)), self.record)

    def add(self, place: Value, lanes: int) -> Value:
        """The sum of two values, each with a scale of its own."""
        b, terms = self.b, []
        for at, zero, scale in ((self.x, ZERO, SCALE), (self.other, SECOND_ZERO, SECOND_SCALE)):
            whole = b.ir.zext(b.load(b.add(at, place), ir.VectorType(I8, lanes)), ir.VectorType(I32, lanes))
            number = b.ir.uitofp(whole, ir.VectorType(FLOAT, lanes))
            terms.append(
                b.ir.fmul(b.ir.fsub(number, self.constant(zero, lanes)), self.constant(scale, lanes))
            )
        return rounded(b, b.ir.fadd(*terms), self.record)

    def lookup(self, place: Value, lanes: int) -> Value:
        """Bytes of the table."""
        b, kind = self.b, ir.VectorType(I8, lanes)
        index = b.load(b.add(self.x, place), kind)
        if lanes == 1:
            byte = b.ir.zext(b.ir.extract_element(index, ir.Constant(I32, 0)), I64)
            return b.splat(b.load(b.add(self.record, byte), I8), 1)
        low, high = (
            b.call("llvm.x86.avx512.vpermi2var.qi.512", kind, self.parts[i], index, self.parts[i + 1])
            for i in (0, 2)
        )
        return b.ir.select(b.ir.icmp_signed("<", index, ir.Constant(kind, None)), high, low)
