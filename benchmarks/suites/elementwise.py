"""Every activation over normal numbers of standard deviation 3: speed beside the error in ULP."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinytensor as tt
from benchmarks.case import Call, Case, Prepared, Suite
from benchmarks.expressions import expressions
from benchmarks.suites.mnist import worker
from benchmarks.timing import enough, seconds_per_call

SIZES = (16_384, 1_048_576)
QUICK = ("relu", "sigmoid", "gelu", "softmax")
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class Function(NamedTuple):
    """What a user of NumPy writes (None: see benchmarks.expressions), and what the others call it."""

    formula: Callable[[Any], Any] | None
    torch: str
    jax: str
    onnx: str = ""
    attributes: dict[str, float] = {}  # noqa: RUF012


def expm1(x: Any) -> Any:
    """e^x - 1 below 0, without overflow above."""
    return np.expm1(np.minimum(x, 0))


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(x: Any) -> Any:
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


FUNCTIONS = {
    "step": Function(lambda x: np.heaviside(x, 0), "", ""),
    "relu": Function(lambda x: np.maximum(x, 0), "relu", "relu", "Relu"),
    "leaky_relu": Function(lambda x: np.maximum(x, 0.01 * x), "leaky_relu", "leaky_relu", "LeakyRelu"),
    "hard_sigmoid": Function(lambda x: np.clip(x / 6 + 0.5, 0, 1), "hardsigmoid", "hard_sigmoid",
                             "HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_swish": Function(lambda x: x * np.clip(x / 6 + 0.5, 0, 1), "hardswish", "hard_swish", "HardSwish"),
    "sigmoid": Function(None, "sigmoid", "sigmoid", "Sigmoid"),
    "tanh": Function(np.tanh, "tanh", "tanh", "Tanh"),
    "elu": Function(lambda x: np.where(x < 0, expm1(x), x), "elu", "elu", "Elu"),
    "selu": Function(lambda x: SELU_SCALE * np.where(x < 0, SELU_ALPHA * expm1(x), x), "selu", "selu",
                     "Selu"),
    "swish": Function(None, "silu", "silu"),
    "gelu": Function(None, "gelu", "gelu", "Gelu"),
    "softplus": Function(lambda x: np.logaddexp(x, 0), "softplus", "softplus", "Softplus"),
    "mish": Function(lambda x: x * np.tanh(np.logaddexp(x, 0)), "mish", "mish", "Mish"),
    "softmax": Function(softmax, "softmax", "softmax", "Softmax", {"axis": 1}),
    "log_softmax": Function(log_softmax, "log_softmax", "log_softmax", "LogSoftmax", {"axis": 1}),
}  # fmt: skip


def tinytensor(name: str, x: Any, threads: int) -> Call:
    layer, x = tt.activations.get(name), tt.Tensor(x)
    return lambda: layer(x)


def numpy(name: str, x: Any, threads: int) -> Call:
    """The fastest of the expressions."""
    formula = FUNCTIONS[name].formula
    if formula:
        return lambda: formula(x)
    calls = expressions(name, x).values()
    return min(calls, key=lambda call: seconds_per_call(call, *enough(call, 0.005)))


def torch(name: str, x: Any, threads: int) -> Call:
    import torch

    torch.set_num_threads(threads)
    function, x = getattr(torch.nn.functional, FUNCTIONS[name].torch), torch.from_numpy(x)
    if "softmax" in name:
        return lambda: function(x, dim=1).numpy()
    return lambda: function(x).numpy()


def jax(name: str, x: Any, threads: int) -> Call:
    import jax

    function = getattr(jax.nn, FUNCTIONS[name].jax)
    compiled = jax.jit(lambda x: function(x, approximate=False) if name == "gelu" else function(x))
    x = jax.device_put(x)
    return lambda: np.asarray(compiled(x))


def onnxruntime(name: str, x: Any, threads: int) -> Call:
    from benchmarks.onnx_models import single
    from benchmarks.peers import onnxruntime_session

    function = FUNCTIONS[name]
    session = onnxruntime_session(single(function.onnx, {"x": x}, **function.attributes), threads)
    return lambda: session.run(None, {"x": x})[0]


def openvino(name: str, x: Any, threads: int) -> Call:
    from benchmarks.onnx_models import single
    from benchmarks.peers import openvino_model

    function = FUNCTIONS[name]
    compiled = openvino_model(single(function.onnx, {"x": x}, **function.attributes), threads)
    return lambda: compiled(x)[0]


ADAPTERS = {
    "tinytensor": tinytensor, "NumPy": numpy, "ONNX Runtime": onnxruntime, "OpenVINO": openvino,
    "PyTorch": torch, "JAX": jax,
}  # fmt: skip
CALLED = {"ONNX Runtime": "onnx", "OpenVINO": "onnx", "PyTorch": "torch", "JAX": "jax"}


def cases(quick: bool, threads: list[int]) -> list[Case]:
    """On one thread: what more of them bring is in the suites of whole networks."""
    names, sizes = (QUICK, SIZES[:1]) if quick else (FUNCTIONS, SIZES)
    return [
        Case("elementwise", f"{size:,} floats", name, 1, {"function": name, "size": size}, 1)
        for size in sizes
        for name in names
    ]


def takes(peer: Any, case: Case) -> bool:
    """Whether the peer has such a function."""
    function = FUNCTIONS[case.settings["function"]]
    return peer.name in ADAPTERS and (peer.name not in CALLED or bool(getattr(function, CALLED[peer.name])))


def ulp(name: str, x: Any, y: Any) -> float:
    """Max |y - f(x)| in units of float32's last place at f(x), f in float64.

    Raises:
        ArithmeticError: an error of more than 2^-11 (1 + |f(x)|), so of another function.
    """
    formula, wide = FUNCTIONS[name].formula, x.astype(np.float64)
    exact = formula(wide) if formula else next(iter(expressions(name, wide).values()))()
    error = np.abs(y - exact)
    if y.shape != exact.shape or not np.all(error <= 2.0**-11 * (1 + np.abs(exact))):
        raise ArithmeticError(f"wrong answer: off by {error.max():.2g}")
    return float(np.max(error / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)))


def prepare(peer: Any, case: Case) -> Prepared:
    """As many numbers; for a softmax in rows of ten."""
    name, size = case.settings["function"], case.settings["size"]
    x = (3 * np.random.default_rng(size).standard_normal(size)).astype(np.float32)
    if "softmax" in name:
        x = x[: size // 10 * 10].reshape(-1, 10)
    call = ADAPTERS[peer.name](name, x, case.threads)
    error = ulp(name, x, np.asarray(call()))
    return Prepared(call, {"elements": x.size, "bytes": 2.0 * x.nbytes, "error": error})


SUITE = Suite(
    "every activation, with its error in units of the last place",
    cases,
    takes,
    worker,
    "Gelem/s",
    ("time", "Gelem/s", "ULP"),
    prepare,
)
