"""The operations of a graph by their names in ONNX."""

from collections.abc import Callable
from typing import Any

from tinytensor.layers.prelu import parametric_relu
from tinytensor.operators import (
    arithmetic,
    einstein,
    elementwise,
    folds,
    image_shapes,
    images,
    inference,
    lookup,
    movement,
    normalization,
    pixels,
    quantized,
    reduction,
    resampling,
    shape,
)  # fmt: skip
from tinytensor.operators.definition import NUMPY, Operation

__all__ = ["NUMPY_MODULES", "OPERATIONS", "OPERATORS"]

NUMPY_MODULES = (
    elementwise,
    folds,
    movement,
    einstein,
    lookup,
    pixels,
    quantized,
    resampling,
)  # whose functions are written in plain NumPy

OPERATIONS: dict[str, Operation] = {
    **NUMPY,
    "Abs": Operation(arithmetic.absolute, 13, inference.first),
    "Add": Operation(arithmetic.add, 14, inference.broadcast),
    "ArgMax": Operation(reduction.argmax, 13, inference.reduction_of_axis, "int64"),
    "AveragePool": Operation(images.average_pool, 22, image_shapes.pooling),
    "BatchNormalization": Operation(normalization.batch_normalization, 15, inference.first),
    "Cast": Operation(arithmetic.cast, 28, inference.first, "to"),
    "Clip": Operation(arithmetic.clip, 13, inference.first),
    "Concat": Operation(shape.concat, 13, inference.concat),
    "Conv": Operation(images.conv, 22, image_shapes.convolution),
    "ConvTranspose": Operation(images.conv_transpose, 22, image_shapes.transposed_convolution),
    "Div": Operation(arithmetic.divide, 14, inference.broadcast),
    "Dropout": Operation(normalization.dropout, 22, inference.first, "first", "bool"),
    "Erf": Operation(arithmetic.erf, 13, inference.first),
    "Exp": Operation(arithmetic.exp, 13, inference.first),
    "Flatten": Operation(shape.flatten, 25, inference.flatten),
    "Gather": Operation(shape.gather, 13, inference.gather),
    "Gemm": Operation(arithmetic.gemm, 13, inference.gemm),
    "GlobalAveragePool": Operation(images.global_average_pool, 22, image_shapes.global_pool),
    "GlobalMaxPool": Operation(images.global_max_pool, 22, image_shapes.global_pool),
    "Greater": Operation(arithmetic.greater, 13, inference.broadcast, "bool"),
    "GreaterOrEqual": Operation(arithmetic.greater_equal, 16, inference.broadcast, "bool"),
    "GroupNormalization": Operation(images.group_normalization, 21, inference.first),
    "Identity": Operation(arithmetic.identity, 25, inference.first),
    "InstanceNormalization": Operation(images.instance_normalization, 22, inference.first),
    "LayerNormalization": Operation(
        normalization.layer_normalization, 17, inference.first_alone, "first", "first"
    ),
    "Less": Operation(arithmetic.less, 13, inference.broadcast, "bool"),
    "LessOrEqual": Operation(arithmetic.less_equal, 16, inference.broadcast, "bool"),
    "Log": Operation(arithmetic.log, 13, inference.first),
    "LogSoftmax": Operation(normalization.log_softmax, 13, inference.first),
    "MatMul": Operation(arithmetic.matmul, 13, inference.matmul),
    "Max": Operation(arithmetic.maxima, 13, inference.broadcast),
    "MaxPool": Operation(images.max_pool, 22, image_shapes.pooling, "first", "int64"),
    "Min": Operation(arithmetic.minima, 13, inference.broadcast),
    "Mul": Operation(arithmetic.multiply, 14, inference.broadcast),
    "Neg": Operation(arithmetic.negative, 13, inference.first),
    "PRelu": Operation(parametric_relu, 16, inference.first),
    "Pow": Operation(arithmetic.power, 15, inference.broadcast),
    "ReduceMax": Operation(reduction.reduce_max, 20, inference.reduction),
    "ReduceMean": Operation(reduction.reduce_mean, 18, inference.reduction),
    "ReduceSum": Operation(reduction.reduce_sum, 13, inference.reduction),
    "Reshape": Operation(shape.reshape, 25, inference.reshape),
    "Shape": Operation(shape.shape, 25, inference.shape_vector, "int64"),
    "Softmax": Operation(normalization.softmax, 13, inference.first),
    "Sqrt": Operation(arithmetic.sqrt, 13, inference.first),
    "Squeeze": Operation(shape.squeeze, 25, inference.squeeze),
    "Sub": Operation(arithmetic.subtract, 14, inference.broadcast),
    "Transpose": Operation(shape.transpose, 25, inference.transpose),
    "Unsqueeze": Operation(shape.unsqueeze, 25, inference.unsqueeze),
    "Where": Operation(arithmetic.select, 16, inference.broadcast, "second"),
}
OPERATORS: dict[str, Callable[..., Any]] = {name: each.compute for name, each in OPERATIONS.items()}
