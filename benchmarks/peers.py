"""The peers: what a user could pick instead of tinytensor, each an adapter of a few lines in one table.

An adapter gets a network, a NumPy array and a number of threads, and gives a function that turns this array
into the outputs as a NumPy array, as fast as its library can by the usual calls.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.case import Call
from benchmarks.networks import Array, Network, model

__all__ = ["PEERS", "Peer", "absent", "onnxruntime_session", "openvino_model", "package", "sklearn_model"]


@dataclass(frozen=True)
class Peer:
    """`shared`: whether several threads may call one model. `slow`: left out of quick runs."""

    name: str
    module: str
    distribution: str
    network: Callable[[Network, Array, int], Call]
    colour: str
    most_rows: int = 10**9
    shared: bool = True
    slow: bool = False
    needs: tuple[str, ...] = ()


@cache
def our_model(network: Network, raw: bool) -> tt.Sequential:
    return model(network, raw)


def tinytensor(network: Network, x: Array, threads: int) -> Call:
    tt.set_num_threads(threads)
    made = our_model(network, x.dtype == np.uint8)
    return lambda: made.predict(x)


def scaled(x: Array) -> Array:
    """Raw pixels as numbers from 0 to 1."""
    return x * np.float32(1 / 255) if x.dtype == np.uint8 else x


def sigmoid_(a: Array) -> None:
    np.negative(a, out=a)
    np.exp(a, out=a)
    a += 1
    np.reciprocal(a, out=a)


def numpy(network: Network, x: Array, threads: int) -> Call:
    layers = [(np.ascontiguousarray(w.T), b) for w, b in network.layers()]
    hidden = sigmoid_ if network.hidden == "sigmoid" else lambda a: np.maximum(a, 0, out=a)

    def predict() -> Array:
        a = scaled(x)
        for position, (w, b) in enumerate(layers, 1):
            a = a @ w
            a += b
            if position < len(layers):
                hidden(a)
        a -= a.max(axis=1, keepdims=True)
        np.exp(a, out=a)
        a /= a.sum(axis=1, keepdims=True)
        return a

    return predict


def course(network: Network, x: Array, threads: int) -> Call:
    """Chapter 3's `predict`, one digit after the other."""
    layers = [(np.ascontiguousarray(w.T), b) for w, b in network.layers()]

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


@cache
def torch_module(network: Network, raw: bool, compiled: bool) -> Any:
    import torch
    from torch import nn

    class Rescale(nn.Module):
        def forward(self, pixels: Any) -> Any:
            return pixels.to(torch.float32) * (1 / 255)

    layers: list[Any] = [Rescale()] if raw else []
    for weight, bias in network.layers():
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
        layers += [linear, nn.Sigmoid() if network.hidden == "sigmoid" else nn.ReLU()]
    made = nn.Sequential(*layers[:-1], nn.Softmax(dim=1)).eval().requires_grad_(False)
    return torch.compile(made) if compiled else made


def torch(network: Network, x: Array, threads: int, compiled: bool = False) -> Call:
    import torch

    torch.set_num_threads(threads)
    made = torch_module(network, x.dtype == np.uint8, compiled)
    return lambda: made(torch.from_numpy(x)).numpy()


def torch_compiled(network: Network, x: Array, threads: int) -> Call:
    return torch(network, x, threads, compiled=True)


def jax(network: Network, x: Array, threads: int) -> Call:
    import jax
    import jax.numpy as jnp

    hidden = jax.nn.sigmoid if network.hidden == "sigmoid" else jax.nn.relu
    layers = jax.device_put(network.layers())

    @jax.jit
    def predict(layers: Any, x: Any) -> Any:
        a = x.astype(jnp.float32) * jnp.float32(1 / 255) if x.dtype == jnp.uint8 else x
        for w, b in layers[:-1]:
            a = hidden(a @ w.T + b)
        w, b = layers[-1]
        return jax.nn.softmax(a @ w.T + b, axis=1)

    return lambda: np.asarray(predict(layers, x))


def sklearn_model(network: Network) -> Any:
    from sklearn.neural_network import MLPClassifier

    activation = "logistic" if network.hidden == "sigmoid" else "relu"
    made = MLPClassifier(network.sizes[1:-1], activation=activation)
    classes = np.arange(network.sizes[-1])
    made.partial_fit(np.zeros((len(classes), network.sizes[0]), np.float32), classes, classes=classes)
    made.coefs_ = [np.ascontiguousarray(w.T) for w, _ in network.layers()]
    made.intercepts_ = [b for _, b in network.layers()]
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
        Peer("PyTorch", "torch", "torch", torch, "#e8833a"),
        Peer("PyTorch compiled", "torch", "torch", torch_compiled, "#b5651d", slow=True),
        Peer("JAX", "jax", "jax", jax, "#3fa7d6"),
        Peer("scikit-learn", "sklearn", "scikit-learn", sklearn, "#c9a227"),
        Peer("course's loop", "numpy", "numpy", course, "#8a8a8a", most_rows=1000),
    )
}


def absent(peer: Peer) -> str | None:
    """Why the peer cannot take part, if it cannot."""
    missing = [name for name in (peer.module, *peer.needs) if importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else None


def package(peer: Peer) -> str:
    """The version that takes part."""
    if peer.module == "tinytensor":
        return tt.__version__  # a checkout need not be installed
    return importlib.metadata.version(peer.distribution)
