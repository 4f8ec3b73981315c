"""LLVM instructions on vectors and addresses: the words that the tile and the lists are written in.

An address is an integer. `Builder` writes into one function of a module of its own, which `native` compiles;
Numba has no part in it, so a tile costs 10 to 20 ms of LLVM's time and is made for any CPU that LLVM knows.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from tinytensor.kernels.cpu import architecture

__all__ = ["VECTOR_LETTERS", "VECTOR_REGISTER", "Builder", "function"]

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
VECTOR_REGISTER = "{vector register}"  # `native` puts the CPU's letter here
VECTOR_LETTERS = {"x86_64": "v", "aarch64": "w", "arm64": "w", "powerpc64le": "wa"}  # by LLVM's architecture
Value = Any  # of LLVM; llvmlite has no types for mypy


def function(name: str, arguments: int, returns: bool = False) -> tuple[ir.Module, "Builder"]:
    """A module with one function of that many int64, and the builder of its body."""
    module = ir.Module(name)
    kind = ir.FunctionType(I64 if returns else ir.VoidType(), [I64] * arguments)
    made = ir.Function(module, kind, name)
    return module, Builder(made)


class Builder:
    """Writes one function; numbers of Python become int64."""

    def __init__(self, made: ir.Function):
        self.made, self.module = made, made.module
        self.ir = ir.IRBuilder(made.append_basic_block("entry"))

    def integer(self, value: Value | int) -> Value:
        """An int64."""
        return ir.Constant(I64, value) if isinstance(value, int) else value

    def add(self, *terms: Value | int) -> Value:
        """The sum of int64."""
        first, *others = map(self.integer, terms)
        for each in others:
            first = self.ir.add(first, each)
        return first

    def multiply(self, a: Value | int, b: Value | int) -> Value:
        """The product of two int64."""
        return self.ir.mul(self.integer(a), self.integer(b))

    def pointer(self, address: Value, kind: ir.Type, offset: int = 0) -> Value:
        """A pointer to a value of that type, `offset` bytes after an address."""
        return self.ir.inttoptr(self.add(address, offset) if offset else address, kind.as_pointer())

    def load(self, address: Value, kind: ir.Type, offset: int = 0, align: int = 0) -> Value:
        """A value from memory, aligned as one element if nothing else is said."""
        return self.ir.load(self.pointer(address, kind, offset), align=align or alignment(kind))

    def store(self, value: Value, address: Value, offset: int = 0) -> None:
        """A value to memory, aligned as one element."""
        self.ir.store(value, self.pointer(address, value.type, offset), align=alignment(value.type))

    def after(self, done: Sequence[Value], value: Value) -> Value:
        """The same int64, of which LLVM uses nothing before the vectors `done` are there; no instruction.

        A hint: on a CPU whose letter for vectors is not known, code is right without it.
        """
        if architecture() not in VECTOR_LETTERS:
            return value
        kind = ir.FunctionType(I64, [I64, *(each.type for each in done)])
        constraints = ",".join(["=r", "0", *[VECTOR_REGISTER] * len(done)])
        return self.ir.call(ir.InlineAsm(kind, "", constraints, side_effect=False), [value, *done])

    def opaque(self, vectors: list[Value]) -> list[Value]:
        """The same vectors, of which LLVM does not know how they were made; no instruction, and a hint."""
        if architecture() not in VECTOR_LETTERS:
            return vectors
        kind, count = vectors[0].type, len(vectors)
        returns = ir.LiteralStructType([kind] * count)
        constraints = ",".join([f"={VECTOR_REGISTER}"] * count + [str(each) for each in range(count)])
        code = ir.InlineAsm(ir.FunctionType(returns, [kind] * count), "", constraints, side_effect=False)
        made = self.ir.call(code, vectors)
        return [self.ir.extract_value(made, each) for each in range(count)]

    def field(self, record: Value, place: int) -> Value:
        """An int64 of a record of int64."""
        return self.load(record, I64, 8 * place)

    def splat(self, scalar: Value, lanes: int) -> Value:
        """A vector with the scalar in every lane."""
        undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
        first = self.ir.insert_element(undefined, scalar, ir.Constant(I32, 0))
        return self.ir.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), None))

    def pick(self, vector: Value, places: Sequence[int]) -> Value:
        """A vector of the lanes named."""
        return self.ir.shuffle_vector(
            vector, vector, ir.Constant(ir.VectorType(I32, len(places)), list(places))
        )

    def shuffle(self, a: Value, b: Value, places: Sequence[int]) -> Value:
        """A vector of the lanes named, of which those of the second vector come after those of the first."""
        return self.ir.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(places)), list(places)))

    def put(self, part: Value, whole: Value, first: int) -> Value:
        """A vector, from lane `first` on replaced by a shorter one."""
        name = f"llvm.vector.insert.{suffix(whole.type)}.{suffix(part.type)}"
        return self.call(name, whole.type, whole, part, self.integer(first))

    def lengthened(self, vector: Value, lanes: int) -> Value:
        """A vector of so many lanes, of which the further ones are undefined."""
        if vector.type.count == lanes:
            return vector
        return self.put(vector, ir.Constant(ir.VectorType(vector.type.element, lanes), ir.Undefined), 0)

    def blend(self, lanes: Sequence[bool], yes: Value, no: Value) -> Value:
        """Lanes of one vector where True, of the other elsewhere."""
        mask = ir.Constant(ir.VectorType(I1, len(lanes)), [int(each) for each in lanes])
        return self.ir.select(mask, yes, no)

    def call(self, name: str, kind: ir.Type, *arguments: Value) -> Value:
        """One of LLVM's own functions."""
        found = self.module.globals.get(name)
        if found is None:
            found = ir.Function(self.module, ir.FunctionType(kind, [each.type for each in arguments]), name)
        return self.ir.call(found, arguments)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a · b + c, rounded once."""
        return self.call(f"llvm.fma.{suffix(a.type)}", a.type, a, b, c)

    def prefetch(self, address: Value, offset: int = 0, level: int = 2) -> None:
        """Ask for a line of memory, into L2 or into L1."""
        self.call("llvm.prefetch.p0", ir.VoidType(), self.pointer(address, I8, offset),
                  *(ir.Constant(I32, each) for each in (0, 4 - level, 1)))  # fmt: skip

    def first_lanes(self, count: Value, lanes: int) -> Value:
        """A mask of the first `count` lanes."""
        places = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
        return self.ir.icmp_unsigned("<", places, self.splat(self.ir.trunc(count, I32), lanes))

    def masked_load(self, address: Value, kind: ir.VectorType, mask: Value) -> Value:
        """The lanes of a mask from memory, 0 in the others; what they would read is not touched."""
        return self.call(
            f"llvm.masked.load.{suffix(kind)}.p0", kind, self.pointer(address, kind),
            ir.Constant(I32, alignment(kind)), mask, ir.Constant(kind, None),
        )  # fmt: skip

    def masked_store(self, value: Value, address: Value, mask: Value) -> None:
        """The lanes of a mask to memory."""
        self.call(
            f"llvm.masked.store.{suffix(value.type)}.p0", ir.VoidType(), value,
            self.pointer(address, value.type), ir.Constant(I32, alignment(value.type)), mask,
        )  # fmt: skip

    def join(self, a: Value, b: Value) -> Value:
        """A vector with the lanes of one, then those of the other."""
        both = ir.VectorType(I32, 2 * a.type.count)
        return self.ir.shuffle_vector(a, b, ir.Constant(both, list(range(both.count))))

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """Squares side by side, each transposed in log2(rows) rounds of pairwise shuffles."""
        found, lanes = list(rows), rows[0].type.count
        distance = len(rows) // 2
        while distance:
            near = [lane if not lane & distance else lane - distance + lanes for lane in range(lanes)]
            far = [lane + distance if not lane & distance else lane + lanes for lane in range(lanes)]
            for first in range(len(rows)):
                if not first & distance:
                    pair = found[first], found[first + distance]
                    for place, lanes_of in ((first, near), (first + distance, far)):
                        mask = ir.Constant(ir.VectorType(I32, lanes), lanes_of)
                        found[place] = self.ir.shuffle_vector(*pair, mask)
            distance //= 2
        return found

    def loop_if_any(
        self, count: Value, start: Sequence[Value], body: Callable[[Value, list[Value]], Sequence[Value]]
    ) -> list[Value]:
        """As `loop`, where count may be 0."""
        return self.if_any(count, start, lambda values: self.loop(count, values, body))

    def if_any(
        self, count: Value, values: Sequence[Value], body: Callable[[list[Value]], Sequence[Value]],
        otherwise: Callable[[list[Value]], Sequence[Value]] = list,
    ) -> list[Value]:  # fmt: skip
        """body(values) where count is not 0, else otherwise(values)."""
        some, none, after = map(self.made.append_basic_block, ("some", "none", "after"))
        self.ir.cbranch(self.ir.icmp_signed("!=", count, self.integer(0)), some, none)
        ways = []
        for block, way in ((some, body), (none, otherwise)):
            self.ir.position_at_end(block)
            new = list(way(list(values)))
            ways.append((self.ir.block, new))
            self.ir.branch(after)
        self.ir.position_at_end(after)
        found = [self.ir.phi(each.type) for each in values]
        for block, new in ways:
            for each, value in zip(found, new, strict=True):
                each.add_incoming(value, block)
        return found

    def normalized(self, value: Value, a: Value, b: Value, c: Value) -> Value:
        """((value - a) · b) + c, each operation rounded."""
        return self.ir.fadd(self.ir.fmul(self.ir.fsub(value, a), b), c)

    def followed(
        self, sums: list[Value], record: Value, epilogue: int, constants_at: int,
        fields: tuple[int, int, int], constants: Callable[[Value], list[Value]],
    ) -> list[Value]:  # fmt: skip
        """What is stored of sums: a batch norm and bounds, if a field of the record has the address of these.

        `fields` of that: bytes between the bias and the numbers of a batch norm, or 0, and two bounds;
        `constants`: a number for each sum from the address of one for each lane. A -0 becomes 0 first; before
        a batch norm, its subtraction sees to that (see `epilogue`).
        """
        at, (after, floor, ceiling) = self.field(record, epilogue), fields

        def positive(values: list[Value]) -> list[Value]:
            return [self.ir.fadd(each, ir.Constant(each.type, None)) for each in values]

        def follow(values: list[Value]) -> list[Value]:
            distance = self.field(at, after)

            def scale(values: list[Value]) -> list[Value]:
                bias = self.field(record, constants_at)
                each = [constants(self.add(bias, self.multiply(distance, i))) for i in (1, 2, 3)]
                return [self.normalized(*one) for one in zip(values, *each, strict=True)]

            return self.bounded(self.if_any(distance, values, scale, positive), at, floor, ceiling)

        return self.if_any(at, sums, follow, positive)

    def bounded(self, values: list[Value], record: Value, floor: int, ceiling: int) -> list[Value]:
        """min(max(value, low), high) with two fields of a record; NaN stays, and so does a zero's sign.

        What has no upper bound, as ReLU, is not compared with it.
        """
        kind = values[0].type
        low, high = (
            self.splat(self.load(record, kind.element, 8 * each), kind.count) for each in (floor, ceiling)
        )
        infinite = 0x7F800000 if isinstance(kind.element, ir.FloatType) else 0x7FF << 52

        def lower(raised: list[Value]) -> list[Value]:
            return [self.ir.select(self.ir.fcmp_ordered(">", each, high), high, each) for each in raised]

        raised = [self.ir.select(self.ir.fcmp_ordered("<", each, low), low, each) for each in values]
        return self.if_any(self.ir.xor(self.field(record, ceiling), self.integer(infinite)), raised, lower)

    def larger(self, value: Value, x: Value) -> Value:
        """x where it is greater than the value or NaN, else the value."""
        # NaN comes first: the rest is one instruction of x86; else LLVM joins the comparisons
        kept = self.ir.select(self.ir.fcmp_unordered("uno", x, x), x, value)
        return self.ir.select(self.ir.fcmp_ordered(">", x, kept), x, kept)

    def loop(
        self, count: Value, start: Sequence[Value], body: Callable[[Value, list[Value]], Sequence[Value]]
    ) -> list[Value]:
        """state = body(i, state) for i = 0, 1, …, count - 1, where count is at least 1; the last state."""
        before, again = self.ir.block, self.made.append_basic_block("loop")
        done = self.made.append_basic_block("done")
        self.ir.branch(again)
        self.ir.position_at_end(again)
        i = self.ir.phi(I64)
        i.add_incoming(self.integer(0), before)
        state = [self.ir.phi(each.type) for each in start]
        for each, value in zip(state, start, strict=True):
            each.add_incoming(value, before)
        new = list(body(i, state))
        following, end = self.add(i, 1), self.ir.block
        i.add_incoming(following, end)
        for each, value in zip(state, new, strict=True):
            each.add_incoming(value, end)
        self.ir.cbranch(self.ir.icmp_signed("<", following, count), again, done)
        self.ir.position_at_end(done)
        return new


def alignment(kind: ir.Type) -> int:
    """Bytes of one element."""
    element = kind.element if isinstance(kind, ir.VectorType) else kind
    if isinstance(element, ir.IntType):
        return int(element.width) // 8
    return 4 if isinstance(element, ir.FloatType) else 8


def suffix(kind: ir.Type) -> str:
    """What a type is called in the names of LLVM's functions."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{suffix(kind.element)}"
    if isinstance(kind, ir.IntType):
        return f"i{kind.width}"
    return "f32" if isinstance(kind, ir.FloatType) else "f64"
