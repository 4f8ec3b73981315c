"""The matrix product: squares, skinny, tall, and the chapter's shapes; speed beside the residual."""

from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.case import Call, Case, Prepared, Suite
from benchmarks.suites.mnist import worker

SQUARES = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
SHAPES = {
    "squares": tuple((n, n, n) for n in SQUARES),
    "skinny": ((1, 784, 50), (4, 1024, 1024), (16, 512, 512)),
    "few columns": ((1024, 1024, 1), (1024, 1024, 4), (1000, 784, 10)),
    "tall": ((10_000, 784, 50), (100_000, 16, 16), (20_000, 100, 10), (16, 20_000, 16)),
    "the chapter's": tuple((m, k, n) for m in (1, 100, 1000) for k, n in ((784, 50), (50, 100), (100, 10))),
}
QUICK = {"squares": ((128, 128, 128), (512, 512, 512)), "the chapter's": ((1, 784, 50), (1000, 784, 50))}
SAMPLED = 64  # rows and columns of the product that are compared


def tinytensor(a: Any, b: Any, threads: int) -> Call:
    a, b = tt.Tensor(a), tt.Tensor(b)
    return lambda: a @ b


def numpy(a: Any, b: Any, threads: int) -> Call:
    return lambda: a @ b


def onnxruntime(a: Any, b: Any, threads: int) -> Call:
    from benchmarks.onnx_models import single
    from benchmarks.peers import onnxruntime_session

    session = onnxruntime_session(single("MatMul", {"a": a, "b": b}), threads)
    return lambda: session.run(None, {"a": a, "b": b})[0]


def openvino(a: Any, b: Any, threads: int) -> Call:
    from benchmarks.onnx_models import single
    from benchmarks.peers import openvino_model

    compiled = openvino_model(single("MatMul", {"a": a, "b": b}), threads)
    return lambda: compiled([a, b])[0]


def torch(a: Any, b: Any, threads: int) -> Call:
    import torch

    torch.set_num_threads(threads)
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    return lambda: (a @ b).numpy()


def jax(a: Any, b: Any, threads: int) -> Call:
    import jax

    jax.config.update("jax_enable_x64", a.dtype == np.float64)
    a, b, product = jax.device_put(a), jax.device_put(b), jax.jit(lambda a, b: a @ b)
    return lambda: np.asarray(product(a, b))


ADAPTERS = {
    "tinytensor": tinytensor, "NumPy": numpy, "ONNX Runtime": onnxruntime, "OpenVINO": openvino,
    "PyTorch": torch, "JAX": jax,
}  # fmt: skip


def cases(quick: bool, threads: list[int]) -> list[Case]:
    """Float32 with each number of threads, float64 with one."""
    shapes = QUICK if quick else SHAPES
    return [
        Case(
            "matmul",
            f"{kind}, {dtype}",
            f"({m:,}, {k:,}) @ ({k:,}, {n:,})",
            count,
            {"m": m, "k": k, "n": n, "dtype": dtype},
            count,
        )
        for dtype, counts in (("float32", threads), ("float64", [] if quick else [1]))
        for count in counts
        for kind, found in shapes.items()
        for m, k, n in found
    ]


def takes(peer: Any, case: Case) -> bool:
    """OpenVINO computes in float32 whatever it is given."""
    return peer.name in ADAPTERS and not (peer.name == "OpenVINO" and case.settings["dtype"] == "float64")


def residual(a: Any, b: Any, c: Any) -> float:
    """Max |C - AB| / (γ_k |A||B|), γ_k = k·u / (1 - k·u), on up to 64 rows and columns in long double.

    Raises:
        ArithmeticError: it is above 1, which no order of summation reaches.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.5.
    """
    if c.shape != (len(a), b.shape[1]):
        raise ArithmeticError(f"wrong answer: shape {c.shape}")
    rows, columns = (np.unique(np.linspace(0, n - 1, SAMPLED).astype(int)) for n in c.shape)
    left, right = a[rows].astype(np.longdouble), b[:, columns].astype(np.longdouble)
    k = a.shape[1]
    ku = k * np.finfo(a.dtype).eps / 2
    error = np.abs(c[np.ix_(rows, columns)] - left @ right)
    worst = float(np.max(error / (ku / (1 - ku) * (np.abs(left) @ np.abs(right)))))
    if not worst <= 1:
        raise ArithmeticError(f"wrong answer: {worst:.2g} times the largest error that rounding explains")
    return worst


def prepare(peer: Any, case: Case) -> Prepared:
    """Standard normal numbers."""
    m, k, n = (case.settings[name] for name in "mkn")
    rng = np.random.default_rng([m, k, n])
    a, b = (rng.standard_normal(shape).astype(case.settings["dtype"]) for shape in ((m, k), (k, n)))
    call = ADAPTERS[peer.name](a, b, case.threads)
    facts = {"flop": 2.0 * m * k * n, "bytes": float(a.nbytes + b.nbytes + a.itemsize * m * n)}
    return Prepared(call, facts | {"error": residual(a, b, np.asarray(call()))})


SUITE = Suite(
    "A @ B in float32 and float64, with the residual over its bound",
    cases,
    takes,
    worker,
    "GFLOP/s",
    ("time", "GFLOP/s", "share of peak", "error / γ|A||B|"),
    prepare,
)
