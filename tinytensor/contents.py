"""The table of contents: every public name, and where it is defined.

The modules `activations`, `datasets`, `initializers` and `io` hold more under their own names. A type checker
reads the imports; at run time a name's module is imported when the name is first used, as all of them take
longer than a first prediction.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinytensor.lazy import places

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
        PartitionError,
        ShapeError,
        TinyTensorError,
        UnsupportedOp,
    )
    from tinytensor.functions import (
        channels_first,
        channels_last,
        clip,
        concatenate,
        embedding,
        erf,
        exp,
        log,
        maximum,
        minimum,
        sqrt,
        stack,
        where,
    )
    from tinytensor.images import conv1d, conv2d, conv_transpose2d
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
    from tinytensor.layers.avg_pool import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d
    from tinytensor.layers.batch_norm import BatchNorm
    from tinytensor.layers.channels import ChannelsFirst, ChannelsLast
    from tinytensor.layers.conv import Conv1d, Conv2d
    from tinytensor.layers.conv_transpose import ConvTranspose2d
    from tinytensor.layers.dropout import Dropout
    from tinytensor.layers.elementwise import elementwise
    from tinytensor.layers.embedding import Embedding
    from tinytensor.layers.flatten import Flatten
    from tinytensor.layers.global_pool import GlobalAvgPool2d, GlobalMaxPool2d
    from tinytensor.layers.graph import Graph
    from tinytensor.layers.int8 import FromInt8, ToInt8
    from tinytensor.layers.lambda_ import Lambda
    from tinytensor.layers.layer import Layer
    from tinytensor.layers.layer_norm import LayerNorm
    from tinytensor.layers.linear import Affine, Linear
    from tinytensor.layers.lookup import Lookup
    from tinytensor.layers.max_pool import MaxPool1d, MaxPool2d
    from tinytensor.layers.operator import Constant, Operator
    from tinytensor.layers.pad import Pad
    from tinytensor.layers.perceptron import Perceptron
    from tinytensor.layers.prelu import PReLU
    from tinytensor.layers.quantize import Dequantize, Quantize
    from tinytensor.layers.quantized_add import QuantizedAdd
    from tinytensor.layers.quantized_avg_pool import QuantizedAvgPool2d, QuantizedGlobalAvgPool2d
    from tinytensor.layers.quantized_conv import QuantizedConv2d
    from tinytensor.layers.quantized_linear import QuantizedLinear
    from tinytensor.layers.rescale import Rescale
    from tinytensor.layers.reshape import Reshape
    from tinytensor.layers.sequential import Sequential
    from tinytensor.layers.upsample import Upsample
    from tinytensor.operators.activations import (
        CELU,
        Clip,
        ClippedLinear,
        Exponential,
        ScaledELU,
        Softsign,
        ThresholdedReLU,
    )  # fmt: skip
    from tinytensor.padding import pad
    from tinytensor.pooling import (
        adaptive_avg_pool2d,
        avg_pool1d,
        avg_pool2d,
        global_avg_pool2d,
        global_max_pool2d,
        max_pool1d,
        max_pool2d,
    )
    from tinytensor.quantization.quantize import quantize
    from tinytensor.tensors import Tensor
    from tinytensor.threads import get_num_threads, set_num_threads
    from tinytensor.upsampling import upsample
    from tinytensor.warm import warmup

__all__ = [
    "CELU", "ELU", "GELU", "SELU", "Activation", "AdaptiveAvgPool2d", "Affine", "ArgumentError", "AvgPool1d",
    "AvgPool2d", "BatchNorm", "ChannelsFirst", "ChannelsLast", "Clip", "ClippedLinear", "Constant", "Conv1d",
    "Conv2d", "ConvTranspose2d", "DatasetError", "Dequantize", "DownloadError", "Dropout", "DtypeError",
    "Embedding", "Exponential", "Flatten", "FromInt8", "GlobalAvgPool2d", "GlobalMaxPool2d", "Graph",
    "HardSigmoid", "HardSwish", "Identity", "IndexingError", "Lambda", "Layer", "LayerNorm", "LeakyReLU",
    "Linear", "LogSoftmax", "Lookup", "MaxPool1d", "MaxPool2d", "Mish", "MissingExtra", "ModelFormatError",
    "ModelFormatWarning", "Operator", "PReLU", "Pad", "PartitionError", "Perceptron", "Quantize",
    "QuantizedAdd", "QuantizedAvgPool2d", "QuantizedConv2d", "QuantizedGlobalAvgPool2d", "QuantizedLinear",
    "ReLU", "Rescale", "Reshape", "ScaledELU", "Sequential", "ShapeError", "SiLU", "Sigmoid", "Softmax",
    "Softplus", "Softsign", "Step", "Swish", "Tanh", "Tensor", "ThresholdedReLU", "TinyTensorError",
    "ToInt8", "UnsupportedOp", "Upsample", "activation", "adaptive_avg_pool2d", "arange", "avg_pool1d",
    "avg_pool2d", "channels_first", "channels_last", "clip", "concatenate", "conv1d", "conv2d",
    "conv_transpose2d", "elementwise", "elu", "embedding", "erf", "exp", "eye", "from_keras", "from_onnx",
    "from_sklearn", "from_torch", "full", "gelu", "get_num_threads", "global_avg_pool2d",
    "global_max_pool2d", "hard_sigmoid", "hard_swish", "identity", "leaky_relu", "linspace", "load",
    "load_weights", "log", "log_softmax", "max_pool1d", "max_pool2d", "maximum", "minimum", "mish", "normal",
    "ones", "pad", "quantize", "relu", "selu", "set_num_threads", "sigmoid", "silu", "softmax", "softplus",
    "sqrt", "stack", "step", "swish", "tanh", "to_onnx", "to_torch", "uniform", "upsample", "verify",
    "warmup", "where", "zeros",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tinytensor.contents' has no attribute {name!r}")
    return getattr(import_module(places(__file__)[name]), name)
