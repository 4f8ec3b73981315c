"""The steps of a TFLite model, as ONNX has them; images have their channels last, which steps of them say.

A tensor that is quantised is read through DequantizeLinear and written through QuantizeLinear, so the
operations are said once, on numbers. `tinytensor.io.onnx.quantized` then puts layers on bytes in their place.
"""

from typing import Any

import numpy as np

from tinytensor.errors import ShapeError, UnsupportedOp
from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.tflite.model import Model, Operation, Scaling, TensorOf
from tinytensor.operators.definition import Value

__all__ = ["Steps"]

ALLOWANCE = 16 << 20  # bytes that may be computed when a file is read, beside eight times its weights
MOST_NUMBERS = 64  # in a shape, an order of axes or pads
BYTES = ("int8", "uint8")
ACTIVATIONS: dict[int, tuple[str, tuple[float, ...]]] = {
    1: ("Relu", ()), 2: ("Clip", (-1.0, 1.0)), 3: ("Clip", (0.0, 6.0)),
}  # fmt: skip
WEIGHTS_ALONE = (
    "weights of 8 bits beside numbers of float32 are computed in float32, without rounding the numbers"
)

Shape = tuple[int | None, ...]


def batched(tensor: TensorOf) -> Shape:
    """The lengths of a tensor that is computed; the first one may be any."""
    return (None, *tensor.shape[1:]) if tensor.shape else ()


class Steps:
    """The program so far."""

    def __init__(self, model: Model):
        self.model = model
        inputs = {
            model.tensors[i].name: Value(model.tensors[i].dtype, batched(model.tensors[i]))
            for i in model.inputs
        }
        constants = {
            each.name: each.content if each.dtype != "float16" else each.content.astype(np.float32)
            for each in model.tensors if each.content is not None
        }  # fmt: skip
        outputs = [model.tensors[i].name for i in model.outputs]
        names = {"", *(each.name for each in model.tensors)}
        budget = ALLOWANCE + 8 * sum(array.nbytes for array in constants.values())
        self.program = Program(inputs, outputs, [], constants, set(), names, {}, budget, True)
        self.read: dict[int, str] = {}
        self.turned: dict[tuple[str, tuple[int, ...]], str] = {}  # weights that were read
        self.operation = Operation("", [], [], None)

    def tensor(self, position: int) -> TensorOf | None:
        """An operand of the operation, None if it is left out."""
        inputs = self.operation.inputs
        return (
            self.model.tensors[inputs[position]] if position < len(inputs) and inputs[position] >= 0 else None
        )

    def shape(self, position: int = 0) -> Shape:
        """The lengths of an operand, as the file has them."""
        tensor = self.tensor(position)
        return () if tensor is None else tensor.shape

    def result(self, position: int = 0) -> TensorOf:
        """A result of the operation."""
        return self.model.tensors[self.operation.outputs[position]]

    def option(self, name: str, default: Any = 0) -> Any:
        """An option of the operation."""
        return default if self.operation.options is None else getattr(self.operation.options, name)()

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """A new constant; its name."""
        return self.program.constant(self.like(), np.array(value, dtype))

    def like(self) -> Step:
        """What new names are derived from."""
        return Step("", "", [], [self.result().name])

    def whole(self, position: int) -> list[int]:
        """An operand that is constant whole numbers.

        Raises:
            UnsupportedOp: it is not.
            ShapeError: there are more of them than any operation has.
        """
        tensor = self.tensor(position)
        if tensor is None or tensor.content is None or tensor.content.dtype.kind not in "iu":
            raise UnsupportedOp(f"operand {position} that is computed; a constant would help")
        if tensor.content.size > MOST_NUMBERS:
            raise ShapeError(
                f"operand {position}: expected at most {MOST_NUMBERS} numbers, got {tensor.content.size}"
            )
        return [int(n) for n in tensor.content.ravel()]

    def add(self, op: str, inputs: list[str], shape: Shape, dtype: str = "float32", **attributes: Any) -> str:
        """One more step; the name of its result."""
        name = self.program.name(self.like())
        who = f"operator {self.operation.name}"
        step = Step(who, op, inputs, [name], attributes, results=[Value(dtype, shape)])
        self.program.steps.append(step)
        return name

    def number(self, position: int) -> str:
        """An operand as numbers; as it is, if it is not quantised.

        Raises:
            ShapeError: it is left out.
        """
        tensor = self.tensor(position)
        if tensor is None:
            raise ShapeError(f"expected operand {position}, which is left out")
        number = self.operation.inputs[position]
        if number not in self.read:
            self.read[number] = self.numbers_of(tensor)
        return self.read[number]

    def numbers_of(self, tensor: TensorOf) -> str:
        """The numbers of a tensor."""
        refuse_others(tensor)
        if tensor.scaling is None or tensor.dtype not in (*BYTES, "int32"):
            return tensor.name
        shape = batched(tensor) if tensor.content is None else tensor.shape
        return self.dequantized(tensor.name, tensor.scaling, tensor.dtype, shape)

    def dequantized(self, name: str, scaling: Scaling, dtype: str, shape: Shape) -> str:
        """What quantised values stand for."""
        parameters = [
            self.constant(scaling.scale.squeeze()),
            self.constant(scaling.zero_point.squeeze(), dtype),
        ]
        return self.add("DequantizeLinear", [name, *parameters], shape, axis=scaling.axis)

    def weight(self, position: int, perm: tuple[int, ...]) -> str:
        """A constant operand with its axes in another order, as numbers.

        Raises:
            UnsupportedOp: it is computed.
            ShapeError: it has more or fewer axes.
        """
        tensor = self.tensor(position)
        if tensor is None or tensor.content is None:
            raise UnsupportedOp("weights that are computed; constant weights would help")
        if tensor.content.ndim != len(perm):
            raise ShapeError(f"expected weights of {len(perm)} axes, got {tensor.content.shape}")
        first, key = self.tensor(0), (tensor.name, perm)
        if tensor.scaling is not None and first is not None and first.scaling is None:
            self.program.note(WEIGHTS_ALONE)
        if key not in self.turned:
            self.turned[key] = self.turned_weight(tensor, perm)
        return self.turned[key]

    def turned_weight(self, tensor: TensorOf, perm: tuple[int, ...]) -> str:
        """A constant with its axes in another order, as numbers."""
        name = self.program.constant(self.like(), self.program.constants[tensor.name].transpose(perm))
        found = self.program.constants[name]
        if tensor.scaling is None or tensor.dtype not in BYTES:
            return name
        axis = perm.index(tensor.scaling.axis) if tensor.scaling.scale.size > 1 else 0
        scaling = Scaling(tensor.scaling.scale, tensor.scaling.zero_point, axis)
        return self.dequantized(name, scaling, tensor.dtype, found.shape)

    def bias(self, position: int) -> str:
        """An operand in units of the scale of x · the weight's, if these are quantised; "" for none."""
        tensor, x, weight = self.tensor(position), self.tensor(0), self.tensor(1)
        if tensor is None:
            return ""
        if x is None or weight is None or tensor.dtype != "int32":
            return self.number(position)
        if x.scaling is None or weight.scaling is None:
            raise UnsupportedOp("a bias of whole numbers beside numbers; quantised operands would help")
        scale = x.scaling.scale * weight.scaling.scale
        return self.dequantized(tensor.name, Scaling(scale, np.zeros(1, np.int64), 0), "int32", tensor.shape)

    def activated(self, name: str) -> str:
        """A value after the activation that the operation says."""
        kind, shape = self.option("FusedActivationFunction"), batched(self.result())
        if kind == 0:
            return name
        if kind not in ACTIVATIONS:
            raise UnsupportedOp(f"activation {kind}; ReLU or ReLU6 would help")
        op, bounds = ACTIVATIONS[kind]
        return self.add(op, [name, *map(self.constant, bounds)], shape)

    def finish(self, name: str, position: int = 0) -> None:
        """A value is this result of the operation."""
        tensor = self.result(position)
        refuse_others(tensor)
        if tensor.scaling is not None and tensor.dtype in BYTES:
            scale, zero = (each.squeeze() for each in (tensor.scaling.scale, tensor.scaling.zero_point))
            inputs = [name, self.constant(scale), self.constant(zero, tensor.dtype)]
            axis = tensor.scaling.axis
            name = self.add("QuantizeLinear", inputs, batched(tensor), tensor.dtype, axis=axis)
        if name in self.read.values():  # which others may read, too
            self.add("Identity", [name], batched(tensor), tensor.dtype)
        self.program.steps[-1].outputs = [tensor.name]

    def same_constant(self) -> bool:
        """Whether the first operand is a constant; then so is the result."""
        source, result = self.tensor(0), self.result()
        if source is None or source.content is None or result.scaling is not None:
            return False
        result.content, result.scaling, result.dtype = source.content, source.scaling, source.dtype
        self.program.constants[result.name] = self.program.constants[source.name]
        return True

    def image(self) -> tuple[int, int, int]:
        """Height, width and channels of the first operand.

        Raises:
            UnsupportedOp: they vary, or it is no image.
        """
        _, *lengths = self.shape() or (0,)
        if len(lengths) != 3 or None in lengths:
            raise UnsupportedOp(f"images of shape {self.shape()}; known heights and widths would help")
        height, width, channels = (n for n in lengths if n is not None)
        return height, width, channels


def refuse_others(tensor: TensorOf) -> None:
    """Raise for quantised values of other types, which are computed otherwise."""
    if tensor.scaling is not None and tensor.dtype == "int16":
        raise UnsupportedOp("quantised values of 16 bits; int8 would help")
    if tensor.dtype == "float16" and tensor.content is None:
        raise UnsupportedOp("float16 that is computed; float32 would help")
