"""Primitives over the features of a sample: softmax, its logarithm, standardizing, batch norm, responses."""

from typing import Any

import numpy as np

from tinytensor.kernels import arithmetic, elementwise, reduce
from tinytensor.kernels.boundary import FLOATS, Array, single_axis
from tinytensor.kernels.softmax import log_softmax as compute_log_softmax
from tinytensor.kernels.softmax import softmax as compute_softmax
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol
from tinytensor.primitives.elementwise import is_float
from tinytensor.primitives.resampling import MOST_PLACES

__all__ = ["batch_norm", "local_response", "log_softmax", "softmax", "standardize"]

MOST_CHANNELS = 64  # of a local response: a program has two instructions for each


def along_axis(x: Symbol, axis: int) -> Result:
    """The shape of the operand; axis 0 would mix samples."""
    if single_axis("softmax", axis, x.ndim) == 0:
        x.tracer.refuse("softmax over the batch")
    return Result(x.sample, x.dtype)


def is_last_axis(node: Node) -> bool:
    """Whether the axis is the last one, which has elements."""
    x = node.operands[0]
    return is_float(node) and node.parameters["axis"] % x.ndim == x.ndim - 1 and 0 not in x.sample


softmax = Primitive(
    "softmax", compute_softmax, along_axis, lambda program, node: program.softmax(node, log=False),
    is_last_axis,
)  # fmt: skip
log_softmax = Primitive(
    "log_softmax", compute_log_softmax, along_axis, lambda program, node: program.softmax(node, log=True),
    is_last_axis,
)  # fmt: skip


def compute_standardize(x: Array, count: int, eps: float) -> Array:
    """(x - mean) / √(var + eps) over the last `count` axes."""
    return reduce.standardize(x, count, eps)[0]


def over_last(x: Symbol, count: int, eps: float) -> Result:
    """The shape of the operand."""
    if count > len(x.sample):
        x.tracer.refuse("a layer norm over the batch")
    return Result(x.sample, x.dtype)


def is_single(node: Node) -> bool:
    """Whether it is of float32: squares of float64 may be infinite, and are scaled then."""
    return node.result.dtype == FLOATS[0] and 0 not in node.result.sample


standardize = Primitive(
    "standardize", compute_standardize, over_last, lambda program, node: program.standardize(node), is_single
)


def scale_of(weight: Array, var: Array, eps: float) -> Array:
    """weight / √(var + eps), in float64."""
    with np.errstate(all="ignore"):
        return np.asarray(weight / np.sqrt(var.astype(np.float64) + eps))


def compute_batch_norm(
    x: Any, weight: Array, bias: Array, mean: Array, var: Array, eps: float, axis: int
) -> Array:
    """(x - mean) · weight / √(var + eps) + bias, the four with the features of `axis`."""
    from tinytensor.kernels import binary

    shape = [1] * x.ndim
    shape[axis] = len(weight)
    deviation = binary.subtract(x, mean.reshape(shape))
    with np.errstate(all="ignore"):
        scale = scale_of(weight, var, eps).astype(deviation.dtype).reshape(shape)
    return binary.add(binary.multiply(deviation, scale), bias.reshape(shape))


def batch_norm_result(
    x: Symbol, weight: Any, bias: Any, mean: Any, var: Any, eps: float, axis: int
) -> Result:
    """The shape of the operand; features of axis 0 would be samples."""
    if any(type(each) is Symbol for each in (weight, bias, mean, var)) or type(x) is not Symbol:
        raise TypeError("batch_norm: parameters that are computed from the samples")
    if axis % x.ndim == 0:
        x.tracer.refuse("a batch norm over the batch")
    return Result(x.sample, np.result_type(x.dtype, mean, bias))


def lower_batch_norm(program: Any, node: Node) -> None:
    """Three pairs, with a constant for each feature."""
    x, weight, bias, mean, var = node.operands
    scale = scale_of(weight, var, node.parameters["eps"])
    shape = [1] * len(x.sample)
    shape[node.parameters["axis"] % x.ndim - 1] = len(weight)
    steps = [(arithmetic.subtract, mean), (arithmetic.multiply, scale), (arithmetic.add, bias)]
    program.pairs(node, x, [(function, values.reshape(shape)) for function, values in steps])


def is_normal(node: Node) -> bool:
    """Whether all are of one float dtype."""
    x = node.operands[0]
    return is_float(node) and all(
        np.result_type(x.dtype, each.dtype) == x.dtype for each in node.operands[2:4]
    )


batch_norm = Primitive(
    "batch_norm", compute_batch_norm, batch_norm_result, lower_batch_norm, is_normal,
)  # fmt: skip


def reach(channels: int, size: int) -> tuple[int, int]:
    """How many channels before and after each one a response counts; no more than there are."""
    most = max(channels - 1, 0)
    return min((size - 1) // 2, most), min(size // 2, most)


def compute_local_response(x: Array, size: int, alpha: float, beta: float, bias: float) -> Array:
    """X · (bias + alpha / size · Σ x² over the channels around)^-beta; the sum with channels ascending."""
    from tinytensor.kernels import binary

    channels = x.shape[1]
    before, after = reach(channels, size)
    squares = np.pad(binary.multiply(x, x), [(0, 0), (before, after), *[(0, 0)] * (x.ndim - 2)])
    total = squares[:, :channels]
    for first in range(1, before + after + 1):
        total = binary.add(total, squares[:, first : first + channels])
    power = elementwise.apply(arithmetic.inverse_power, total, (bias, alpha / size, beta))
    return binary.multiply(x, power)


def is_short(node: Node) -> bool:
    """Whether it is of floats, and of few channels: a program keeps where each of them is."""
    sample, size = node.result.sample, node.parameters["size"]
    places = int(np.prod(sample, dtype=np.int64)) * size
    return is_float(node) and 0 not in sample and size <= MOST_CHANNELS and places <= MOST_PLACES


def lower_local_response(program: Any, node: Node) -> None:
    """With the channels that there are."""
    program.local_response(node, *reach(node.result.sample[0], node.parameters["size"]))


local_response = Primitive(
    "local_response", compute_local_response, lambda x, **given: Result(x.sample, x.dtype),
    lower_local_response, is_short,
)  # fmt: skip
