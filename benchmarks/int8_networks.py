"""The quantised networks that are measured, what goes into them, and how good their answers are.

784-50-100-10 is the packaged network; the answers of 784-512-512-10, whose weights are random, are compared
with those of float32. MLPerf Tiny's int8 files are compared with Keras's outputs in float32.
"""

import math
import os
from functools import cache
from pathlib import Path

import numpy as np

import tinytensor as tt
from benchmarks import image_networks
from benchmarks.networks import CHAPTER, LARGE, Array, Network, digits, model

__all__ = ["DENSE", "FILES", "answers", "calibration", "missing", "quality", "samples", "work"]

DENSE: dict[str, Network] = {CHAPTER.name: CHAPTER, LARGE.name: LARGE}
FILES = {
    "ad01": "ad01_int8.tflite",
    "kws": "kws_ref_model.tflite",
    "resnet": "pretrainedResnet_quant.tflite",
    "str_ww": "str_ww_ref_model.tflite",
    "vww": "vww_96_int8.tflite",
}
JUDGED = 1000  # digits on which a network is judged
CALIBRATED = 500  # digits, not among those, that ranges are measured on
LEAST = 5.0  # decibels; a network that is wired wrong has fewer


def missing(name: str) -> str | None:
    """Why the network cannot be measured, if it cannot."""
    if name in DENSE:
        return None
    why = image_networks.missing(name)
    file = FILES[name]
    return why or (None if (image_networks.folder() / file).is_file() else f"no {file}; see --data DIR")


@cache
def samples(name: str) -> Array:
    """What the network is judged on: raw pixels, or the inputs that MLPerf Tiny's files come with."""
    return digits()[:JUDGED] if name in DENSE else image_networks.referenced(name)[0]


@cache
def calibration(name: str) -> Array:
    """Samples for ranges: other digits where MNIST is there, else the last of those that there are."""
    if name not in DENSE:
        return samples(name)
    folder = os.environ.get("TINYTENSOR_DATA")
    if folder:
        return tt.datasets.mnist("train", data=folder)[0][:CALIBRATED].reshape(-1, 784)
    return digits()[-CALIBRATED:]


@cache
def answers(name: str) -> tuple[Array, Array]:
    """The outputs of the network in float32, and which of them is right: a label, or float32's own answer."""
    x = samples(name)
    if name not in DENSE:
        y = image_networks.referenced(name)[1]
        return y, y.argmax(axis=-1)
    y = model(DENSE[name], raw=True).predict(x)
    if name != CHAPTER.name:
        return y, y.argmax(axis=-1)
    folder = os.environ.get("TINYTENSOR_DATA")
    labels = tt.datasets.mnist("test", data=folder)[1] if folder else tt.datasets.mnist("sample")[1]
    return y, labels[:JUDGED]


def quality(name: str, y: Array) -> dict[str, float]:
    """The share of right answers, where there are answers, and the signal to noise for all samples.

    Raises:
        ArithmeticError: the outputs are not those of this network.
    """
    exact, right = answers(name)
    if y.shape != exact.shape:
        raise ArithmeticError(f"wrong answer: shape {y.shape} instead of {exact.shape}")
    wide = exact.astype(np.float64)
    noise = float(((wide - y) ** 2).sum())
    snr = 10 * math.log10(float((wide**2).sum()) / noise) if noise else 200.0
    if not snr > LEAST:
        raise ArithmeticError(f"wrong answer: a signal to noise of {snr:.1f} dB")
    if name == "ad01":  # gives spectra, not answers
        return {"snr": snr}
    return {"accuracy": float((y.argmax(axis=-1) == right).mean()), "snr": snr}


def work(name: str) -> tuple[int, int]:
    """Operations of one sample, and the number of parameters."""
    if name in DENSE:
        return DENSE[name].flop, DENSE[name].parameters
    return image_networks.work(name)


def file_of(name: str) -> Path:
    """The .tflite file of a network of MLPerf Tiny."""
    return image_networks.folder() / FILES[name]
