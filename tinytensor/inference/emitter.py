"""`Emitter`: instructions, and the buffers that they name, while a program is written.

A rule asks for the buffers of its operands and for one of its result, and emits instructions on them. A
value's last reader may compute in place. The buffer of the result is the caller's output, if no rule needs it
elsewhere.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytensor.inference.buffers import LINE, Buffer
from tinytensor.kernels import record
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.declared import (
    copy_rows,
    widen_rows,
)
from tinytensor.kernels.image_instructions import ImageInstruction, transposition
from tinytensor.kernels.layer import aligned
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["UINT8", "Emitter"]

UINT8 = np.dtype(np.uint8)


class Emitter:
    """Instructions and buffers of a program while they are written, and what every rule asks for."""

    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[Symbol], outputs: Sequence[Symbol], source: Any
    ):
        self.nodes, self.inputs, self.outputs = nodes, inputs, outputs
        self.dtype = outputs[0].dtype
        self.source = source or self.dtype
        self.made = {node.result.index: node for node in nodes}
        self.reads = Counter(each.index for node in nodes for each in self.read_by(node))
        self.reads.update(each.index for each in outputs)
        self.kept: list[Array] = []  # what the records' addresses point at
        self.instructions: list[Array] = []
        # of each instruction: fields, and the buffers that they name
        self.uses: list[list[tuple[int, Buffer]]] = []
        self.owners: list[int] = []  # the node that each instruction belongs to
        self.owner = 0
        self.work_bytes = LINE
        self.buffers: list[Buffer] = []
        self.values: dict[int, Buffer] = {}
        # images whose channels lie last in their buffer, though they do not in the sample
        self.last: set[int] = set()
        self.table: Array | None = None  # what each byte of the input stands for
        self.tables: list[tuple[Array, list[tuple[int, Buffer]]]] = []  # places for numbers of buffers
        self.tiles: dict[Buffer, ImageInstruction] = {}  # what computed a buffer, if that was a convolution
        self.list_bytes = 0  # for the lists of one sample's rows
        self.lower()

    def lower(self) -> None:
        """Instructions for all nodes, and for the outputs."""
        self.take_inputs()
        folded = self.fold_bytes() if self.source == UINT8 else 0
        for position, node in enumerate(self.nodes):
            if position >= folded:
                self.owner = position
                assert node.primitive.lower is not None
                node.primitive.lower(self, node)
                for each in self.read_by(node):
                    self.values[each.index].readers -= 1
        self.give_outputs()

    def take_inputs(self) -> None:
        """The caller's input; of several, which lie side by side in it, copies."""
        sizes = [self.size(each) for each in self.inputs]
        whole = Buffer(sum(sizes), record.INPUT)
        first = 0
        for each, size in zip(self.inputs, sizes, strict=True):
            if len(sizes) == 1:
                self.values[each.index] = whole
            else:
                there = self.new(each)
                self.emit(copy_rows, whole, there, FEATURES=size, FROM=first)
                self.values[each.index] = there
            self.values[each.index].readers += self.reads[each.index]
            first += size

    def fold_bytes(self) -> int:
        """Make a table of what the first nodes compute of each byte; how many nodes that are."""
        table = np.arange(256).astype(self.dtype)
        here, folded = self.inputs[0], 0
        for node in self.nodes:
            constants = [each for each in node.operands if type(each) is not Symbol]
            alone = node.symbols == [here] and self.reads[here.index] == 1
            if not alone or any(np.size(each) != 1 for each in constants) or self.by_element(node) is None:
                break
            table = np.asarray(self.by_element(node)(table)).reshape(256)  # type: ignore[misc]
            here, folded = node.result, folded + 1
        whole = self.values[self.inputs[0].index]
        self.values[here.index], whole.readers = whole, self.reads[here.index]
        self.table = np.ascontiguousarray(table, self.dtype)
        only = [node for node in self.nodes[folded:] if here in node.symbols]
        if len(only) != 1 or only[0].primitive.name not in ("linear", "matmul", "convolve"):
            self.owner = max(folded - 1, 0)
            wide = self.new(here)
            row = self.emit(widen_rows[self.dtype], whole, wide, FEATURES=whole.features)
            row[record.PRODUCT_AT + record.TABLE] = self.store(self.table)
            wide.readers, self.values[here.index], self.table = whole.readers, wide, None
        return folded

    def by_element(self, node: Node) -> Callable[[Array], Any] | None:
        """What a node computes of each element of its only operand, if it does."""
        if node.primitive.name == "move":
            places = node.parameters["places"].ravel()
            same = np.array_equal(places, np.arange(self.size(node.symbols[0])))
            return (lambda table: table) if same else None
        if node.primitive.name not in (
            "map",
            "add",
            "subtract",
            "multiply",
            "divide",
            "negative",
            "absolute",
        ):
            return None

        def compute(table: Array) -> Any:
            operands = [table if type(each) is Symbol else each for each in node.operands]
            scalars = [
                each.reshape(()) if type(each) is np.ndarray and each is not table else each
                for each in operands
            ]
            return node.primitive.eager(*scalars, **node.parameters)

        return compute

    def give_outputs(self) -> None:
        """The last buffer is the caller's output, if it can be; else, and of several, copies."""
        self.owner = len(self.nodes) - 1
        found = [self.source_of(each) for each in self.outputs]
        if len(found) == 1 and found[0].number is None and not found[0].overread:
            found[0].number = record.OUTPUT
            return
        whole = Buffer(sum(map(self.size, self.outputs)), record.OUTPUT)
        first = 0
        for each, buffer in zip(self.outputs, found, strict=True):
            self.emit(copy_rows, buffer, whole, FEATURES=self.size(each), TO=first)
            first += self.size(each)

    # What rules ask for

    def read_by(self, node: Node) -> list[Symbol]:
        """The values that a node reads; a `where` computes the comparison that is its condition itself."""
        if node.primitive.name != "where":
            return node.symbols
        condition, *others = node.operands
        return [each for each in (*self.producer(condition).operands, *others) if type(each) is Symbol]

    @staticmethod
    def size(symbol: Symbol) -> int:
        """Elements of a sample."""
        return math.prod(symbol.sample)

    def producer(self, symbol: Symbol) -> Node:
        """The node whose result it is, of this program or folded into one of its nodes."""
        return symbol.tracer.producer(symbol)  # type: ignore[attr-defined,no-any-return]

    def new(self, symbol: Symbol) -> Buffer:
        """A buffer for a value."""
        buffer = Buffer(self.size(symbol), readers=self.reads[symbol.index], first=len(self.instructions))
        self.buffers.append(buffer)
        return buffer

    def source_of(self, symbol: Symbol) -> Buffer:
        """The buffer that holds a value, its elements in the order of the sample."""
        if symbol.index in self.last:
            channels, height, width = symbol.sample
            self.transpose(symbol, height, width, channels, to_last=False)
            self.last.discard(symbol.index)
        return self.values[symbol.index]

    def transpose(self, symbol: Symbol, height: int, width: int, channels: int, to_last: bool) -> None:
        """Channels of an image to the other end, in a buffer of its own."""
        here = self.values[symbol.index]
        there = self.new(symbol)
        there.readers = here.readers
        made = transposition(self.dtype, height, width, channels, to_last)
        self.emit_image(made, here, there)
        self.values[symbol.index] = there

    def channels_last(self, symbol: Symbol, last: bool) -> Buffer:
        """The buffer of images whose channels lie last; `last`: they do in the sample."""
        if last or symbol.index in self.last or 1 in (symbol.sample[0], math.prod(symbol.sample[1:])):
            return self.values[symbol.index]
        channels, height, width = symbol.sample
        self.transpose(symbol, height, width, channels, to_last=True)
        self.last.add(symbol.index)
        return self.values[symbol.index]

    def image_result(self, node: Node, last: bool) -> Buffer:
        """A new buffer for images whose channels lie last."""
        sample = node.result.sample
        if not last and sample[0] > 1 and math.prod(sample[1:]) > 1:
            self.last.add(node.result.index)
        return self.result(node)

    def emit_image(self, made: ImageInstruction, here: Buffer, there: Buffer) -> None:
        """An instruction on images."""
        self.kept += [made.table, *made.kept]
        self.work_bytes = max(self.work_bytes, made.work_bytes)
        self.emit(made.function, here, there, CONSTANT=made.record_at)
        for buffer in (here, there):
            buffer.packed = True

    def result(self, node: Node) -> Buffer:
        """A new buffer for a node's result."""
        self.values[node.result.index] = self.new(node.result)
        return self.values[node.result.index]

    def in_place(self, node: Node, symbol: Symbol) -> Buffer:
        """The buffer for a node's result: that of the operand, if nobody else reads it and it is ours.

        The elements have the order that they have in the operand's.
        """
        if symbol.index in self.last:
            self.last.add(node.result.index)
        here = self.values[symbol.index]
        alone = here.readers == sum(self.values[each.index] is here for each in self.read_by(node))
        if not alone or here.number is not None or here.overread or here.features != self.size(node.result):
            return self.result(node)
        here.readers += self.reads[node.result.index]
        self.values[node.result.index] = here
        return here

    def emit(self, function: Any, here: Buffer, there: Buffer, repeat: int = 1, **fields: Any) -> Array:
        """One more instruction; fields that are buffers are filled in with their numbers."""
        row = np.zeros(record.INSTRUCTION, np.int64)
        row[record.FUNCTION] = function.address
        row[[record.FEATURES, record.SIZE]] = here.features // repeat, self.dtype.itemsize
        row[[record.REPEAT, record.OTHER_REPEAT]] = repeat
        used = [(record.SOURCE, here), (record.TARGET, there)]
        for name, value in fields.items():
            if isinstance(value, Buffer):
                used.append((getattr(record, name), value))
            else:
                row[getattr(record, name)] = value
        self.note(used, repeat)
        self.tiles.pop(there, None)
        self.instructions.append(row)
        self.uses.append(used)
        self.owners.append(self.owner)
        return row

    def note(self, used: list[tuple[int, Buffer]], repeat: int) -> None:
        """Buffers are in use until this instruction; the rows of a sample lie without a gap."""
        for _, buffer in used:
            buffer.last = len(self.instructions)
            buffer.packed |= repeat > 1

    def keep(self, array: Array) -> int:
        """The address of an array, which is kept as long as the program."""
        self.kept.append(array)
        return int(array.ctypes.data)

    def store(self, values: Any) -> int:
        """The address of a copy of the values in the program's dtype."""
        copy = aligned(np.shape(values), self.dtype)
        copy[...] = values
        return self.keep(copy)
