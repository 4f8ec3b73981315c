"""The peers: what a user could pick instead of tinytensor, each an adapter of a few lines in one table.

An adapter gets a network, a NumPy array and a number of threads, and gives a function that turns this array
into the outputs as a NumPy array, as fast as its library can by the usual calls.
"""

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.case import Call
from benchmarks.networks import EPS, Array, Network, model

__all__ = ["PEERS", "Peer", "absent", "onnxruntime_session", "openvino_model", "package", "sklearn_model"]


@dataclass(frozen=True)
class Peer:
    """`shared`: whether several threads may call one model. `slow`: left out of quick runs.

    `plain`: takes only networks that are plain. `needs` and `tools`: further packages and programs.
    """

    name: str
    module: str
    distribution: str
    network: Callable[[Network, Array, int], Call] | None
    colour: str
    most_rows: int = 10**9
    shared: bool = True
    slow: bool = False
    plain: bool = False
    needs: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()

    def takes(self, network: Network, rows: int) -> bool:
        """Whether it can predict so many rows with the network."""
        return rows <= self.most_rows and (network.plain or not self.plain)


def tinytensor(network: Network, x: Array, threads: int) -> Call:
    tt.set_num_threads(threads)
    made = model(network, x.dtype == np.uint8)
    return lambda: made.predict(x)


def scaled(x: Array) -> Array:
    """Raw pixels as numbers from 0 to 1."""
    return x * np.float32(1 / 255) if x.dtype == np.uint8 else x


def sigmoid_(a: Array) -> None:
    np.negative(a, out=a)
    np.exp(a, out=a)
    a += 1
    np.reciprocal(a, out=a)


def softmax_(a: Array) -> None:
    a -= a.max(axis=1, keepdims=True)
    np.exp(a, out=a)
    a /= a.sum(axis=1, keepdims=True)


def layer_norm_(a: Array, weight: Array, bias: Array) -> None:
    a -= a.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", a, a) / np.float32(a.shape[1])
    a /= np.sqrt(variance + np.float32(EPS))[:, None]
    a *= weight
    a += bias


IN_PLACE: dict[str, Callable[[Array], Any]] = {
    "sigmoid": sigmoid_,
    "relu": lambda a: np.maximum(a, 0, out=a),
    "softmax": softmax_,
    "": lambda a: a,
}


def numpy(network: Network, x: Array, threads: int) -> Call:
    layers = []
    for layer in network.layers():
        weight, bias = layer.folded()
        norm = layer.norm if len(layer.norm) == 2 else ()
        layers.append((np.ascontiguousarray(weight.T), bias, norm, IN_PLACE[layer.activation], layer.adds))

    def predict() -> Array:
        a = scaled(x)
        for weight, bias, norm, activate_, adds in layers:
            before = a
            a = a @ weight
            a += bias
            if norm:
                layer_norm_(a, *norm)
            activate_(a)
            if adds:
                a += before
        return a

    return predict


def course(network: Network, x: Array, threads: int) -> Call:
    """Chapter 3's `predict`, one digit after the other."""
    layers = [(np.ascontiguousarray(layer.weight.T), layer.bias) for layer in network.layers()]

    def hidden(a: Array) -> Array:
        return 1 / (1 + np.exp(-a)) if network.hidden == "sigmoid" else np.maximum(0, a)

    def softmax(a: Array) -> Array:
        exp_a = np.exp(a - np.max(a))
        return exp_a / np.sum(exp_a)

    def predict(row: Array) -> Array:
        for w, b in layers[:-1]:
            row = hidden(np.dot(row, w) + b)
        w, b = layers[-1]
        return softmax(np.dot(row, w) + b)

    return lambda: np.array([predict(row) for row in scaled(x)])


def onnxruntime_session(serialized: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])


def onnxruntime(network: Network, x: Array, threads: int) -> Call:
    from benchmarks.onnx_models import network_model

    session = onnxruntime_session(network_model(network, x), threads)
    return lambda: session.run(None, {"x": x})[0]


def openvino_model(serialized: bytes, threads: int) -> Any:
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # otherwise bfloat16 where the CPU has it
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # the process is pinned already
    }
    return core.compile_model(core.read_model(serialized), "CPU", settings)


def openvino(network: Network, x: Array, threads: int) -> Call:
    from benchmarks.onnx_models import network_model

    compiled = openvino_model(network_model(network, x), threads)
    return lambda: compiled(x)[0]  # shares memory both ways: twice as fast at batch 1 as request.infer


def litert(network: Network, x: Array, threads: int) -> Call:
    from ai_edge_litert.interpreter import Interpreter

    from benchmarks.tflite_models import network_model

    interpreter = Interpreter(model_content=network_model(network, x), num_threads=threads)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()

    def predict() -> Array:
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])  # type: ignore[no-any-return]

    return predict


def torch(network: Network, x: Array, threads: int) -> Call:
    import torch

    from benchmarks.torch_models import module

    torch.set_num_threads(threads)
    made = module(network, x.dtype == np.uint8)
    return lambda: made(torch.from_numpy(x)).numpy()


def torch_compiled(network: Network, x: Array, threads: int) -> Call:
    import torch

    from benchmarks.torch_models import compiled

    torch.set_num_threads(threads)
    made = compiled(network, x.dtype == np.uint8)
    return lambda: made(torch.from_numpy(x)).numpy()


def torch_aot(network: Network, x: Array, threads: int) -> Call:
    import torch

    from benchmarks.torch_models import package

    torch.set_num_threads(threads)
    made = torch._inductor.aoti_load_package(package(network, x.shape, x.dtype.name))
    return lambda: made(torch.from_numpy(x)).numpy()


def jax(network: Network, x: Array, threads: int) -> Call:
    import jax
    import jax.numpy as jnp

    layers = jax.device_put([(*layer.folded(), layer.norm) for layer in network.layers()])
    shapes = [(layer.activation, layer.adds, len(layer.norm) == 2) for layer in network.layers()]
    activations = {
        "sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "softmax": jax.nn.softmax, "": lambda a: a,
    }  # fmt: skip

    def normalized(a: Any, weight: Any, bias: Any) -> Any:
        mean, variance = a.mean(axis=1, keepdims=True), a.var(axis=1, keepdims=True)
        return (a - mean) / jnp.sqrt(variance + EPS) * weight + bias

    @jax.jit
    def predict(layers: Any, x: Any) -> Any:
        a = x.astype(jnp.float32) * jnp.float32(1 / 255) if x.dtype == jnp.uint8 else x
        for (w, b, norm), (activation, adds, normalizes) in zip(layers, shapes, strict=True):
            y = a @ w.T + b
            y = activations[activation](normalized(y, *norm) if normalizes else y)
            a = a + y if adds else y
        return a

    return lambda: np.asarray(predict(layers, x))


def sklearn_model(network: Network) -> Any:
    from sklearn.neural_network import MLPClassifier

    activation = "logistic" if network.hidden == "sigmoid" else "relu"
    made = MLPClassifier(network.sizes[1:-1], activation=activation)
    classes = np.arange(network.sizes[-1])
    made.partial_fit(np.zeros((len(classes), network.sizes[0]), np.float32), classes, classes=classes)
    made.coefs_ = [np.ascontiguousarray(layer.weight.T) for layer in network.layers()]
    made.intercepts_ = [layer.bias for layer in network.layers()]
    return made


def sklearn(network: Network, x: Array, threads: int) -> Call:
    made = sklearn_model(network)
    return lambda: made.predict_proba(scaled(x))


PEERS = {
    peer.name: peer
    for peer in (
        Peer("tinytensor", "tinytensor", "tinytensor-nn", tinytensor, "#d62728"),
        Peer("NumPy", "numpy", "numpy", numpy, "#4d77b3"),
        Peer("ONNX Runtime", "onnxruntime", "onnxruntime", onnxruntime, "#2a9d8f", needs=("onnx",)),
        Peer("OpenVINO", "openvino", "openvino", openvino, "#7b52ab", shared=False, needs=("onnx",)),
        Peer("LiteRT", "ai_edge_litert", "ai-edge-litert", litert, "#5b8c2a", shared=False),
        Peer("PyTorch", "torch", "torch", torch, "#e8833a"),
        Peer("PyTorch compiled", "torch", "torch", torch_compiled, "#b5651d", slow=True, tools=("g++",)),
        Peer("PyTorch AOTInductor", "torch", "torch", torch_aot, "#8c4a1f", slow=True, tools=("g++",)),
        Peer("JAX", "jax", "jax", jax, "#3fa7d6"),
        Peer("scikit-learn", "sklearn", "scikit-learn", sklearn, "#c9a227", plain=True),
        Peer("course's loop", "numpy", "numpy", course, "#8a8a8a", most_rows=1000, plain=True),
    )
}


def absent(peer: Peer) -> str | None:
    """Why the peer cannot take part, if it cannot."""
    missing = [name for name in (peer.module, *peer.needs) if importlib.util.find_spec(name) is None]
    missing += [name for name in peer.tools if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else None


def package(peer: Peer) -> str:
    """The version that takes part."""
    if peer.module == "tinytensor":
        return tt.__version__  # a checkout need not be installed
    return importlib.metadata.version(peer.distribution)
