"""Models in files: one module a format, each between a foreign file and (configuration, state dict).

A name's module is imported when the name is first used: a process that loads one format pays for that one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinytensor.lazy import places

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
    "tflite",
    "to_onnx",
    "to_torch",
    "verify",
]

if TYPE_CHECKING:
    from tinytensor.io import book, tflite
    from tinytensor.io.compare import Difference, Report, verify
    from tinytensor.io.formats import load, save
    from tinytensor.io.keras import from_keras
    from tinytensor.io.onnx import from_onnx, to_onnx
    from tinytensor.io.sklearn import from_sklearn
    from tinytensor.io.torch import from_torch, to_torch
    from tinytensor.io.weights import load_weights, read_state


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tinytensor.io' has no attribute {name!r}")
    module = places(__file__)[name]
    found = import_module(f"{module}.{name}") if module == __name__ else getattr(import_module(module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
