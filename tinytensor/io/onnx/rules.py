"""How each primitive is written in ONNX: one rule each, by the primitive's name."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.io.onnx import image_rules, moves, quantized_rules, scalars
from tinytensor.io.onnx.nodes import DTYPE, Values
from tinytensor.kernels.boundary import normalize_axis
from tinytensor.primitives.definition import Node, Symbol
from tinytensor.primitives.elementwise import joint_dtype

__all__ = ["RULES", "Rule"]

Rule = Callable[[Values, Node, str], str]  # writes the node; the name of its result, which is y if it can be
BOOL, INT64 = np.dtype(np.bool), np.dtype(np.int64)


def elementwise(op: str) -> Rule:
    """One operation of operands in the dtype of the result."""

    def rule(values: Values, node: Node, y: str) -> str:
        dtype = node.result.dtype
        return values.nodes.add(op, *(values.take(each, dtype) for each in node.operands), to=y)

    return rule


def comparison(op: str, negated: bool = False) -> Rule:
    """One operation of operands in their common dtype."""

    def rule(values: Values, node: Node, y: str) -> str:
        dtype = joint_dtype(node.operands)
        inputs = [values.take(each, dtype) for each in node.operands]
        if not negated:
            return values.nodes.add(op, *inputs, to=y)
        return values.nodes.add("Not", values.nodes.add(op, *inputs), to=y)

    return rule


def bitwise(of_bools: str, of_integers: str) -> Rule:
    """Two names for one thing."""
    return lambda values, node, y: elementwise(of_bools if node.result.dtype == BOOL else of_integers)(
        values, node, y
    )


def cast(values: Values, node: Node, y: str) -> str:
    """Another dtype."""
    return values.nodes.add("Cast", values.take(node.operands[0]), to=y, **{DTYPE: node.result.dtype.name})


def where(values: Values, node: Node, y: str) -> str:
    """What is not 0 is true."""
    condition, *others = node.operands
    inputs = [values.take(condition, BOOL), *(values.take(each, node.result.dtype) for each in others)]
    return values.nodes.add("Where", *inputs, to=y)


def prelu(values: Values, node: Node, y: str) -> str:
    """The slope must broadcast to x."""
    x, slope = node.operands
    dtype = node.result.dtype
    inputs = values.take(x, dtype), values.take(slope, dtype)
    if type(slope) is not Symbol or slope.sample == node.result.sample:
        return values.nodes.add("PRelu", *inputs, to=y)
    negative = values.nodes.add("Less", inputs[0], values.take(0, dtype))
    return values.nodes.add("Where", negative, values.nodes.add("Mul", *inputs), inputs[0], to=y)


def linear(values: Values, node: Node, y: str) -> str:
    """Gemm keeps the weight as it is, but takes matrices only."""
    x, weight, *bias = node.operands
    dtype = node.result.dtype
    inputs = [values.take(each, dtype) for each in bias if each is not None]
    if x.ndim == 2:
        return values.nodes.add(
            "Gemm", values.take(x, dtype), values.take(weight, dtype), *inputs, to=y, transB=1
        )
    factors = values.take(x, dtype), values.take(weight.T, dtype, of=weight)
    product = values.nodes.add("MatMul", *factors, to="" if inputs else y)
    return values.nodes.add("Add", product, *inputs, to=y) if inputs else product


def axis_of(op: str) -> Rule:
    """One operation along an axis."""
    return lambda values, node, y: values.nodes.add(
        op, values.take(node.operands[0]), to=y, axis=node.parameters["axis"]
    )


def standardize(values: Values, node: Node, y: str) -> str:
    """A layer norm with a scale of 1."""
    return layer_norm(values, node, [1.0], y)


def layer_norm(values: Values, node: Node, scales: list[Any], y: str) -> str:
    """Standardizing, with a scale and perhaps a bias for each element."""
    x, count = node.operands[0], node.parameters["count"]
    inputs = []
    for each in scales:
        whole = each if np.shape(each) else np.full(x.sample[len(x.sample) - count :], each)
        inputs.append(values.nodes.constant(whole, node.result.dtype))
    attributes = {"axis": -count, "epsilon": node.parameters["eps"]}
    return values.nodes.add("LayerNormalization", values.take(x), *inputs, to=y, **attributes)


def batch_norm(values: Values, node: Node, y: str) -> str:
    """BatchNormalization has the features along axis 1."""
    x, *arrays = node.operands
    dtype, axis, eps = node.result.dtype, node.parameters["axis"] % x.ndim, node.parameters["eps"]
    if axis == 1:
        inputs = [values.take(each, dtype) for each in arrays]
        return values.nodes.add("BatchNormalization", values.take(x, dtype), *inputs, to=y, epsilon=eps)
    weight, bias, mean, var = (np.asarray(each, np.float64) for each in arrays)
    shape = [1] * x.ndim
    shape[axis] = -1
    deviation = values.nodes.add(
        "Sub", values.take(x, dtype), values.take(mean.reshape(shape), dtype, of=arrays[2])
    )
    scale = values.take((weight / np.sqrt(var + eps)).reshape(shape), dtype)
    scaled = values.nodes.add("Mul", deviation, scale)
    return values.nodes.add("Add", scaled, values.take(bias.reshape(shape), dtype, of=arrays[1]), to=y)


def axes_of(node: Node) -> list[int]:
    """The axes that are folded."""
    return list(normalize_axis(node.primitive.name, node.parameters["axis"], node.operands[0].ndim))


def fold(op: str, through: Any = None) -> Rule:
    """A fold, of another dtype if ONNX has it for that only."""

    def rule(values: Values, node: Node, y: str) -> str:
        dtype = node.result.dtype
        x = values.take(node.operands[0], BOOL if dtype == BOOL else through or dtype)
        if dtype == BOOL:
            x = values.nodes.add("Cast", x, **{DTYPE: "int32"})
        axes = values.nodes.constant(axes_of(node), INT64)
        keep = int(node.parameters["keepdims"])
        if dtype != BOOL:
            return values.nodes.add(op, x, axes, to=y, keepdims=keep)
        found = values.nodes.add(op, x, axes, keepdims=keep)
        return values.nodes.add("Cast", found, to=y, **{DTYPE: "bool"})

    return rule


def position(op: str) -> Rule:
    """Where the largest or smallest element of an axis is."""

    def rule(values: Values, node: Node, y: str) -> str:
        axes, x = axes_of(node), node.operands[0]
        if len(axes) != 1:
            raise UnsupportedOp(
                f"{values.nodes.where}: {op}: expected one axis, got {axes}; reshape the samples before it"
            )
        name = values.take(x, np.dtype(np.float32) if x.dtype == BOOL else x.dtype)
        return values.nodes.add(op, name, to=y, axis=axes[0], keepdims=int(node.parameters["keepdims"]))

    return rule


def variance(values: Values, node: Node, y: str) -> str:
    """The mean of the squares of deviations, by n - ddof."""
    nodes, dtype, axes = values.nodes, node.result.dtype, axes_of(node)
    x = values.take(node.operands[0], dtype)
    folded = nodes.constant(axes, INT64)
    deviation = nodes.add("Sub", x, nodes.add("ReduceMean", x, folded, keepdims=1))
    squares = nodes.add("Mul", deviation, deviation)
    keep, ddof = int(node.parameters["keepdims"]), node.parameters.get("ddof", 0)
    last = node.primitive.name == "var"
    if not ddof:
        found = nodes.add("ReduceMean", squares, folded, to=y if last else "", keepdims=keep)
    else:
        count = float(np.prod([node.operands[0].sample[axis - 1] for axis in axes])) - ddof
        total = nodes.add("ReduceSum", squares, folded, keepdims=keep)
        found = nodes.add("Div", total, nodes.constant(count, dtype), to=y if last else "")
    return found if last else nodes.add("Sqrt", found, to=y)


def local_response(values: Values, node: Node, y: str) -> str:
    """LRN."""
    return values.nodes.add("LRN", values.take(node.operands[0]), to=y, **node.parameters)


def embed(values: Values, node: Node, y: str) -> str:
    """Rows of the table."""
    indices, table = node.operands
    return values.nodes.add("Gather", values.take(table), values.take(indices, INT64), to=y, axis=0)


RULES: dict[str, Rule] = {
    **quantized_rules.RULES,
    "absolute": elementwise("Abs"),
    "add": elementwise("Add"),
    "all": fold("ReduceMin"),
    "and": bitwise("And", "BitwiseAnd"),
    "any": fold("ReduceMax"),
    "argmax": position("ArgMax"),
    "argmin": position("ArgMin"),
    "batch_norm": batch_norm,
    "cast": cast,
    "convolve": image_rules.convolve,
    "convolve_transposed": image_rules.convolve_transposed,
    "divide": elementwise("Div"),
    "embed": embed,
    "equal": comparison("Equal"),
    "greater": comparison("Greater"),
    "greater_equal": comparison("GreaterOrEqual"),
    "invert": bitwise("Not", "BitwiseNot"),
    "less": comparison("Less"),
    "less_equal": comparison("LessOrEqual"),
    "linear": linear,
    "local_response": local_response,
    "log_softmax": axis_of("LogSoftmax"),
    "map": scalars.map_scalar,
    "matmul": elementwise("MatMul"),
    "max": fold("ReduceMax"),
    "maximum": elementwise("Max"),
    "mean": fold("ReduceMean"),
    "min": fold("ReduceMin"),
    "minimum": elementwise("Min"),
    "move": moves.move,
    "multiply": elementwise("Mul"),
    "negative": elementwise("Neg"),
    "not_equal": comparison("Equal", negated=True),
    "or": bitwise("Or", "BitwiseOr"),
    "pad": image_rules.pad,
    "pool": image_rules.pool,
    "power": elementwise("Pow"),
    "prelu": prelu,
    "prod": fold("ReduceProd"),
    "resample": image_rules.resample,
    "resize": image_rules.resize,
    "several": scalars.several,
    "softmax": axis_of("Softmax"),
    "standardize": standardize,
    "std": variance,
    "subtract": elementwise("Sub"),
    "sum": fold("ReduceSum"),
    "var": variance,
    "where": where,
    "xor": bitwise("Xor", "BitwiseXor"),
}
