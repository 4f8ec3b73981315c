"""Pointers, and the transposition of a square of vectors: explicit vector code inside Numba's kernels."""

from typing import Any

from llvmlite import ir
from numba import float32, types
from numba.extending import intrinsic
from numba.types import CPointer, intp, void

from tinytensor.kernels.cpu import vectors

__all__ = [
    "copy_vector",
    "full_width",
    "pointer_to",
    "transpose",
]

I32, I64 = ir.IntType(32), ir.IntType(64)


def lane_count(element: types.Type) -> int:
    """Elements in one vector register of this CPU."""
    return vectors().width(element.bitwidth // 8)


def vector_type(element: types.Type, width: int | None = None) -> ir.VectorType:
    """LLVM's type of a vector of `width` elements, by default a full register of them."""
    scalar = ir.FloatType() if element == float32 else ir.DoubleType()
    return ir.VectorType(scalar, width or lane_count(element))


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
def copy_vector(typing_context: Any, source: Any, target: Any) -> Any:
    """target[i] = source[i] for one vector."""
    element = target.dtype

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        memory = Memory(builder, vector_type(element))
        memory.store(memory.load(values[0], 0), values[1], 0)
        return context.get_dummy_value()

    return void(CPointer(element), CPointer(element)), generate


@intrinsic
def full_width(typing_context: Any, items: Any) -> Any:
    """How many elements of an array, or behind a pointer, fill a vector register: a constant."""
    return intp(items), lambda context, builder, signature, values: ir.Constant(I64, lane_count(items.dtype))


@intrinsic
def pointer_to(typing_context: Any, items: Any, index: Any) -> Any:
    """The address of the element that lies `index` elements behind the first, of an array or a pointer."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        base = values[0]
        if isinstance(signature.args[0], types.Array):
            base = context.make_array(signature.args[0])(context, builder, base).data
        return builder.gep(base, [values[1]])

    return CPointer(items.dtype)(items, intp), generate
