"""The peers' adapters for networks of images: a name and an array make the function that predicts it.

MLPerf Tiny's networks come from their .onnx files, and for LiteRT from Keras's; the others are made here from
the weights.
"""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.case import Call
from benchmarks.image_networks import CNN, TINY, Conv, Dense, Pool, folder, layers, shapes
from benchmarks.networks import Array
from benchmarks.peers import onnxruntime_session, openvino_model

__all__ = ["ADAPTERS", "takes"]

Images = Callable[[str, Array, int], Call]


def model(name: str) -> Any:
    """The network as tinytensor has it."""
    if name in TINY:
        return tt.load(folder() / TINY[name].keras)
    made: list[Any] = []
    for layer in layers(name):
        match layer:
            case Conv(weight, bias, stride, padding):
                outputs, inputs, side, _ = weight.shape
                conv = tt.Conv2d(inputs, outputs, side, stride, padding, bias=bias, weight=weight)
                made += [conv, tt.ReLU()]
            case Pool(size):
                made.append(tt.MaxPool2d(size))
            case Dense(weight, bias, activation):
                made += [tt.Flatten(), tt.Linear.of(weight, bias), getattr(tt, activation)]
    return tt.Sequential(*made)


def tinytensor(name: str, x: Array, threads: int) -> Call:
    tt.set_num_threads(threads)
    made = model(name)
    return lambda: made.predict(x)


def onnx_file(name: str, count: int) -> bytes:
    """The network's .onnx file for batches of that size, which lets runtimes fold what computes shapes."""
    import onnx

    made = onnx.load(folder() / f"{Path(TINY[name].keras).stem}.onnx")
    for each in (*made.graph.input, *made.graph.output):
        each.type.tensor_type.shape.dim[0].dim_value = count
    del made.graph.value_info[:]
    return bytes(made.SerializeToString())


def onnx_made(name: str, x: Array) -> bytes:
    """Conv, Relu, MaxPool, Flatten, Gemm, …"""
    from onnx import helper

    from benchmarks.onnx_models import ACTIVATIONS, finished

    nodes: list[Any] = []
    constants: dict[str, Any] = {}

    def add(operation: str, inputs: list[str], **attributes: Any) -> str:
        nodes.append(helper.make_node(operation, inputs, [f"{operation}{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    here = "x"
    for i, layer in enumerate(layers(name)):
        if not isinstance(layer, Pool):
            constants |= {f"w{i}": layer.weight, f"b{i}": layer.bias}
        match layer:
            case Conv(_, _, stride, padding):
                sides = {"strides": [stride] * 2, "pads": [padding] * 4}
                here = add("Relu", [add("Conv", [here, f"w{i}", f"b{i}"], **sides)])
            case Pool(size):
                here = add("MaxPool", [here], kernel_shape=[size] * 2, strides=[size] * 2)
            case Dense(_, _, activation):
                here = add("Gemm", [add("Flatten", [here]), f"w{i}", f"b{i}"], transB=1)
                here = add(ACTIVATIONS[activation], [here])
    return finished(nodes, {"x": x}, here, constants)


def onnx_model(name: str, x: Array) -> bytes:
    return onnx_file(name, len(x)) if name in TINY else onnx_made(name, x)


def onnxruntime(name: str, x: Array, threads: int) -> Call:
    session = onnxruntime_session(onnx_model(name, x), threads)
    entry = session.get_inputs()[0].name
    return lambda: session.run(None, {entry: x})[0]


def openvino(name: str, x: Array, threads: int) -> Call:
    compiled = openvino_model(onnx_model(name, x), threads)
    return lambda: compiled(x)[0]


def lite_made(name: str, x: Array) -> bytes:
    """CONV_2D, MAX_POOL_2D, FULLY_CONNECTED, … for channels last, as all of LiteRT's kernels are."""
    from ai_edge_litert import schema_py_generated as schema

    from benchmarks.tflite_models import Graph

    relu, graph, n = schema.ActivationFunctionType.RELU, Graph(), len(x)
    entry = here = graph.tensor(x.shape)
    before = CNN[name]
    for layer, shape in zip(layers(name), shapes(name), strict=True):
        size = (n, *shape[1:], shape[0])
        match layer:
            case Conv(weight, bias, stride, padding):
                if padding:
                    ring = np.array([[0, 0], [padding] * 2, [padding] * 2, [0, 0]], np.int32)
                    wider = (n, *(side + 2 * padding for side in before[1:]), before[0])
                    here = graph.add("PAD", [here, graph.constant(ring)], wider, schema.PadOptionsT())
                options = schema.Conv2DOptionsT(
                    padding=schema.Padding.VALID, strideW=stride, strideH=stride,
                    dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=relu,
                )  # fmt: skip
                inputs = [here, graph.constant(weight.transpose(0, 2, 3, 1)), graph.constant(bias)]
                here = graph.add("CONV_2D", inputs, size, options)
            case Pool(side):
                options = schema.Pool2DOptionsT(
                    padding=schema.Padding.VALID,
                    strideW=side,
                    strideH=side,
                    filterWidth=side,
                    filterHeight=side,
                )
                here = graph.add("MAX_POOL_2D", [here], size, options)
            case Dense(weight, bias, activation):
                here = lite_dense(graph, layer, here, n, before)
                if activation == "softmax":
                    here = graph.add("SOFTMAX", [here], (n, len(bias)), schema.SoftmaxOptionsT(beta=1.0))
        before = shape
    return graph.finished(entry, here)


def lite_dense(graph: Any, layer: Dense, here: int, n: int, before: tuple[int, ...]) -> int:
    """FULLY_CONNECTED after a reshape; the weight's columns in the order of channels last."""
    from ai_edge_litert import schema_py_generated as schema

    weight, relu = layer.weight, schema.ActivationFunctionType.RELU * (layer.activation == "relu")
    if len(before) == 3:
        weight = np.moveaxis(weight.reshape(len(weight), *before), 1, 3).reshape(len(weight), -1)
        flat = (n, prod(before))
        shape = graph.constant(np.array(flat, np.int32))
        here = graph.add("RESHAPE", [here, shape], flat, schema.ReshapeOptionsT(newShape=list(flat)))
    inputs = [here, graph.constant(weight), graph.constant(layer.bias)]
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=relu)
    return int(graph.add("FULLY_CONNECTED", inputs, (n, len(weight)), options))


def litert(name: str, x: Array, threads: int) -> Call:
    """Images and a result of images are channels last, laid so before the time is taken."""
    from ai_edge_litert.interpreter import Interpreter

    if name in TINY:
        from benchmarks.keras_lite import keras_model

        content = keras_model(folder() / TINY[name].keras, x)
    else:
        x = np.ascontiguousarray(np.moveaxis(x, 1, 3))
        content = lite_made(name, x)
    interpreter = Interpreter(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    moves = len(target["shape"]) == 4

    def predict() -> Array:
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        y = interpreter.get_tensor(target["index"])
        return np.moveaxis(y, 3, 1) if moves else y  # type: ignore[no-any-return]

    return predict


def torch(name: str, x: Array, threads: int) -> Call:
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    made: list[nn.Module] = []
    for layer in layers(name):
        match layer:
            case Conv(weight, _, stride, padding):
                outputs, inputs, side, _ = weight.shape
                made += [nn.Conv2d(inputs, outputs, side, stride, padding), nn.ReLU()]
            case Pool(size):
                made.append(nn.MaxPool2d(size))
            case Dense(weight, _, activation):
                last = nn.ReLU() if activation == "relu" else nn.Softmax(dim=1)
                made += [nn.Flatten(), nn.Linear(*weight.shape[::-1]), last]
    weighted = [each for each in made if isinstance(each, nn.Conv2d | nn.Linear)]
    for module, layer in zip(weighted, [each for each in layers(name) if each[1:]], strict=True):
        module.load_state_dict({"weight": torch.tensor(layer.weight), "bias": torch.tensor(layer.bias)})
    network = nn.Sequential(*made).eval().requires_grad_(False)
    return lambda: network(torch.from_numpy(x)).numpy()


def jax(name: str, x: Array, threads: int) -> Call:
    import jax
    import jax.numpy as jnp

    weights = jax.device_put([tuple(each[:2]) if each[1:] else () for each in layers(name)])

    @jax.jit
    def predict(weights: Any, a: Any) -> Any:
        for layer, pair in zip(layers(name), weights, strict=True):
            match layer:
                case Conv(_, _, stride, padding):
                    w, b = pair
                    a = jax.lax.conv_general_dilated(a, w, (stride,) * 2, ((padding,) * 2,) * 2)
                    a = jax.nn.relu(a + b[:, None, None])
                case Pool(size):
                    square = (1, 1, size, size)
                    a = jax.lax.reduce_window(a, -jnp.inf, jax.lax.max, square, square, "VALID")
                case Dense(_, _, activation):
                    a = a.reshape(len(a), -1) @ pair[0].T + pair[1]
                    a = jax.nn.relu(a) if activation == "relu" else jax.nn.softmax(a)
        return a

    return lambda: np.asarray(predict(weights, x))


ADAPTERS: dict[str, Images] = {
    "tinytensor": tinytensor,
    "ONNX Runtime": onnxruntime,
    "OpenVINO": openvino,
    "LiteRT": litert,
    "PyTorch": torch,
    "JAX": jax,
}


def takes(peer: str, name: str) -> bool:
    """Whether the peer has the network: PyTorch and JAX have those that are made from weights."""
    return peer in ADAPTERS and (name in CNN or peer not in ("PyTorch", "JAX"))
