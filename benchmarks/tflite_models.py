"""The measured networks as TFLite models, made with the schema's classes that LiteRT ships.

A converter folds a batch normalization into the weights and a ReLU into the layer before it; so do we.
"""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.networks import EPS, Layer, Network

__all__ = ["network_model"]

VERSION = 3  # of the schema
TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}
ACTIVATIONS = {"sigmoid": ("LOGISTIC", None), "softmax": ("SOFTMAX", schema.SoftmaxOptionsT(beta=1.0))}


class Graph:
    """Tensors and operators so far; a tensor is its number."""

    def __init__(self) -> None:
        self.buffers = [schema.BufferT()]  # the first is that of tensors without data
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: dict[str, int] = {}

    def tensor(self, shape: Sequence[int], dtype: str = "float32", buffer: int = 0) -> int:
        name = f"t{len(self.tensors)}"
        self.tensors.append(
            schema.TensorT(shape=list(shape), type=TYPES[dtype], buffer=buffer, name=name, hasRank=True)
        )
        return len(self.tensors) - 1

    def constant(self, value: Any) -> int:
        array = np.ascontiguousarray(value)
        self.buffers.append(schema.BufferT(data=array.reshape(-1).view(np.uint8)))
        return self.tensor(np.shape(value), array.dtype.name, len(self.buffers) - 1)

    def add(self, operation: str, inputs: list[int], shape: Sequence[int], options: Any = None) -> int:
        """The result of one more operator."""
        result = self.tensor(shape)
        made = schema.OperatorT(
            opcodeIndex=self.codes.setdefault(operation, len(self.codes)), inputs=inputs, outputs=[result]
        )
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, kind), options
        self.operators.append(made)
        return result

    def finished(self, entry: int, result: int) -> bytes:
        """The file, with one entry and one result."""
        graph = schema.SubGraphT(
            tensors=self.tensors, inputs=[entry], outputs=[result], operators=self.operators, name="main"
        )
        codes = [
            schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code)
            for code in (getattr(schema.BuiltinOperator, name) for name in self.codes)
        ]
        made = schema.ModelT(
            version=VERSION, operatorCodes=codes, subgraphs=[graph], buffers=self.buffers, description=""
        )
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(made.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def network_model(network: Network, x: Any) -> bytes:
    """The network for inputs of the shape and dtype of x."""
    graph = Graph()
    entry = here = graph.tensor(x.shape, x.dtype.name)
    if x.dtype == np.uint8:
        here = graph.add("CAST", [here], x.shape, schema.CastOptionsT())
        here = graph.add("MUL", [here, graph.constant(np.float32(1 / 255))], x.shape, schema.MulOptionsT())
    for layer in network.layers():
        here = linear(graph, layer, here, len(x))
    return graph.finished(entry, here)


def linear(graph: Graph, layer: Layer, before: int, rows: int) -> int:
    """One layer with its normalization, activation and sum."""
    weight, bias = layer.folded()
    shape = (rows, len(bias))
    normalized = len(layer.norm) == 2
    relu = schema.ActivationFunctionType.RELU * (layer.activation == "relu")
    dense = schema.FullyConnectedOptionsT(fusedActivationFunction=0 if normalized else relu)
    here = graph.add("FULLY_CONNECTED", [before, graph.constant(weight), graph.constant(bias)], shape, dense)
    if normalized:
        here = layer_norm(graph, layer, here, shape, relu)
    if layer.activation in ACTIVATIONS:
        operation, options = ACTIVATIONS[layer.activation]
        here = graph.add(operation, [here], shape, options)
    return graph.add("ADD", [before, here], shape, schema.AddOptionsT()) if layer.adds else here


def layer_norm(graph: Graph, layer: Layer, x: int, shape: Sequence[int], activation: int) -> int:
    """(x - mean) · weight / √(variance + eps) + bias, from the operators that there are."""
    column = (shape[0], 1)
    axis, gain, shift = (graph.constant(each) for each in (np.array([1], np.int32), *layer.norm))
    mean = graph.add("MEAN", [x, axis], column, schema.ReducerOptionsT(keepDims=True))
    squares = graph.add("SQUARED_DIFFERENCE", [x, mean], shape, schema.SquaredDifferenceOptionsT())
    variance = graph.add("MEAN", [squares, axis], column, schema.ReducerOptionsT(keepDims=True))
    raised = graph.add("ADD", [variance, graph.constant(np.float32(EPS))], column, schema.AddOptionsT())
    centred = graph.add("SUB", [x, mean], shape, schema.SubOptionsT())
    y = graph.add("MUL", [centred, graph.add("RSQRT", [raised], column)], shape, schema.MulOptionsT())
    y = graph.add("MUL", [y, gain], shape, schema.MulOptionsT())
    return graph.add("ADD", [y, shift], shape, schema.AddOptionsT(fusedActivationFunction=activation))
