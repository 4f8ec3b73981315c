"""Scalar functions as nodes of ONNX: an activation that ONNX has is one node, any other its expression."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from tinytensor import activations
from tinytensor.io.config import known_classes
from tinytensor.io.expressions import Expression, expression_of, in_order
from tinytensor.io.onnx.activations import ACTIVATIONS, WRITTEN
from tinytensor.io.onnx.nodes import Values
from tinytensor.layers.activation import Activation
from tinytensor.primitives.definition import Node

__all__ = ["map_scalar", "several"]

OPS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow", "negative": "Neg",
    "abs": "Abs", "maximum": "Max", "minimum": "Min", "where": "Where", "less": "Less",
    "less_equal": "LessOrEqual", "greater": "Greater", "greater_equal": "GreaterOrEqual", "equal": "Equal",
    "exp": "Exp", "log": "Log", "tanh": "Tanh", "erf": "Erf", "gelu": "Gelu", "sqrt": "Sqrt", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "sinh": "Sinh", "cosh": "Cosh", "arcsin": "Asin", "arccos": "Acos",
    "arctan": "Atan", "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh", "floor": "Floor",
    "ceil": "Ceil", "sign": "Sign",
}  # fmt: skip


def expm1(x: Any) -> Any:
    """(u - 1) · x / log u with u = e^x, which rounds as u does. Source: Kahan, HP-15C Handbook, 1982."""
    u = x.made("exp", x)
    near = x.made("where", u == 1, x, (u - 1) * x / x.made("log", u))
    return x.made("where", abs(x) > 0.5, u - 1, near)


def log1p(x: Any) -> Any:
    """x · log u / (u - 1) with u = 1 + x, likewise."""
    u = 1 + x
    near = x.made("where", u == 1, x, x * x.made("log", u) / (u - 1))
    return x.made("where", abs(x) > 0.5, x.made("log", u), near)


def exp_times(x: Any, factor: Any) -> Any:
    """factor · h · h with h = e^(x / 2), which is not 0 where the product is not; -inf · 0 is 0."""
    half = x.made("exp", 0.5 * x)
    return x.made("where", half == 0, 0, factor * half) * half


LACKING: dict[str, Callable[..., Expression]] = {
    "expm1": expm1,
    "log1p": log1p,
    "exp_times": exp_times,
}  # what ONNX has no operation for


@cache
def activation_classes() -> dict[Any, type[Activation]]:
    """The classes of our activations by their scalar functions."""
    known = [each for each in known_classes() if issubclass(each, Activation) and "scalar" in vars(each)]
    return {each.scalar: each for each in known}


def map_scalar(values: Values, node: Node, y: str) -> str:
    """A function of one value."""
    function, arguments = node.parameters["function"], node.parameters["arguments"]
    x = values.take(node.operands[0])
    if function in (activations.gelu_erf, activations.gelu_tanh):
        form = "none" if function is activations.gelu_erf else "tanh"
        return values.nodes.add("Gelu", x, to=y, approximate=form)
    cls = activation_classes().get(function)
    if cls is not None:
        given = dict(zip(cls._names, arguments, strict=True))
        if cls.__name__ == "Clip":
            return clip(values, node, x, y, given)
        if cls.__name__ == "Swish":  # an operation of its own since opset 24 only
            beta = given["beta"]
            inner = x if beta == 1 else values.nodes.add("Mul", x, values.take(beta, node.result.dtype))
            return values.nodes.add("Mul", x, values.nodes.add("Sigmoid", inner), to=y)
        if cls.__name__ in WRITTEN:
            op, attributes = WRITTEN[cls.__name__]
            return values.nodes.add(op, x, to=y, **attributes)
        for op, (ours, parameters, _) in ACTIVATIONS.items():
            if ours == cls.__name__:
                named = {theirs: given[our] for theirs, (our, _) in parameters.items()}
                return values.nodes.add(op, x, to=y, **named)
    return written(values, node, expression_of(function, 1, arguments), y)


def clip(values: Values, node: Node, x: str, y: str, given: dict[str, float]) -> str:
    """Bounds that are infinite are left out."""
    limits = ((given["low"], -math.inf), (given["high"], math.inf))
    bounds = ["" if value == limit else values.take(value, node.result.dtype) for value, limit in limits]
    return values.nodes.add("Clip", x, *bounds, to=y)


def several(values: Values, node: Node, y: str) -> str:
    """A function of several values."""
    function = node.parameters["function"]
    return written(values, node, expression_of(function, len(node.operands)), y)


def written(values: Values, node: Node, expression: Expression, y: str) -> str:
    """The nodes of an expression."""
    steps = in_order(translated(expression))
    names: dict[int, str] = {}
    for each in steps:
        inputs = [names[one.key] for one in each.of if isinstance(one, Expression)]
        to = y if each is steps[-1] else ""
        if each.operation == "operand":
            name = values.take(node.operands[each.of[0]], node.result.dtype)
            names[each.key] = values.nodes.add("Identity", name, to=y) if to else name
        elif each.operation == "number":
            names[each.key] = values.nodes.constant(each.of[0], node.result.dtype)
        elif each.operation == "not_equal":
            names[each.key] = values.nodes.add("Not", values.nodes.add("Equal", *inputs), to=to)
        else:
            names[each.key] = values.nodes.add(OPS[each.operation], *inputs, to=to)
    return names[steps[-1].key]


def translated(expression: Expression) -> Expression:
    """The same in operations that ONNX has."""
    found: dict[int, Expression] = {}
    for each in in_order(expression):
        inner = [found[one.key] if isinstance(one, Expression) else one for one in each.of]
        rule = LACKING.get(each.operation)
        found[each.key] = (
            rule(*inner) if rule is not None else Expression(each.evaluation, each.operation, *inner)
        )
    return found[expression.key]
