"""The operations of a graph by their names in ONNX."""

from collections.abc import Callable
from typing import Any

from tinytensor.layers.prelu import parametric_relu
from tinytensor.operators import arithmetic, normalization, reduction, shape

__all__ = ["OPERATORS"]

OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": arithmetic.absolute,
    "Add": arithmetic.add,
    "ArgMax": reduction.argmax,
    "BatchNormalization": normalization.batch_normalization,
    "Cast": arithmetic.cast,
    "Clip": arithmetic.clip,
    "Concat": shape.concat,
    "Div": arithmetic.divide,
    "Dropout": normalization.dropout,
    "Erf": arithmetic.erf,
    "Exp": arithmetic.exp,
    "Flatten": shape.flatten,
    "Gather": shape.gather,
    "Gemm": arithmetic.gemm,
    "Greater": arithmetic.greater,
    "GreaterOrEqual": arithmetic.greater_equal,
    "Identity": arithmetic.identity,
    "LayerNormalization": normalization.layer_normalization,
    "Less": arithmetic.less,
    "LessOrEqual": arithmetic.less_equal,
    "Log": arithmetic.log,
    "LogSoftmax": normalization.log_softmax,
    "MatMul": arithmetic.matmul,
    "Max": arithmetic.maxima,
    "Min": arithmetic.minima,
    "Mul": arithmetic.multiply,
    "Neg": arithmetic.negative,
    "PRelu": parametric_relu,
    "Pow": arithmetic.power,
    "ReduceMax": reduction.reduce_max,
    "ReduceMean": reduction.reduce_mean,
    "ReduceSum": reduction.reduce_sum,
    "Reshape": shape.reshape,
    "Shape": shape.shape,
    "Softmax": normalization.softmax,
    "Sqrt": arithmetic.sqrt,
    "Squeeze": shape.squeeze,
    "Sub": arithmetic.subtract,
    "Transpose": shape.transpose,
    "Unsqueeze": shape.unsqueeze,
    "Where": arithmetic.select,
}
