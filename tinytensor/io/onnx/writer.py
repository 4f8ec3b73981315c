"""From a model to ONNX, in an opset that runtimes have had since 2023."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor import __version__
from tinytensor.errors import ArgumentError, DtypeError, ShapeError, UnsupportedOp, require
from tinytensor.io.config import KNOWN
from tinytensor.io.onnx import emit, emit_images
from tinytensor.io.onnx.assemble import OUTPUT
from tinytensor.io.onnx.emit import DTYPE, Nodes, Value
from tinytensor.io.onnx.tensors import DTYPES
from tinytensor.kernels.boundary import index
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer
from tinytensor.layers.linear import Linear
from tinytensor.layers.operator import Constant, Operator
from tinytensor.layers.perceptron import Perceptron
from tinytensor.layers.reshape import Reshape
from tinytensor.layers.sequential import Sequential
from tinytensor.tensor import Tensor

__all__ = ["to_onnx", "write"]

Typed = tuple[Value, list[Any]]  # a value and its lengths: numbers, names, or None

OPSET, IR_VERSION = 20, 9
NOT_IN_OPSET = {"ArrayFeatureExtractor", "LabelEncoder", "Normalizer", "OneHotEncoder", "RMSNormalization"}
EMITTERS = {**emit.EMITTERS, **emit_images.EMITTERS}
NUMBERS = {name: number for number, name in DTYPES.items()}


def to_onnx(model: Layer, shape: Sequence[int | None] | None = None) -> Any:
    """Export a model as an ONNX `ModelProto`.

    Values are named as the layers are that compute them; `Gemm`, `Relu` and so on are each one node, Swish
    and Step several. Weights are not copied into another layout.

    Args:
        model: a Sequential, a Graph, or one layer.
        shape: of one sample, None for lengths that vary; flat samples by default, images for convolutions.

    Raises:
        DtypeError: the model is no layer.
        ShapeError: the shape is not a list of lengths.
        UnsupportedOp: a layer that ONNX has nothing for, as a Lambda or a layer of your own.
        MissingExtra: the onnx package is not installed.
    """
    onnx, helper = require("onnx", "onnx"), require("onnx.helper", "onnx")
    if not isinstance(model, Layer):
        raise DtypeError(f"to_onnx: expected a model, got {model!r:.80}")
    if shape is not None:
        shape = lengths_of(shape)
    nodes = Nodes()
    inputs, outputs = graph(nodes, model, shape) if isinstance(model, Graph) else chain(nodes, model, shape)
    made = helper.make_graph(
        [
            helper.make_node(op, read, to, to[0], **attributes_of(given))
            for op, read, to, given in nodes.nodes
        ],
        "tinytensor",
        *(
            [helper.make_tensor_value_info(v.name, NUMBERS[v.dtype], lengths) for v, lengths in each]
            for each in (inputs, outputs)
        ),
        [onnx.numpy_helper.from_array(array, name) for name, array in nodes.constants.items()],
    )
    return helper.make_model(
        made,
        producer_name="tinytensor",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def lengths_of(shape: Any) -> list[int | None]:
    """The lengths of one sample that a caller gives, None for those that vary."""
    try:
        lengths = [None if each is None else index(each) for each in shape]
    except TypeError:
        lengths = [0]
    if isinstance(shape, Mapping) or not all(each is None or 0 < each < 1 << 63 for each in lengths):
        raise ShapeError(
            f"to_onnx: shape: expected the lengths of one sample, as (784,) or (None, 784), got {shape!r:.80}"
        )
    return lengths


def write(path: Path, model: Layer) -> None:
    """Write a model for flat samples.

    Raises:
        UnsupportedOp: a layer that ONNX has nothing for.
        OSError: the disk does not take it.
    """
    path.write_bytes(to_onnx(model).SerializeToString())


def attributes_of(given: dict[str, Any]) -> dict[str, Any]:
    """Attributes as ONNX has them: a dtype is a number."""
    others = {name: value for name, value in given.items() if name != DTYPE}
    return others | ({"to": NUMBERS[given[DTYPE]]} if DTYPE in given else {})


def chain(nodes: Nodes, model: Layer, shape: Sequence[int | None] | None) -> tuple[list[Typed], list[Typed]]:
    """The input and the output of a model with one of each; its nodes."""
    layers = list(leaves(model))
    lengths = ["batch", *(shape if shape is not None else sample_of(layers))]
    first = next(
        (each.dtype.name for each in model.parameters().values() if each.dtype.kind == "f"), "float32"
    )
    start = Value("input", first, len(lengths))
    last = layers[-1][0] if layers else ""
    end = through(nodes, layers, start, last if last.isidentifier() else OUTPUT)
    return [(start, lengths)], [(end, ["batch", *[None] * end.rank][: end.rank])]


def through(nodes: Nodes, layers: list[tuple[str, Layer]], x: Value, y: str) -> Value:
    """The value of one layer after the other; the last one's name is y."""
    if not layers:
        return x._replace(name=nodes.add("Identity", x.name, to=y))
    for position, (name, layer) in enumerate(layers):
        nodes.where = name
        x = emitted(nodes, layer, x, name if position < len(layers) - 1 else y)
    return x


def leaves(model: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers of a Sequential by name, those inside another one too."""
    if not isinstance(model, Sequential):
        yield prefix or "0", model
        return
    for name, layer in model.children().items():
        yield from leaves(layer, f"{prefix}.{name}" if prefix else name)


def sample_of(layers: list[tuple[str, Layer]]) -> Sequence[int | None]:
    """The shape of a sample, if a layer says so before one changes the shape: flat ones, or images."""
    for _, layer in layers:
        images = emit_images.sample_shape(layer)
        if images is not None:
            return images
        if isinstance(layer, Linear):
            return (layer.in_features,)
        if isinstance(layer, Perceptron):
            return (layer.weights.shape[-1],)
        if isinstance(layer, Reshape):
            return (None if -1 in layer.shape else math.prod(layer.shape),)
    return (None,)


def emitted(nodes: Nodes, layer: Layer, x: Value, y: str) -> Value:
    """The value of a layer."""
    name = type(layer).__name__
    if isinstance(layer, Sequential):
        return through(nodes, list(leaves(layer, nodes.where)), x, y)
    if isinstance(layer, Operator):
        operation(nodes, layer, [x.name], [y])
        return value_after(layer, x, y)
    if KNOWN.get(name) is not type(layer) or name not in EMITTERS:
        raise UnsupportedOp(
            f"{nodes.where}: {layer!r:.200}: ONNX has nothing for it; a layer of tinytensor would help"
        )
    return EMITTERS[name](nodes, layer, x, y)


def operation(nodes: Nodes, layer: Operator, inputs: Sequence[str], to: Sequence[str]) -> None:
    """An operation of ONNX, as it is in OPSET."""
    attributes = dict(layer.attributes)
    if layer.operation in NOT_IN_OPSET:
        raise UnsupportedOp(f"{nodes.where}: {layer!r:.200}: opset {OPSET} of ONNX has nothing for it")
    if "to" in attributes:
        attributes[DTYPE] = attributes.pop("to")
    if layer.operation == "Split" and len(inputs) > 1:
        attributes.pop("num_outputs", None)
    if attributes.pop("flatten", 0):
        rows = nodes.add("Flatten", inputs[0], axis=attributes.pop("axis"))
        flat = nodes.add(layer.operation, rows, axis=-1)
        nodes.add("Reshape", flat, nodes.add("Shape", inputs[0]), to=tuple(to))
    else:
        nodes.add(layer.operation, *inputs, to=tuple(to), **attributes)


def graph(nodes: Nodes, model: Graph, shape: Sequence[int | None] | None) -> tuple[list[Typed], list[Typed]]:
    """Inputs and outputs of a graph; its nodes. What its values are is seen by running it."""
    signature: Any = model.signature or [("float32", None if shape is None else [None, *shape])] * len(
        model.input_names
    )
    if any(lengths is None for _, lengths in signature):
        raise ArgumentError("to_onnx: expected the shape of a sample: to_onnx(model, shape=(…))")
    samples = [
        Tensor(np.zeros([1 if n is None else n for n in lengths or ()], dtype), dtype)
        for dtype, lengths in signature
    ]
    values = model.values(*samples)
    for layer, (read, defined) in zip(model.layers, model.wires, strict=True):
        nodes.where = defined[0]
        if isinstance(layer, Constant):
            nodes.constants[defined[0]] = layer.value.numpy()
        elif isinstance(layer, Operator):
            operation(nodes, layer, read, defined)
        else:
            emitted(nodes, layer, value_of(values, read[0]), defined[0])
    computed = {name for _, defined in model.wires for name in defined} - nodes.constants.keys()
    outputs = []
    for name in model.output_names:
        value = value_of(values, name)
        written = name if name in computed else nodes.add("Identity", name, to=f"{name}:output")
        outputs.append((value._replace(name=written), [None] * value.rank))
    inputs = [
        (value_of(values, name), list(lengths or ()))
        for name, (_, lengths) in zip(model.input_names, signature, strict=True)
    ]
    return inputs, outputs


def value_of(values: dict[str, Tensor], name: str) -> Value:
    """What a value is, told by an example."""
    return Value(name, values[name].dtype.name, values[name].ndim)


def value_after(layer: Operator, x: Value, y: str) -> Value:
    """What an operation in a chain makes of a value, told by an example with lengths of 1."""
    example = layer.forward(Tensor._wrap(np.zeros((1,) * x.rank, x.dtype)))
    return Value(y, example.dtype.name, example.ndim)
