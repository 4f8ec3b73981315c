"""TFLite's operators that slide a window over images, as steps of ONNX's operations.

Source: the schema and the reference kernels of TensorFlow Lite.
"""

from collections.abc import Callable
from typing import Any

from tinytensor.errors import ShapeError, UnsupportedOp
from tinytensor.io.tflite.steps import Steps, batched

__all__ = ["convolution", "depthwise", "pooling", "positive"]

PADDING = {0: "SAME_UPPER", 1: "VALID"}


def padding(steps: Steps) -> str:
    """ONNX's word for the padding."""
    number = steps.option("Padding")
    if number not in PADDING:
        raise UnsupportedOp(f"padding {number}; SAME or VALID would help")
    return PADDING[number]


def strides(steps: Steps) -> list[int]:
    """Pixels between two windows."""
    return positive([steps.option("StrideH"), steps.option("StrideW")])


def positive(numbers: list[int]) -> list[int]:
    """Numbers that are sizes of something.

    Raises:
        ShapeError: one is not.
    """
    if min(numbers) < 1:
        raise ShapeError(f"expected positive sizes, got {numbers}")
    return numbers


def convolution(steps: Steps) -> None:
    """CONV_2D: a weight (out, height, width, in); with more channels than it has, groups."""
    *_, channels = steps.image()
    weight = steps.weight(1, (0, 3, 1, 2))
    convolved(steps, weight, channels // positive([steps.shape(1)[3] or 0])[0])


def depthwise(steps: Steps) -> None:
    """DEPTHWISE_CONV_2D: a weight (1, height, width, out), each channel with its own."""
    *_, channels = steps.image()
    convolved(steps, steps.weight(1, (3, 0, 1, 2)), channels)


def convolved(steps: Steps, weight: str, groups: int) -> None:
    """A convolution by a weight (out, in / groups, height, width)."""
    dilation = positive([steps.option("DilationHFactor", 1), steps.option("DilationWFactor", 1)])
    y = steps.add(
        "Conv", [steps.number(0), weight, steps.bias(2)], batched(steps.result()), strides=strides(steps),
        dilations=dilation, group=groups, auto_pad=padding(steps), channels_last=True,
    )  # fmt: skip
    steps.finish(steps.activated(y))


def pooling(op: str) -> Callable[[Steps], None]:
    """MAX_POOL_2D or AVERAGE_POOL_2D; the mean leaves the padding out."""

    def pooled(steps: Steps) -> None:
        kernel = positive([steps.option("FilterHeight"), steps.option("FilterWidth")])
        steps.image()
        halves: dict[str, Any] = {"halves_away_from": 128 if steps.result().dtype == "int8" else 0}
        y = steps.add(
            op, [steps.number(0)], batched(steps.result()), kernel_shape=kernel, strides=strides(steps),
            auto_pad=padding(steps), channels_last=True, **(halves if op == "AveragePool" else {}),
        )  # fmt: skip
        steps.finish(steps.activated(y))

    return pooled
