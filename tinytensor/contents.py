"""The table of contents: every public name, and where it is defined.

The modules `activations`, `datasets`, `initializers` and `io` hold more under their own names. A type checker
reads the imports; at run time a name's module is imported when the name is first used, as all of them take
longer than a first prediction.
"""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinytensor.activations import (
        ELU,
        GELU,
        SELU,
        HardSigmoid,
        HardSwish,
        Identity,
        LeakyReLU,
        LogSoftmax,
        Mish,
        ReLU,
        Sigmoid,
        SiLU,
        Softmax,
        Softplus,
        Step,
        Swish,
        Tanh,
        elu,
        gelu,
        hard_sigmoid,
        hard_swish,
        identity,
        leaky_relu,
        log_softmax,
        mish,
        relu,
        selu,
        sigmoid,
        silu,
        softmax,
        softplus,
        step,
        swish,
        tanh,
    )
    from tinytensor.creation import arange, eye, full, linspace, normal, ones, uniform, zeros
    from tinytensor.errors import (
        ArgumentError,
        DatasetError,
        DownloadError,
        DtypeError,
        IndexingError,
        MissingExtra,
        ModelFormatError,
        ModelFormatWarning,
        ShapeError,
        TinyTensorError,
        UnsupportedOp,
    )
    from tinytensor.functions import clip, concatenate, erf, exp, log, maximum, minimum, sqrt, stack, where
    from tinytensor.io import (
        from_keras,
        from_onnx,
        from_sklearn,
        from_torch,
        load,
        load_weights,
        to_onnx,
        to_torch,
        verify,
    )
    from tinytensor.layers.activation import Activation, activation
    from tinytensor.layers.batch_norm import BatchNorm
    from tinytensor.layers.dropout import Dropout
    from tinytensor.layers.flatten import Flatten
    from tinytensor.layers.graph import Graph
    from tinytensor.layers.lambda_ import Lambda
    from tinytensor.layers.layer import Layer
    from tinytensor.layers.layer_norm import LayerNorm
    from tinytensor.layers.linear import Affine, Linear
    from tinytensor.layers.operator import Constant, Operator
    from tinytensor.layers.perceptron import Perceptron
    from tinytensor.layers.prelu import PReLU
    from tinytensor.layers.rescale import Rescale
    from tinytensor.layers.reshape import Reshape
    from tinytensor.operators.activations import (
        CELU,
        Clip,
        ClippedLinear,
        Exponential,
        ScaledELU,
        Softsign,
        ThresholdedReLU,
    )  # fmt: skip
    from tinytensor.layers.sequential import Sequential
    from tinytensor.tensor import Tensor
    from tinytensor.threads import get_num_threads, set_num_threads
    from tinytensor.warm import warmup

__all__ = [
    "CELU", "ELU", "GELU", "SELU", "Activation", "Affine", "ArgumentError", "BatchNorm", "Clip",
    "ClippedLinear", "Constant", "DatasetError", "DownloadError", "Dropout", "DtypeError", "Exponential",
    "Flatten", "Graph", "HardSigmoid", "HardSwish", "Identity", "IndexingError", "Lambda", "Layer",
    "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "Mish", "MissingExtra", "ModelFormatError",
    "ModelFormatWarning",
    "Operator", "PReLU", "Perceptron", "ReLU", "Rescale", "Reshape", "ScaledELU", "Sequential",
    "ShapeError", "SiLU", "Sigmoid", "Softmax", "Softplus", "Softsign", "Step", "Swish", "Tanh", "Tensor",
    "ThresholdedReLU", "TinyTensorError", "UnsupportedOp", "activation", "arange", "clip", "concatenate",
    "elu", "erf", "exp", "eye", "from_keras", "from_onnx", "from_sklearn", "from_torch", "full", "gelu",
    "get_num_threads", "hard_sigmoid", "hard_swish", "identity", "leaky_relu", "linspace", "load",
    "load_weights", "log", "log_softmax", "maximum", "minimum", "mish", "normal", "ones", "relu", "selu",
    "set_num_threads", "sigmoid", "silu", "softmax", "softplus", "sqrt", "stack", "step", "swish", "tanh",
    "to_onnx", "to_torch", "uniform", "verify", "warmup", "where", "zeros",
]  # fmt: skip


@cache
def places() -> dict[str, str]:
    """Each public name's module, from the imports above."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {each.name: node.module or "" for node in imports for each in node.names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tinytensor.contents' has no attribute {name!r}")
    return getattr(import_module(places()[name]), name)
