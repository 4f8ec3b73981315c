"""`BytesLowering`: what the `lower` rules of quantised primitives write with."""

from typing import Any

import numpy as np

from tinytensor.inference.buffers import Buffer
from tinytensor.inference.emitter import Emitter
from tinytensor.kernels import record
from tinytensor.kernels.boundary import UINT8, Array
from tinytensor.kernels.bytes_convolution import Rescaling, bytes_convolution_instruction, reads_beyond
from tinytensor.kernels.bytes_lanes import bytes_average_instruction, bytes_depthwise_instruction
from tinytensor.kernels.bytes_layer import (
    bytes_loop,
    needs_room,
    product_kernel,
    rounding_record,
    write_bytes_layer,
)
from tinytensor.kernels.bytes_taps import reads_rows
from tinytensor.kernels.declared import bytes_rows, copy_rows, widen_rows
from tinytensor.kernels.native import address
from tinytensor.kernels.windows import Image
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["BytesLowering"]

FLIPPED = np.arange(256) ^ 128


class BytesLowering(Emitter):
    """The instructions of quantised primitives."""

    def quantize(self, node: Node, scale: float, output: Any) -> None:
        """Numbers as bytes, in any order of an image's channels."""
        (x,) = node.symbols
        self.keep_order(node, x)
        table = rounding_record(output, 0)
        table[record.SCALE] = np.array([scale], np.float32).view(np.uint32)[0]
        loop = address(bytes_loop("quantize"))
        here, constant = self.values[x.index], self.keep(table)
        self.emit(bytes_rows, here, self.result(node), OTHER=here, LOOP=loop, CONSTANT=constant)

    def lookup(self, node: Node, table: Array) -> None:
        """Bytes, or numbers, that a table says."""
        (x,) = node.symbols
        self.keep_order(node, x)
        here, there = self.values[x.index], self.result(node)
        if table.dtype == UINT8:
            self.emit(bytes_rows, here, there, OTHER=here, **self.lookup_fields(table))
        else:
            row = self.emit(widen_rows[self.dtype], here, there)
            row[record.PRODUCT_AT + record.TABLE] = self.store(table)

    def flip(self, node: Node) -> None:
        """The highest bit of each byte is the other one: int8 as uint8, or back."""
        (x,) = node.symbols
        self.keep_order(node, x)
        here = self.values[x.index]
        self.emit(bytes_rows, here, self.result(node), OTHER=here, **self.lookup_fields(FLIPPED))

    def keep_order(self, node: Node, x: Symbol) -> None:
        """The result has its channels where the operand has them."""
        if x.index in self.last:
            self.last.add(node.result.index)

    def quantized_add(self, node: Node, zero_points: Any, multipliers: Any, output: Any) -> None:
        """The sum of two values, each with a scale of its own."""
        a, b = node.symbols
        if self.last & {a.index, b.index}:
            here, other = self.channels_last(a, False), self.channels_last(b, False)
            self.keep_order(node, a)
        else:
            here, other = self.values[a.index], self.values[b.index]
        table = rounding_record(output, 0)
        table[[record.ZERO, record.SECOND_ZERO]] = np.array(zero_points, np.float32).view(np.uint32)
        table[[record.SCALE, record.SECOND_SCALE]] = np.array(multipliers, np.float32).view(np.uint32)
        fields = {"LOOP": address(bytes_loop("add")), "CONSTANT": self.keep(table)}
        self.emit(bytes_rows, here, self.result(node), OTHER=other, **fields)

    def quantized_linear(
        self, node: Node, weight: Array, bias: Array, multiplier: Array, zero_point: int, output: Any
    ) -> None:
        """The tile's product of bytes, for the rows of all samples."""
        (x,) = node.symbols
        inputs, here = weight.shape[1], self.source_of(x)
        repeat = self.size(x) // inputs
        if needs_room(inputs):
            here = self.with_room(x)
        self.work_bytes = max(self.work_bytes, record.MATRIX_WORK)
        row = self.emit(product_kernel(), here, self.result(node), repeat)
        product = row[record.PRODUCT_AT :]
        lists = self.is_of_input(x)
        self.kept += write_bytes_layer(product, weight, bias, multiplier, zero_point, output, lists)
        if product[record.SKIPS]:
            product[record.AHEAD] = 2 * product[record.HEIGHTS] if here.number == record.INPUT else 0
            self.lists.append((int(product[record.LIST_ROOM]), repeat))

    def with_room(self, x: Symbol) -> Buffer:
        """A value in scratch memory: a few bytes behind its last row can be read."""
        here = self.source_of(x) if x.index not in self.last else self.values[x.index]
        if here.number is None:
            return here
        copy = self.new(x)
        self.emit(copy_rows, here, copy)
        copy.readers, self.values[x.index] = here.readers, copy
        return copy

    def is_of_input(self, symbol: Symbol) -> bool:
        """Whether groups of four bytes may be zero: those of blank pixels; after a layer hardly any are."""
        before = self.made.get(symbol.index)
        while before is not None and before.primitive.name in ("move", "quantize", "lookup"):
            before = self.made.get(before.symbols[0].index)
        return before is None

    def quantized_convolution(
        self, node: Node, axes: Any, weight: Array, how: Rescaling, groups: int, last: bool
    ) -> None:
        """Tiles of output pixels, or lanes of channels; pixels alone are rows of a product."""
        (x,) = node.symbols
        channels = x.sample[-1] if last else x.sample[0]
        depthwise = channels == groups == len(weight) > 1
        if depthwise:
            self.channels_last(x, last)
        stored_last = last or x.index in self.last
        height, width = x.sample[:2] if last else x.sample[1:]
        image = Image(height, width, channels, stored_last)
        if depthwise:
            if reads_rows(axes, image):
                self.with_room(x)
            made = bytes_depthwise_instruction(axes, image, weight, how)
        else:
            if reads_beyond(axes, image, weight.shape[1]):
                self.with_room(x)
            made = bytes_convolution_instruction(axes, image, weight, how, groups)
        here = self.values[x.index]
        self.emit_image(made, here, self.image_result(node, last))

    def quantized_average(
        self, node: Node, axes: Any, zero_point: int, multiplier: float, output: Any, counts_padding: bool,
        last: bool,
    ) -> None:  # fmt: skip
        """Lanes are channels."""
        (x,) = node.symbols
        here = self.channels_last(x, last)
        height, width, channels = x.sample if last else (*x.sample[1:], x.sample[0])
        image = Image(height, width, channels, True)
        made = bytes_average_instruction(axes, image, zero_point, multiplier, output, counts_padding)
        self.emit_image(made, here, self.image_result(node, last))
