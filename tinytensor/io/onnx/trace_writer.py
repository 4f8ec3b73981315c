"""The nodes of a layer: of its trace, each primitive by its rule; of a graph, its operations as they are."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.inference.plan import needed
from tinytensor.inference.trace import Trace
from tinytensor.io.onnx import image_rules
from tinytensor.io.onnx.nodes import DTYPE, Nodes, Values
from tinytensor.io.onnx.rules import RULES, layer_norm
from tinytensor.io.traced import Examples, refused, traced
from tinytensor.kernels.boundary import Array
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer
from tinytensor.layers.operator import Constant, Operator
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["OPSET", "write_layer"]

OPSET = 20
NOT_IN_OPSET = {"ArrayFeatureExtractor", "LabelEncoder", "Normalizer", "OneHotEncoder", "RMSNormalization"}


def write_layer(
    nodes: Nodes, layer: Layer, inputs: Sequence[str], arrays: Sequence[Array | None], to: Sequence[str]
) -> list[str]:
    """Write a layer; the names of its results, which are those asked for where a node makes them.

    Args:
        inputs: the names of its operands.
        arrays: an example of each.
        to: names for its results; "" for one that is not read.

    Raises:
        UnsupportedOp: ONNX has nothing for it, or it cannot be traced.
    """
    if isinstance(layer, Constant):
        nodes.constants[to[0]] = layer.value.numpy()
        return list(to)
    if isinstance(layer, Operator):
        operation(nodes, layer, inputs, to)
        return list(to)
    if isinstance(layer, Graph):
        return write_graph(nodes, layer, inputs, arrays)
    found = traced(nodes.where, layer, [each for each in arrays if each is not None])
    names = {symbol.index: name for symbol, name in zip(found.inputs, inputs, strict=True)}
    return write_trace(nodes, layer, found, names, to)


def operation(nodes: Nodes, layer: Operator, inputs: Sequence[str], to: Sequence[str]) -> None:
    """An operation of ONNX, as it is in OPSET."""
    attributes = dict(layer.attributes)
    if layer.operation in NOT_IN_OPSET:
        raise UnsupportedOp(f"{nodes.where}: {layer!r:.200}: opset {OPSET} of ONNX has nothing for it")
    if "to" in attributes:
        attributes[DTYPE] = attributes.pop("to")
    if layer.operation == "Split" and len(inputs) > 1:
        attributes.pop("num_outputs", None)
    attributes.pop("indices", 0)
    if attributes.pop("flatten", 0):
        rows = nodes.add("Flatten", inputs[0], axis=attributes.pop("axis"))
        flat = nodes.add(layer.operation, rows, axis=-1)
        nodes.add("Reshape", flat, nodes.add("Shape", inputs[0]), to=tuple(to))
    else:
        nodes.add(layer.operation, *inputs, to=tuple(to), **attributes)


def write_graph(
    nodes: Nodes, model: Graph, inputs: Sequence[str], arrays: Sequence[Array | None]
) -> list[str]:
    """The layers of a graph, whose values keep their names."""
    prefix, outer = f"{nodes.where}." if nodes.where else "", nodes.where
    examples = Examples(model, arrays)
    names = {"": "", **dict(zip(model.input_names, inputs, strict=True))}
    for layer, (read, defined) in zip(model.layers, model.wires, strict=True):
        nodes.where = prefix + defined[0]
        traces = not isinstance(layer, Operator | Constant)
        given = [examples.of(name) for name in read] if traces else []
        to = [prefix + name if name else "" for name in defined]
        found = write_layer(nodes, layer, [names[name] for name in read], given, to)
        names |= dict(zip(defined, found, strict=False))
    nodes.where = outer
    return [names[name] for name in model.output_names]


def write_trace(
    nodes: Nodes, model: Layer, found: Trace, names: dict[int, str], to: Sequence[str]
) -> list[str]:
    """The nodes of a trace; values are named for the layers that compute them."""
    values, outer = Values(nodes, names, model), nodes.where
    wanted: dict[int, str] = {}
    for symbol, name in zip(found.outputs, to, strict=False):
        wanted.setdefault(symbol.index, name)
    kept = needed(found)
    patterns = Patterns(kept, found)
    last = {node.owner: node.result.index for node in kept}
    for node in kept:
        if node.result.index in patterns.inside:
            continue
        nodes.where = ".".join(filter(None, (outer, node.owner)))
        named = nodes.where if node.owner and last[node.owner] == node.result.index else nodes.name()
        y = wanted.get(node.result.index) or named
        part = patterns.ends.get(node.result.index)
        if part is not None:
            values.names[node.result.index] = write_part(values, part, y)
        elif node.primitive.name == "call":
            values.names |= write_call(values, node, kept, found, wanted)
        elif node.primitive.name in RULES:
            values.names[node.result.index] = RULES[node.primitive.name](values, node, y)
        else:
            raise UnsupportedOp(f"{nodes.where}: ONNX has nothing for the primitive {node.primitive.name}")
    nodes.where = outer
    return [values.names[each.index] for each in found.outputs]


def write_call(
    values: Values, node: Node, kept: Sequence[Node], found: Trace, wanted: dict[int, str]
) -> dict[int, str]:
    """A layer that is not traced: of an operation or a graph of them the nodes, each result once."""
    layer, nodes = node.parameters["layer"], values.nodes
    if not isinstance(layer, Operator | Graph):
        reason = found.reasons.get(node.owner) or next(iter(found.reasons.values()), "it is a black box")
        raise refused(nodes.where, layer, reason)
    if node.result.index in values.names:
        return {}
    first = next(i for i, each in enumerate(found.nodes) if each is node) - node.parameters["item"]
    indices = [
        each.result.index
        for item, each in enumerate(found.nodes[first:])
        if each.primitive is node.primitive and each.parameters == {"layer": layer, "item": item}
    ]
    read = {each.result.index for each in kept}
    to = [(wanted.get(index) or nodes.name()) if index in read else "" for index in indices]
    arrays = [
        found.value(each) if type(each) is Symbol else None if each is None else np.asarray(each)
        for each in node.operands
    ]
    inputs = ["" if each is None else values.take(each) for each in node.operands]
    names = write_layer(nodes, layer, inputs, arrays, to)
    return dict(zip(indices, names, strict=True))


class Patterns:
    """Nodes that ONNX has one node for together.

    Attributes:
        ends: by the last node's result, the nodes of a pattern.
        inside: the results of the others, which nothing else reads.
    """

    def __init__(self, kept: Sequence[Node], found: Trace):
        self.made = {node.result.index: node for node in kept}
        self.uses = Counter(each.index for node in kept for each in node.symbols)
        self.uses.update(each.index for each in found.outputs)
        self.ends: dict[int, list[Node]] = {}
        self.inside: set[int] = set()
        for node in reversed(kept):
            if node.result.index not in self.inside:
                part = self.row(node) or self.norm(node)
                if part:
                    self.ends[node.result.index] = part
                    self.inside |= {each.result.index for each in part[:-1]}

    def before(self, node: Node, operand: int = 0) -> Node | None:
        """The node that makes an operand, if only this one reads it."""
        symbol = node.operands[operand] if operand < len(node.operands) else None
        if type(symbol) is not Symbol or self.uses[symbol.index] != 1:
            return None
        return self.made.get(symbol.index)

    def row(self, node: Node) -> list[Node]:
        """A convolution or a pooling of images of one row: an axis put in, and removed after it."""
        inner = self.before(node) if moves_by(node, np.squeeze) else None
        if inner is None or inner.primitive.name not in ("convolve", "pool"):
            return []
        first = self.before(inner)
        axis = 1 if inner.parameters["channels_last"] else 2
        if first is None or not moves_by(first, np.expand_dims):
            return []
        axes = (first.parameters["arguments"][0], node.parameters["arguments"][0])
        return [first, inner, node] if all(np.array_equal(np.ravel(each), [axis]) for each in axes) else []

    def norm(self, node: Node) -> list[Node]:
        """A sample standardized, times a scale for each element, plus one."""
        first = self.before(node)
        if node.primitive.name == "add" and first is not None and is_scale(first, node.operands[1]):
            inner = self.before(first)
            if inner is not None and is_standard(inner, first.operands[1]):
                return [inner, first, node] if is_standard(inner, node.operands[1]) else []
        return (
            [first, node]
            if first is not None and is_scale(node, None) and is_standard(first, node.operands[1])
            else []
        )


def moves_by(node: Node, function: Any) -> bool:
    """Whether a node moves elements by that function."""
    return node.primitive.name == "move" and node.parameters["function"] is function


def is_scale(node: Node, bias: Any) -> bool:
    """Whether a node multiplies by a constant array, and the bias after it is one, too."""
    return (
        node.primitive.name == "multiply"
        and type(node.operands[1]) is np.ndarray
        and (bias is None or type(bias) is np.ndarray)
    )


def is_standard(node: Node, scale: Any) -> bool:
    """Whether a node standardizes a sample over the axes that the array has."""
    if node.primitive.name != "standardize":
        return False
    count = node.parameters["count"]
    sample = node.result.sample
    return bool(np.shape(scale) == sample[len(sample) - count :])


def write_part(values: Values, part: list[Node], y: str) -> str:
    """The node of a pattern."""
    if moves_by(part[-1], np.squeeze):
        return image_rules.one_axis(values, part[1], part[0].operands[0], y)
    return layer_norm(values, part[0], [each.operands[1] for each in part[1:]], y)
