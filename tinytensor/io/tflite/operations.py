"""What each operator of TFLite is in steps of ONNX's operations, on numbers.

Source: the schema and the reference kernels of TensorFlow Lite.
"""

import math
from collections.abc import Callable

import numpy as np

from tinytensor.errors import ShapeError, UnsupportedOp
from tinytensor.io.tflite.steps import Steps, batched
from tinytensor.io.tflite.windows import convolution, depthwise, pooling, positive

__all__ = ["OPERATIONS"]

Shape = tuple[int | None, ...]
CHOICE = "a choice of samples; a slice of features would help"
KEPT = 0  # in a Reshape's shape: the length is what it was


def linear(steps: Steps) -> None:
    """FULLY_CONNECTED: a weight (out, in); rows are what remains of the operand."""
    weight, shape = steps.weight(1, (0, 1)), steps.shape()
    features, outputs = steps.shape(1)[1], steps.shape(1)[0]
    if steps.option("WeightsFormat"):
        raise UnsupportedOp("shuffled weights; plain ones would help")
    x, bias = steps.number(0), steps.bias(2)
    if steps.option("KeepNumDims") and len(shape) > 2:
        turned = steps.add("Transpose", [weight], (features, outputs), perm=[1, 0])
        y = steps.add("MatMul", [x, turned], batched(steps.result()))
        y = steps.add("Add", [y, bias], batched(steps.result())) if bias else y
    else:
        if len(shape) != 2:
            first = KEPT if shape[1:] and None not in shape[1:] and known_size(shape[1:]) == features else -1
            wanted = steps.constant([first, features], "int64")
            x = steps.add("Reshape", [x, wanted], (None, features))
        inputs = [x, weight, *filter(None, [bias])]
        y = steps.add("Gemm", inputs, (None, outputs), transB=1)
    steps.finish(steps.activated(y))


def known_size(lengths: Shape) -> int:
    """The number of elements of lengths that are known."""
    return math.prod(n for n in lengths if n is not None)


def of_two(op: str) -> Callable[[Steps], None]:
    """An operation on elements of two operands, with an activation after it."""

    def combined(steps: Steps) -> None:
        y = steps.add(op, [steps.number(0), steps.number(1)], batched(steps.result()), steps_dtype(steps))
        steps.finish(steps.activated(y) if hasattr(steps.operation.options, "FusedActivationFunction") else y)

    return combined


def steps_dtype(steps: Steps) -> str:
    """The type that the result is computed in."""
    result = steps.result()
    return "float32" if result.scaling is not None else result.dtype


def of_one(op: str, **attributes: float) -> Callable[[Steps], None]:
    """An operation on elements."""
    return lambda steps: steps.finish(
        steps.add(op, [steps.number(0)], batched(steps.result()), steps_dtype(steps), **attributes)
    )


def bounded(low: float, high: float) -> Callable[[Steps], None]:
    """min(max(x, low), high)."""
    return lambda steps: steps.finish(
        steps.add(
            "Clip", [steps.number(0), steps.constant(low), steps.constant(high)], batched(steps.result())
        )
    )


def leaky_relu(steps: Steps) -> None:
    """LEAKY_RELU."""
    slope = float(steps.option("Alpha"))
    steps.finish(steps.add("LeakyRelu", [steps.number(0)], batched(steps.result()), alpha=slope))


def prelu(steps: Steps) -> None:
    """PRELU: max(x, 0) + slope · min(x, 0)."""
    steps.finish(steps.add("PRelu", [steps.number(0), steps.number(1)], batched(steps.result())))


def gelu(steps: Steps) -> None:
    """GELU, exact or by tanh."""
    kind = "tanh" if steps.option("Approximate") else "none"
    steps.finish(steps.add("Gelu", [steps.number(0)], batched(steps.result()), approximate=kind))


def rsqrt(steps: Steps) -> None:
    """RSQRT: 1 / √x."""
    root = steps.add("Sqrt", [steps.number(0)], batched(steps.result()))
    steps.finish(steps.add("Reciprocal", [root], batched(steps.result())))


def squared_difference(steps: Steps) -> None:
    """SQUARED_DIFFERENCE: (a - b)²."""
    shape = batched(steps.result())
    difference = steps.add("Sub", [steps.number(0), steps.number(1)], shape)
    steps.finish(steps.add("Mul", [difference, difference], shape))


def square(steps: Steps) -> None:
    """SQUARE: x²."""
    x = steps.number(0)
    steps.finish(steps.add("Mul", [x, x], batched(steps.result())))


def softmax(steps: Steps) -> None:
    """SOFTMAX over the last axis, of x · beta."""
    x, beta, shape = steps.number(0), float(steps.option("Beta", 1.0)), batched(steps.result())
    x = x if beta == 1 else steps.add("Mul", [x, steps.constant(beta)], shape)
    steps.finish(steps.add("Softmax", [x], shape, axis=-1))


def mean(steps: Steps) -> None:
    """MEAN; over height and width of images as their pooling."""
    rank, keepdims = len(steps.shape()), int(bool(steps.option("KeepDims")))
    axes = sorted({axis % rank for axis in steps.whole(1)}) if rank else []
    shape = batched(steps.result())
    if rank == 4 and axes == [1, 2]:
        y = steps.add("GlobalAveragePool", [steps.number(0)], shape, channels_last=True, keepdims=keepdims)
    else:
        inputs = [steps.number(0), steps.constant(axes, "int64")]
        y = steps.add("ReduceMean", inputs, shape, keepdims=keepdims)
    steps.finish(y)


def fold(op: str) -> Callable[[Steps], None]:
    """SUM, REDUCE_MAX and the like."""

    def folded(steps: Steps) -> None:
        inputs = [steps.number(0), steps.constant(steps.whole(1), "int64")]
        keepdims = int(bool(steps.option("KeepDims")))
        steps.finish(steps.add(op, inputs, batched(steps.result()), steps_dtype(steps), keepdims=keepdims))

    return folded


def reshape(steps: Steps) -> None:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the shape of the result, with as many samples as there are."""
    before, wanted = steps.shape(), list(steps.result().shape)
    if None in wanted[1:] or not wanted:
        raise UnsupportedOp(f"a result of shape {tuple(wanted)}; known lengths after the first would help")
    known = None not in before[1:]
    keeps = known and before and known_size(before[1:]) == known_size(tuple(wanted[1:]))
    first = KEPT if keeps else -1 if wanted[0] is None else wanted[0]
    shape = steps.constant([first, *wanted[1:]], "int64")
    steps.finish(steps.add("Reshape", [steps.number(0), shape], batched(steps.result()), steps_dtype(steps)))


def transpose(steps: Steps) -> None:
    """TRANSPOSE."""
    perm = steps.whole(1)
    if sorted(perm) != list(range(len(steps.shape()))):
        raise ShapeError(f"expected an order of {len(steps.shape())} axes, got {perm}")
    steps.finish(
        steps.add("Transpose", [steps.number(0)], batched(steps.result()), steps_dtype(steps), perm=perm)
    )


def concatenation(steps: Steps) -> None:
    """CONCATENATION."""
    operands = [steps.number(i) for i in range(len(steps.operation.inputs))]
    axis, dtype = steps.option("Axis"), steps_dtype(steps)
    y = steps.add("Concat", operands, batched(steps.result()), dtype, axis=axis)
    steps.finish(steps.activated(y))


def padded(steps: Steps) -> None:
    """PAD and PADV2, with zeros or another number."""
    pads = steps.whole(1)
    order = steps.constant([*pads[::2], *pads[1::2]], "int64")
    inputs = [steps.number(0), order, *([steps.number(2)] if steps.tensor(2) else [])]
    steps.finish(steps.add("Pad", inputs, batched(steps.result()), steps_dtype(steps)))


def mirrored(steps: Steps) -> None:
    """MIRROR_PAD without the edge."""
    if steps.option("Mode") != 0:
        raise UnsupportedOp("a mirror that repeats the edge; one that does not would help")
    pads = steps.whole(1)
    order = steps.constant([*pads[::2], *pads[1::2]], "int64")
    steps.finish(steps.add("Pad", [steps.number(0), order], batched(steps.result()), mode="reflect"))


def resize(mode: str) -> Callable[[Steps], None]:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

    def resized(steps: Steps) -> None:
        kind = "half_pixel" if steps.option("HalfPixelCenters") else "asymmetric"
        kind = "align_corners" if steps.option("AlignCorners") else kind
        nearest = "floor" if kind == "asymmetric" else "round_prefer_ceil"
        inputs = [steps.number(0), "", "", steps.constant(positive(steps.whole(1)), "int64")]
        y = steps.add(
            "Resize", inputs, batched(steps.result()), mode=mode, axes=[1, 2], nearest_mode=nearest,
            coordinate_transformation_mode=kind,
        )  # fmt: skip
        steps.finish(y)

    return resized


def argmax(steps: Steps) -> None:
    """ARG_MAX: of the largest elements the first one."""
    (axis,), result = steps.whole(1), steps.result()
    y = steps.add("ArgMax", [steps.number(0)], batched(result), "int64", axis=axis, keepdims=0)
    steps.finish(steps.add("Cast", [y], batched(result), result.dtype, to=result.dtype))


def cast(steps: Steps) -> None:
    """CAST."""
    result = steps.result()
    steps.finish(steps.add("Cast", [steps.number(0)], batched(result), result.dtype, to=result.dtype))


def split(steps: Steps) -> None:
    """SPLIT in equal parts."""
    (axis,), parts = steps.whole(0), len(steps.operation.outputs)
    length = steps.shape(1)[axis]
    if axis in (0, -len(steps.shape(1))):
        raise UnsupportedOp(CHOICE)
    if length is None or length % parts:
        raise UnsupportedOp(f"{parts} parts of axis {axis} of {steps.shape(1)}; equal ones would help")
    x, each = steps.number(1), length // parts
    for i in range(parts):
        bounds = [steps.constant([n], "int64") for n in (i * each, (i + 1) * each, axis)]
        shape = batched(steps.result(i))
        steps.finish(steps.add("Slice", [x, *bounds], shape, steps_dtype(steps)), i)


def sliced(steps: Steps) -> None:
    """SLICE: from begin on, of some size, -1 to the end; all samples."""
    begin, size = steps.whole(1), steps.whole(2)
    if min(begin, default=0) < 0 or min(size, default=0) < -1:
        raise ShapeError(f"expected places and sizes from 0 on, or -1 for the rest, got {begin} and {size}")
    if begin[:1] != [0] or size[:1] not in ([-1], [*steps.shape()[:1]]):
        raise UnsupportedOp(CHOICE)
    end = [np.iinfo(np.int64).max if n == -1 else a + n for a, n in zip(begin, size, strict=True)]
    bounds = [steps.constant(each[1:], "int64") for each in (begin, end, range(len(begin)))]
    steps.finish(steps.add("Slice", [steps.number(0), *bounds], batched(steps.result()), steps_dtype(steps)))


def requantize(steps: Steps) -> None:
    """QUANTIZE and DEQUANTIZE: the numbers are the same."""
    if not steps.same_constant():
        steps.finish(steps.number(0))


OPERATIONS: dict[str, Callable[[Steps], None]] = {
    "ABS": of_one("Abs"),
    "ADD": of_two("Add"),
    "ARG_MAX": argmax,
    "AVERAGE_POOL_2D": pooling("AveragePool"),
    "CAST": cast,
    "CONCATENATION": concatenation,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "DEQUANTIZE": requantize,
    "DIV": of_two("Div"),
    "ELU": of_one("Elu"),
    "EXP": of_one("Exp"),
    "EXPAND_DIMS": reshape,
    "FULLY_CONNECTED": linear,
    "GELU": gelu,
    "HARD_SWISH": of_one("HardSwish"),
    "LEAKY_RELU": leaky_relu,
    "LOG": of_one("Log"),
    "LOGISTIC": of_one("Sigmoid"),
    "LOG_SOFTMAX": of_one("LogSoftmax", axis=-1),
    "MAXIMUM": of_two("Max"),
    "MAX_POOL_2D": pooling("MaxPool"),
    "MEAN": mean,
    "MINIMUM": of_two("Min"),
    "MIRROR_PAD": mirrored,
    "MUL": of_two("Mul"),
    "NEG": of_one("Neg"),
    "PAD": padded,
    "PADV2": padded,
    "PRELU": prelu,
    "QUANTIZE": requantize,
    "REDUCE_MAX": fold("ReduceMax"),
    "RELU": of_one("Relu"),
    "RELU6": bounded(0.0, 6.0),
    "RELU_N1_TO_1": bounded(-1.0, 1.0),
    "RESHAPE": reshape,
    "RESIZE_BILINEAR": resize("linear"),
    "RESIZE_NEAREST_NEIGHBOR": resize("nearest"),
    "RSQRT": rsqrt,
    "SLICE": sliced,
    "SOFTMAX": softmax,
    "SPLIT": split,
    "SQRT": of_one("Sqrt"),
    "SQUARE": square,
    "SQUARED_DIFFERENCE": squared_difference,
    "SQUEEZE": reshape,
    "SUB": of_two("Sub"),
    "SUM": fold("ReduceSum"),
    "TANH": of_one("Tanh"),
    "TRANSPOSE": transpose,
}
