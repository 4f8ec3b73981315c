"""A matrix times one column, or a few: rows of the matrix become lanes, a square at a time, in registers.

    y[row, j] = start[j] + Σ_k a[row, k] · b[k, j]

With few columns of outputs a tile would fill few lanes. Instead as many rows as a vector has lanes are read
side by side, 16 bytes of each, which are put together in as few vectors as hold them. Shuffles within 16
bytes make each vector one k of all rows, for one fma with each column. With AVX-512 and float32, 256 terms of
one column take 64 loads, of which 48 put parts together, 32 shuffles and 16 FMAs: 48 cycles on a CPU with two
vector units, 52 as measured; four columns take 72. Each fma waits for the one before, 64 cycles in all, so
with one or two columns two squares of different rows go side by side (25% faster); but one where rows lie a
multiple of 4 KiB apart: the 16 lines of one square are more than a set of L1 has room for, what its
prefetcher asks for is replaced before it is used, and 32 lines are worse (5% slower in L2, 10% in L3). The
order of the sum is that of k, as in the tile.
"""

from collections.abc import Callable, Sequence

from llvmlite import ir

from tinytensor.kernels.specs import Matvec
from tinytensor.kernels.vector import I1, Builder, Value, function

__all__ = ["build_matvec"]

SQUARES = 2  # side by side: the FMAs of one wait for each other
ALONE = 3  # columns, whose FMAs fill the time
SAME_SET = 4096  # bytes between addresses of one set of L1
SHARED = 8  # rows that are addressed from one moving pointer
PART = 16  # bytes of a row that are read together


def build_matvec(spec: Matvec) -> ir.Module:
    """matvec(a, row_bytes, rows, inputs, b, start, y): one row and one input at least; no gaps in b, y."""
    module, builder = function(spec.name, 7)
    Emitter(spec, builder).emit()
    return module


class Emitter:
    """Writes the function."""

    def __init__(self, spec: Matvec, builder: Builder):
        self.b, self.lanes, self.outputs = builder, spec.lanes, spec.columns
        self.element = ir.FloatType() if spec.dtype == "float32" else ir.DoubleType()
        self.size = 4 if spec.dtype == "float32" else 8
        self.chunk = PART // self.size
        self.vector = ir.VectorType(self.element, spec.lanes)
        self.a, self.stride, self.rows, self.inputs, self.factors, start, self.y = builder.made.args
        self.start = [
            builder.splat(builder.load(start, self.element, self.size * j), spec.lanes)
            for j in range(self.outputs)
        ]
        self.whole = builder.ir.sdiv(self.inputs, builder.integer(self.lanes))
        self.steps = [builder.multiply(self.stride, row) for row in range(SHARED)]

    def emit(self) -> None:
        """Squares side by side, then one, then the rows that are left over."""
        b, done = self.b, self.b.integer(0)
        if self.outputs < ALONE:
            apart = b.ir.and_(self.stride, b.integer(SAME_SET - 1))
            done = self.blocks(done, SQUARES, b.ir.icmp_signed("!=", apart, b.integer(0)))
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
        b, lanes, outputs = self.b, self.lanes, self.outputs
        here = b.add(self.a, b.multiply(self.stride, first))
        shared = min(SHARED, lanes)
        bases = [b.add(here, b.multiply(self.stride, row)) for row in range(0, squares * lanes, shared)]

        def rows(moving: list[Value]) -> list[list[Value]]:
            found = [b.add(base, step) for base in moving for step in self.steps[:shared]]
            return [found[start : start + lanes] for start in range(0, len(found), lanes)]

        def grouped(totals: list[Value]) -> list[list[Value]]:
            return [totals[start : start + outputs] for start in range(0, len(totals), outputs)]

        def step(k: Value, state: list[Value]) -> list[Value]:
            moving, factors = state[: len(bases)], state[len(bases)]
            totals = grouped(state[len(bases) + 1 :])
            new = [self.square(*each) for each in zip(rows(moving), [factors] * squares, totals, strict=True)]
            moved = [b.add(each, self.size * lanes) for each in moving]
            return [
                *moved,
                b.add(factors, self.size * lanes * outputs),
                *[one for each in new for one in each],
            ]

        ends = b.loop_if_any(self.whole, [*bases, self.factors, *self.start * squares], step)
        moving, factors, totals = ends[: len(bases)], ends[len(bases)], grouped(ends[len(bases) + 1 :])
        for place, (each, sums) in enumerate(zip(rows(moving), totals, strict=True)):
            self.store(self.last(each, factors, sums), b.add(first, place * lanes), None)

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

        def moved(k: Value) -> tuple[list[Value], Value]:
            offset = b.multiply(k, self.size * lanes)
            return [b.add(row, offset) for row in at], b.add(self.factors, b.multiply(offset, self.outputs))

        totals = b.loop_if_any(self.whole, self.start, lambda k, state: self.square(*moved(k), state))
        self.store(self.last(*moved(self.whole), totals), first, left)

    def square(self, rows: list[Value], factors: Value, totals: list[Value]) -> list[Value]:
        """The terms of as many k as rows, in order."""
        places = range(0, self.lanes, self.chunk)
        quarters = self.quarters(rows, lambda row, kind, k: self.b.load(row, kind, k * self.size), places)
        for i, place in enumerate(places):
            totals = self.terms(quarters[i :: len(places)], self.numbers(factors, place), totals)
        return totals

    def terms(self, quarters: list[Value], factors: list[Value], totals: list[Value]) -> list[Value]:
        """The terms of as many k as 16 bytes hold, in order."""
        for k, column in enumerate(self.columns(quarters)):
            ours = factors[k * self.outputs : (k + 1) * self.outputs]
            totals = [
                self.b.fma(column, self.b.splat(factor, self.lanes), total)
                for factor, total in zip(ours, totals, strict=True)
            ]
        return totals

    def numbers(self, factors: Value, first: int) -> list[Value]:
        """The rows of b for as many k."""
        count = self.outputs * self.chunk
        return [
            self.b.load(factors, self.element, self.size * (first * self.outputs + i)) for i in range(count)
        ]

    def quarters(self, rows: list[Value], load: Callable[..., Value], places: Sequence[int]) -> list[Value]:
        """Vectors of 16 bytes of each of some rows: those of rows 0, 4, 8 and 12, then of 1, 5, 9 and 13, ….

        Rows are read in order, a whole line of each. LLVM would join four parts two by two, which takes
        instructions that one port has; so it is not told that a vector has parts that will be replaced.
        """
        b, lanes, chunk = self.b, self.lanes, self.chunk
        kind = ir.VectorType(self.element, chunk)
        loaded = [
            [load(row, kind, k) for row in rows[group : group + chunk] for k in places]
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

    def last(self, rows: list[Value], factors: Value, totals: list[Value]) -> list[Value]:
        """The terms that do not fill a square, if any: 16 bytes of each row at a time, then fewer."""
        b = self.b
        rest = b.ir.srem(self.inputs, b.integer(self.lanes))
        count, left = b.ir.sdiv(rest, b.integer(self.chunk)), b.ir.srem(rest, b.integer(self.chunk))

        def moved(k: Value) -> tuple[list[Value], Value]:
            offset = b.multiply(k, PART)
            return [b.add(row, offset) for row in rows], b.add(factors, b.multiply(offset, self.outputs))

        def part(k: Value, state: list[Value]) -> list[Value]:
            here, numbers = moved(k)
            quarters = self.quarters(here, lambda row, kind, k: b.load(row, kind), [0])
            return self.terms(quarters, self.numbers(numbers, 0), state)

        def some(k: Value, state: list[Value]) -> list[Value]:
            """Zeros times zeros add nothing."""
            here, numbers = moved(count)
            mask = b.first_lanes(left, self.chunk)
            quarters = self.quarters(here, lambda row, kind, k: b.masked_load(row, kind, mask), [0])
            return self.terms(quarters, self.first_numbers(numbers, left), state)

        if self.lanes > self.chunk:
            totals = b.loop_if_any(count, totals, part)
        return b.loop_if_any(smaller(b, left, 1), totals, some)

    def first_numbers(self, factors: Value, count: Value) -> list[Value]:
        """The rows of b for so many k; of the others, which are not read, zeros."""
        b, found = self.b, []
        for k in range(self.chunk):
            is_one = b.ir.icmp_signed("<", b.integer(k), count)
            at = b.ir.select(is_one, b.add(factors, self.size * self.outputs * k), factors)
            numbers = [b.load(at, self.element, self.size * j) for j in range(self.outputs)]
            found += [b.ir.select(is_one, each, ir.Constant(self.element, 0.0)) for each in numbers]
        return found

    def store(self, totals: list[Value], first: Value, left: Value | None) -> None:
        """Rows of sums, or so many of them, as rows of y; a -0 becomes 0."""
        b, lanes, outputs = self.b, self.lanes, self.outputs
        totals = [b.ir.fadd(each, ir.Constant(self.vector, None)) for each in totals]
        target = b.add(self.y, b.multiply(first, self.size * outputs))
        for vector in range(outputs):
            places = [divmod(vector * lanes + lane, outputs) for lane in range(lanes)]
            value = b.pick(totals[0], [row for row, _ in places])
            for j in range(1, outputs):
                value = b.blend(
                    [of == j for _, of in places], b.pick(totals[j], [row for row, _ in places]), value
                )
            if left is None:
                b.store(value, target, self.size * lanes * vector)
                continue
            count = b.ir.sub(b.multiply(left, outputs), b.integer(vector * lanes))
            count = b.ir.select(b.ir.icmp_signed("<", count, b.integer(0)), b.integer(0), count)
            b.masked_store(value, b.add(target, self.size * lanes * vector), b.first_lanes(count, lanes))


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
