"""What a reader of quantised models looks at: which numbers are bytes with a scale, and curves of one byte.

A value of numbers is a `Quantity` if DequantizeLinear gives it, or if it is moved from one that is: reshaped,
transposed, a maximum. Then it stands for a value of uint8, which this finds or makes. int8 is stored as
uint8, 128 higher, zero point alike.
"""

from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.io.config import build
from tinytensor.io.onnx.activations import ACTIVATIONS
from tinytensor.io.onnx.choose import activation
from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.onnx.shapes import Values
from tinytensor.kernels.boundary import Array
from tinytensor.layers.quantize import numbers_of
from tinytensor.operators.definition import Shape, Value
from tinytensor.operators.table import OPERATORS
from tinytensor.tensors import Tensor

__all__ = ["Quantity", "Reader", "Weight", "computed", "layer", "transposed"]

BYTES = ("uint8", "int8")
# Operations whose results are elements of their first operand.
MOVES = {
    "DepthToSpace", "Expand", "Flatten", "Gather", "GlobalMaxPool", "Identity", "MaxPool", "Reshape", "Slice",
    "SpaceToDepth", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
POINTWISE = {
    *ACTIVATIONS, "Abs", "Add", "Clip", "Div", "Erf", "Exp", "Log", "Max", "Min", "Mul", "Neg", "Pow",
    "Reciprocal", "Sqrt", "Sub",
}  # fmt: skip
MAX_DEPTH = 16  # of a curve


class Quantity(NamedTuple):
    """Numbers that are (byte - zero_point) · scale, and the name of the bytes."""

    name: str
    scale: float
    zero_point: int


class Weight(NamedTuple):
    """Constant numbers that are whole · scale, with a scale for each position of an axis, or one."""

    whole: Array
    scale: Array
    axis: int


class Reader:
    """Looks at the values of a program, and notes the steps that take the place of its own."""

    def __init__(self, program: Program, values: Values):
        self.program, self.constants, self.values = program, program.constants, values
        self.producer = {name: step for step in program.steps for name in step.outputs}
        self.steps: list[Step] = []
        self.stored: dict[str, str] = {}  # the uint8 of values of int8
        self.quantities: dict[str, Quantity | None] = {}
        self.curves: dict[str, tuple[Quantity, Array] | None] = {}

    def step(self, name: str, op: str) -> Step | None:
        """The step that computes a value, if it is this operation."""
        found = self.producer.get(name)
        return found if found is not None and found.op == op else None

    def shape(self, name: str) -> Shape:
        """What is known of a value's shape."""
        return self.values[name].shape

    def rank(self, name: str) -> int:
        """How many axes a value has, -1 if that is not known."""
        shape = self.shape(name)
        return -1 if shape is None else len(shape)

    def emit(self, like: Step, found: Step, shape: Shape, dtype: str = "uint8", result: str = "") -> str:
        """Note a step in the place of another; the name of its result."""
        found.node, found.outputs = like.node, [result or self.program.name(like)]
        found.results = [Value(dtype, shape)]
        self.steps.append(found)
        self.values[found.outputs[0]] = found.results[0]
        return found.outputs[0]

    def scaling(self, scale: str, zero_point: str, dtype: str) -> tuple[float, int] | None:
        """A scale and the zero point of the uint8, if both are single constants."""
        numbers = self.constants.get(scale)
        zero = self.constants.get(zero_point) if zero_point else np.zeros((), dtype)
        if numbers is None or zero is None or numbers.size != 1 or zero.size != 1 or dtype not in BYTES:
            return None
        found = float(numbers.ravel()[0])
        if numbers.dtype != np.float32 or zero.dtype.name != dtype or not 0 < found < np.inf:
            return None
        return found, int(zero.ravel()[0]) + (128 if dtype == "int8" else 0)

    def as_bytes(self, name: str) -> str:
        """The uint8 for a value of uint8 or int8."""
        if self.values[name].dtype == "uint8":
            return name
        if name not in self.stored:
            self.stored[name] = self.from_int8(name)
        return self.stored[name]

    def from_int8(self, name: str) -> str:
        """The uint8 for a value of int8 that has none yet."""
        step, shape = self.producer.get(name), self.shape(name)
        like = step or Step("", "", [], [name])
        if name in self.constants:
            found = self.program.constant(like, self.constants[name].view(np.uint8) ^ np.uint8(128))
            self.values[found] = Value("uint8", shape, self.constants[found])
            return found
        return self.emit(like, layer("FromInt8", [name]), shape)

    def move(self, step: Step, bytes_: str) -> str:
        """What a step that moves elements gives for bytes."""
        moved = Step("", step.op, [bytes_, *step.inputs[1:]], [], dict(step.attributes))
        return self.emit(step, moved, self.shape(step.outputs[0]))

    def look_at(self, step: Step) -> None:
        """Note what a step says of its result; to be called of every step in order."""
        if step.op == "ToInt8":
            self.stored[step.outputs[0]] = step.inputs[0]
        elif step.op == "DequantizeLinear" and step.inputs[0] not in self.constants:
            self.quantity(step.outputs[0])
        elif is_move(step):
            self.quantity(step.outputs[0])
            if step.inputs[0] in self.stored:
                self.stored[step.outputs[0]] = self.move(step, self.stored[step.inputs[0]])

    def quantity(self, name: str) -> Quantity | None:
        """What bytes a value of numbers stands for."""
        if name not in self.quantities:
            self.quantities[name] = self.found_quantity(name)
        return self.quantities[name]

    def found_quantity(self, name: str) -> Quantity | None:
        """The same, not looked up."""
        step = self.producer.get(name)
        if step is None:
            return None
        if step.op == "DequantizeLinear":
            x, scale, zero_point = [*step.inputs, ""][:3]
            found = self.scaling(scale, zero_point, self.values[x].dtype)
            return None if found is None else Quantity(self.as_bytes(x), *found)
        inner = self.quantities.get(step.inputs[0]) if is_move(step) else None
        return None if inner is None else inner._replace(name=self.move(step, inner.name))

    def weight(self, name: str) -> Weight | None:
        """Constant numbers of few bits, transposed or not."""
        turn = self.step(name, "Transpose")
        found = self.stored_weight(turn.inputs[0] if turn else name)
        if turn is None or found is None:
            return found
        return transposed(found) if turn.attributes.get("perm", [1, 0]) == [1, 0] else None

    def stored_weight(self, name: str) -> Weight | None:
        """Constant numbers of few bits."""
        step = self.step(name, "DequantizeLinear")
        if step is None or step.attributes.get("block_size"):
            return None
        found = [self.constants.get(each) for each in filter(None, step.inputs)]
        x, scale, *zero = [each for each in found if each is not None] + [None] * 2
        if x is None or scale is None or (len(found) > 2 and zero[0] is None):
            return None
        if not self.program.afford(x.nbytes):
            return None
        axis = step.attributes.get("axis", 1)
        axis = axis + x.ndim if axis < 0 else axis
        if scale.size > 1 and (scale.ndim != 1 or not axis < x.ndim or x.shape[axis] != scale.size):
            return None
        if zero[0] is not None and zero[0].size not in (1, scale.size):
            return None
        if scale.dtype != np.float32 or not ((scale > 0) & np.isfinite(scale)).all():
            return None
        return Weight(without_zero_point(x, zero[0], axis), scale.ravel(), axis)

    def curve(self, name: str, depth: int = MAX_DEPTH) -> tuple[Quantity, Array] | None:
        """The bytes that a value depends on elementwise, and the 256 numbers that it has for them."""
        if name not in self.curves:
            found = self.quantity(name)
            if found is not None:
                self.curves[name] = found, numbers_of(found.scale, found.zero_point)
            else:
                self.curves[name] = self.found_curve(name, depth) if depth else None
        return self.curves[name]

    def number(self, name: str) -> Array | None:
        """A constant that is one number, of few bits or not."""
        constant = self.constants.get(name)
        found = self.stored_weight(name) if constant is None else None
        if found is not None and found.whole.size == 1:
            constant = (found.whole * found.scale).astype(np.float32)
        return constant if constant is not None and constant.size == 1 else None

    def found_curve(self, name: str, depth: int) -> tuple[Quantity, Array] | None:
        """The same of a step of numbers."""
        step = self.producer.get(name)
        if step is None or step.op not in POINTWISE or self.values[name].dtype != "float32":
            return None
        sources, operands = set[Quantity](), list[Array | None]()
        for each in step.inputs:
            constant = self.number(each)
            if constant is not None:
                if constant.ndim > max(self.rank(name), 1):
                    return None
                operands.append(constant.reshape(()))
                continue
            found = self.curve(each, depth - 1) if each else None
            if each and found is None:
                return None
            sources.update(found[:1] if found else ())
            operands.append(found[1] if found else None)
        y = computed(step, operands) if len(sources) == 1 else None
        return None if y is None else (sources.pop(), y)


def layer(name: str, inputs: list[str], parameters: dict[str, Array] | None = None, **config: Any) -> Step:
    """A layer; it takes the place of another step."""
    return Step("", name, inputs, [], config, parameters or {})


def transposed(weight: Weight | None) -> Weight | None:
    """A matrix (in, out) as (out, in)."""
    if weight is None or weight.whole.ndim != 2:
        return None
    return Weight(weight.whole.T, weight.scale, 1 - weight.axis)


def is_move(step: Step) -> bool:
    """Whether a step's only result is made of elements of its first operand."""
    return step.op in MOVES and not any(step.outputs[1:])


def without_zero_point(x: Array, zero_point: Array | None, axis: int) -> Array:
    """Whole numbers minus their zero points, wide enough for these."""
    wide = x.astype(np.int64)
    if zero_point is None or zero_point.size == 1:
        return wide if zero_point is None else wide - int(zero_point.ravel()[0])
    shape = [1] * x.ndim
    shape[axis] = -1
    return wide - zero_point.reshape(shape)


def computed(step: Step, operands: list[Array | None]) -> Array | None:
    """What a step gives for 256 numbers."""
    tensors = [None if each is None else Tensor(each, each.dtype) for each in operands]
    try:
        with np.errstate(all="ignore"):
            if step.op in ACTIVATIONS:
                found = activation(step)
                y = build({"class": found.op, "config": found.attributes}, {})(tensors[0])
            else:
                y = OPERATORS[step.op](*tensors, **step.attributes)
    except TinyTensorError:
        return None
    array: Array = y.numpy()
    return array if array.shape == (256,) and array.dtype == np.float32 else None
