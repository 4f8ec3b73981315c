"""A matrix times one column: rows of the matrix become lanes, a square at a time, in registers.

    y[row] = init[row] + Σ_k a[row, k] · b[k]

With one column of outputs a tile would fill one lane. Instead as many rows as a vector has lanes are loaded
side by side, a vector of k at a time; log2(lanes) rounds of shuffles transpose the square, and each of its
columns is one fma for all rows: 16 loads, 64 shuffles and 16 FMAs for 256 terms with AVX-512, bound by the
shuffles. The order of the sum is that of k, as in the tile.
"""

from typing import NamedTuple

from llvmlite import ir

from tinytensor.kernels.vector import Builder, Value, function

__all__ = ["Matvec", "build_matvec"]


class Matvec(NamedTuple):
    """What the machine code depends on beside the CPU."""

    dtype: str
    lanes: int

    @property
    def name(self) -> str:
        """A symbol."""
        return f"matvec_{self.dtype}x{self.lanes}"


def build_matvec(spec: Matvec) -> ir.Module:
    """matvec(a, row_bytes, rows, inputs, b, init, y): at least one row and one input."""
    module, b = function(spec.name, 7)
    a, stride, rows, inputs, factors, init, y = b.made.args
    lanes, size = spec.lanes, 4 if spec.dtype == "float32" else 8
    vector = ir.VectorType(ir.FloatType() if size == 4 else ir.DoubleType(), lanes)
    whole, rest = b.ir.sdiv(inputs, b.integer(lanes)), b.ir.srem(inputs, b.integer(lanes))

    ahead = b.multiply(stride, lanes)

    def group(i: Value, state: list[Value]) -> list[Value]:
        first = b.multiply(i, lanes)
        count = smaller(b, b.ir.sub(rows, first), lanes)
        here = b.add(a, b.multiply(stride, first))
        # rows beyond the last repeat the first, and are not stored
        at = [
            b.ir.select(
                b.ir.icmp_signed("<", b.integer(row), count), b.add(here, b.multiply(stride, row)), here
            )
            for row in range(lanes)
        ]
        mask, place = b.first_lanes(count, lanes), b.multiply(first, size)

        def square(rows: list[Value], column: Value, total: Value) -> Value:
            for k, each in enumerate(b.transpose(rows)):
                total = b.fma(each, b.pick(column, [k] * lanes), total)
            return total

        def block(k: Value, state: list[Value]) -> list[Value]:
            offset = b.multiply(k, size * lanes)
            for (
                row
            ) in at:  # the next rows: as many streams as rows are too many for the CPU's own prefetching
                b.prefetch(b.add(row, offset, ahead))
            loaded = [b.load(b.add(row, offset), vector) for row in at]
            return [square(loaded, b.load(b.add(factors, offset), vector), state[0])]

        (total,) = b.loop_if_any(whole, [b.masked_load(b.add(init, place), vector, mask)], block)
        # what is left of k: zeros add nothing
        offset, some = b.multiply(whole, size * lanes), b.first_lanes(rest, lanes)
        loaded = [b.masked_load(b.add(row, offset), vector, some) for row in at]
        total = square(loaded, b.masked_load(b.add(factors, offset), vector, some), total)
        b.masked_store(b.ir.fadd(total, ir.Constant(vector, None)), b.add(y, place), mask)
        return state

    groups = b.ir.sdiv(b.add(rows, lanes - 1), b.integer(lanes))
    b.loop(groups, [], group)
    b.ir.ret_void()
    return module


def smaller(b: Builder, value: Value, most: int) -> Value:
    """The smaller of two int64."""
    return b.ir.select(b.ir.icmp_signed("<", value, b.integer(most)), value, b.integer(most))
