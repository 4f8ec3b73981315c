"""`Plan`: what a model runs for samples of one shape and dtype; made on first use, and again after a change.

A trace is divided into programs, of nodes that the compiled driver has instructions for, and single nodes
between them, which run eagerly. Where a model cannot be traced, its forward runs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.inference import calls, revision
from tinytensor.inference.program import Program
from tinytensor.inference.samples import as_tensor, as_told, of_its_own, read_as, whole_inputs
from tinytensor.inference.state import State, reads_of, state_of
from tinytensor.inference.stepwise import RAISED, Same, Short, Stage, stepwise
from tinytensor.inference.trace import EXAMPLE_ROWS, Trace, is_same_for, line_of, trace
from tinytensor.inference.traceable import Traceable
from tinytensor.inference.watch import distinct
from tinytensor.kernels.arithmetic import CHOOSE
from tinytensor.kernels.boundary import FLOAT32, FLOATS, UINT8, Array
from tinytensor.kernels.load import KernelRaised
from tinytensor.kernels.scalar_source import Read, same, still
from tinytensor.primitives.definition import Node, Symbol
from tinytensor.tensors import Tensor
from tinytensor.threads import get_num_threads

__all__ = ["Form", "Plan", "plan_of"]

empty = np.empty  # found 30 ns sooner, of the 1.8 µs that a small network takes
MOST_FORMS = 64  # of one model: shapes of samples, as sequences of many lengths have


class Form:
    """A model for samples of one shape and dtype: stages, or None where only its forward will do."""

    def __init__(self, model: Traceable, example: Sequence[Array], given: Sequence[np.dtype[Any]]):
        self.model, self.reason = model, ""
        self.counts: dict[int, bool] = {}  # numbers of samples for which forward was traced again
        self.traced: Trace | None = None
        self.stages: list[Stage] | None = None
        try:
            self.traced = trace(model, example)
            self.traced.given = list(given)
        except Exception as error:  # whatever it is, forward raises it again, or gives the answer
            self.reason = f"{type(error).__name__}: {error}{line_of(error)}"
            return
        try:
            self.stages = divide(self.traced)
        except TinyTensorError as error:  # a user's function that does not compile, or too many values
            self.reason = str(error)

    @property
    def reads(self) -> list[Read]:
        """What the trace depends on beside attributes of layers."""
        return [] if self.traced is None else self.traced.watch.reads

    @property
    def only(self) -> Program | None:
        """The program that is all of it, if one is."""
        if self.stages is None or self.traced is None or len(self.stages) != 1:
            return None
        stage = self.stages[0]
        alone = len(self.traced.inputs) == len(self.traced.outputs) == 1 and not self.traced.uses_length
        return stage if alone and isinstance(stage, Program) else None

    def holds_for(self, count: int) -> bool:
        """Whether forward does the same for so many samples, of which it knows the number as an integer."""
        if self.traced is None or not self.traced.uses_length:
            return True
        if count not in self.counts:
            with revision.lock:
                self.counts[count] = is_same_for(self.model, self.traced, count)
        return self.counts[count]

    def run(self, arrays: Sequence[Array], threads: int, out: Array | None = None) -> list[Array] | None:
        """The outputs, the first in `out` if it fits; None if forward must run."""
        count = len(arrays[0])
        if self.stages is None or self.traced is None or not self.holds_for(count):
            return None
        values = {each.index: array for each, array in zip(self.traced.inputs, arrays, strict=True)}
        try:
            for stage in self.stages:
                if isinstance(stage, Program):
                    run_program(stage, values, count, threads, out, self.traced.outputs)
                elif isinstance(stage, Same):
                    values[stage.result.index] = values[stage.operand.index]
                elif not run_node(stage, values, count):
                    return None
        except RAISED:
            return None  # a layer of the user's raised: forward raises it again, and says where
        return [converted(values[each.index], each) for each in self.traced.outputs]


def run_program(
    program: Program, values: dict[int, Array], count: int, threads: int, out: Array | None,
    wanted: Sequence[Symbol],
) -> None:  # fmt: skip
    """Compute the outputs of a program into `values`."""
    given = [values[each.index] for each in program.inputs]
    if len(given) > 1:
        given = [joined(given, program, count)]
    shape = (count, *program.result)
    whole = len(program.outputs) == 1 and program.outputs[0] is wanted[0]
    fits = whole and out is not None and out.shape == shape and program.writes(out)
    y = out if fits and out is not None else np.empty(shape, program.dtype)
    program.apply(given[0], y, threads)
    if len(program.outputs) == 1:
        values[program.outputs[0].index] = y
        return
    first = 0
    for each in program.outputs:
        size = int(np.prod(each.sample)) * each.dtype.itemsize // y.itemsize
        part = np.ascontiguousarray(y[:, first : first + size]).view(each.dtype)
        values[each.index] = part.reshape(count, *each.sample)
        first += size


def joined(given: Sequence[Array], program: Program, count: int) -> Array:
    """Several inputs side by side; as bytes, if they have different dtypes."""
    pairs = zip(given, program.inputs, strict=True)
    rows = [np.ascontiguousarray(converted(x, each).reshape(count, -1)) for x, each in pairs]
    return np.concatenate([each.view(program.source) for each in rows], axis=1)


def run_node(node: Node, values: dict[int, Array], count: int) -> bool:
    """Compute a node eagerly into `values`; whether the result has the shape that the trace says."""
    operands = [
        converted(values[each.index], each) if type(each) is Symbol else each for each in node.operands
    ]
    y = np.asarray(node.primitive.eager(*operands, **node.parameters))
    values[node.result.index] = y
    return y.shape == (count, *node.result.sample) and y.dtype == node.result.dtype


def converted(array: Array, symbol: Symbol) -> Array:
    """An array as its symbol says: samples that were given may have another dtype and lie anyhow."""
    if array.dtype == symbol.dtype and array.flags.aligned:
        return array
    with np.errstate(all="ignore"):  # what is too large for float32 is infinite there
        return np.require(array.astype(symbol.dtype), requirements="A")


def divide(traced: Trace) -> list[Stage]:
    """Programs, as long as can be, and the nodes between them; what nobody reads is left out."""
    nodes = needed(traced)
    stages: list[Stage] = []
    part: list[Node] = []

    def finish() -> None:
        if part:
            stages.append(program_of(part, nodes, traced))
            part.clear()

    for node in nodes:
        if is_folded(node, nodes):
            continue
        if node.primitive.name == "cast" and node.result.dtype in FLOATS:
            finish()
            stages.append(Same(node.result, node.symbols[0]))
        elif node.primitive.is_fusable(node):
            if part and is_double(part[-1]) != is_double(node):
                finish()
            part.append(node)
        else:
            finish()
            stages.append(node)
    finish()
    return stages


def is_double(node: Node) -> bool:
    """Whether a node computes in float64; one that does is no part of a program of float32 and bytes."""
    return node.result.dtype == FLOATS[1]


def is_folded(node: Node, nodes: list[Node]) -> bool:
    """Whether a comparison is part of the only `where` that reads it, which a program computes."""
    readers = [each for each in nodes if node.result in each.symbols]
    return (
        node.result.dtype == bool
        and node.primitive.name in CHOOSE
        and bool(readers)
        and all(
            each.primitive.name == "where"
            and each.operands[0] is node.result
            and each.primitive.is_fusable(each)
            for each in readers
        )
    )


def needed(traced: Trace) -> list[Node]:
    """The nodes that the outputs are computed from."""
    wanted = {each.index for each in traced.outputs}
    found = []
    for node in reversed(traced.nodes):
        if node.result.index in wanted:
            wanted.update(each.index for each in node.symbols)
            found.append(node)
    return found[::-1]


def program_of(part: list[Node], nodes: list[Node], traced: Trace) -> Program:
    """The program of some nodes: what it reads and does not compute, and what others read of it."""
    made = {node.result.index for node in part}
    folded = [traced.producer(node.operands[0]) for node in part if node.primitive.name == "where"]
    inputs = {
        each.index: each
        for node in (*part, *(each for each in folded if each is not None))
        for each in node.symbols
        if each.index not in made and each.dtype != bool
    }
    others = [node for node in nodes if node.result.index not in made and not is_folded(node, nodes)]
    conditions = [traced.producer(node.operands[0]) for node in others if node.primitive.name == "where"]
    others += [each for each in conditions if each is not None]
    read = {each.index for node in others for each in node.symbols} | {each.index for each in traced.outputs}
    outputs = [node.result for node in part if node.result.index in read]
    given = list(inputs.values())
    return Program(part, given, outputs, UINT8 if len(given) == 1 and is_bytes(given[0], traced) else None)


def is_bytes(symbol: Symbol, traced: Trace) -> bool:
    """Whether a value is samples of uint8, or a conversion of them."""
    if symbol.dtype != FLOAT32:
        return False
    if symbol in traced.inputs:
        return traced.given[traced.inputs.index(symbol)] == UINT8
    node = traced.producer(symbol)
    return node is not None and node.primitive.name == "cast" and node.symbols[0].dtype == UINT8


class Plan:
    """The forms of a model, and the state of the model that they were made of."""

    def __init__(self, model: Traceable, count: int):
        self.model, self.count, self.whole = model, count, whole_inputs(model)
        self.state: tuple[State, ...] = (state_of(model),)  # and of layers that are used and no part of it
        self.own_reads = list(reads_of(model))
        self.reads = self.own_reads
        self.forms: dict[Any, Form] = {}  # by shape and dtype of each input, and whether these are Tensors
        self.ready: dict[np.dtype[Any], Program] = {}  # the whole of it, for the samples seen last
        self.short: Short | None = None  # the shortest way for the samples seen last, if Python runs a part

    def is_current(self, count: int) -> bool:
        """Whether nothing has changed since; `count` is that of changes to layers."""
        return self.count == count and (not self.reads or still(self.reads))

    def run(self, xs: Sequence[Array | Tensor], threads: int | None = None, out: Array | None = None) -> Any:
        """The outputs, an array or a tuple of them, the first in `out` if that fits."""
        xs = as_told(xs, self.whole) if self.whole else xs
        arrays = [each._array if type(each) is Tensor else each for each in xs]
        tensors = [type(each) is Tensor for each in xs]
        if out is None and len(arrays) == 1 and (arrays[0].dtype in FLOATS or not tensors[0] or self.whole):
            y = self.at_once(arrays[0], threads)
            if y is not None:
                return y
        form = self.form_of(arrays, tensors)
        found = None if form is None else form.run(arrays, threads or get_num_threads(), out)
        if form is None or found is None:
            return forward(self.model, xs)
        if form.only is not None:
            self.ready[form.only.source] = form.only
        elif form.traced is not None and form.stages is not None and not tensors[0]:
            self.short = stepwise(form.traced, form.stages)
        outputs = [of_its_own(y, arrays) for y in found]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def form_of(self, arrays: Sequence[Array], tensors: Sequence[bool]) -> Form | None:
        """The form for such samples; None for a single sample, and for none at all."""
        if any(each.ndim < 2 or 0 in each.shape or len(each) != len(arrays[0]) for each in arrays):
            return None
        key = tuple((x.shape[1:], x.dtype, tensor) for x, tensor in zip(arrays, tensors, strict=True))
        form = self.forms.get(key)
        if form is not None:
            return form
        example = [
            read_as(self.model, each[:EXAMPLE_ROWS], tensor)
            for each, tensor in zip(arrays, tensors, strict=True)
        ]
        with revision.lock:
            if len(self.forms) >= MOST_FORMS:
                self.forms, self.ready, self.short = {}, {}, None
            form = Form(self.model, example, [each.dtype for each in arrays])
            self.forms[key] = form
            known = {id(each.layer) for each in self.state}
            used = [] if form.traced is None else form.traced.watch.layers
            self.state += tuple(state_of(each) for each in used if id(each) not in known)
            reads = (each for one in self.forms.values() for each in one.reads)
            self.reads = distinct([*self.own_reads, *reads])
        return form

    def is_made_of(self, model: Traceable) -> bool:
        """Whether the model, and the layers that it uses beside its own, are what they were."""
        return model is self.model and all(same(each, state_of(each.layer)) for each in self.state)

    def at_once(self, array: Array, threads: int | None) -> Array | None:
        """The outputs by the shortest way, if this plan and the samples allow it."""
        program = self.ready.get(array.dtype)
        if self.reads and not still(self.reads):
            return None
        if program is None:
            return None if self.short is None else self.short(array, threads or get_num_threads())
        shape, flags = array.shape, array.flags
        if shape[1:] != program.sample or not (flags.c_contiguous and flags.aligned):
            return None
        y = empty(shape[:1] + program.result, program.dtype)
        try:
            if shape[0] <= program.alone:
                program.run(array, y)
            else:
                program.spread(array, y, threads or get_num_threads())
        except KernelRaised:
            return None
        return y


def forward(model: Any, xs: Sequence[Array | Tensor]) -> Any:
    """What the model's forward gives, as arrays."""
    y = calls.call_with(model, *(as_tensor(model, each) for each in xs))
    if isinstance(y, tuple):
        return tuple(of_its_own(each._array, xs) for each in y)
    return of_its_own(y._array, xs)


def plan_of(model: Any) -> Plan:
    """The model's plan; a new one if the model has changed since it was made."""
    count = revision.count
    plan: Plan | None = vars(model).get("_plan")
    if plan is not None and plan.is_current(count):
        return plan
    with revision.lock:  # several changes that belong together are made under it, too
        count = revision.count
        if plan is None or not still(plan.reads) or not plan.is_made_of(model):
            plan = Plan(model, count)
            object.__setattr__(model, "_plan", plan)  # which is no change of the model
        plan.count = count
    return plan
