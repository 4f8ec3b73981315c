"""The nodes of ONNX that compute each layer."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor import activations as a
from tinytensor.io.onnx.activations import ACTIVATIONS
from tinytensor.kernels.boundary import Array
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.dropout import Dropout
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.layer import Layer
from tinytensor.layers.layer_norm import LayerNorm
from tinytensor.layers.linear import Linear
from tinytensor.layers.perceptron import Perceptron
from tinytensor.layers.prelu import PReLU
from tinytensor.layers.rescale import Rescale
from tinytensor.layers.reshape import Reshape
from tinytensor.tensor import Tensor

__all__ = ["DTYPE", "EMITTERS", "Nodes", "Value"]

DTYPE = "to_dtype"


class Value(NamedTuple):
    """A value of the graph: its name, what its elements are, how many axes it has."""

    name: str
    dtype: str
    rank: int


class Nodes:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self.constants: dict[str, Array] = {}
        self.where = ""  # the layer that is being written

    def name(self) -> str:
        """A new one."""
        return f"{self.where}:{len(self.nodes) + len(self.constants)}"

    def add(self, op: str, *inputs: str, to: str | tuple[str, ...] = "", **attributes: Any) -> str:
        """A node; the name of its first output. A dtype to cast to is the attribute DTYPE."""
        outputs = [to or self.name()] if isinstance(to, str) else list(to)
        self.nodes.append((op, list(inputs), outputs, attributes))
        return outputs[0]

    def constant(self, values: Any, dtype: str, name: str = "") -> str:
        """A constant; its name."""
        chosen = f"{self.where}.{name}" if name else self.name()
        self.constants[chosen] = np.asarray(values, dtype)
        return chosen

    def cast(self, x: Value, *tensors: Tensor | None) -> Value:
        """X in the dtype that NumPy would compute in with these."""
        dtype = np.result_type(np.dtype(x.dtype), *(each.dtype for each in tensors if each is not None)).name
        if dtype == x.dtype:
            return x
        return Value(self.add("Cast", x.name, to_dtype=dtype), dtype, x.rank)


Emitter = Callable[[Nodes, Any, Value, str], Value]


def linear(nodes: Nodes, layer: Linear, x: Value, y: str) -> Value:
    """Gemm keeps the weight as it is, but takes matrices only."""
    x = nodes.cast(x, layer.weight, layer.bias)
    return affine(nodes, x, y, layer.weight.numpy(), None if layer.bias is None else layer.bias.numpy())


def affine(nodes: Nodes, x: Value, y: str, weight: Array, bias: Array | None) -> Value:
    """X Wᵀ + b."""
    b = None if bias is None else nodes.constant(bias, x.dtype, "bias")
    if x.rank == 2:
        inputs = [x.name, nodes.constant(weight, x.dtype, "weight"), *([b] if b else [])]
        return Value(nodes.add("Gemm", *inputs, to=y, transB=1), x.dtype, 2)
    product = nodes.add("MatMul", x.name, nodes.constant(weight.T, x.dtype, "weight"), to="" if b else y)
    return Value(nodes.add("Add", product, b, to=y) if b else product, x.dtype, x.rank)


def perceptron(nodes: Nodes, layer: Perceptron, x: Value, y: str) -> Value:
    """A Linear, a Step, and for a single neuron no axis of neurons."""
    x = nodes.cast(x, layer.weights, layer.bias)
    weights = layer.weights.numpy()
    rows = weights.reshape(-1, weights.shape[-1])
    sums = affine(nodes, x, nodes.name(), rows, layer.bias.numpy().reshape(-1))
    if weights.ndim == 2:
        return step(nodes, layer, sums, y)
    fired = step(nodes, layer, sums, nodes.name())
    axes = nodes.constant([-1], "int64")
    return Value(nodes.add("Squeeze", fired.name, axes, to=y), x.dtype, x.rank - 1)


def step(nodes: Nodes, layer: Layer, x: Value, y: str) -> Value:
    """max(min(x, 0), relu(x) ≠ 0): the minimum keeps NaN."""
    truth = nodes.add("Cast", nodes.add("Relu", x.name), to_dtype="bool")
    number = nodes.add("Cast", truth, to_dtype=x.dtype)
    minimum = nodes.add("Min", x.name, nodes.constant(0, x.dtype))
    return x._replace(name=nodes.add("Max", minimum, number, to=y))


def rescale(nodes: Nodes, layer: Rescale, x: Value, y: str) -> Value:
    """Mul, then Add, where they do something."""
    tensors = [each for each in (layer.scale, layer.offset) if isinstance(each, Tensor)]
    x = nodes.cast(x, *tensors)
    rank = max(x.rank, *(each.ndim for each in tensors), 0)
    changes = [("Mul", layer.scale, 1), ("Add", layer.offset, 0)]
    wanted = [(op, value) for op, value, neutral in changes if isinstance(value, Tensor) or value != neutral]
    name = x.name
    for position, (op, value) in enumerate(wanted):
        operand = nodes.constant(value, x.dtype)
        name = nodes.add(op, name, operand, to=y if position == len(wanted) - 1 else "")
    return Value(name if wanted else nodes.add("Identity", name, to=y), x.dtype, rank)


def batch_norm(nodes: Nodes, layer: BatchNorm, x: Value, y: str) -> Value:
    """BatchNormalization has the features along axis 1."""
    tensors = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    x = nodes.cast(x, *tensors)
    if layer.axis == 1 or x.rank + layer.axis == 1:
        names = ("weight", "bias", "running_mean", "running_var")
        inputs = [nodes.constant(t, x.dtype, name) for name, t in zip(names, tensors, strict=True)]
        return x._replace(name=nodes.add("BatchNormalization", x.name, *inputs, to=y, epsilon=layer.eps))
    shape = [1] * x.rank
    shape[layer.axis] = -1
    weight, bias, mean, var = (np.asarray(each, np.float64).reshape(shape) for each in tensors)
    deviation = nodes.add("Sub", x.name, nodes.constant(mean, x.dtype))
    scaled = nodes.add("Mul", deviation, nodes.constant(weight / np.sqrt(var + layer.eps), x.dtype))
    return x._replace(name=nodes.add("Add", scaled, nodes.constant(bias, x.dtype), to=y))


def layer_norm(nodes: Nodes, layer: LayerNorm, x: Value, y: str) -> Value:
    """Over as many axes as the weight has."""
    x = nodes.cast(x, layer.weight, layer.bias)
    inputs = [nodes.constant(layer.weight, x.dtype, "weight")]
    inputs += [] if layer.bias is None else [nodes.constant(layer.bias, x.dtype, "bias")]
    attributes = {"axis": -layer.weight.ndim, "epsilon": layer.eps}
    return x._replace(name=nodes.add("LayerNormalization", x.name, *inputs, to=y, **attributes))


def prelu(nodes: Nodes, layer: PReLU, x: Value, y: str) -> Value:
    """Our slopes begin at axis 1, theirs end at the last."""
    x = nodes.cast(x, layer.weight)
    missing = max(x.rank - 1 - layer.weight.ndim, 0) if layer.weight.size > 1 else 0
    slope = layer.weight.numpy().reshape((*layer.weight.shape, *(1,) * missing))
    return x._replace(name=nodes.add("PRelu", x.name, nodes.constant(slope, x.dtype, "weight"), to=y))


def flatten(nodes: Nodes, layer: Flatten, x: Value, y: str) -> Value:
    """All but the first axis; a vector stays."""
    op = "Flatten" if x.rank > 1 else "Identity"
    return Value(nodes.add(op, x.name, to=y), x.dtype, min(x.rank, 2))


def reshape(nodes: Nodes, layer: Reshape, x: Value, y: str) -> Value:
    """0 is the length of the first axis as it is."""
    shape = nodes.constant([0, *layer.shape], "int64")
    return Value(nodes.add("Reshape", x.name, shape, to=y), x.dtype, len(layer.shape) + 1)


def dropout(nodes: Nodes, layer: Dropout, x: Value, y: str) -> Value:
    """Not in training, which is the default. A ratio is less than 1; where all would be zeroed: Identity."""
    if np.float32(layer.p) == 1:
        return x._replace(name=nodes.add("Identity", x.name, to=y))
    return x._replace(name=nodes.add("Dropout", x.name, nodes.constant(layer.p, "float32"), to=y))


def softmax(nodes: Nodes, layer: a.Softmax | a.LogSoftmax, x: Value, y: str) -> Value:
    """Softmax and LogSoftmax."""
    return x._replace(name=nodes.add(type(layer).__name__, x.name, to=y, axis=layer.axis))


def swish(nodes: Nodes, layer: Any, x: Value, y: str) -> Value:
    """ONNX has Swish since opset 24 only: x · sigmoid(βx)."""
    scaled = x.name if layer.beta == 1 else nodes.add("Mul", x.name, nodes.constant(layer.beta, x.dtype))
    return x._replace(name=nodes.add("Mul", x.name, nodes.add("Sigmoid", scaled), to=y))


def clip(nodes: Nodes, layer: Any, x: Value, y: str) -> Value:
    """Bounds that are infinite are left out."""
    bounds = [
        "" if value == limit else nodes.constant(value, x.dtype)
        for value, limit in ((layer.low, -math.inf), (layer.high, math.inf))
    ]
    return x._replace(name=nodes.add("Clip", x.name, *bounds, to=y))


def one(op: str, **attributes: Any) -> Emitter:
    """A single node, with these attributes."""
    return lambda nodes, layer, x, y: x._replace(name=nodes.add(op, x.name, to=y, **attributes))


def configured(op: str, arguments: dict[str, tuple[str, Any]]) -> Emitter:
    """A single node, with attributes that are our arguments."""

    def emit(nodes: Nodes, layer: Layer, x: Value, y: str) -> Value:
        attributes = {theirs: getattr(layer, ours) for theirs, (ours, _) in arguments.items()}
        return x._replace(name=nodes.add(op, x.name, to=y, **attributes))

    return emit


EMITTERS: dict[str, Emitter] = {
    **{ours: configured(theirs, arguments) for theirs, (ours, arguments, _) in ACTIVATIONS.items()},
    "BatchNorm": batch_norm,
    "Clip": clip,
    "Dropout": dropout,
    "Exponential": one("Exp"),
    "Flatten": flatten,
    "HardSigmoid": one("HardSigmoid", alpha=1 / 6, beta=0.5),
    "Identity": one("Identity"),
    "LayerNorm": layer_norm,
    "Linear": linear,
    "LogSoftmax": softmax,
    "PReLU": prelu,
    "Perceptron": perceptron,
    "Rescale": rescale,
    "Reshape": reshape,
    "SELU": one("Selu"),
    "Softmax": softmax,
    "Step": step,
    "Swish": swish,
}
