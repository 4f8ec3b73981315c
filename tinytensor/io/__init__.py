"""Models in files: one module a format, each between a foreign file and (configuration, state dict)."""

from tinytensor.io import book
from tinytensor.io.compare import Difference, Report, verify
from tinytensor.io.formats import load, save
from tinytensor.io.keras import from_keras
from tinytensor.io.onnx import from_onnx, to_onnx
from tinytensor.io.sklearn import from_sklearn
from tinytensor.io.torch import from_torch, to_torch
from tinytensor.io.weights import load_weights, read_state

__all__ = [
    "Difference",
    "Report",
    "book",
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "load",
    "load_weights",
    "read_state",
    "save",
    "to_onnx",
    "to_torch",
    "verify",
]
