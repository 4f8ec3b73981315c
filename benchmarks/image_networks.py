"""The networks of images that are measured: MLPerf Tiny's five from their files, three of convolutions from
their weights; what goes into them, and what must come out."""

import os
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinytensor as tt
from benchmarks.networks import MLPERF_TINY, Array, affine, softmaxed

__all__ = [
    "CNN",
    "TINY",
    "Conv",
    "Dense",
    "Pool",
    "Tiny",
    "check",
    "folder",
    "images",
    "layers",
    "missing",
    "shapes",
    "work",
]

CHECKED = 8  # images of a batch that are compared with float64
TOLERANCE = 2.0**-14  # of the largest output: float32 in any order stays below, bfloat16 (2⁻⁸) does not
COURSE = "simple_convnet_params.pkl"
BOOK = MLPERF_TINY.parent / "book"


class Tiny(NamedTuple):
    """A reference network of MLPerf Tiny: two FLOP for each weight of a convolution and output position."""

    keras: str
    flop: int  # of one input
    parameters: int


TINY = {
    "ad01": Tiny("ad01.h5", 528_384, 269_992),
    "kws": Tiny("kws_ref_model.keras", 5_313_536, 22_604),
    "resnet": Tiny("pretrainedResnet.h5", 25_003_264, 78_666),
    "str_ww": Tiny("str_ww_ref_model.h5", 1_652_736, 47_707),
    "vww": Tiny("vww_96.h5", 14_979_328, 221_794),
}


class Conv(NamedTuple):
    """ReLU of a convolution, padded by zeros on all sides."""

    weight: Array  # (out, in, ky, kx)
    bias: Array
    stride: int = 1
    padding: int = 0


class Pool(NamedTuple):
    """Maximum of squares that do not overlap."""

    size: int


class Dense(NamedTuple):
    """relu(x Wᵀ + b), or softmax; flattens what comes."""

    weight: Array  # (out, in)
    bias: Array
    activation: str


CNN = {"SimpleConvNet": (1, 28, 28), "mnist_cnn": (1, 28, 28), "3×3 stack": (32, 32, 32)}  # (c, h, w)


def folder() -> Path:
    """$TINYTENSOR_AD01, or the folder shared/ beside the checkout."""
    return Path(os.environ.get("TINYTENSOR_AD01") or MLPERF_TINY)


def course_file() -> Path:
    """SimpleConvNet's weights: in that folder, or in shared/ beside the checkout."""
    here = folder() / COURSE
    return here if here.is_file() else BOOK / COURSE


def missing(name: str) -> str | None:
    """Why the network cannot be measured, if it cannot."""
    if name in TINY:
        stem = folder() / Path(TINY[name].keras).stem
        files = [folder() / TINY[name].keras, Path(f"{stem}.onnx"), Path(f"{stem}_reference.npz")]
    else:
        files = [course_file()] if name == "SimpleConvNet" else []
    absent = [file.name for file in files if not file.is_file()]
    return f"no {', '.join(absent)}; name its folder with --data DIR" if absent else None


@cache
def layers(name: str) -> tuple[Any, ...]:
    """The layers of a network of the suite cnn, float32."""
    if name == "3×3 stack":
        rng = np.random.default_rng(3)

        def conv(inputs: int, outputs: int) -> Conv:
            weight = rng.standard_normal((outputs, inputs, 3, 3)) * (2 / (9 * inputs)) ** 0.5
            return Conv(weight.astype(np.float32), rng.standard_normal(outputs).astype(np.float32), 1, 1)

        return conv(32, 64), conv(64, 64), Pool(2)
    made = tt.io.book.load(course_file()) if name == "SimpleConvNet" else tt.models.mnist_cnn()
    stored = [np.asarray(each, np.float32) for each in made.state_dict().values()]
    pairs = list(zip(stored[::2], stored[1::2], strict=True))
    if name == "SimpleConvNet":
        first, second, last = pairs
        return Conv(*first), Pool(2), Dense(*second, "relu"), Dense(*last, "softmax")
    one, two, three, four, last = pairs
    return Conv(*one, 2), Conv(*two), Conv(*three), Pool(2), Conv(*four), Dense(*last, "softmax")


def shapes(name: str) -> list[tuple[int, ...]]:
    """The shape of each layer's output for one image."""
    found: list[tuple[int, ...]] = [CNN[name]]
    for layer in layers(name):
        match layer:
            case Conv(weight, _, stride, padding):
                side = [(n + 2 * padding - weight.shape[-1]) // stride + 1 for n in found[-1][1:]]
                found.append((len(weight), *side))
            case Pool(size):
                found.append((found[-1][0], *(n // size for n in found[-1][1:])))
            case Dense(weight):
                found.append((len(weight),))
    return found[1:]


def work(name: str) -> tuple[int, int]:
    """FLOP of one image, and the number of parameters."""
    if name in TINY:
        return TINY[name].flop, TINY[name].parameters
    weighted = [(each, out) for each, out in zip(layers(name), shapes(name), strict=True) if each[1:]]
    return (
        sum(2 * each.weight.size * prod(out[1:]) for each, out in weighted),
        sum(each.weight.size + each.bias.size for each, _ in weighted),
    )


def images(name: str, count: int) -> Array:
    """So many inputs: those of the reference repeated, digits from 0 to 1, or random numbers."""
    if name in TINY:
        x = referenced(name)[0]
        return np.ascontiguousarray(np.resize(x, (count, *x.shape[1:])))
    if name == "3×3 stack":
        return np.random.default_rng(count).uniform(-1, 1, (count, *CNN[name])).astype(np.float32)
    digits = tt.datasets.mnist("sample")[0].reshape(-1, *CNN[name])
    return np.resize(digits, (count, *CNN[name])).astype(np.float32) / np.float32(255)


@cache
def referenced(name: str) -> tuple[Array, Array]:
    """Inputs and Keras's outputs."""
    with np.load(folder() / f"{Path(TINY[name].keras).stem}_reference.npz") as file:
        return file["x"], file["y"]


def columns(a: Array, layer: Conv) -> Array:
    """(n, h, w, c·ky·kx): what each output position sees."""
    ring, side = layer.padding, layer.weight.shape[2:]
    padded = np.pad(a, ((0, 0), (0, 0), (ring, ring), (ring, ring)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, side, axis=(2, 3))
    seen = seen[:, :, :: layer.stride, :: layer.stride].transpose(0, 2, 3, 1, 4, 5)
    return seen.reshape(*seen.shape[:3], -1)


def pooled(a: Array, size: int) -> Array:
    """The maximum of each square; its error is at most the largest of the square's."""
    n, c, h, w = a.shape
    cut = a[:, :, : h // size * size, : w // size * size]
    return cut.reshape(n, c, h // size, size, w // size, size).max(axis=(3, 5))  # type: ignore[no-any-return]


def reference(name: str, x: Array) -> tuple[Array, Array]:
    """The outputs of a network of the suite cnn in float64, and how far float32 may be from each."""
    a, bound = x.astype(np.float64), np.zeros(x.shape)
    for layer in layers(name):
        match layer:
            case Conv(weight, bias):
                seen = columns(a, layer), columns(bound, layer)
                a, bound = affine(*seen, weight.reshape(len(weight), -1), bias)
                a, bound = (np.moveaxis(each, 3, 1) for each in (np.maximum(a, 0), bound))
            case Pool(size):
                a, bound = pooled(a, size), pooled(bound, size)
            case Dense(weight, bias, activation):
                a, bound = affine(a.reshape(len(a), -1), bound.reshape(len(a), -1), weight, bias)
                a, bound = softmaxed(a, bound) if activation == "softmax" else (np.maximum(a, 0), bound)
    return a, bound


def check(name: str, x: Array, y: Array) -> float:
    """Max |y - reference| of some images; raises ArithmeticError where rounding does not explain it."""
    some = np.unique(np.linspace(0, len(x) - 1, CHECKED).astype(int))
    if name in TINY:
        exact = referenced(name)[1][some % len(referenced(name)[1])]
        bound = np.full(exact.shape, TOLERANCE * np.abs(referenced(name)[1]).max())
    else:
        exact, bound = reference(name, x[some])
    if y.shape != (len(x), *exact.shape[1:]):
        raise ArithmeticError(f"wrong answer: shape {y.shape} for {len(x)} images")
    error = np.abs(np.asarray(y, np.float64)[some] - exact)
    if not np.all(error <= bound):
        raise ArithmeticError(f"wrong answer: off by {error.max():.2g}, rounding explains {bound.max():.2g}")
    return float(error.max())
