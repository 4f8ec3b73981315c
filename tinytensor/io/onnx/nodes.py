"""The nodes and constants of an ONNX graph while it is written: what the rules of primitives write with."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinytensor.io.traced import Constants
from tinytensor.kernels.boundary import Array
from tinytensor.layers.layer import Layer
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["DTYPE", "Nodes", "Values"]

DTYPE = "to_dtype"


def named(layer: Layer, name: str) -> Iterator[tuple[str, Layer]]:
    """A layer and those inside it, by their names."""
    yield name, layer
    for key, child in layer.children().items():
        yield from named(child, f"{name}.{key}" if name else key)


class Nodes:
    """Nodes and constants, in the order in which they are added.

    Args:
        parameters: the names of the model's parameters, which constants keep.
    """

    def __init__(self, parameters: Constants):
        self.parameters = parameters
        self.nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self.constants: dict[str, Array] = {}
        self.count = 0  # of names that were made up
        self.where = ""  # the layer that is being written

    def name(self) -> str:
        """A new one."""
        self.count += 1
        return f"{self.where}:{self.count}"

    def add(self, op: str, *inputs: str, to: str | tuple[str, ...] = "", **attributes: Any) -> str:
        """A node; the name of its first output. A dtype to cast to is the attribute DTYPE."""
        outputs = [to or self.name()] if isinstance(to, str) else list(to)
        self.nodes.append((op, list(inputs), outputs, attributes))
        return outputs[0]

    def constant(self, values: Any, dtype: Any, of: Any = None) -> str:
        """A constant; its name, which is that of a parameter if it is one, or if it is made `of` one."""
        array = np.ascontiguousarray(values, dtype).reshape(np.shape(values))
        source = values if of is None else of
        name = self.parameters.name(source) if isinstance(source, np.ndarray) else ""
        known = self.constants.get(name)
        if known is not None and known.dtype == array.dtype and np.array_equal(known, array, equal_nan=True):
            return name
        chosen = name if name and known is None else self.name()
        self.constants[chosen] = array
        return chosen

    def same(self, other: "Nodes") -> bool:
        """Whether others are the same nodes and constants."""
        return (
            self.nodes == other.nodes
            and self.constants.keys() == other.constants.keys()
            and all(
                array.dtype == other.constants[name].dtype
                and np.array_equal(array, other.constants[name], equal_nan=True)
                for name, array in self.constants.items()
            )
        )


class Values:
    """The values of a trace of a model by their names in the graph."""

    def __init__(self, nodes: Nodes, names: Mapping[int, str], model: Layer):
        self.nodes = nodes
        self.names = dict(names)
        self.layers = dict(named(model, ""))

    def layer(self, node: Node) -> Layer | None:
        """The layer that calls a node."""
        return self.layers.get(node.owner)

    def take(self, operand: Any, dtype: Any = None, of: Any = None) -> str:
        """The name of an operand in that dtype, or in its own: a value, cast if need be, or a constant."""
        if type(operand) is not Symbol:
            kind = dtype if dtype is not None else np.asarray(operand).dtype
            return self.nodes.constant(operand, kind, of)
        name = self.names[operand.index]
        if dtype is None or operand.dtype == dtype:
            return name
        return self.nodes.add("Cast", name, **{DTYPE: np.dtype(dtype).name})
