"""Tiles over a list of inputs: the micro-kernel of the plan, which skips the inputs that are zero.

    out[row, lane] = init + Σ_{k in order} scalars[row, k] · lanes[k, lane]

A term that is 0 · w changes no sum, so leaving it out changes no bit, as long as every w is finite. There
are two kinds of tiles. With samples as lanes, rows are outputs and every lane is busy whatever the width of
the layer, but an input is skipped only if it is zero in all samples of the tile. With outputs as lanes,
rows are samples, one, two or four, and an input is skipped if it is zero in these.

Each term also asks for one line of memory from `ahead` on, where the next samples are: the hardware's own
prefetching ends at every page, and a tile leaves most of the bandwidth unused.
"""

from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.types import CPointer, int32, intp, void

from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.microkernel import (
    I32,
    I64,
    Memory,
    accumulate,
    advance,
    lane_count,
    splat,
    vector_type,
    without_sign,
)

__all__ = [
    "GROUP",
    "LINE",
    "MOST_VECTORS",
    "PANEL",
    "TALLEST",
    "WIDEST",
    "half_width",
    "list_nonzero",
    "output_tile",
    "sample_tile",
]

PANEL = 2  # vectors of samples: with these a tile has the most multiplications for each number it loads
TALLEST = vectors().tile_rows  # outputs of a tile of samples
MOST_VECTORS = 8  # of outputs in a tile, and in a page of weights
# rows of samples → vectors of outputs that fit into the registers with them
WIDEST = {1: 8, 2: 8, 4: 5} if vectors().registers == 32 else {1: 8, 2: 4, 4: 2}
LINE = 64  # bytes that memory is read in
READ, INTO_L2, DATA = 0, 2, 1  # LLVM's numbers
BYTE = 8  # comparisons whose results are one number
GROUP = 2 * BYTE  # inputs looked at together when zeros are sought


def switch_case(builder: ir.IRBuilder, value: ir.Value, cases: Mapping[int, Callable[[], None]]) -> None:
    """Run the case of that number; none if there is no such number."""
    done = builder.append_basic_block("done")
    switch = builder.switch(value, done)
    for number, emit in cases.items():
        block = builder.append_basic_block(f"case_{number}")
        switch.add_case(ir.Constant(I64, number), block)
        builder.position_at_end(block)
        emit()
        builder.branch(done)
    builder.position_at_end(done)


def prefetch(builder: ir.IRBuilder, ahead: ir.Value, i: ir.Value) -> None:
    """Ask for the i-th line of memory from `ahead` on to be brought to L2; any address is allowed."""
    line = builder.gep(ahead, [builder.mul(i, ir.Constant(I64, LINE * 8 // bit_width(ahead.type.pointee)))])
    function_type = ir.FunctionType(ir.VoidType(), [line.type, I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
    builder.call(function, [line, *(ir.Constant(I32, each) for each in (READ, INTO_L2, DATA))])


def bit_width(number: ir.Type) -> int:
    """Of a float or a double."""
    return 32 if number == ir.FloatType() else 64


def listed_input(builder: ir.IRBuilder, order: ir.Value, i: ir.Value) -> ir.Value:
    """The i-th input of the list."""
    return builder.sext(builder.load(builder.gep(order, [i])), I64)


@intrinsic
def sample_tile(
    typing_context: Any, panel: Any, weight: Any, bias: Any, order: Any, count: Any, out: Any, rows: Any,
    ahead: Any,
) -> Any:  # fmt: skip
    """out[row, lane] = bias[row] + Σ weight[k, row] · panel[k, lane]; lanes are samples, rows outputs.

    `panel` (inputs, lanes), `weight` (inputs, rows), `out` (rows, lanes); `count` inputs are in `order`.
    """
    element = panel.dtype

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        panel, weight, bias, order, count, out, wanted, ahead = values
        memory = Memory(builder, vector_type(element))
        width = memory.vector.count
        offsets = [column * width for column in range(PANEL)]

        def emit(rows: int) -> None:
            start = []
            for row in range(rows):
                first = builder.load(advance(builder, bias, 1, row))
                start += [splat(builder, first, memory.vector)] * PANEL

            def terms(i: ir.Value) -> tuple[list[ir.Value], Callable[[int], ir.Value]]:
                prefetch(builder, ahead, i)
                k = listed_input(builder, order, i)
                lanes, scalars = (
                    advance(builder, panel, PANEL * width, k),
                    advance(builder, weight, rows, k),
                )
                return [memory.load(lanes, each) for each in offsets], lambda row: advance(
                    builder, scalars, 1, row
                )

            sums = accumulate(builder, start, rows, count, terms)
            for position, each in enumerate(sums):
                memory.store(without_sign(builder, each), out, position * width)

        switch_case(builder, wanted, {rows: partial(emit, rows) for rows in range(1, TALLEST + 1)})
        return context.get_dummy_value()

    p = CPointer(element)
    return void(p, p, p, CPointer(int32), intp, p, intp, p), generate


BASE = 64  # above every number of halves: a shape is one number in this base


def half(width: int) -> int:
    """Lanes of half a vector, which a CPU with wide vectors multiplies in half the time."""
    return max(2, width // 2)


@intrinsic
def half_width(typing_context: Any, items: Any) -> Any:
    """How many elements make half a vector: a constant."""
    lanes = half(lane_count(items.dtype))
    return intp(items), lambda context, builder, signature, values: ir.Constant(I64, lanes)


@intrinsic
def output_tile(
    typing_context: Any, x: Any, x_stride: Any, weight: Any, weight_stride: Any, init: Any, order: Any,
    count: Any, out: Any, out_stride: Any, rows: Any, halves: Any, ahead: Any,
) -> Any:  # fmt: skip
    """out[row, lane] = init[lane] + Σ x[row, k] · weight[k, lane]; lanes are outputs, rows samples.

    There are as many lanes as `halves` of vectors hold.
    """
    element = x.dtype

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        x, x_stride, weight, weight_stride, init, order, count = values[:7]
        out, out_stride, rows, halves, ahead = values[7:]
        width = lane_count(element)

        def emit(rows: int, halves: int) -> None:
            lanes = halves * half(width)
            columns = [
                (offset, Memory(builder, vector_type(element, min(width, lanes - offset))))
                for offset in range(0, lanes, width)
            ]
            samples = [advance(builder, x, x_stride, row) for row in range(rows)]
            start = [memory.load(init, offset) for offset, memory in columns] * rows

            def terms(i: ir.Value) -> tuple[list[ir.Value], Callable[[int], ir.Value]]:
                prefetch(builder, ahead, i)
                k = listed_input(builder, order, i)
                lanes = advance(builder, weight, weight_stride, k)
                loaded = [memory.load(lanes, offset) for offset, memory in columns]
                return loaded, lambda row: builder.gep(samples[row], [k])

            sums = iter(accumulate(builder, start, rows, count, terms))
            for row in range(rows):
                target = advance(builder, out, out_stride, row)
                for offset, memory in columns:
                    memory.store(without_sign(builder, next(sums)), target, offset)

        step = width // half(width)
        shapes = [(r, h) for r, widest in WIDEST.items() for h in range(1, step * widest + 1)]
        cases = {r * BASE + h: partial(emit, r, h) for r, h in shapes}
        wanted = builder.add(builder.mul(rows, ir.Constant(I64, BASE)), halves)
        switch_case(builder, wanted, cases)
        return context.get_dummy_value()

    p = CPointer(element)
    return void(p, intp, p, intp, p, CPointer(int32), intp, p, intp, intp, intp, p), generate


def places() -> np.ndarray:
    """For each pattern of eight bits the places of those that are set, in ascending order."""
    table = np.zeros((1 << BYTE, BYTE), np.uint8)
    for pattern in range(1 << BYTE):
        found = [place for place in range(BYTE) if pattern >> place & 1]
        table[pattern, : len(found)] = found
    return table


def table_of_places(builder: ir.IRBuilder) -> ir.Value:
    """The same as a constant of the compiled module."""
    entry = ir.VectorType(ir.IntType(8), BYTE)
    content = ir.Constant(
        ir.ArrayType(entry, 1 << BYTE), [ir.Constant(entry, row.tolist()) for row in places()]
    )
    return cgutils.global_constant(builder, "places", content)


@intrinsic
def list_nonzero(typing_context: Any, x: Any, x_stride: Any, rows: Any, first: Any, order: Any) -> Any:
    """Append to `order` those of GROUP inputs from `first` on that are not zero in all of `rows` rows.

    Returns how many they are; writes a byte's worth of numbers more than that. rows is 1, 2 or 4, a literal.
    A comparison gives a bit for each input, and a table the places of a byte's bits: no branch on the data.
    """
    if not isinstance(rows, types.IntegerLiteral):
        return None
    element, row_count = x.dtype, rows.literal_value

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        x, x_stride, _, first, order = values
        integer = ir.IntType(bit_width(vector_type(element).element))
        memory = Memory(builder, ir.VectorType(integer, GROUP))
        integers = builder.bitcast(x, integer.as_pointer())
        seen = [memory.load(advance(builder, integers, x_stride, row), first) for row in range(row_count)]
        # zero or -0 is what has no bits but for the sign: one comparison for all rows
        together = builder.bitcast(reduce(builder.or_, seen), vector_type(element, GROUP))
        found = builder.fcmp_unordered("!=", together, ir.Constant(together.type, None))
        pattern = builder.zext(builder.bitcast(found, ir.IntType(GROUP)), I64)
        table, index_vector = table_of_places(builder), ir.VectorType(I32, BYTE)
        start, written = builder.trunc(first, I32), ir.Constant(I64, 0)
        for _ in range(GROUP // BYTE):
            byte = builder.and_(pattern, ir.Constant(I64, (1 << BYTE) - 1))
            entry = builder.load(builder.gep(table, [ir.Constant(I64, 0), byte]))
            listed = builder.add(builder.zext(entry, index_vector), splat(builder, start, index_vector))
            target = builder.gep(order, [written])
            builder.store(listed, builder.bitcast(target, index_vector.as_pointer()), align=4)
            written = builder.add(written, builder.ctpop(byte))
            pattern = builder.lshr(pattern, ir.Constant(I64, BYTE))
            start = builder.add(start, ir.Constant(I32, BYTE))
        return written

    return intp(x, intp, rows, intp, CPointer(int32)), generate
