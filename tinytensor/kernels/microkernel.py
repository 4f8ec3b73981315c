"""The matrix micro-kernel and the transpose, as explicit vector code (the only code that needs it).

The micro-kernel updates a tile of the output, rows × lanes, held in registers:

    out[row, lane] = init[row, lane] + Σ_k scalars[row, k] · lanes[k, lane]

with one fused multiply-add for each k in ascending order, so the bits of an element do not depend on the
tile that it was computed in. "Lanes" is the operand whose elements fill vectors, "scalars" the one whose
elements are broadcast. Numba's `@intrinsic` hands us LLVM's builder; everything else is plain Numba.

Source: Van Zee and van de Geijn, BLIS: a framework for rapidly instantiating BLAS functionality, 2015.
"""

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba import float32, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.types import CPointer, intp, void

from tinytensor.kernels.cpu import vectors

__all__ = ["WIDE_VECTORS", "copy_two_vectors", "make_tiles", "pointer_to", "transpose"]

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
WIDE_VECTORS = 4  # few rows: four accumulators a row hide most of the latency of fma


def lane_count(element: types.Type) -> int:
    """Elements in one vector register of this CPU."""
    return vectors().width(element.bitwidth // 8)


def vector_type(element: types.Type) -> ir.VectorType:
    """LLVM's type of one full vector register."""
    scalar = ir.FloatType() if element == float32 else ir.DoubleType()
    return ir.VectorType(scalar, lane_count(element))


def splat(builder: ir.IRBuilder, scalar: ir.Value, vector: ir.VectorType) -> ir.Value:
    """A vector with `scalar` in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, vector.count), None))


def fma_function(builder: ir.IRBuilder, vector: ir.VectorType) -> ir.Function:
    """LLVM's fused multiply-add of vectors."""
    element = "f32" if vector.element == ir.FloatType() else "f64"
    function_type = ir.FunctionType(vector, [vector] * 3)
    return cgutils.get_or_insert_function(builder.module, function_type, f"llvm.fma.v{vector.count}{element}")


def without_sign(builder: ir.IRBuilder, sums: ir.Value) -> ir.Value:
    """Sums + 0: turns a -0, which only an underflow leaves behind, into the 0 that any further term makes."""
    return builder.fadd(sums, ir.Constant(sums.type, None))


class Memory:
    """Loads and stores of vectors that need no alignment, the last one of a row optionally masked."""

    def __init__(self, builder: ir.IRBuilder, vector: ir.VectorType, valid: ir.Value | None):
        self.builder, self.vector, self.mask = builder, vector, None
        if valid is not None:
            index = ir.VectorType(I64, vector.count)
            lanes = ir.Constant(index, list(range(vector.count)))
            self.mask = builder.icmp_signed("<", lanes, splat(builder, valid, index))

    def address(self, base: ir.Value, offset: ir.Value | int) -> ir.Value:
        """Base + offset, as a pointer to a vector."""
        step = offset if isinstance(offset, ir.Value) else ir.Constant(I64, offset)
        return self.builder.bitcast(self.builder.gep(base, [step]), self.vector.as_pointer())

    def intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        """Declare one of LLVM's masked memory operations."""
        element = "f32" if self.vector.element == ir.FloatType() else "f64"
        full = f"llvm.masked.{name}.v{self.vector.count}{element}.p0"
        function_type = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, function_type, full)

    def load(self, base: ir.Value, offset: ir.Value | int, last: bool = True) -> ir.Value:
        """A vector from base[offset:]; lanes beyond the mask are zero and their memory is not touched."""
        address = self.address(base, offset)
        if self.mask is None or not last:
            return self.builder.load(address, align=self.alignment)
        types_ = [address.type, I32, self.mask.type, self.vector]
        function = self.intrinsic("load", self.vector, types_)
        nothing = ir.Constant(self.vector, None)
        return self.builder.call(function, [address, ir.Constant(I32, self.alignment), self.mask, nothing])

    def store(self, value: ir.Value, base: ir.Value, offset: ir.Value | int, last: bool = True) -> None:
        """Store a vector to base[offset:], only the lanes inside the mask."""
        address = self.address(base, offset)
        if self.mask is None or not last:
            self.builder.store(value, address, align=self.alignment)
            return
        types_ = [self.vector, address.type, I32, self.mask.type]
        function = self.intrinsic("store", ir.VoidType(), types_)
        self.builder.call(function, [value, address, ir.Constant(I32, self.alignment), self.mask])

    def prefetch(self, base: ir.Value, offset: int) -> None:
        """Start to fetch the cache line at base[offset]; any address is allowed."""
        address = self.builder.bitcast(self.address(base, offset), ir.IntType(8).as_pointer())
        function_type = ir.FunctionType(ir.VoidType(), [address.type, I32, I32, I32])
        function = cgutils.get_or_insert_function(self.builder.module, function_type, "llvm.prefetch.p0")
        reading, keep, data = 0, 3, 1
        self.builder.call(function, [address, *(ir.Constant(I32, flag) for flag in (reading, keep, data))])

    @property
    def alignment(self) -> int:
        """Only that of one element is promised."""
        return 4 if self.vector.element == ir.FloatType() else 8


def emit_tile(
    builder: ir.IRBuilder, memory: Memory, rows: int, vectors_: int, packed: bool, operands: list[Any]
) -> None:
    """One tile: accumulators from `init`, a loop over k, accumulators to `out`."""
    lanes, lanes_stride, scalars, row_stride, k_stride, k_count, init, init_stride, out, out_stride = operands
    vector, width = memory.vector, memory.vector.count
    fma = fma_function(builder, vector)

    def at(base: ir.Value, *factors: ir.Value | int) -> ir.Value:
        product, *others = (f if isinstance(f, ir.Value) else ir.Constant(I64, f) for f in factors)
        for factor in others:
            product = builder.mul(product, factor)
        return builder.gep(base, [product])

    tile = [(row, column) for row in range(rows) for column in range(vectors_)]
    last = vectors_ - 1
    start = [memory.load(at(init, init_stride, row), column * width, column == last) for row, column in tile]
    if packed:
        row_stride, k_stride = ir.Constant(I64, 1), ir.Constant(I64, rows)
    row_offsets = [builder.mul(row_stride, ir.Constant(I64, row)) for row in range(rows)]

    # the accumulators of the tile below wait for memory before their first fma: ask for them now
    for row, column in tile:
        memory.prefetch(at(out, out_stride, rows + row), column * width)

    before, loop = builder.block, builder.append_basic_block("k")
    done = builder.append_basic_block("tile_done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(I64)
    k.add_incoming(ir.Constant(I64, 0), before)
    accumulators = [builder.phi(vector) for _ in tile]
    lanes_row, scalars_column = at(lanes, k, lanes_stride), at(scalars, k, k_stride)
    loaded = [memory.load(lanes_row, column * width, column == last) for column in range(vectors_)]
    updated = []
    for row, offset in enumerate(row_offsets):
        # each broadcast right before its use: LLVM keeps this order, and 14 at once would spill
        scalar = splat(builder, builder.load(builder.gep(scalars_column, [offset])), vector)
        for column, each in enumerate(loaded):
            updated.append(builder.call(fma, [each, scalar, accumulators[row * vectors_ + column]]))
    following = builder.add(k, ir.Constant(I64, 1))
    k.add_incoming(following, loop)
    for accumulator, first, new in zip(accumulators, start, updated, strict=True):
        accumulator.add_incoming(first, before)
        accumulator.add_incoming(new, loop)
    builder.cbranch(builder.icmp_signed("<", following, k_count), loop, done)
    builder.position_at_end(done)
    for (row, column), new in zip(tile, updated, strict=True):
        memory.store(without_sign(builder, new), at(out, out_stride, row), column * width, column == last)


def make_tiles(
    vectors_: int, max_rows: int, *, masked: bool = False, packed: bool = False
) -> Callable[..., None]:
    """Micro-kernels of 1 … max_rows rows by `vectors_` vectors, chosen at run time by `rows`.

    With `masked`, only the first `valid` lanes of the last vector exist in memory. With `packed`, the
    scalars of one k are neighbours and those of the next k follow: constant strides save address work.
    """

    @intrinsic
    def tiles(
        typing_context: Any, lanes: Any, lanes_stride: Any, scalars: Any, row_stride: Any, k_stride: Any,
        k_count: Any, init: Any, init_stride: Any, out: Any, out_stride: Any, rows: Any, valid: Any,
    ) -> Any:  # fmt: skip
        element = lanes.dtype

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
            *operands, rows_value, valid_value = values
            memory = Memory(builder, vector_type(element), valid_value if masked else None)
            done = builder.append_basic_block("tiles_done")
            switch = builder.switch(rows_value, done)
            for count in range(1, max_rows + 1):
                case = builder.append_basic_block(f"tile_{count}x{vectors_}")
                switch.add_case(ir.Constant(I64, count), case)
                builder.position_at_end(case)
                emit_tile(builder, memory, count, vectors_, packed, operands)
                builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        p = CPointer(element)
        return void(p, intp, p, intp, intp, intp, p, intp, p, intp, intp, intp), generate

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
        memory = Memory(builder, vector_type(element), None)

        def offsets(stride: ir.Value) -> Iterator[ir.Value]:
            return (builder.mul(stride, ir.Constant(I64, i)) for i in range(memory.vector.count))

        rows = [memory.load(source, offset) for offset in offsets(source_stride)]
        for row, offset in zip(butterfly(builder, rows), offsets(target_stride), strict=True):
            memory.store(row, target, offset)
        return context.get_dummy_value()

    p = CPointer(element)
    return void(p, intp, p, intp), generate


@intrinsic
def copy_two_vectors(typing_context: Any, source: Any, target: Any) -> Any:
    """target[i] = source[i] for two vectors."""
    element = target.dtype

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        memory = Memory(builder, vector_type(element), None)
        both = [memory.load(values[0], offset) for offset in (0, memory.vector.count)]
        for value, offset in zip(both, (0, memory.vector.count), strict=True):
            memory.store(value, values[1], offset)
        return context.get_dummy_value()

    return void(CPointer(element), CPointer(element)), generate


@intrinsic
def pointer_to(typing_context: Any, items: Any, index: Any) -> Any:
    """The address of the element that lies `index` elements behind the first, of an array or a pointer."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        base = values[0]
        if isinstance(signature.args[0], types.Array):
            base = context.make_array(signature.args[0])(context, builder, base).data
        return builder.gep(base, [values[1]])

    return CPointer(items.dtype)(items, intp), generate
