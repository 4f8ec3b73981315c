"""Dense networks as int8 TFLite models, with the scales that `tt.quantize` has found.

LiteRT fixes the scale of a sigmoid's and a softmax's result at 1/256; bytes are int8, 128 lower than ours.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

import tinytensor as tt
from benchmarks.int8_networks import DENSE, calibration
from benchmarks.networks import Array, model
from benchmarks.tflite_models import TYPES, Graph

__all__ = ["dense_model"]

TYPES["int8"] = schema.TensorType.INT8
UNIT = (1 / 256, -128)  # of probabilities


def scaled(graph: Graph, tensor: int, scale: Any, zero: int) -> int:
    """The tensor with a scale, or one for each output, and a zero point."""
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    graph.tensors[tensor].quantization = schema.QuantizationParametersT(
        scale=scales.tolist(), zeroPoint=[zero] * len(scales), quantizedDimension=0
    )
    return tensor


def dense_model(name: str, x: Array) -> bytes:
    """FULLY_CONNECTED, LOGISTIC, …, SOFTMAX for so many rows of int8."""
    quantised = tt.quantize(model(DENSE[name], raw=True), calibration(name))
    layers = [each for each in quantised if isinstance(each, tt.QuantizedLinear)]
    graph, rows = Graph(), len(x)
    entry = here = scaled(graph, graph.tensor(x.shape, "int8"), 1 / 255, -128)
    input_scale = 1 / 255
    for layer in layers:
        last = layer is layers[-1]
        biases = layer.bias.numpy() * (layer.input_scale / input_scale)
        weight = scaled(graph, graph.constant(layer.weight.numpy()), layer.weight_scale.numpy(), 0)
        bias = graph.constant(np.rint(biases).astype(np.int32))
        scaled(graph, bias, layer.weight_scale.numpy() * np.float32(input_scale), 0)
        relu = DENSE[name].hidden == "relu" and not last
        options = schema.FullyConnectedOptionsT(
            fusedActivationFunction=schema.ActivationFunctionType.RELU * relu
        )
        scale, zero = logits(name, x) if last else (layer.output_scale, layer.output_zero_point - 128)
        here = result(graph, "FULLY_CONNECTED", [here, weight, bias], (rows, layer.out_features), options)
        scaled(graph, here, scale, zero)
        input_scale = scale
        if not relu:
            operation = "SOFTMAX" if last else "LOGISTIC"
            more = schema.SoftmaxOptionsT(beta=1.0) if last else None
            here = scaled(graph, result(graph, operation, [here], (rows, layer.out_features), more), *UNIT)
            input_scale = UNIT[0]
    return graph.finished(entry, here)


def result(graph: Graph, operation: str, inputs: list[int], shape: tuple[int, ...], options: Any) -> int:
    """One more operator, whose result is int8."""
    made = graph.add(operation, inputs, shape, options)
    graph.tensors[made].type = TYPES["int8"]
    return made


def logits(name: str, x: Array) -> tuple[float, int]:
    """Scale and zero point of what goes into softmax, which we have in float32."""
    y = model(DENSE[name], raw=True)[:-1].predict(calibration(name))
    low, high = min(float(y.min()), 0.0), max(float(y.max()), 0.0)
    scale = (high - low) / 255
    return scale, round(-low / scale) - 128
