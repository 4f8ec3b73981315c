"""`ResizeLowering`: what the `lower` rules of primitives write with that give axes other lengths."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.inference.buffers import Buffer
from tinytensor.inference.bytes_lowering import BytesLowering
from tinytensor.kernels import arithmetic
from tinytensor.kernels.boundary import UINT8, Array
from tinytensor.kernels.declared import gather_rows, map_rows, pad_rows, pair_rows
from tinytensor.kernels.elementwise import loop_address, pair_address
from tinytensor.kernels.layer import aligned
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["ResizeLowering"]

LONG_ROW = 1024  # elements: shorter rows of a sample are one row of a pair; a call takes as long as 64


class ResizeLowering(BytesLowering):
    """The instructions of padding, resizing and local responses, in the order in which an image lies."""

    def stored(self, x: Symbol) -> list[int]:
        """The axes of a sample in the order of its buffer."""
        return [1, 2, 0] if x.index in self.last else list(range(len(x.sample)))

    def temporary(self, node: Node, features: int) -> Buffer:
        """A buffer for a part of a node's result."""
        buffer = Buffer(features, node.result.dtype.itemsize, first=len(self.instructions))
        self.buffers.append(buffer)
        return buffer

    def give(self, node: Node, here: Buffer) -> None:
        """A buffer as a node's result, in the order of its operand."""
        here.readers += self.reads[node.result.index]
        self.values[node.result.index] = here
        if node.symbols[0].index in self.last:
            self.last.add(node.result.index)

    def pad(self, node: Node, widths: Sequence[tuple[int, int]], value: Any) -> None:
        """Axis by axis, from the last one on, each as rows with a number before and after them."""
        (x,) = node.symbols
        here, order = self.values[x.index], self.stored(x)
        lengths, constant = [x.sample[axis] for axis in order], aligned((1,), node.result.dtype)
        constant[0] = value
        at = self.keep(constant)
        for axis in reversed(range(len(order))):
            before, after = widths[order[axis]]
            if before or after:
                here = self.pad_axis(node, here, lengths, axis, before, after, at)
                lengths[axis] += before + after
        self.give(node, here)

    def pad_axis(
        self, node: Node, here: Buffer, lengths: Sequence[int], axis: int, before: int, after: int, at: int
    ) -> Buffer:  # fmt: skip
        """One axis, with the number at an address."""
        inner, repeat = math.prod(lengths[axis + 1 :]), math.prod(lengths[:axis])
        there = self.temporary(node, repeat * (before + lengths[axis] + after) * inner)
        kernel = pad_rows[UINT8 if here.size == 1 else self.dtype]
        there.packed |= repeat > 1
        self.emit(kernel, here, there, repeat, FROM=before * inner, TO=after * inner, CONSTANT=at)
        return there

    def resample(self, node: Node, tables: Sequence[tuple[int, Any, Any]]) -> None:
        """For each axis and each tap the elements there, times their weights, and the sum of all taps."""
        (x,) = node.symbols
        here, order = self.values[x.index], self.stored(x)
        lengths = [x.sample[axis] for axis in order]
        for sample_axis, taps, weights in tables:
            axis = order.index(sample_axis)
            total: Buffer | None = None
            for i, tap in enumerate(taps):
                part = self.taken(node, here, lengths, axis, tap)
                if weights is not None:
                    row = np.repeat(weights[i].astype(self.dtype), math.prod(lengths[axis + 1 :]))
                    self.pair_with_row(arithmetic.multiply, part, part, row, math.prod(lengths[:axis]))
                total = self.summed(total, part)
            assert total is not None
            here, lengths[axis] = total, len(taps[0])
        self.give(node, here)

    def taken(self, node: Node, here: Buffer, lengths: Sequence[int], axis: int, tap: Array) -> Buffer:
        """The elements at places along an axis."""
        places = np.arange(math.prod(lengths)).reshape(lengths).take(tap, axis).ravel()
        there = self.temporary(node, len(places))
        kernel = gather_rows[UINT8 if here.size == 1 else self.dtype]
        self.emit(kernel, here, there, FEATURES=len(places), CONSTANT=self.keep(places.astype(np.int64)))
        return there

    def pair_with_row(self, function: Any, here: Buffer, there: Buffer, row: Array, repeat: int) -> None:
        """A function of every row of a buffer and a constant row."""
        most = max(1, LONG_ROW // len(row))
        whole = max(d for d in range(1, most + 1) if repeat % d == 0)
        constant = self.store(np.tile(row, whole))
        address = pair_address(function, self.dtype)
        self.emit(pair_rows, here, there, repeat // whole, LOOP=address, CONSTANT=constant)

    def summed(self, total: Buffer | None, part: Buffer) -> Buffer:
        """A sum so far and one more part, in place of the sum."""
        if total is not None:
            address = pair_address(arithmetic.add, self.dtype)
            self.emit(pair_rows, total, total, LOOP=address, OTHER=part)
        return part if total is None else total

    def local_response(self, node: Node, before: int, after: int) -> None:
        """Squares, their sums over the channels around, a power of these, and its product with x."""
        (x,) = node.symbols
        here, order, given = self.values[x.index], self.stored(x), node.parameters
        lengths, axis = [x.sample[axis] for axis in order], order.index(0)
        squares = self.temporary(node, here.features)
        product = pair_address(arithmetic.multiply, self.dtype)
        self.emit(pair_rows, here, squares, LOOP=product, OTHER=here)
        channels, zero = lengths[axis], self.store(np.zeros(1))
        padded = self.pad_axis(node, squares, lengths, axis, before, after, zero)
        lengths[axis] += before + after
        total: Buffer | None = None
        for first in range(before + after + 1):
            part = self.taken(node, padded, lengths, axis, np.arange(first, first + channels))
            total = self.summed(total, part)
        assert total is not None
        arguments = (given["bias"], given["alpha"] / given["size"], given["beta"], 0.0)
        loop = loop_address(arithmetic.inverse_power, self.dtype)
        self.emit(map_rows, total, total, LOOP=loop, PARAMETERS=self.store(arguments))
        self.emit(pair_rows, here, total, LOOP=product, OTHER=total)
        self.give(node, total)
