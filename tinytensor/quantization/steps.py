"""What a model computes, as steps that have a form on bytes, and calls of layers that have none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Node, Symbol
from tinytensor.primitives.normalization import scale_of
from tinytensor.quantization.analysis import ELEMENTWISE, EVERYTHING, SUMS, Analysis, bounds_of
from tinytensor.quantization.recording import LayerCall, Recording
from tinytensor.tensors import Tensor

__all__ = ["CHEAP", "EVERYTHING", "Step", "readers_of", "steps_of"]

CHEAP = ("table", "add", "move", "pad", "max", "mean")


@dataclass
class Step:
    """Something that a model computes.

    Attributes:
        kind: "sum" of products, "add" of two values, "table" of a function, "move", "max" or "mean" of
            windows; "float" is a call of a layer that stays in float32.
        name: the layer that it belongs to, as in `state_dict`.
        inputs: the values that it reads.
        outputs: the values that it defines.
        node: its first node.
        own: its nodes; of a table only those that no earlier step has.
        region: of a table all nodes that lead from `root` to the output.
        root: of a table, the one value that the output is a function of.
        call: the call of a layer that it is, or is part of.
        clip: the bounds that follow a sum.
    """

    kind: str
    name: str
    inputs: list[Symbol]
    outputs: list[Symbol]
    node: Node | None = None
    own: list[Node] = field(default_factory=list)
    region: list[Node] = field(default_factory=list)
    root: Symbol | None = None
    call: LayerCall | None = None
    clip: tuple[float, float] = EVERYTHING
    weight: Array | None = None
    bias: Array | None = None
    padding: Any = None  # of a convolution

    @property
    def output(self) -> Symbol:
        """Its only result."""
        return self.outputs[0]


def steps_of(recording: Recording, model: LayerCall, keep: Iterable[str] = ()) -> list[Step]:
    """The steps of a model in the order in which they are computed.

    Raises:
        ArgumentError: weights that are not finite.
        UnsupportedOp: the model's own forward calls something that has no form on bytes.
    """
    analysis = Analysis(recording, model, keep)
    steps: list[Step] = []
    done: set[int] = set()
    for position, node in analysis.nodes.items():
        if node.result.index in done or analysis.padded_convolution(node) is not None:
            continue
        call = analysis.call_at(position)
        if call in analysis.kept:
            steps.append(kept_step(call))
            done |= {each.result.index for i, each in analysis.nodes.items() if call.holds(i)}
            continue
        step = step_of(analysis, node, call)
        done |= {each.result.index for each in step.own}
        steps.append(step)
    return steps


def kept_step(call: LayerCall) -> Step:
    """A call that stays."""
    inputs = [each._array for each in call.given if type(each) is Tensor and isinstance(each._array, Symbol)]
    outputs = [each._array for each in call.found]
    return Step("float", call.path, inputs, outputs, call=call)


def step_of(analysis: Analysis, node: Node, call: LayerCall) -> Step:
    """The step that a node begins."""
    name = node.primitive.name
    step = Step("move", call.path, list(node.symbols), [node.result], node, [node], call=call)
    if name in SUMS:
        step.kind = "sum"
        step.weight, step.bias = weights_of(node, call.path)
        join_padding(analysis, step)
        follow(analysis, step)
    elif name in ELEMENTWISE and (root := analysis.root_of(node)) is not None:
        step.kind, step.root = "table", root
        step.region = region_of(analysis, node, root)
    elif name == "add":
        step.kind = "add"
        follow(analysis, step)
    elif name == "pad":
        step.kind = "pad"
    elif name == "pool":
        step.kind = "max" if node.parameters["kind"] == "max" else "mean"
        squeeze(analysis, step)
    elif name == "mean":
        step.kind = "mean"
    return step


def join_padding(analysis: Analysis, step: Step) -> None:
    """Zeros around the images of a convolution become part of its own padding."""
    node = step.own[0]
    step.padding = node.parameters.get("padding")
    maker = analysis.maker(node.symbols[0])
    if maker is not None and analysis.padded_convolution(maker) is node:
        pads = (
            maker.parameters["widths"][:-1]
            if node.parameters["channels_last"]
            else maker.parameters["widths"][1:]
        )
        pairs = zip(step.padding, pads, strict=True)
        step.padding = tuple((a + more, b + other) for (a, b), (more, other) in pairs)
        step.inputs = list(maker.symbols)
        step.own.insert(0, maker)


def region_of(analysis: Analysis, node: Node, root: Symbol) -> list[Node]:
    """The nodes from a root to a node, in order."""
    found: dict[int, Node] = {}

    def visit(each: Node) -> None:
        for symbol in each.symbols:
            maker = analysis.maker(symbol)
            if symbol.index != root.index and maker is not None:
                visit(maker)
        found[each.result.index] = each

    visit(node)
    return list(found.values())


def weights_of(node: Node, who: str) -> tuple[Array, Array]:
    """Weight (out, …) and bias (out,) of a sum, in float64.

    Raises:
        ArgumentError: one is not finite.
    """
    weight = node.operands[1].T if node.primitive.name == "matmul" else node.operands[1]
    given = node.operands[2] if len(node.operands) > 2 else None
    bias = np.zeros(len(weight)) if given is None else given.astype(np.float64)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ArgumentError(f"quantize: {who}: the weights are not finite")
    return weight.astype(np.float64), bias


def follow(analysis: Analysis, step: Step) -> None:
    """Fold into a sum the batch norm that follows, and bounds."""
    here = step.own[-1]
    while analysis.is_single(here.result):
        (reader,) = analysis.readers[here.result.index]
        if analysis.is_kept(reader):
            return
        bounds = bounds_of(reader)
        if bounds is not None:
            low, high = (min(max(each, bounds[0]), bounds[1]) for each in step.clip)
            step.clip = low, high
        elif reader.primitive.name == "batch_norm" and here is step.node and step.kind == "sum":
            fold(step, reader)
        else:
            return
        step.own.append(reader)
        step.outputs = [reader.result]
        here = reader


def squeeze(analysis: Analysis, step: Step) -> None:
    """Join a pooling of whole images with the reshape that leaves its channels."""
    (node,) = step.own
    reader = analysis.readers[node.result.index][0] if analysis.is_single(node.result) else None
    if reader is not None and reader.primitive.name == "move" and not analysis.is_kept(reader):
        last = node.parameters["channels_last"]
        sample = node.result.sample[::-1] if last else node.result.sample
        if sample[1:] == (1, 1) and reader.result.sample == sample[:1]:
            step.own.append(reader)
            step.outputs = [reader.result]


def fold(step: Step, node: Node) -> None:
    """(W x + b - mean) · scale + β as W' x + b'."""
    _, gamma, beta, mean, var = node.operands
    scale = scale_of(gamma, var, node.parameters["eps"])
    if step.weight is None or step.bias is None or not np.isfinite(scale).all():
        raise ArgumentError(f"quantize: {step.name}: the batch norm after it is not finite")
    step.weight = step.weight * scale.reshape(-1, *[1] * (step.weight.ndim - 1))
    step.bias = (step.bias - mean) * scale + beta


def readers_of(steps: Sequence[Step]) -> dict[int, list[Step]]:
    """The steps that read each value."""
    found: dict[int, list[Step]] = {}
    for step in steps:
        for index in {each.index for each in step.inputs}:
            found.setdefault(index, []).append(step)
    return found
