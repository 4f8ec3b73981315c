"""`Lowering`: what the `lower` rules of primitives write with, an instruction or a few for each."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.inference.buffers import Buffer
from tinytensor.inference.resize_lowering import ResizeLowering
from tinytensor.kernels import arithmetic, record
from tinytensor.kernels.boundary import UINT8, Array, number
from tinytensor.kernels.convolution import convolution_instruction, reads_channels_last
from tinytensor.kernels.declared import (
    copy_rows,
    gather_rows,
    linear,
    log_softmax_rows,
    map_rows,
    pair_rows,
    reduce_rows,
    several_rows,
    softmax_rows,
    spread_rows,
    standardize_rows,
)
from tinytensor.kernels.elementwise import loop_address, pair_address, several_address
from tinytensor.kernels.epilogue import epilogue_of, follow_by_batch_norm, follow_by_bounds
from tinytensor.kernels.image_instructions import FEW_PIXELS, follow_by_pool
from tinytensor.kernels.layer import aligned, layout, pack_weights, write_layer
from tinytensor.kernels.pooling import pool_instruction
from tinytensor.kernels.reduce import row_fold
from tinytensor.kernels.windows import Axis, Image
from tinytensor.primitives.definition import Node, Symbol, constant_sample

__all__ = ["Lowering"]


BATCH_NORM = arithmetic.subtract, arithmetic.multiply, arithmetic.add


class Lowering(ResizeLowering):
    """The instructions of a program while they are written."""

    def linear(self, node: Node, x: Symbol, weight: Array, bias: Array | None) -> None:
        """The tile's product, for the rows of all samples."""
        here, there = self.source_of(x), self.result(node)
        self.product(x, here, there, weight, bias)

    def product(self, x: Symbol, here: Buffer, there: Buffer, weight: Array, bias: Array | None) -> None:
        """Rows of a value times a weight (outputs, inputs)."""
        weight = np.ascontiguousarray(weight, self.dtype)
        outputs, inputs = weight.shape
        repeat = max(1, self.size(x) // inputs)
        plan = layout(self.dtype, outputs, pixels=repeat > 1)
        pages, tails = pack_weights(weight, plan)
        table, self.table = (self.table, None) if here.number == record.INPUT else (None, self.table)
        row = self.emit(linear, here, there, repeat)
        product = row[record.PRODUCT_AT :]
        external = here.number == record.INPUT
        zero = table is None or table[0] == 0
        skips = bool(np.isfinite(weight).all()) and zero  # 0 · inf is NaN, and must be
        source = "uint8" if table is not None else self.dtype.name
        write_layer(product, plan, inputs, source, skips and (external or self.may_be_zero(x)))
        product[record.AHEAD] = 2 * plan.rows if external else 0
        product[record.BY_ROWS] = repeat > FEW_PIXELS
        product[record.WEIGHTS], product[record.TAIL] = self.keep(pages), self.keep(tails)
        constants = aligned((4, 1, plan.pages * plan.page_outputs + plan.lanes), self.dtype)
        constants[0, 0, :outputs] = 0 if bias is None else bias
        product[record.BIAS] = self.keep(constants)
        place = product[record.LAYER_EPILOGUE : record.LAYER_EPILOGUE + 1]
        self.epilogues[there] = epilogue_of(constants, outputs, place)
        self.keep(self.epilogues[there].table)
        if table is not None:
            product[record.TABLE] = self.store(table)
        if product[record.SKIPS]:
            self.lists.append((int(product[record.LIST_ROOM]), repeat))

    def may_be_zero(self, symbol: Symbol) -> bool:
        """Whether a value may hold many zeros."""
        before = self.made.get(symbol.index)
        while before is not None and before.primitive.name == "move":
            before = self.made.get(before.symbols[0].index)
        if before is None or before.primitive.name != "map":
            return before is None or before.primitive.name not in ("softmax", "log_softmax")
        function, arguments = before.parameters["function"], before.parameters["arguments"]
        try:
            with np.errstate(all="ignore"):
                return any(function(x, *arguments) == 0 for x in (-1.0, -8.0))
        except Exception:
            return True

    def map(self, node: Node, function: Any, arguments: Sequence[Any]) -> None:
        """The loop's address, and its parameters in the dtype."""
        symbol = node.symbols[0]
        epilogue = self.foregoing(self.epilogues, symbol)
        if epilogue is not None and function in arithmetic.BOUNDS:
            low, high = (float(number(each, self.dtype)) for each in arithmetic.BOUNDS[function](*arguments))
            if follow_by_bounds(epilogue, low, high):
                self.in_place(node, symbol)
                return
        here, there = self.values[symbol.index], self.in_place(node, symbol)
        parameters = self.store([number(each, self.dtype) for each in (*arguments, 0.0)])
        self.emit(map_rows, here, there, LOOP=loop_address(function, self.dtype), PARAMETERS=parameters)

    def pair(self, node: Node, function: Any) -> None:
        """A function of two operands: two values, or a value and a constant."""
        a, b = node.operands
        if type(a) is Symbol and type(b) is not Symbol and a.sample == node.result.sample:
            self.pairs(node, a, [(function, b)])
        elif type(a) is not Symbol or type(b) is not Symbol:
            self.several(node, function, node.operands)
        elif a.sample == b.sample and self.last & {a.index, b.index}:
            here, other = self.channels_last(a, False), self.channels_last(b, False)
            there = self.in_place(node, a)
            self.emit(pair_rows, here, there, LOOP=pair_address(function, self.dtype), OTHER=other)
        elif a.index in self.last and b.sample == (a.sample[0], 1, 1):
            here, other, pixels = self.values[a.index], self.values[b.index], math.prod(a.sample[1:])
            there = self.in_place(node, a)
            address = pair_address(function, self.dtype)
            self.emit(pair_rows, here, there, pixels, LOOP=address, OTHER=other, OTHER_REPEAT=1)
        else:
            here, other = self.broadcast(node, a), self.broadcast(node, b)
            mine = self.values[a.index] is here
            there = self.in_place(node, a) if mine else self.result(node)
            self.emit(pair_rows, here, there, LOOP=pair_address(function, self.dtype), OTHER=other)

    def pairs(self, node: Node, x: Symbol, steps: Sequence[tuple[Any, Any]]) -> None:
        """One function of a value and a constant after the other."""
        here, epilogue = self.values[x.index], self.foregoing(self.epilogues, x)
        there = self.in_place(node, x)
        given = [(function, *self.constant_row(constant, x)) for function, constant in steps]
        if (
            epilogue is not None
            and tuple(function for function, _ in steps) == BATCH_NORM
            and follow_by_batch_norm(epilogue, [row for _, row, _ in given])
        ):
            return
        for function, row, repeat in given:
            self.pair_with_row(function, here, there, row, repeat)
            here = there

    def constant_row(self, constant: Any, x: Symbol) -> tuple[Array, int]:
        """A constant for one row of a sample, and how many rows a sample has."""
        values = constant if type(constant) is np.ndarray else number(constant, self.dtype)
        shape = constant_sample(values, x)
        values = values.reshape(shape)
        shape, sample = (1,) * (len(x.sample) - len(shape)) + tuple(shape), x.sample
        values = values.reshape(shape)
        if x.index in self.last:
            values, sample = values.transpose(1, 2, 0), (*sample[1:], sample[0])
        varies = [i for i, n in enumerate(values.shape) if n != 1]
        first = varies[0] if varies else len(sample) - 1
        repeat = math.prod(sample[:first])
        return np.broadcast_to(values, sample)[(0,) * first].ravel(), repeat

    def broadcast(self, node: Node, operand: Symbol) -> Buffer:
        """An operand with the shape of the node's result, in a buffer."""
        sample = node.result.sample
        here = self.source_of(operand)
        if math.prod(operand.sample) == math.prod(sample):
            return here
        there = self.new(node.result)
        lengths = (1,) * (len(sample) - len(operand.sample)) + operand.sample
        places = np.broadcast_to(np.arange(here.features).reshape(lengths), sample).ravel()
        last = len(sample) - 1
        if lengths[last] == 1 and lengths[:last] == sample[:last]:
            repeat = math.prod(sample[:last])
            self.emit(spread_rows[self.dtype], here, there, repeat, FEATURES=sample[last])
        else:
            self.gather(here, there, places, 0)
        return there

    def several(self, node: Node, function: Any, operands: Sequence[Any]) -> None:
        """A function of several operands."""
        table, buffers = np.zeros(2 * len(operands), np.int64), []
        for i, each in enumerate(operands):
            if type(each) is Symbol:
                buffers.append((2 * i, self.broadcast(node, each)))
                table[2 * i + 1] = 1
            else:
                values = each if type(each) is np.ndarray else number(each, self.dtype)
                row = np.broadcast_to(
                    values.reshape(constant_sample(values, node.result)), node.result.sample
                )
                table[2 * i : 2 * i + 2] = -1, self.store(row.ravel())
        there = self.result(node)
        self.emit(
            several_rows, there, there, LOOP=several_address(function, self.dtype), COUNT=len(operands),
            CONSTANT=self.keep(table),
        )  # fmt: skip
        self.work_bytes = max(self.work_bytes, 8 * len(operands))
        self.tables.append((table, buffers))
        for _, buffer in buffers:
            buffer.last = len(self.instructions) - 1

    def convolution(
        self, node: Node, axes: Any, weight: Array, bias: Array | None, groups: int, last: bool
    ) -> None:
        """Tiles of output pixels, or a product of the pixels; channels first are read where they lie."""
        (x,) = node.symbols
        table, self.table = (
            (self.table, None) if self.values[x.index].number == record.INPUT else (None, self.table)
        )
        channels = x.sample[-1] if last else x.sample[0]
        if reads_channels_last(axes, channels, weight, groups, table is not None):
            self.channels_last(x, last)
        stored_last = last or x.index in self.last
        height, width = x.sample[:2] if last else x.sample[1:]
        here, there = self.values[x.index], self.image_result(node, last)
        if table is None and groups == 1 and stored_last and all(takes_each(axis) for axis in axes):
            self.product(x, here, there, weight[:, :, 0, 0], bias)
            return
        image = Image(height, width, channels, stored_last)
        made = convolution_instruction(axes, image, self.dtype, weight, bias, groups, table)
        self.emit_image(made, here, there)
        self.tiles[there] = made
        if made.epilogue is not None:
            self.epilogues[there] = made.epilogue

    def foregoing(self, made: dict[Buffer, Any], x: Symbol) -> Any:
        """What is known of the product that computes x, if nobody else reads it: its tiles go on."""
        here = self.values[x.index]
        return made.get(here) if here.readers == self.reads[x.index] == 1 else None

    def pool(self, node: Node, kind: str, axes: Any, counts_padding: bool, last: bool) -> None:
        """Lanes are channels; or the tiles of the convolution before go on with it."""
        (x,) = node.symbols
        made = (
            self.foregoing(self.tiles, x)
            if kind == "max" and all(in_squares(axis) for axis in axes)
            else None
        )
        if made is not None and (pooled := follow_by_pool(made)) is not None:
            self.retarget(pooled, self.image_result(node, last), self.values[x.index])
            return
        here = self.channels_last(x, last)
        height, width, channels = x.sample if last else (*x.sample[1:], x.sample[0])
        made = pool_instruction(kind, axes, Image(height, width, channels, True), x.dtype, counts_padding)
        self.emit_image(made, here, self.image_result(node, last))

    def standardize(self, node: Node) -> None:
        """In float64, in the order of the reductions, over the last axes."""
        (x,) = node.symbols
        here, there = self.source_of(x), self.in_place(node, x)
        count = node.parameters["count"]
        repeat = math.prod(x.sample[: len(x.sample) - count])
        self.work_bytes = max(self.work_bytes, record.REDUCTION_BYTES)
        eps = self.keep(np.array([node.parameters["eps"]]))
        self.emit(standardize_rows, here, there, repeat, CONSTANT=eps)

    def softmax(self, node: Node, log: bool) -> None:
        """From rows of the scratch memory: vectors are read beyond the last."""
        (x,) = node.symbols
        here = self.source_of(x)
        if here.number is not None:
            copy = self.new(x)
            self.emit(copy_rows, here, copy)
            here = copy
        here.overread = True
        repeat = math.prod(x.sample[:-1])
        self.emit((log_softmax_rows if log else softmax_rows)[self.dtype], here, self.result(node), repeat)
        self.work_bytes = max(self.work_bytes, self.dtype.itemsize * (x.sample[-1] + 64) * 128)

    def reduce(self, node: Node, name: str) -> None:
        """A fold of the last axes."""
        (x,) = node.symbols
        here, there = self.source_of(x), self.result(node)
        repeat = self.size(node.result)
        fields = row_fold(name, self.dtype, self.size(x) // repeat)
        self.work_bytes = max(self.work_bytes, record.REDUCTION_BYTES)
        self.emit(reduce_rows[self.dtype], here, there, repeat, **fields)

    def move(self, node: Node) -> None:
        """Another view where the elements stay, else copies."""
        places, operands = node.parameters["places"].ravel(), node.symbols
        sizes = [self.size(each) for each in operands]
        if len(operands) == 1 and np.array_equal(places, np.arange(sizes[0])):
            here = self.source_of(operands[0])
            here.readers += self.reads[node.result.index]
            self.values[node.result.index] = here
            return
        there, first, starts = self.result(node), 0, np.cumsum([0, *sizes])
        owner = np.searchsorted(starts, places, "right") - 1
        breaks = np.flatnonzero(np.diff(owner)) + 1
        for part in np.split(np.arange(len(places)), breaks):
            which = int(owner[part[0]])
            self.gather(self.source_of(operands[which]), there, places[part] - starts[which], first)
            first += len(part)

    def gather(self, here: Buffer, there: Buffer, places: Array, first: int) -> None:
        """Elements of one buffer to consecutive places of another, from `first` on."""
        if np.array_equal(places, np.arange(places[0], places[0] + len(places))):
            self.emit(copy_rows, here, there, FEATURES=len(places), FROM=int(places[0]), TO=first)
            return
        table = self.keep(np.ascontiguousarray(places, np.int64))
        kernel = gather_rows[UINT8 if here.size == 1 else self.dtype]
        self.emit(kernel, here, there, FEATURES=len(places), CONSTANT=table, TO=first)


def takes_each(axis: Axis) -> bool:
    """Whether windows are the inputs, one by one."""
    return axis == Axis(axis.length, axis.length, 1, 1, 0, 0, axis.dilation)


def in_squares(axis: Axis) -> bool:
    """Whether a window takes two inputs, each window the next two."""
    return axis == Axis(axis.length, axis.length // 2, 2, 2, 0, 0, 1)
