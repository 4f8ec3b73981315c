"""Operations on quantised values as DequantizeLinear, operations on numbers, and QuantizeLinear.

ONNX Runtime writes quantised models in operations of its own domain, com.microsoft.

Source: ContribOperators.md of ONNX Runtime.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.io.onnx.learning import Steps
from tinytensor.io.onnx.program import HALVES_HELP, WIDENED, Program, Step
from tinytensor.io.onnx.tensors import DTYPES, HALVES

__all__ = ["RUNTIME", "convolution", "definition", "dequantized", "matmul", "quantized"]

WHOLE = ("uint8", "int8", "uint16", "int16")  # types of quantised values
FLOAT32 = 1
MOST_OPERANDS = 2**31 - 1


class Kind(NamedTuple):
    """The type of an attribute."""

    name: str


class Attribute(NamedTuple):
    """An attribute of an operation, described as the onnx package describes its own."""

    type: Kind
    required: bool


class Definition(NamedTuple):
    """What the inputs, outputs and attributes of an operation are."""

    min_input: int
    max_input: int
    attributes: dict[str, Attribute]
    since_version: int = 1
    min_output: int = 1
    max_output: int = 1


def whole_type(number: int) -> str:
    """The name of a type of quantised values, from ONNX's number of it."""
    name = DTYPES.get(number, "")
    if name not in WHOLE:
        raise UnsupportedOp(f"quantised values of type {number} of ONNX; those of 8 or 16 bits would help")
    return name


def of_floats(program: Program, number: int) -> None:
    """Note or raise if numbers are asked for that are no float32."""
    if DTYPES.get(number) in HALVES and program.widen:
        program.note(WIDENED)
    elif number not in (0, FLOAT32):
        raise UnsupportedOp(HALVES_HELP)


def quantized(program: Program, step: Step) -> None:
    """QuantizeLinear without a zero point has that of its type; computed in float32."""
    number = step.attributes.pop("output_dtype", 0)
    step.attributes.pop("saturate", None)
    of_floats(program, step.attributes.pop("precision", 0))
    if len(step.inputs) < 3 or not step.inputs[2]:
        zero = np.zeros((), whole_type(number) if number else np.uint8)
        step.inputs[2:] = [program.constant(step, zero)]


def dequantized(program: Program, step: Step) -> None:
    """DequantizeLinear gives float32."""
    of_floats(program, step.attributes.pop("output_dtype", 0))


class Quantised(Steps):
    """The steps that take the place of one on quantised values."""

    def __init__(self, program: Program, step: Step):
        super().__init__(program, step)
        self.inputs = [*step.inputs, *[""] * 9]

    def numbers(self, x: str, scale: str, zero_point: str) -> str:
        """What quantised values stand for."""
        return self.add("DequantizeLinear", x, scale, *filter(None, [zero_point]))

    def operand(self, position: int) -> str:
        """The numbers of an operand that has its scale and zero point after it."""
        return self.numbers(*self.inputs[position : position + 3])

    def finish(self, y: str, scale: str, zero_point: str) -> list[Step]:
        """The result, quantised."""
        if not zero_point:
            raise UnsupportedOp("a result without a zero point; one of its type would help")
        self.add("QuantizeLinear", y, scale, zero_point, result=self.step.outputs[0])
        return self.made


def of_two(op: str) -> Callable[[Program, Step], list[Step]]:
    """An operation of two operands."""

    def change(program: Program, step: Step) -> list[Step]:
        steps = Quantised(program, step)
        y = steps.add(op, steps.operand(0), steps.operand(3))
        return steps.finish(y, *steps.inputs[6:8])

    return change


def of_one(op: str, *dropped: str) -> Callable[[Program, Step], list[Step]]:
    """An operation of one operand, with its attributes but for some."""

    def change(program: Program, step: Step) -> list[Step]:
        if step.attributes.pop("channels_last", 0):
            raise UnsupportedOp("channels last; the model before ONNX Runtime's optimizations would help")
        steps = Quantised(program, step)
        attributes = {name: value for name, value in step.attributes.items() if name not in dropped}
        return steps.finish(steps.add(op, steps.operand(0), **attributes), *steps.inputs[3:5])

    return change


def softmax(program: Program, step: Step) -> list[Step]:
    """Softmax as it was in an opset."""
    steps, attributes = Quantised(program, step), step.attributes
    if attributes["opset"] < 13:
        given = {"axis": attributes.get("axis", 1), "flatten": 1}
    else:
        given = {"axis": attributes.get("axis", -1)}
    return steps.finish(steps.add("Softmax", steps.operand(0), **given), *steps.inputs[3:5])


def mean(program: Program, step: Step) -> list[Step]:
    """ReduceMean, whose axes are an attribute."""
    steps = Quantised(program, step)
    axes = steps.constant(step.attributes.get("axes", []), "int64")
    y = steps.add("ReduceMean", steps.operand(0), axes, keepdims=step.attributes["keepdims"])
    return steps.finish(y, *steps.inputs[3:5])


def concat(program: Program, step: Step) -> list[Step]:
    """Operands of scales of their own, after the scale and the zero point of the result."""
    steps = Quantised(program, step)
    if len(step.inputs) % 3 != 2:
        raise UnsupportedOp("operands without a scale and a zero point; these would help")
    operands = [steps.operand(position) for position in range(2, len(step.inputs), 3)]
    y = steps.add("Concat", *operands, axis=step.attributes["axis"])
    return steps.finish(y, *steps.inputs[:2])


def where(program: Program, step: Step) -> list[Step]:
    """A choice of two operands."""
    steps = Quantised(program, step)
    y = steps.add("Where", steps.inputs[0], steps.operand(1), steps.operand(4))
    return steps.finish(y, *steps.inputs[7:9])


def gemm(program: Program, step: Step) -> list[Step]:
    """alpha · A' @ B' + C, with C in units of alpha · scale of A · scale of B; without a scale as numbers."""
    steps, alpha = Quantised(program, step), step.attributes.get("alpha", 1.0)
    columns = 0 if step.attributes.get("transB") else 1
    operands = [
        steps.operand(0),
        steps.add("DequantizeLinear", *filter(None, steps.inputs[3:6]), axis=columns),
    ]
    if steps.inputs[6]:
        unit = steps.add("Mul", steps.inputs[1], steps.inputs[4])
        unit = unit if alpha == 1 else steps.add("Mul", unit, steps.constant(alpha))
        operands.append(steps.add("DequantizeLinear", steps.inputs[6], unit, axis=0))
    turned = {name: step.attributes.get(name, 0) for name in ("transA", "transB")}
    attributes: dict[str, Any] = turned | ({} if alpha == 1 else {"alpha": alpha})
    if steps.inputs[7]:
        return steps.finish(steps.add("Gemm", *operands, **attributes), *steps.inputs[7:9])
    steps.add("Gemm", *operands, result=step.outputs[0], **attributes)
    return steps.made


def are_constants(program: Program, names: list[str]) -> bool:
    """Whether values are constants, or left out."""
    return all(name in program.constants for name in filter(None, names))


def convolution(program: Program, step: Step) -> list[Step] | None:
    """QLinearConv of constants, as a convolution of numbers."""
    steps = Quantised(program, step)
    if not are_constants(program, step.inputs[1:]):
        return None
    weight = steps.add("DequantizeLinear", *steps.inputs[3:6], axis=0)
    operands = [steps.operand(0), weight]
    if steps.inputs[8]:
        unit = steps.add("Mul", steps.inputs[1], steps.inputs[4])
        operands.append(steps.add("DequantizeLinear", steps.inputs[8], unit, axis=0))
    return steps.finish(steps.add("Conv", *operands, **step.attributes), *steps.inputs[6:8])


def matmul(program: Program, step: Step) -> list[Step] | None:
    """QLinearMatMul by a constant matrix, as a product of numbers."""
    steps = Quantised(program, step)
    weight, scale = (program.constants.get(step.inputs[position]) for position in (3, 1))
    constant = are_constants(program, step.inputs[1:])
    if not constant or weight is None or weight.ndim != 2 or scale is None or scale.size != 1:
        return None
    factor = steps.add("DequantizeLinear", *steps.inputs[3:6], axis=1)
    return steps.finish(steps.add("MatMul", steps.operand(0), factor), *steps.inputs[6:8])


def own(op: str) -> Callable[[Program, Step], None]:
    """An operation that ONNX has under the same name."""

    def change(program: Program, step: Step) -> None:
        step.op = op
        if op == "QuantizeLinear":
            quantized(program, step)

    return change


# By name: fewest and most inputs, the types of its attributes ("!": it must be there), and what it becomes.
POOL = {
    "auto_pad": "STRING", "ceil_mode": "INT", "channels_last": "INT", "count_include_pad": "INT",
    "kernel_shape": "INTS!", "pads": "INTS", "strides": "INTS",
}  # fmt: skip
RUNTIME: dict[str, tuple[int, int, dict[str, str], Callable[[Program, Step], list[Step] | None]]] = {
    "DequantizeLinear": (2, 3, {"axis": "INT"}, own("DequantizeLinear")),
    "QGemm": (6, 9, {"alpha": "FLOAT", "transA": "INT", "transB": "INT"}, gemm),
    "QLinearAdd": (7, 8, {}, of_two("Add")),
    "QLinearAveragePool": (4, 5, POOL, of_one("AveragePool")),
    "QLinearConcat": (5, MOST_OPERANDS, {"axis": "INT!"}, concat),
    "QLinearGlobalAveragePool": (5, 5, {"channels_last": "INT"}, of_one("GlobalAveragePool")),
    "QLinearLeakyRelu": (4, 5, {"alpha": "FLOAT"}, of_one("LeakyRelu")),
    "QLinearMul": (7, 8, {}, of_two("Mul")),
    "QLinearReduceMean": (4, 5, {"axes": "INTS", "keepdims": "INT!"}, mean),
    "QLinearSigmoid": (4, 5, {}, of_one("Sigmoid")),
    "QLinearSoftmax": (5, 5, {"axis": "INT", "opset": "INT!"}, softmax),
    "QLinearWhere": (9, 9, {}, where),
    "QuantizeLinear": (2, 3, {"axis": "INT"}, own("QuantizeLinear")),
}


def definition(op: str) -> Definition:
    """What an operation of com.microsoft takes."""
    fewest, most, attributes, _ = RUNTIME[op]
    kinds = {
        name: Attribute(Kind(kind.removesuffix("!")), kind.endswith("!")) for name, kind in attributes.items()
    }
    return Definition(fewest, most, kinds)
