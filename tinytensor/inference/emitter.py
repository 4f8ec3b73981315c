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
from tinytensor.kernels.boundary import FLOATS, INT8, UINT8, Array
from tinytensor.kernels.bytes_layer import bytes_loop
from tinytensor.kernels.declared import bytes_rows, copy_rows, widen_rows
from tinytensor.kernels.epilogue import Epilogue
from tinytensor.kernels.image_instructions import ImageInstruction, transposition
from tinytensor.kernels.layer import aligned
from tinytensor.kernels.native import address
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["UINT8", "Emitter"]

FLOAT32, FLOAT64 = FLOATS
ELEMENTWISE = ("map", "add", "subtract", "multiply", "divide", "negative", "absolute")


def joint(symbols: Sequence[Symbol]) -> np.dtype[Any]:
    """The dtype of values side by side; bytes, if they have different ones."""
    found = {each.dtype for each in symbols}
    return found.pop() if len(found) == 1 else UINT8


class Emitter:
    """Instructions and buffers of a program while they are written, and what every rule asks for."""

    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[Symbol], outputs: Sequence[Symbol], source: Any
    ):
        self.nodes, self.inputs, self.outputs = nodes, inputs, outputs
        floats = {each.dtype for each in (*inputs, *(node.result for node in nodes))} - {UINT8, INT8}
        self.dtype = FLOAT64 if FLOAT64 in floats else FLOAT32  # of all numbers that are no bytes
        self.source, self.result_dtype = source or joint(inputs), joint(outputs)
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
        self.epilogues: dict[Buffer, Epilogue] = {}  # of the product that computed a buffer, if one did
        self.lists: list[tuple[int, int]] = []  # bytes of a row's list, and rows of a sample
        self.lower()

    def lower(self) -> None:
        """Instructions for all nodes, and for the outputs."""
        self.take_inputs()
        folded = self.fold_bytes() if self.source == UINT8 and self.inputs[0].dtype != UINT8 else 0
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
        if len(sizes) > 1:
            sizes = [size * each.dtype.itemsize for size, each in zip(sizes, self.inputs, strict=True)]
        size = self.source.itemsize if len(sizes) == 1 else 1
        whole = Buffer(sum(sizes), size, record.INPUT)
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
            alone = node.symbols == [here] and self.reads[here.index] == 1
            compute = self.by_element(node) if alone else None
            if compute is None:
                break
            table = np.asarray(compute(table)).reshape(256)
            here, folded = node.result, folded + 1
        whole = self.values[self.inputs[0].index]
        self.values[here.index], whole.readers = whole, self.reads[here.index]
        if here.dtype == UINT8:
            self.read_bytes(here, whole, table, max(folded - 1, 0))
            return folded
        self.table = np.ascontiguousarray(table, self.dtype)
        only = [node for node in self.nodes[folded:] if here in node.symbols]
        if len(only) != 1 or only[0].primitive.name not in ("linear", "matmul", "convolve"):
            self.owner = max(folded - 1, 0)
            wide = self.new(here)
            row = self.emit(widen_rows[self.dtype], whole, wide, FEATURES=whole.features)
            row[record.PRODUCT_AT + record.TABLE] = self.store(self.table)
            wide.readers, self.values[here.index], self.table = whole.readers, wide, None
        return folded

    def read_bytes(self, here: Symbol, whole: Buffer, table: Array, owner: int) -> None:
        """Bytes that stand for other bytes: themselves, or what a table says."""
        if np.array_equal(table, np.arange(256)):
            return
        self.owner, there = owner, self.new(here)
        self.emit(bytes_rows, whole, there, OTHER=whole, **self.lookup_fields(table))
        there.readers, self.values[here.index] = whole.readers, there

    def lookup_fields(self, table: Array) -> dict[str, int]:
        """The loop of a lookup of bytes, and its table."""
        copy = aligned((256,), UINT8)
        copy[:] = table
        return {"LOOP": address(bytes_loop("lookup")), "CONSTANT": self.keep(copy)}

    def by_element(self, node: Node) -> Callable[[Array], Any] | None:
        """What a node computes of each element of its only operand, if it does."""
        if node.primitive.name == "move":
            places = node.parameters["places"].ravel()
            same = np.array_equal(places, np.arange(self.size(node.symbols[0])))
            return (lambda table: table) if same else None
        if node.primitive.name in ("quantize", "lookup"):
            return lambda table: node.primitive.eager(table, *node.operands[1:], **node.parameters)
        constants = [each for each in node.operands if type(each) is not Symbol]
        if node.primitive.name not in ELEMENTWISE or any(np.size(each) != 1 for each in constants):
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
        sizes = [self.size(each) * each.dtype.itemsize for each in self.outputs]
        whole = Buffer(sum(sizes), 1, record.OUTPUT)
        first = 0
        for size, buffer in zip(sizes, found, strict=True):
            self.emit(copy_rows, buffer, whole, SIZE=1, FEATURES=size, TO=first)
            first += size

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
        readers, first = self.reads[symbol.index], len(self.instructions)
        buffer = Buffer(self.size(symbol), symbol.dtype.itemsize, readers=readers, first=first)
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
        made = transposition(symbol.dtype, height, width, channels, to_last)
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

    def retarget(self, made: ImageInstruction, there: Buffer, before: Buffer) -> None:
        """An instruction that was emitted writes another buffer, and the one before does not exist."""
        self.kept += made.kept
        place = next(i for i, row in enumerate(self.instructions) if row[record.CONSTANT] == made.record_at)
        self.uses[place] = [(field, there if each is before else each) for field, each in self.uses[place]]
        there.first, there.last, there.packed = place, place, True
        self.buffers.remove(before)

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
        row[[record.FEATURES, record.SIZE]] = here.features // repeat, here.size
        row[[record.REPEAT, record.OTHER_REPEAT]] = repeat
        used = [(record.SOURCE, here), (record.TARGET, there)]
        for name, value in fields.items():
            if isinstance(value, Buffer):
                used.append((getattr(record, name), value))
            else:
                row[getattr(record, name)] = value
        self.note(used, repeat)
        self.tiles.pop(there, None)
        self.epilogues.pop(there, None)
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
