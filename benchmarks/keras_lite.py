"""MLPerf Tiny's networks as float32 TFLite models, from Keras's files: the published .tflite files are int8.

A batch normalization is folded into the layer before it and a ReLU is fused, as TensorFlow's converter does.
"""

import io
import json
import zipfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.networks import Array
from benchmarks.tflite_models import Graph

__all__ = ["keras_model"]

RELU = schema.ActivationFunctionType.RELU
Layers = dict[str, tuple[str, dict[str, Any], list[str]]]  # name: class, configuration, inputs
Read = Callable[..., list[Array]]


def opened(path: Path) -> tuple[dict[str, Any], Read]:
    """The configuration, and the function that reads a layer's arrays; by name from Keras 2's file."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            config, stored = json.loads(archive.read("config.json")), archive.read("model.weights.h5")
        file = h5py.File(io.BytesIO(stored))
        return config, lambda layer, *names: [file[f"layers/{layer}/vars/{i}"][()] for i in range(len(names))]
    file = h5py.File(path)

    def read(layer: str, *names: str) -> list[Array]:
        group = file[f"model_weights/{layer}/{layer}"]
        return [group[f"{name}:0"][()] for name in names]

    return json.loads(file.attrs["model_config"]), read


def described(config: dict[str, Any]) -> Layers:
    """The layers in their order; those of a Sequential follow one another."""
    found: Layers = {}
    for layer in config["config"]["layers"]:
        before = list(found)[-1:]
        if config["class_name"] != "Sequential":
            before = [each[0] for node in layer["inbound_nodes"] for each in node]
        found[layer["config"]["name"]] = layer["class_name"], layer["config"], before
    return found


class Converter:
    """A graph so far: for each of Keras's layers its tensor and shape."""

    def __init__(self, layers: Layers, read: Read, x: Array):
        self.layers, self.read, self.x, self.graph = layers, read, x, Graph()
        self.made: dict[str, tuple[int, tuple[int, ...]]] = {}

    def next(self, name: str, kind: str) -> str:
        """The layer's only user, if it is of that class."""
        users = [user for user, (_, _, inputs) in self.layers.items() if name in inputs]
        return users[0] if len(users) == 1 and self.layers[users[0]][0] == kind else ""

    def put(self, name: str, operation: str, inputs: list[int], shape: tuple[int, ...], options: Any) -> None:
        """One operation, with the ReLU that follows in it; a softmax is another."""
        own = self.layers[name][1].get("activation", "linear")
        last, follows = name, self.next(name, "Activation")
        if follows and self.layers[follows][1]["activation"] == "relu":
            last, own = follows, "relu"
        if own == "relu":
            options.fusedActivationFunction = RELU
        tensor = self.graph.add(operation, inputs, shape, options)
        if own == "softmax":
            tensor = self.graph.add("SOFTMAX", [tensor], shape, schema.SoftmaxOptionsT(beta=1.0))
        self.made[name] = self.made[last] = tensor, shape

    def weighted(self, name: str, kind: str, config: dict[str, Any], entry: str) -> None:
        """Conv2D, DepthwiseConv2D or Dense with the normalization that follows."""
        names = ["depthwise_kernel" if kind == "DepthwiseConv2D" else "kernel", "bias"]
        kernel, *rest = self.read(name, *names[: 1 + config["use_bias"]])
        if kind == "DepthwiseConv2D":
            kernel = kernel.reshape(1, *kernel.shape[:2], -1)
        bias = rest[0] if rest else np.zeros(kernel.shape[-1], np.float32)
        norm = self.next(name, "BatchNormalization")
        if norm:
            values = self.read(norm, "gamma", "beta", "moving_mean", "moving_variance")
            gain, shift, mean, variance = (each.astype(np.float64) for each in values)
            scale = gain / np.sqrt(variance + self.layers[norm][1]["epsilon"])
            kernel, bias = kernel * scale, (bias - mean) * scale + shift
        if kind != "DepthwiseConv2D":
            kernel = np.moveaxis(kernel, -1, 0)
        constants = [self.graph.constant(each.astype(np.float32)) for each in (kernel, bias)]
        source, shape = self.made[entry]
        if kind == "Dense":
            out, options = (shape[0], len(bias)), schema.FullyConnectedOptionsT()
        else:
            out, options = self.windows(config, kernel.shape[1:3], shape, len(bias), kind)
        operation = {"Dense": "FULLY_CONNECTED", "Conv2D": "CONV_2D"}.get(kind, "DEPTHWISE_CONV_2D")
        self.put(norm or name, operation, [source, *constants], out, options)

    def windows(
        self, config: dict[str, Any], side: Any, shape: tuple[int, ...], channels: int, kind: str
    ) -> tuple[tuple[int, ...], Any]:
        """The shape of a convolution's or pooling's output, and its options."""
        same, strides = config["padding"] == "same", config["strides"]
        cut = [0 if same else k - 1 for k in side]
        out = [-(-(n - c) // s) for n, c, s in zip(shape[1:3], cut, strides, strict=True)]
        padding = schema.Padding.SAME if same else schema.Padding.VALID
        common = {"padding": padding, "strideH": strides[0], "strideW": strides[1]}
        wide = {"dilationWFactor": 1, "dilationHFactor": 1}
        if kind == "Conv2D":
            options = schema.Conv2DOptionsT(**common, **wide)
        elif kind == "DepthwiseConv2D":
            options = schema.DepthwiseConv2DOptionsT(**common, **wide, depthMultiplier=channels // shape[3])
        else:
            options = schema.Pool2DOptionsT(**common, filterHeight=side[0], filterWidth=side[1])
        return (shape[0], *out, channels), options

    def add(self, name: str) -> None:
        """One layer, unless an operation before it has done it."""
        kind, config, inputs = self.layers[name]
        if kind == "InputLayer":
            self.made[name] = self.graph.tensor(self.x.shape), self.x.shape
            return
        tensors, shape = [self.made[each][0] for each in inputs], self.made[inputs[0]][1]
        if kind == "Dropout":
            self.made[name] = self.made[inputs[0]]
        elif kind == "Add":
            self.put(name, "ADD", tensors, shape, schema.AddOptionsT())
        elif kind == "AveragePooling2D":
            out, options = self.windows(config, config["pool_size"], shape, shape[3], kind)
            self.put(name, "AVERAGE_POOL_2D", tensors, out, options)
        elif kind == "Flatten":
            flat = (shape[0], prod(shape[1:]))
            target = self.graph.constant(np.array(flat, np.int32))
            self.put(name, "RESHAPE", [*tensors, target], flat, schema.ReshapeOptionsT(newShape=list(flat)))
        else:
            self.weighted(name, kind, config, inputs[0])


def keras_model(path: Path, x: Array) -> bytes:
    """The network of Keras's file for inputs of the shape of x."""
    config, read = opened(path)
    converter = Converter(described(config), read, x)
    for name in converter.layers:
        if name not in converter.made:
            converter.add(name)
    entry, result = (list(converter.made.values())[i][0] for i in (0, -1))
    return converter.graph.finished(entry, result)
