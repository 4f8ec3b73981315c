"""Which steps compute on bytes, and which values share a scale."""

import math
from collections.abc import Sequence

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Symbol
from tinytensor.quantization.ranges import Observed, Scale, range_of, scale_of
from tinytensor.quantization.steps import CHEAP, Step, readers_of

__all__ = ["Domains", "table_of"]

AFFINE = 1e-3  # of a step: how far a table may be from a line whose bytes are the pixels themselves


class Domains:
    """What is on bytes.

    A sum of products is. Another step is if its result reaches such a sum on the way and it reads bytes: what
    follows the last sum stays in float32.

    Args:
        steps: of a model.
        pixels: the input, if its numbers are bytes already.
    """

    def __init__(self, steps: Sequence[Step], pixels: Symbol | None, observed: dict[int, Observed]):
        self.steps, self.pixels, self.observed = steps, pixels, observed
        self.readers = readers_of(steps)
        wanted: set[int] = set()
        for step in reversed(steps):
            if step.kind in CHEAP and any(
                each.kind == "sum" or id(each) in wanted for each in self.readers.get(step.output.index, ())
            ):
                wanted.add(id(step))
        self.on_bytes = {id(each) for each in steps if each.kind == "sum"}
        made = {each.output.index for each in steps if each.kind == "sum"}
        made |= set() if pixels is None else {pixels.index}
        for step in steps:
            if id(step) in wanted and any(each.index in made for each in step.inputs):
                self.on_bytes.add(id(step))
                made.add(step.output.index)
        self.parents: dict[int, int] = {}
        self.joined: set[int] = set()
        self.fixed: dict[int, Scale] = {}
        self.tie()

    def is_on_bytes(self, step: Step) -> bool:
        """Whether a step computes on bytes."""
        return id(step) in self.on_bytes

    def tie(self) -> None:
        """Values that a move or a maximum leads from and to share a scale."""
        for step in self.steps:
            if self.is_on_bytes(step) and step.kind in ("move", "pad", "max"):
                for each in step.inputs:
                    self.parents[self.top(each.index)] = self.top(step.output.index)
        self.joined = {
            self.top(step.output.index)
            for step in self.steps
            if self.is_on_bytes(step) and len(step.inputs) > 1 and step.kind == "move"
        }
        if self.pixels is not None and self.top(self.pixels.index) not in self.joined:
            self.fixed[self.top(self.pixels.index)] = Scale(1.0, 0)
            for step in self.steps:
                self.fix(step)

    def top(self, index: int) -> int:
        """What stands for all values that share the scale of one."""
        while index in self.parents and self.parents[index] != index:
            index = self.parents[index]
        return index

    def fix(self, step: Step) -> None:
        """A linear function of pixels whose zero is a pixel, too: the bytes stay, their meaning changes."""
        if step.kind != "table" or step.root is None or not self.is_on_bytes(step):
            return
        there = self.top(step.output.index)
        if self.fixed.get(self.top(step.root.index)) != Scale(1.0, 0) or there in self.joined:
            return
        values = table_of(step, Scale(1.0, 0)).astype(np.float64)
        slope = (values[255] - values[0]) / 255
        if not slope > 0 or not math.isfinite(slope):
            return
        zero = round(-values[0] / slope)
        line = (np.arange(256) - zero) * slope
        if 0 <= zero <= 255 and float(np.abs(values - line).max()) <= AFFINE * slope:
            self.fixed[there] = Scale(float(slope), zero)

    def scales(self, method: str, percentile: float) -> dict[int, Scale]:
        """The scale of every value that may be bytes."""
        ranges: dict[int, tuple[float, float]] = {}
        for step in self.steps:
            if self.is_on_bytes(step):
                for each in (*step.inputs, step.output):
                    here = self.top(each.index)
                    low, high = range_of(self.observed[each.index], method, percentile)
                    before = ranges.get(here, (0.0, 0.0))
                    ranges[here] = min(low, before[0]), max(high, before[1])
        found = {index: self.fixed.get(index) or scale_of(*each) for index, each in ranges.items()}
        every = {each.index for step in self.steps for each in (*step.inputs, *step.outputs)}
        return {index: found[self.top(index)] for index in every if self.top(index) in found}


def table_of(step: Step, scale: Scale) -> Array:
    """What the function of a table gives for each byte, in float32."""
    assert step.root is not None
    bytes_ = (np.arange(256) - scale.zero_point).astype(np.float32) * np.float32(scale.step)
    shape = (256, *[1] * len(step.root.sample))
    values = {step.root.index: bytes_.reshape(shape)}
    for node in step.region:
        operands = [values[each.index] if isinstance(each, Symbol) else each for each in node.operands]
        with np.errstate(all="ignore"):
            values[node.result.index] = np.asarray(node.primitive.eager(*operands, **node.parameters))
    return values[step.output.index].reshape(256).astype(np.float32)
