"""The shortest way through the stages of a model with one input and one output, of which Python runs some.

At batch 1 a layer that cannot be traced would cost more around its forward than in it. So what does not
depend on the samples is looked up once, when the function is made that runs the stages.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.inference.calls import runs_foreign_code
from tinytensor.inference.program import Program
from tinytensor.inference.trace import Trace
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.load import KernelRaised
from tinytensor.primitives.definition import Node, Symbol
from tinytensor.tensors import Tensor

__all__ = ["RAISED", "Same", "Short", "Stage", "stepwise"]

RAISED = (KernelRaised, TinyTensorError, ArithmeticError, LookupError, TypeError, ValueError)
Short = Callable[[Array, int], Array | None]
Values = dict[int, Array]
Step = Callable[[Values, int, int], bool]  # whether it could do it; values, number of samples, threads


class Same(NamedTuple):
    """A value that is another one in another dtype: whoever reads it converts what it reads."""

    result: Symbol
    operand: Symbol


Stage = Program | Node | Same


def stepwise(traced: Trace, stages: Sequence[Stage]) -> Short | None:
    """A function from samples to outputs in memory of their own; it gives None where it cannot compute them.

    None if there are several inputs or outputs, if a stage needs more than one value, or if one is an
    operation that runs eagerly.
    """
    if len(traced.inputs) != 1 or len(traced.outputs) != 1 or traced.uses_length:
        return None
    start, end = traced.inputs[0], traced.outputs[0]
    ours = {each.index for stage in stages if isinstance(stage, Program) for each in stage.outputs}
    steps = [step_of(each, ours) for each in stages]
    if not steps or None in steps:
        return None
    every: list[Any] = steps
    fresh = isinstance(stages[-1], Program)  # what a forward returns may be its input
    first, last, sample, dtype = start.index, end.index, start.sample, traced.given[0]

    def run(x: Array, threads: int) -> Array | None:
        shape = x.shape
        if shape[1:] != sample or x.dtype != dtype or not shape[0]:
            return None
        values = {first: x}
        try:
            for step in every:
                if not step(values, shape[0], threads):
                    return None
        except RAISED:  # of a layer of the user's: forward raises it again, and says where
            return None
        y = values[last]
        if fresh or (y.flags.writeable and not np.may_share_memory(x, y)):
            return y
        return y.copy()

    return run


def step_of(stage: Stage, ours: set[int]) -> Step | None:
    """A stage as a function of values."""
    if isinstance(stage, Program):
        one = len(stage.inputs) == len(stage.outputs) == 1
        return step_of_program(stage) if one else None
    if isinstance(stage, Same):
        return step_of_same(stage)
    return step_of_layer(stage, ours) if stage.primitive.name == "call" and len(stage.operands) == 1 else None


def step_of_program(program: Program) -> Step:
    """The compiled driver."""
    source, target = program.inputs[0].index, program.outputs[0].index
    result, dtype, empty = program.result, program.dtype, np.empty

    def step(values: Values, count: int, threads: int) -> bool:
        x, y = values[source], empty((count, *result), dtype)
        if count <= program.alone and program.reads(x):
            program.run(x, y)
        else:
            program.apply(x, y, threads)
        values[target] = y
        return True

    return step


def step_of_same(same: Same) -> Step:
    """The same array."""
    source, target = same.operand.index, same.result.index

    def step(values: Values, count: int, threads: int) -> bool:
        values[target] = values[source]
        return True

    return step


def step_of_layer(node: Node, ours: set[int]) -> Step | None:
    """A layer's forward; what one that is not ours reads is read-only, a view where it is not our memory."""
    (x,), layer, result = node.operands, node.parameters["layer"], node.result
    if type(x) is not Symbol or node.parameters["item"] != 0:
        return None
    source, target, dtype, sample, kind = x.index, result.index, x.dtype, result.sample, result.dtype
    foreign, wrap, outer = runs_foreign_code(layer), Tensor._wrap, x.index not in ours

    def step(values: Values, count: int, threads: int) -> bool:
        array = values[source]
        if array.dtype != dtype or not array.flags.aligned:
            return False
        if foreign:
            if outer:
                array = array.view()
            array.setflags(write=False)
        y = layer.forward(wrap(array))
        if type(y) is not Tensor:
            return False
        found = values[target] = y._array
        return found.shape == (count, *sample) and found.dtype == kind

    return step
