"""The networks that are measured, what goes into them, and what must come out."""

import os
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinytensor as tt

__all__ = [
    "AD01", "CHAPTER", "EPS", "INPUTS", "LARGE", "MLPERF_TINY", "NARROW", "NETWORKS", "NORMED", "SMALL",
    "Layer", "Network", "affine", "inputs", "largest_error", "missing", "model", "reference", "softmaxed",
]  # fmt: skip

Array = np.ndarray[Any, Any]

U = 2.0**-24  # float32's unit roundoff
EPS = 1e-3  # what batch and layer normalization add to a variance, as Keras does
CHECKED_ROWS = 1000
MLPERF_TINY = Path(__file__).parents[2] / "shared" / "data" / "mlperf_tiny"
INPUTS = {
    "digits": "real digits as float32",
    "uint8": "real digits as uint8",
    "dense": "random numbers without zeros",
    "spectra": "log-mel spectra",
}


class Layer(NamedTuple):
    """x → activation(norm(x Wᵀ + b)), and x added to that if `adds`."""

    weight: Array  # (out, in)
    bias: Array  # (out,)
    norm: tuple[Array, ...]  # empty; weight and bias; or these, running mean and running variance
    activation: str  # sigmoid, relu, softmax or nothing
    adds: bool

    def folded(self) -> tuple[Array, Array]:
        """Weight and bias with the batch normalization in them, as converters fold it."""
        if len(self.norm) < 4:
            return self.weight, self.bias
        gain, shift, mean, variance = (each.astype(np.float64) for each in self.norm)
        scale = gain / np.sqrt(variance + EPS)
        weight, bias = self.weight * scale[:, None], (self.bias - mean) * scale + shift
        return weight.astype(np.float32), bias.astype(np.float32)


@dataclass(frozen=True)
class Network:
    """Linear layers with a normalization and an activation after each but the last."""

    sizes: tuple[int, ...]
    hidden: str  # sigmoid or relu
    norm: str = ""  # batch, layer or none
    residual: bool = False  # a hidden layer as wide as its input adds it
    last: str = "softmax"
    trained: str = ""  # whose weights; random ones by default

    @property
    def name(self) -> str:
        extras = [f"{self.norm} norm"] * bool(self.norm) + ["residuals"] * self.residual
        label = "-".join(map(str, self.sizes))
        return self.trained or (f"{label} with {' and '.join(extras)}" if extras else label)

    @property
    def plain(self) -> bool:
        """Whether it is what every library of neural networks has."""
        return not self.norm and not self.residual and self.last == "softmax"

    @property
    def flop(self) -> int:
        """Of one row: two for each weight."""
        return 2 * sum(m * n for m, n in pairwise(self.sizes))

    @property
    def parameters(self) -> int:
        return self.flop // 2 + sum(self.sizes[1:])

    def layers(self) -> list[Layer]:
        """Its layers, float32: trained for the chapter's network and ad01, elsewhere He's, for which half of
        the hidden ReLUs give zero."""
        if self.trained:
            return ad01_layers()
        pairs = trained_pairs() if self == CHAPTER else drawn_pairs(self.sizes)
        rng = np.random.default_rng(len(self.sizes))
        made = []
        for weight, bias in pairs[:-1]:
            norm = drawn_norm(self.norm, len(bias), rng)
            made.append(Layer(weight, bias, norm, self.hidden, self.residual and len(set(weight.shape)) == 1))
        return [*made, Layer(*pairs[-1], (), self.last, False)]


def trained_pairs() -> list[tuple[Array, Array]]:
    values = list(tt.models.mnist_mlp().state_dict().values())
    return list(zip(values[::2], values[1::2], strict=True))


def drawn_pairs(sizes: tuple[int, ...]) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(list(sizes))
    return [
        (
            (rng.standard_normal((n, m)) * (2 / m) ** 0.5).astype(np.float32),
            (0.1 * rng.standard_normal(n)).astype(np.float32),
        )
        for m, n in pairwise(sizes)
    ]


def drawn_norm(kind: str, features: int, rng: np.random.Generator) -> tuple[Array, ...]:
    """Weight and bias, and for batch normalization a mean and a variance."""
    spans = {"": (), "layer": ((0.5, 1.5), (-0.2, 0.2))}
    spans["batch"] = (*spans["layer"], (-0.2, 0.2), (0.5, 1.5))
    return tuple(rng.uniform(*span, features).astype(np.float32) for span in spans[kind])


CHAPTER = Network((784, 50, 100, 10), "sigmoid")
SMALL = Network((784, 128, 10), "relu")
LARGE = Network((784, 512, 512, 10), "relu")
NARROW = Network((64, 128, 128, 10), "relu")
AD01 = Network(
    (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640), "relu", norm="batch", last="", trained="ad01"
)
NORMED = (
    Network((784, 256, 256, 10), "relu", norm="batch"),
    Network((784, 256, 256, 10), "relu", norm="layer"),
    Network((784, 256, 256, 256, 10), "relu", residual=True),
)
NETWORKS = (CHAPTER, SMALL, LARGE, *NORMED, NARROW, AD01)


def ad01_folder() -> Path:
    """$TINYTENSOR_AD01, or the folder shared/ beside the checkout, where there is one."""
    return Path(os.environ.get("TINYTENSOR_AD01") or MLPERF_TINY)


def missing(network: Network) -> str | None:
    """Why the network cannot be measured, if it cannot."""
    if network.trained and not (ad01_folder() / "ad01.h5").is_file():
        return "no ad01.h5 of MLPerf Tiny (github.com/mlcommons/tiny); name its folder with --folder DIR"
    return None


@cache
def ad01_layers() -> list[Layer]:
    """MLPerf Tiny's anomaly detection autoencoder, from Keras 2's file."""
    import h5py

    with h5py.File(ad01_folder() / "ad01.h5") as file:
        groups = file["model_weights"]

        def values(kind: str, position: int, *names: str) -> tuple[Array, ...]:
            layer = f"{kind}_{position}" if position else kind
            return tuple(groups[f"{layer}/{layer}/{name}:0"][()] for name in names)

        made, count = [], len(AD01.sizes) - 1
        for i in range(count):
            kernel, bias = values("dense", i, "kernel", "bias")
            hidden, norm = i < count - 1, ()
            if hidden:
                norm = values("batch_normalization", i, "gamma", "beta", "moving_mean", "moving_variance")
            made.append(Layer(np.ascontiguousarray(kernel.T), bias, norm, AD01.hidden * hidden, False))
    return made


@cache
def digits() -> Array:
    """(n, 784) uint8: MNIST's test set from $TINYTENSOR_DATA, or the digits that come with the package."""
    split = "test" if os.environ.get("TINYTENSOR_DATA") else "sample"
    return tt.datasets.mnist(split)[0].reshape(-1, 784)


def inputs(kind: str, rows: int, features: int = 784) -> Array:
    """(rows, features), C-contiguous; real digits and spectra are repeated when there are not enough."""
    if kind == "dense":
        return np.random.default_rng(rows).uniform(0.01, 1, (rows, features)).astype(np.float32)
    if kind == "spectra":
        with np.load(ad01_folder() / "ad01_reference.npz") as file:
            return np.resize(file["x"], (rows, features))
    pixels = np.resize(digits(), (rows, 784))
    return pixels if kind == "uint8" else pixels.astype(np.float32) / np.float32(255)


class Residual(tt.Layer):
    """y = x + inner(x), as a user writes it."""

    def __init__(self, inner: Any):
        self.inner = inner

    def forward(self, x: tt.Tensor) -> tt.Tensor:
        return x + self.inner(x)


def model(network: Network, raw: bool) -> tt.Sequential:
    """The network as tinytensor has it, for raw pixels or for numbers from 0 to 1."""
    made: list[Any] = [tt.Rescale(1 / 255)] if raw else []
    for weight, bias, norm, activation, adds in network.layers():
        parts: list[Any] = [tt.Linear.of(weight, bias)]
        if len(norm) == 4:
            names = ("weight", "bias", "running_mean", "running_var")
            parts.append(tt.BatchNorm(**dict(zip(names, norm, strict=True)), eps=EPS))
        elif norm:
            parts.append(tt.LayerNorm(weight=norm[0], bias=norm[1], eps=EPS))
        if activation:
            parts.append(getattr(tt, activation))
        made += [Residual(tt.Sequential(*parts))] if adds else parts
    return tt.Sequential(*made)


def growth(k: int) -> float:
    """What k roundings to float32 add up to: 6·√k·u, with a probability of all but 1e-7 each.

    Source: Higham and Mary, A new approach to probabilistic rounding error analysis, 2019, theorem 2.4.
    """
    return 6 * float(k) ** 0.5 * U


def affine(a: Array, bound: Array, weight: Array, bias: Array) -> tuple[Array, Array]:
    """a Wᵀ + b in float64, and its error in float32 where a is known to ± bound.

    What it inherits adds up as independent errors do: √(Σ w²·error²).
    """
    w, b = weight.astype(np.float64), bias.astype(np.float64)
    size = np.abs(w)
    inherited = np.sqrt(bound**2 @ size.T**2)
    return a @ w.T + b, inherited + growth(len(w[0]) + 1) * (np.abs(a) @ size.T + np.abs(b))


def reference(network: Network, x: Array) -> tuple[Array, Array]:
    """The outputs in float64, and how far float32 may be from each of them, whatever the order of sums."""
    a = x.astype(np.float64)
    bound = np.zeros_like(a)
    if x.dtype == np.uint8:
        a, bound = a / 255, 2 * U * a / 255
    for layer in network.layers():
        before = a, bound
        a, bound = affine(a, bound, layer.weight, layer.bias)
        a, bound = normalized(layer.norm, a, bound)
        a, bound = ACTIVATED[layer.activation](a, bound)
        if layer.adds:
            a, bound = a + before[0], bound + before[1] + U * np.abs(a + before[0])
    return a, bound


def normalized(norm: tuple[Array, ...], a: Array, bound: Array) -> tuple[Array, Array]:
    """Batch or layer normalization of a, which is known to ± bound.

    A difference, a product and a sum round by U each, and a factor that is computed beforehand by a few more.
    For layer normalization the mean's error is that of a sum of n; the deviation's relative error is half of
    the variance's, which inherits the errors of x - mean and, where it is mean(x²) - mean², grows with
    mean²/variance.
    """
    if not norm:
        return a, bound
    gain, shift, *statistics = (each.astype(np.float64) for each in norm)
    if statistics:
        mean, variance = statistics
        scale = gain / np.sqrt(variance + EPS)
        y = (a - mean) * scale + shift
        return y, np.abs(scale) * (bound + 8 * U * (np.abs(a) + np.abs(mean))) + 4 * U * np.abs(shift)
    features = a.shape[1]
    mean = a.mean(axis=1, keepdims=True)
    centred = a - mean
    variance = np.mean(centred**2, axis=1, keepdims=True) + EPS
    error = bound + bound.mean(axis=1, keepdims=True) + U * np.abs(centred)
    error = error + growth(features) * np.abs(a).mean(axis=1, keepdims=True)
    relative = np.mean(np.abs(centred) * error, axis=1, keepdims=True) / variance
    relative = relative + growth(features) * (1 + mean**2 / variance)
    scale = np.abs(gain) / np.sqrt(variance)
    y = centred / np.sqrt(variance) * gain + shift
    return y, scale * (error + np.abs(centred) * (relative + 4 * U)) + 2 * U * (np.abs(y) + np.abs(shift))


def softmaxed(a: Array, bound: Array) -> tuple[Array, Array]:
    e = np.exp(a - a.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, p * np.expm1(2 * bound.max(axis=1, keepdims=True)) + 16 * U


ACTIVATED = {  # of a and its bound
    "sigmoid": lambda a, bound: (1 / (1 + np.exp(-a)), bound / 4 + 8 * U),
    "relu": lambda a, bound: (np.maximum(a, 0), bound),
    "softmax": softmaxed,
    "": lambda a, bound: (a, bound),
}


def largest_error(network: Network, x: Array, y: Any) -> float:
    """Max |y - reference|; raises ArithmeticError where that is more than rounding explains."""
    if y.shape != (len(x), network.sizes[-1]):
        raise ArithmeticError(f"wrong answer: shape {y.shape} for {len(x)} rows")
    some = np.unique(np.linspace(0, len(x) - 1, CHECKED_ROWS).astype(int))
    exact, bound = reference(network, x[some])
    error = np.abs(np.asarray(y, np.float64)[some] - exact)
    if not np.all(error <= bound):
        raise ArithmeticError(f"wrong answer: off by {error.max():.2g}, rounding explains {bound.max():.2g}")
    return float(error.max())
