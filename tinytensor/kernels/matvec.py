"""A matrix times one column: rows of the matrix become lanes, a square at a time, in registers.

    y[row] = start + Σ_k a[row, k] · b[k]

With one column of outputs a tile would fill one lane. Instead as many rows as a vector has lanes are read
side by side, 16 bytes of each, which are put together in as few vectors as hold them. Shuffles within 16
bytes make each vector one k of all rows, for one fma. With AVX-512 and float32, 256 terms take 64 loads, of
which 48 put parts together, 32 shuffles and 16 FMAs: 48 cycles on a CPU with two vector units, 52 as
measured. Each fma waits for the one before, 64 cycles in all, so two squares of different rows go side by
side (25% faster); but one where rows lie a multiple of 4 KiB apart: the 16 lines of one square are more than
a set of L1 has room for, what its prefetcher asks for is replaced before it is used, and 32 lines are worse
(5% slower in L2, 10% in L3). The order of the sum is that of k, as in the tile.
"""

from llvmlite import ir

from tinytensor.kernels.specs import Matvec
from tinytensor.kernels.vector import I1, Builder, Value, function

__all__ = ["build_matvec"]

SQUARES = 2  # side by side: the FMAs of one wait for each other
SAME_SET = 4096  # bytes between addresses of one set of L1
SHARED = 8  # rows that are addressed from one moving pointer


def build_matvec(spec: Matvec) -> ir.Module:
    """matvec(a, row_bytes, rows, inputs, b, start, y): at least one row and one input."""
    module, builder = function(spec.name, 7)
    Emitter(spec, builder).emit()
    return module


class Emitter:
    """Writes the function."""

    def __init__(self, spec: Matvec, builder: Builder):
        self.b, self.lanes = builder, spec.lanes
        self.element = ir.FloatType() if spec.dtype == "float32" else ir.DoubleType()
        self.size = 4 if spec.dtype == "float32" else 8
        self.chunk = 16 // self.size
        self.vector = ir.VectorType(self.element, spec.lanes)
        self.a, self.stride, self.rows, self.inputs, self.factors, start, self.y = builder.made.args
        self.start = builder.splat(builder.load(start, self.element), spec.lanes)
        self.whole = builder.ir.sdiv(self.inputs, builder.integer(self.lanes))
        self.steps = [builder.multiply(self.stride, row) for row in range(SHARED)]

    def emit(self) -> None:
        """Squares side by side, then one, then the rows that are left over."""
        b = self.b
        apart = b.ir.and_(self.stride, b.integer(SAME_SET - 1))
        done = self.blocks(b.integer(0), SQUARES, b.ir.icmp_signed("!=", apart, b.integer(0)))
        done = self.blocks(done, 1, ir.Constant(I1, 1))

        def rest(i: Value, state: list[Value]) -> list[Value]:
            self.left_over(done)
            return state

        b.loop_if_any(smaller(b, b.ir.sub(self.rows, done), 1), [], rest)
        b.ir.ret_void()

    def blocks(self, first: Value, squares: int, wanted: Value) -> Value:
        """Whole blocks of so many squares, from a row on, where they are wanted; the first row after them."""
        b, rows = self.b, squares * self.lanes
        count = b.ir.sdiv(b.ir.sub(self.rows, first), b.integer(rows))
        count = b.ir.select(wanted, count, b.integer(0))

        def block(i: Value, state: list[Value]) -> list[Value]:
            self.full(b.add(first, b.multiply(i, rows)), squares)
            return state

        b.loop_if_any(count, [], block)
        return b.add(first, b.multiply(count, rows))

    def full(self, first: Value, squares: int) -> None:
        """As many rows as some vectors have lanes."""
        b, lanes = self.b, self.lanes
        here = b.add(self.a, b.multiply(self.stride, first))
        shared = min(SHARED, lanes)
        bases = [b.add(here, b.multiply(self.stride, row)) for row in range(0, squares * lanes, shared)]

        def rows(moving: list[Value]) -> list[list[Value]]:
            found = [b.add(base, step) for base in moving for step in self.steps[:shared]]
            return [found[start : start + lanes] for start in range(0, len(found), lanes)]

        def step(k: Value, state: list[Value]) -> list[Value]:
            moving, column = state[: len(bases)], state[len(bases)]
            totals = state[len(bases) + 1 :]
            new = [self.square(each, column, total) for each, total in zip(rows(moving), totals, strict=True)]
            return [*(b.add(each, self.size * lanes) for each in [*moving, column]), *new]

        start = [*bases, self.factors, *[self.start] * squares]
        ends = b.loop_if_any(self.whole, start, step)
        moving, column, totals = ends[: len(bases)], ends[len(bases)], ends[len(bases) + 1 :]
        for place, (each, total) in enumerate(zip(rows(moving), totals, strict=True)):
            target = b.add(self.y, b.multiply(b.add(first, place * lanes), self.size))
            b.store(self.last(each, column, total), target)

    def left_over(self, first: Value) -> None:
        """Fewer rows: rows beyond the last repeat the first, and are not stored."""
        b, lanes = self.b, self.lanes
        left = b.ir.sub(self.rows, first)
        here = b.add(self.a, b.multiply(self.stride, first))
        at = [
            b.ir.select(
                b.ir.icmp_signed("<", b.integer(row), left), b.add(here, b.multiply(self.stride, row)), here
            )
            for row in range(lanes)
        ]

        def step(k: Value, state: list[Value]) -> list[Value]:
            offset = b.multiply(k, self.size * lanes)
            rows = [b.add(row, offset) for row in at]
            return [self.square(rows, b.add(self.factors, offset), state[0])]

        (total,) = b.loop_if_any(self.whole, [self.start], step)
        offset = b.multiply(self.whole, self.size * lanes)
        total = self.last([b.add(row, offset) for row in at], b.add(self.factors, offset), total)
        mask = b.first_lanes(left, lanes)
        b.masked_store(total, b.add(self.y, b.multiply(first, self.size)), mask)

    def square(self, rows: list[Value], factors: Value, total: Value) -> Value:
        """The terms of as many k as rows, in order."""
        b, quarters, parts = self.b, self.quarters(rows), self.lanes // self.chunk
        for place in range(parts):
            for k, column in enumerate(self.columns(quarters[place::parts]), place * self.chunk):
                factor = b.splat(b.load(factors, self.element, k * self.size), self.lanes)
                total = b.fma(column, factor, total)
        return total

    def quarters(self, rows: list[Value]) -> list[Value]:
        """Vectors of 16 bytes of each of some rows: those of rows 0, 4, 8 and 12, then of 1, 5, 9 and 13, ….

        Rows are read in order, a whole line of each. LLVM would join four parts two by two, which takes
        instructions that one port has; so it is not told that a vector has parts that will be replaced.
        """
        b, lanes, chunk = self.b, self.lanes, self.chunk
        kind = ir.VectorType(self.element, chunk)
        loaded = [
            [
                b.load(row, kind, k * self.size)
                for row in rows[group : group + chunk]
                for k in range(0, lanes, chunk)
            ]
            for group in range(0, lanes, chunk)
        ]
        if len(loaded) == 1:
            return loaded[0]
        found = [b.join(*pair) for pair in zip(*loaded[:2], strict=True)]
        for place, parts in enumerate(loaded[2:], 2):
            pairs = zip(b.opaque(found), parts, strict=True)
            found = [b.put(part, b.lengthened(each, lanes), place * chunk) for each, part in pairs]
        return found

    def columns(self, rows: list[Value], width: int = 1) -> list[Value]:
        """Squares within 16 bytes, transposed: vectors of one k each."""
        if len(rows) == 1:
            return rows
        b = self.b
        found: list[Value] = []
        for half in (0, 1):
            places = unpack(self.lanes, self.chunk, width, half)
            pairs = zip(rows[::2], rows[1::2], strict=True)
            found += self.columns([b.shuffle(*pair, places) for pair in pairs], 2 * width)
        return found

    def last(self, rows: list[Value], factors: Value, total: Value) -> Value:
        """The terms that do not fill a square, if any."""
        b, lanes = self.b, self.lanes
        rest = b.ir.srem(self.inputs, b.integer(lanes))
        some = b.first_lanes(rest, lanes)

        def step(k: Value, state: list[Value]) -> list[Value]:
            loaded = [b.masked_load(row, self.vector, some) for row in rows]
            column = b.masked_load(factors, self.vector, some)
            total = state[0]
            for place, each in enumerate(b.transpose(loaded)):  # zeros add nothing
                total = b.fma(each, b.pick(column, [place] * lanes), total)
            return [total]

        (total,) = b.loop_if_any(smaller(b, rest, 1), [total], step)
        return b.ir.fadd(total, ir.Constant(self.vector, None))


def unpack(lanes: int, chunk: int, width: int, high: int) -> list[int]:
    """Lanes of the lower or upper half of each 16 bytes of two vectors, in turn, `width` lanes at a time."""
    found: list[int] = []
    for first in range(0, lanes, chunk):
        half = first + high * chunk // 2
        for place in range(half, half + chunk // 2, width):
            for vector in (0, lanes):
                found += range(vector + place, vector + place + width)
    return found


def smaller(b: Builder, value: Value, most: int) -> Value:
    """The smaller of two int64."""
    return b.ir.select(b.ir.icmp_signed("<", value, b.integer(most)), value, b.integer(most))
