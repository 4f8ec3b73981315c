"""Layers in the place of the steps that compute the same: MatMul and Add are a Linear."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.io.onnx import windows
from tinytensor.io.onnx.activations import ACTIVATIONS, SELU
from tinytensor.io.onnx.patterns import close, is_sixth, shortest
from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.onnx.shapes import Values
from tinytensor.kernels.boundary import Array

__all__ = ["choose_layers"]

FLOATS = ("float32", "float64")
OF_BYTES = ("Flatten", "GlobalMaxPool", "MaxPool", "Reshape", "Transpose")  # whose layers take bytes, too
DIVISORS = 2.0**-100, 2.0**100  # the least and the largest, so that their reciprocals are normal numbers


class Chooser:
    """Looks at the operands of a program's steps."""

    def __init__(self, program: Program, values: Values):
        self.constants, self.values = program.constants, values
        self.producer = {step.outputs[0]: step for step in program.steps}
        read = [name for step in program.steps for name in step.inputs]
        self.readers = Counter([*read, *program.outputs])

    def step(self, name: str, op: str) -> Step | None:
        """The step that computes a value, if it is this operation."""
        found = self.producer.get(name)
        return found if found is not None and found.op == op else None

    def constant(self, step: Step, position: int) -> Array | None:
        """An operand that is a constant of the dtype that the step computes in."""
        name = step.inputs[position] if position < len(step.inputs) else ""
        array = self.constants.get(name)
        dtype = next(self.values[each].dtype for each in step.inputs if each not in self.constants)
        return array if array is not None and array.dtype == dtype else None

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """What is known of a value's shape."""
        return self.values[name].shape

    def rank(self, name: str) -> int:
        """How many axes a value has, -1 if that is not known."""
        shape = self.shape(name)
        return -1 if shape is None else len(shape)


def choose_layers(program: Program, values: Values) -> None:
    """Put layers in the place of steps, as many as there are; what only they read is then unread."""
    chooser = Chooser(program, values)
    for position, step in enumerate(program.steps):
        if step.parameters is not None or all(name in program.constants for name in step.inputs):
            continue
        dtypes = FLOATS if step.op not in OF_BYTES else (*FLOATS, "uint8")
        if any(values[name].dtype in dtypes for name in step.inputs[:1]):
            found = activation(step) if step.op in ACTIVATIONS else RULES.get(step.op, nothing)(chooser, step)
            if found is not None and program.afford(found.size()):
                found.node, found.outputs = step.node, step.outputs[:1]
                program.steps[position] = found


def nothing(chooser: Chooser, step: Step) -> Step | None:
    """There is no layer for it."""
    return None


def layer(name: str, x: str, parameters: dict[str, Array] | None = None, **config: Any) -> Step:
    """A layer of one input; it takes the place of another step."""
    return Step("", name, [x], [], config, parameters or {})


def activation(step: Step) -> Step:
    """Our activation with the attributes of theirs."""
    name, arguments, _ = ACTIVATIONS[step.op]
    config = {ours: step.attributes.get(theirs, default) for theirs, (ours, default) in arguments.items()}
    config = {key: shortest(value) if isinstance(value, float) else value for key, value in config.items()}
    if step.op == "HardSigmoid" and is_sixth(step):
        return layer("HardSigmoid", step.inputs[0])
    if step.op == "Selu" and all(close(config[key], SELU[key]) for key in SELU):
        return layer("SELU", step.inputs[0])
    return layer(name, step.inputs[0], **config)


def linear(x: str, weight: Array, bias: Array | None) -> Step | None:
    """A Linear of a weight (out, in), if there is something in it."""
    if weight.ndim != 2 or 0 in weight.shape:
        return None
    out_features, in_features = weight.shape
    parameters = {"weight": weight} | ({} if bias is None else {"bias": bias})
    config = {"in_features": in_features, "out_features": out_features, "bias": bias is not None}
    return layer("Linear", x, parameters, **config)


def bias_of(chooser: Chooser, values: Array, x: str, features: int) -> Array | None:
    """What is added to rows as a vector, if it adds no axis and is the same for all rows."""
    if values.ndim > max(chooser.rank(x), 1) or values.size not in (1, features):
        return None
    if values.shape[-1:] not in ((features,), (1,), ()):
        return None
    return np.broadcast_to(values.reshape(-1), (features,))


def gemm(chooser: Chooser, step: Step) -> Step | None:
    """Its B is the weight, as it is if it is to be transposed."""
    x, weight = step.inputs[0], chooser.constant(step, 1)
    plain = all(step.attributes.get(name, 1.0) == 1 for name in ("alpha", "beta"))
    if weight is None or weight.ndim != 2 or not plain or step.attributes.get("transA"):
        return None
    weight = weight if step.attributes.get("transB") else weight.T
    if len(step.inputs) < 3 or not step.inputs[2]:
        return linear(x, weight, None)
    values = chooser.constant(step, 2)
    bias = None if values is None else bias_of(chooser, values, x, weight.shape[0])
    return None if bias is None else linear(x, weight, bias)


def matmul(chooser: Chooser, step: Step) -> Step | None:
    """Its B is the weight, transposed."""
    weight = chooser.constant(step, 1)
    return None if weight is None or weight.ndim != 2 else linear(step.inputs[0], weight.T, None)


def add(chooser: Chooser, step: Step) -> Step | None:
    """The bias of a MatMul before it, or the offset of a Rescale."""
    for position in (0, 1):
        values, product = chooser.constant(step, position), chooser.producer.get(step.inputs[1 - position])
        if values is not None and product is not None and product.op == "MatMul":
            weight = chooser.constant(product, 1)
            if weight is not None and weight.ndim == 2:
                bias = bias_of(chooser, values, product.inputs[0], weight.shape[1])
                return None if bias is None else linear(product.inputs[0], weight.T, bias)
    return windows.with_bias(chooser, step) or rescale(chooser, step)


def rescale(chooser: Chooser, step: Step) -> Step | None:
    """x · c, x / c, x + c, x - c, c - x, and a sum of the product before it."""
    found = factor_and_offset(chooser, step)
    if found is None:
        return None
    x, scale, offset = found
    before = chooser.producer.get(x)
    if is_number(scale, 1.0) and before is not None and before.op in ("Mul", "Div"):
        inner = factor_and_offset(chooser, before)
        if inner is not None:
            x, scale = inner[0], inner[1]
    arguments = {"scale": scale, "offset": offset}
    arrays = {name: each for name, each in arguments.items() if isinstance(each, np.ndarray)}
    return layer("Rescale", x, arrays, **{name: arguments[name] for name in arguments.keys() - arrays.keys()})


def is_number(value: Any, number: float) -> bool:
    """Whether a factor or an offset is this number."""
    return isinstance(value, float) and value == number


def factor_and_offset(chooser: Chooser, step: Step) -> tuple[str, Any, Any] | None:
    """(x, factor, offset) of an operation on a value and a constant."""
    for position, x in ((1, step.inputs[0]), (0, step.inputs[1])):
        values = chooser.constant(step, position)
        if values is None or x in chooser.constants or values.ndim > max(chooser.rank(x), 0):
            continue
        c = number_or_array(values)
        if step.op == "Mul":
            return x, c, 0.0
        if step.op == "Add":
            return x, 1.0, c
        if step.op == "Sub":
            return (x, 1.0, -c) if position == 1 else (x, -1.0, c)
        size = np.abs(values)
        if position == 1 and (size > DIVISORS[0]).all() and (size < DIVISORS[1]).all():
            return x, number_or_array((1 / values.astype(np.float64)).astype(values.dtype)), 0.0
    return None


def number_or_array(values: Array) -> Any:
    """A Python number for one number."""
    if values.size != 1:
        return values
    value = values.ravel()[0]
    return shortest(value) if values.dtype == np.float32 else float(value)


def clip(chooser: Chooser, step: Step) -> Step | None:
    """Bounds that are numbers."""
    bounds = []
    for position, default in ((1, -math.inf), (2, math.inf)):
        values = chooser.constant(step, position)
        given = position < len(step.inputs) and step.inputs[position]
        if given and (values is None or values.size != 1):
            return None
        bounds.append(default if values is None else number_or_array(values))
    if bounds == [0, math.inf]:
        return layer("ReLU", step.inputs[0])
    return layer("Clip", step.inputs[0], low=bounds[0], high=bounds[1])


def batch_norm(chooser: Chooser, step: Step) -> Step | None:
    """Statistics that are constants."""
    names = ("weight", "bias", "running_mean", "running_var")
    parameters = {name: chooser.constant(step, i + 1) for i, name in enumerate(names)}
    found = {name: array for name, array in parameters.items() if array is not None}
    shapes = {array.shape for array in found.values()}
    if len(found) < 4 or len(shapes) > 1 or found["weight"].ndim != 1 or chooser.rank(step.inputs[0]) < 2:
        return None
    return layer("BatchNorm", step.inputs[0], found, eps=shortest(step.attributes.get("epsilon", 1e-5)))


def layer_norm(chooser: Chooser, step: Step) -> Step | None:
    """A weight that is a constant, of the axes that are normalized over."""
    weight, shape = chooser.constant(step, 1), chooser.shape(step.inputs[0])
    axis = step.attributes.get("axis", -1)
    if weight is None or not shape or any(step.outputs[1:]) or not -len(shape) <= axis < len(shape):
        return None
    if weight.shape != shape[axis:]:
        return None
    parameters = {"weight": weight}
    if len(step.inputs) > 2 and step.inputs[2]:
        bias = chooser.constant(step, 2)
        if bias is None or bias.shape != weight.shape:
            return None
        parameters["bias"] = bias
    return layer("LayerNorm", step.inputs[0], parameters, eps=shortest(step.attributes.get("epsilon", 1e-5)))


def prelu(chooser: Chooser, step: Step) -> Step | None:
    """Slopes that are constants."""
    slope, rank = chooser.constant(step, 1), chooser.rank(step.inputs[0])
    if slope is None or slope.ndim > max(rank, 0) or not (slope.size == 1 or slope.ndim == rank - 1):
        return None
    return layer("PReLU", step.inputs[0], {"weight": slope.reshape(-1) if slope.size == 1 else slope})


def softmax(chooser: Chooser, step: Step) -> Step | None:
    """Over one axis, or over the last one and nothing after it."""
    axis, rank = step.attributes.get("axis", -1), chooser.rank(step.inputs[0])
    if not step.attributes.get("flatten"):
        return layer(step.op, step.inputs[0], axis=axis)
    return layer(step.op, step.inputs[0], axis=-1) if axis in (-1, rank - 1) and rank > 0 else None


def flatten(chooser: Chooser, step: Step) -> Step | None:
    """All but the first of several axes."""
    usual = step.attributes.get("axis", 1) == 1 and chooser.rank(step.inputs[0]) >= 2
    return layer("Flatten", step.inputs[0]) if usual else None


def reshape(chooser: Chooser, step: Step) -> Step | None:
    """A constant shape that keeps the first axis: as 0, as its length, or as -1 where the rest decides it."""
    wanted, shape = wanted_shape(chooser, step), chooser.shape(step.inputs[0])
    if wanted is None or not shape or not 0 < wanted.size <= 64:
        return None
    if step.attributes.get("allowzero") and not wanted.all():
        return None
    first, *rest = (int(n) for n in wanted.ravel())
    lengths = [shape[i + 1] if n == 0 and i + 1 < len(shape) else n for i, n in enumerate(rest)]
    known = [n for n in lengths if n is not None]
    elements = math.prod(n for n in shape[1:] if n is not None)
    if len(known) < len(lengths) or any(n < -1 or n == 0 for n in known) or known.count(-1) > 1:
        return None
    told = None not in shape[1:] and math.prod(known) == elements > 0
    if not (first == 0 or 0 < first == shape[0] or (first == -1 and -1 not in known and told)):
        return None
    if known == [-1] or (len(known) == 1 and told):
        return layer("Flatten", step.inputs[0]) if len(shape) > 1 else None
    return layer("Reshape", step.inputs[0], shape=known)


def wanted_shape(chooser: Chooser, step: Step) -> Array | None:
    """The shape that a Reshape is told: a constant, or the length of x along axis 0 before constants.

    PyTorch exports x.view(x.size(0), -1) as Shape, Gather, Unsqueeze, Concat.
    """
    x, name = step.inputs
    concat = chooser.step(name, "Concat")
    unsqueeze = chooser.step(concat.inputs[0] if concat else "", "Unsqueeze")
    gather = chooser.step(unsqueeze.inputs[0] if unsqueeze else "", "Gather")
    lengths = chooser.step(gather.inputs[0] if gather else "", "Shape")
    if concat is None or gather is None or lengths is None:
        return chooser.constants.get(name)
    index = chooser.constants.get(gather.inputs[1])
    rest = [chooser.constants[each] for each in concat.inputs[1:] if each in chooser.constants]
    whole = not lengths.attributes and lengths.inputs == [x] and len(rest) == len(concat.inputs) - 1
    if not whole or index is None or index.ndim or index != 0 or any(each.ndim != 1 for each in rest):
        return None
    return np.concatenate([[0], *rest])


def dropout(chooser: Chooser, step: Step) -> Step | None:
    """Without a mask."""
    given = len(step.inputs) > 1 and step.inputs[1]
    ratio = chooser.constants.get(step.inputs[1]) if given else np.array(0.5)
    if ratio is None or ratio.size != 1 or not 0 <= ratio.ravel()[0] <= 1 or any(step.outputs[1:]):
        return None
    return layer("Dropout", step.inputs[0], p=shortest(ratio.ravel()[0]))


RULES: dict[str, Callable[[Chooser, Step], Step | None]] = {
    **windows.RULES,
    "Add": add,
    "BatchNormalization": batch_norm,
    "Clip": clip,
    "Div": rescale,
    "Dropout": dropout,
    "Flatten": flatten,
    "Gemm": gemm,
    "LayerNormalization": layer_norm,
    "LogSoftmax": softmax,
    "MatMul": matmul,
    "Mul": rescale,
    "PRelu": prelu,
    "Reshape": reshape,
    "Softmax": softmax,
    "Sub": rescale,
}
