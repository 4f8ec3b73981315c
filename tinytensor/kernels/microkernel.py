"""The matrix micro-kernel and the transpose, as explicit vector code (the only code that needs it).

The micro-kernel updates a tile of the output, rows × lanes, held in registers:

    out[row, lane] = init[row, lane] + Σ_k scalars[row, k] · lanes[k, lane]

with one fused multiply-add for each k in ascending order, so the bits of an element do not depend on the
tile that it was computed in. "Lanes" is the operand whose elements fill vectors, "scalars" the one whose
elements are broadcast. Numba's `@intrinsic` hands us LLVM's builder; everything else is plain Numba.

Source: Van Zee and van de Geijn, BLIS: a framework for rapidly instantiating BLAS functionality, 2015.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from llvmlite import ir
from numba import float32, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.types import CPointer, intp, void

from tinytensor.kernels.cpu import vectors

__all__ = [
    "I32",
    "I64",
    "Memory",
    "accumulate",
    "advance",
    "copy_two_vectors",
    "full_width",
    "keep",
    "lane_count",
    "make_tiles",
    "pointer_to",
    "splat",
    "stride_of",
    "transpose",
    "vector_type",
    "without_sign",
]

I32, I64 = ir.IntType(32), ir.IntType(64)


def lane_count(element: types.Type) -> int:
    """Elements in one vector register of this CPU."""
    return vectors().width(element.bitwidth // 8)


def vector_type(element: types.Type, width: int | None = None) -> ir.VectorType:
    """LLVM's type of a vector of `width` elements, by default a full register of them."""
    scalar = ir.FloatType() if element == float32 else ir.DoubleType()
    return ir.VectorType(scalar, width or lane_count(element))


def splat(builder: ir.IRBuilder, scalar: ir.Value, vector: ir.VectorType) -> ir.Value:
    """A vector with `scalar` in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, vector.count), None))


def first_lanes(builder: ir.IRBuilder, vector: ir.Value, wanted: ir.VectorType) -> ir.Value:
    """A vector, or the half of a register that is its first lanes, which costs nothing."""
    if vector.type.count == wanted.count:
        return vector
    lanes = ir.Constant(ir.VectorType(I32, wanted.count), list(range(wanted.count)))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), lanes)


def fma_function(builder: ir.IRBuilder, vector: ir.VectorType) -> ir.Function:
    """LLVM's fused multiply-add of vectors."""
    element = "f32" if vector.element == ir.FloatType() else "f64"
    function_type = ir.FunctionType(vector, [vector] * 3)
    return cgutils.get_or_insert_function(builder.module, function_type, f"llvm.fma.v{vector.count}{element}")


def without_sign(builder: ir.IRBuilder, sums: ir.Value) -> ir.Value:
    """Sums + 0: turns a -0, which only an underflow leaves behind, into the 0 that any further term makes."""
    return builder.fadd(sums, ir.Constant(sums.type, None))


class Memory:
    """Loads and stores of vectors of one type, at addresses that need the alignment of one element only."""

    def __init__(self, builder: ir.IRBuilder, vector: ir.VectorType):
        self.builder, self.vector = builder, vector
        self.alignment = 8 if vector.element in (ir.DoubleType(), I64) else 4

    def address(self, base: ir.Value, offset: ir.Value | int) -> ir.Value:
        """Base + offset, as a pointer to a vector."""
        step = offset if isinstance(offset, ir.Value) else ir.Constant(I64, offset)
        return self.builder.bitcast(self.builder.gep(base, [step]), self.vector.as_pointer())

    def load(self, base: ir.Value, offset: ir.Value | int) -> ir.Value:
        """A vector from base[offset:]."""
        return self.builder.load(self.address(base, offset), align=self.alignment)

    def store(self, value: ir.Value, base: ir.Value, offset: ir.Value | int) -> None:
        """A vector to base[offset:]."""
        self.builder.store(value, self.address(base, offset), align=self.alignment)


def accumulate(
    builder: ir.IRBuilder,
    start: list[ir.Value],
    rows: int,
    count: ir.Value,
    terms: Callable[[ir.Value], tuple[list[ir.Value], Callable[[int], ir.Value]]],
) -> list[ir.Value]:
    """start + Σ over 0 ≤ i < count, in registers; `count` is at least 1.

    `terms(i)` gives the vectors of lanes, and the address of the scalar of each row.
    """
    before, loop = builder.block, builder.append_basic_block("k")
    done = builder.append_basic_block("tile_done")
    builder.branch(loop)
    builder.position_at_end(loop)
    i = builder.phi(I64)
    i.add_incoming(ir.Constant(I64, 0), before)
    accumulators = [builder.phi(each.type) for each in start]
    lanes, scalar_at = terms(i)
    updated = []
    for row in range(rows):
        # each broadcast right before its use: LLVM keeps this order, and 14 at once would spill
        scalar = splat(builder, builder.load(scalar_at(row)), lanes[0].type)
        for column, each in enumerate(lanes):
            factors = [each, first_lanes(builder, scalar, each.type)]
            fma = fma_function(builder, each.type)
            updated.append(builder.call(fma, [*factors, accumulators[row * len(lanes) + column]]))
    following = builder.add(i, ir.Constant(I64, 1))
    i.add_incoming(following, loop)
    for accumulator, first, new in zip(accumulators, start, updated, strict=True):
        accumulator.add_incoming(first, before)
        accumulator.add_incoming(new, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
    builder.position_at_end(done)
    return updated


def advance(builder: ir.IRBuilder, base: ir.Value, stride: ir.Value | int, index: ir.Value | int) -> ir.Value:
    """The address of base[stride · index]."""
    factors = [each if isinstance(each, ir.Value) else ir.Constant(I64, each) for each in (stride, index)]
    return builder.gep(base, [builder.mul(*factors)])


def emit_tile(builder: ir.IRBuilder, memory: Memory, rows: int, vectors_: int, operands: list[Any]) -> None:
    """One tile: accumulators from `init`, a loop over k, accumulators to `out`."""
    lanes, lanes_stride, scalars, row_stride, k_stride, k_count, init, init_stride, out, out_stride, count = (
        operands
    )
    width = memory.vector.count
    at = partial(advance, builder)
    # The last vector ends where the lanes end, so it overlaps the one before it. Both compute the same bits
    # there, and nothing is stored before everything is loaded. (A masked load costs 9 cycles on Zen 1.)
    offsets = [*range(0, (vectors_ - 1) * width, width), builder.sub(count, ir.Constant(I64, width))]
    tile = [(row, column) for row in range(rows) for column in range(vectors_)]
    start = [memory.load(at(init, init_stride, row), offsets[column]) for row, column in tile]

    def terms(k: ir.Value) -> tuple[list[ir.Value], Callable[[int], ir.Value]]:
        lanes_row, scalars_column = at(lanes, lanes_stride, k), at(scalars, k_stride, k)
        loaded = [memory.load(lanes_row, offset) for offset in offsets]
        return loaded, lambda row: at(scalars_column, row_stride, row)

    updated = accumulate(builder, start, rows, k_count, terms)
    for (row, column), new in zip(tile, updated, strict=True):
        memory.store(without_sign(builder, new), at(out, out_stride, row), offsets[column])


def make_tiles(shapes: Callable[[int], Iterable[tuple[int, int, int]]]) -> Callable[..., None]:
    """Micro-kernels of several shapes, chosen at run time.

    `shapes(lane_count)` lists width of a vector, vectors and rows of each. `count` lanes exist, where
    (vectors - 1) · width < count ≤ vectors · width, and at least one vector of them.
    """
    base = 64  # above every vector count and number of rows: a shape is one number in this base

    @intrinsic
    def tiles(
        typing_context: Any, lanes: Any, lanes_stride: Any, scalars: Any, row_stride: Any, k_stride: Any,
        k_count: Any, init: Any, init_stride: Any, out: Any, out_stride: Any, count: Any,
        width: Any, vectors_: Any, rows: Any,
    ) -> Any:  # fmt: skip
        element = lanes.dtype

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
            *operands, width, vectors_, rows = values
            wanted = builder.add(builder.mul(width, ir.Constant(I64, base)), vectors_)
            wanted = builder.add(builder.mul(wanted, ir.Constant(I64, base)), rows)
            done = builder.append_basic_block("tiles_done")
            switch = builder.switch(wanted, done)
            for shape in shapes(lane_count(element)):
                lanes_each, across, down = shape
                case = builder.append_basic_block(f"tile_{down}x{across}x{lanes_each}")
                switch.add_case(ir.Constant(I64, (lanes_each * base + across) * base + down), case)
                builder.position_at_end(case)
                emit_tile(builder, Memory(builder, vector_type(element, lanes_each)), down, across, operands)
                builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        p = CPointer(element)
        return void(p, intp, p, intp, intp, intp, p, intp, p, intp, intp, intp, intp, intp), generate

    return tiles  # type: ignore[no-any-return]


def butterfly(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """Transpose a square of vectors in registers: log2(width) stages of pairwise shuffles."""
    width = len(rows)
    distance = width // 2
    while distance:
        low = [lane if not lane & distance else lane - distance + width for lane in range(width)]
        high = [lane + distance if not lane & distance else lane + width for lane in range(width)]
        new = list(rows)
        for first in range(width):
            if not first & distance:
                pair = rows[first], rows[first + distance]
                for index, pattern in ((first, low), (first + distance, high)):
                    mask = ir.Constant(ir.VectorType(I32, width), pattern)
                    new[index] = builder.shuffle_vector(*pair, mask)
        rows = new
        distance //= 2
    return rows


@intrinsic
def transpose(typing_context: Any, source: Any, source_stride: Any, target: Any, target_stride: Any) -> Any:
    """target[j, i] = source[i, j] for one square as wide as a vector; strides in elements."""
    element = target.dtype

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        source, source_stride, target, target_stride = values
        memory = Memory(builder, vector_type(element))
        lines = [ir.Constant(I64, i) for i in range(memory.vector.count)]
        rows = [memory.load(source, builder.mul(source_stride, i)) for i in lines]
        for i, row in zip(lines, butterfly(builder, rows), strict=True):
            memory.store(row, target, builder.mul(target_stride, i))
        return context.get_dummy_value()

    p = CPointer(element)
    return void(p, intp, p, intp), generate


@intrinsic
def copy_two_vectors(typing_context: Any, source: Any, target: Any) -> Any:
    """target[i] = source[i] for two vectors."""
    element = target.dtype

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        memory = Memory(builder, vector_type(element))
        both = [memory.load(values[0], offset) for offset in (0, memory.vector.count)]
        for value, offset in zip(both, (0, memory.vector.count), strict=True):
            memory.store(value, values[1], offset)
        return context.get_dummy_value()

    return void(CPointer(element), CPointer(element)), generate


@intrinsic
def full_width(typing_context: Any, items: Any) -> Any:
    """How many elements of an array, or behind a pointer, fill a vector register: a constant."""
    return intp(items), lambda context, builder, signature, values: ir.Constant(I64, lane_count(items.dtype))


@intrinsic
def stride_of(typing_context: Any, array: Any, axis: Any) -> Any:
    """The distance between neighbours along an axis, in elements."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        items = context.make_array(signature.args[0])(context, builder, values[0])
        size = ir.Constant(I64, signature.args[0].dtype.bitwidth // 8)
        return builder.sdiv(builder.extract_value(items.strides, axis.literal_value), size)

    if isinstance(axis, types.IntegerLiteral):
        return intp(array, axis), generate
    return None


@intrinsic
def pointer_to(typing_context: Any, items: Any, index: Any) -> Any:
    """The address of the element that lies `index` elements behind the first, of an array or a pointer."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        base = values[0]
        if isinstance(signature.args[0], types.Array):
            base = context.make_array(signature.args[0])(context, builder, base).data
        return builder.gep(base, [values[1]])

    return CPointer(items.dtype)(items, intp), generate


@intrinsic
def keep(typing_context: Any, items: Any) -> Any:
    """Do nothing with an array that pointers point into: Numba frees one after its last use."""
    return void(items), lambda context, builder, signature, values: context.get_dummy_value()
