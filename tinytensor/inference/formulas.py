"""Formulas of a trace: a name for each value, and each node as a line of mathematics in plain text.

A layer with weights makes a⁽ᵏ⁾ with W⁽ᵏ⁾ and b⁽ᵏ⁾, counted from 1; an activation after it makes z⁽ᵏ⁾; other
values are u₁, u₂, …, constants c₁, c₂, …, inputs x and outputs y.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytensor.primitives.definition import Node, Symbol

__all__ = ["Formulas", "called", "subscript", "superscript"]

RAISED, LOWERED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"), str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
WEIGHTED = (
    "linear", "matmul", "convolve", "convolve_transposed", "quantized_linear", "quantized_convolution",
)  # fmt: skip
FIRST_SENTENCE = re.compile(r"[a-z]\(x\) = (.{1,80}?)\.(?:\s|$)")
OPERATORS = {"add": "{0} + {1}", "subtract": "{0} − {1}", "multiply": "{0} · {1}", "negative": "−{0}",
             "absolute": "|{0}|", "prelu": "{0} where {0} ≥ 0, else {1} · {0}",
             "where": "{1} where {0}, else {2}"}  # fmt: skip

MEANINGS = {"softmax": "softmax(x)ⱼ = e^xⱼ / Σₖ e^xₖ", "log_softmax": "log_softmax(x)ⱼ = xⱼ − log Σₖ e^xₖ"}


def superscript(name: str, number: int) -> str:
    """A name with a number in raised parentheses.

    >>> superscript("W", 12)
    'W⁽¹²⁾'
    """
    return f"{name}⁽{str(number).translate(RAISED)}⁾"


def subscript(name: str, number: int) -> str:
    """A name with a lowered number.

    >>> subscript("u", 12)
    'u₁₂'
    """
    return name + str(number).translate(LOWERED)


def lengths(shape: Sequence[int]) -> str:
    """A shape as a product of lengths.

    >>> lengths((50, 784)), lengths(())
    ('50×784', '1')
    """
    return "×".join(map(str, shape)) or "1"


class Formulas:
    """The names of values, given in the order of the nodes.

    Args:
        inputs: the inputs of the trace.
        outputs: its outputs.
    """

    def __init__(self, inputs: Sequence[Symbol], outputs: Sequence[Symbol]):
        self.weighted = self.others = self.constants = 0
        self.names = {each.index: self.one_of("x", i, inputs) for i, each in enumerate(inputs)}
        self.ends = {each.index: self.one_of("y", i, outputs) for i, each in enumerate(outputs)}

    @staticmethod
    def one_of(name: str, position: int, all_: Sequence[Any]) -> str:
        """The name, with a number if there are several."""
        return name if len(all_) == 1 else subscript(name, position + 1)

    def of(self, node: Node) -> tuple[str, str]:
        """The formula of a node, and what its letters stand for."""
        name, constant = node.primitive.name, len(node.operands) > 1 and type(node.operands[1]) is not Symbol
        if name in WEIGHTED and constant:
            self.weighted += 1
            right, where = self.of_weights(node) if name in WEIGHTED[:4] else self.of_byte_weights(node)
        elif name == "batch_norm":
            x = self.text(node.operands[0], [])
            eps = f"{node.parameters['eps']:.6g}"
            right = f"γ · ({x} − μ) / √(σ² + {eps}) + β"
            where = [f"γ, β, μ, σ²: {lengths(node.operands[1].shape)}"]
        else:
            where = []
            right = self.right(node, [self.text(each, where) for each in node.operands], where)
        return f"{self.name(node)} = {right}", ", ".join(where)

    def name(self, node: Node) -> str:
        """A name for the result of a node."""
        index = node.result.index
        before = self.names.get(node.symbols[0].index, "") if node.symbols else ""
        activated = superscript("z", self.weighted)
        if index in self.ends:
            name = self.ends[index]
        elif node.primitive.name in WEIGHTED and type(node.operands[1]) is not Symbol:
            name = superscript("a", self.weighted)
        elif (
            node.primitive.name == "map"
            and before == superscript("a", self.weighted)
            and activated not in self.names.values()
        ):
            name = activated
        else:
            self.others += 1
            name = subscript("u", self.others)
        self.names[index] = name
        return name

    def text(self, operand: Any, where: list[str]) -> str:
        """An operand: the name of a value, a number, or the name of a constant, which `where` then tells."""
        if type(operand) is Symbol:
            return self.names[operand.index]
        array = np.asarray(operand)
        if array.dtype.kind not in "fiub":
            return f"{operand!r:.20}"
        if array.size == 1:
            return f"{array.item():.6g}"
        self.constants += 1
        name = subscript("c", self.constants)
        where.append(f"{name}: {lengths(array.shape)}")
        return name

    def of_weights(self, node: Node) -> tuple[str, list[str]]:
        """A product or a convolution."""
        x, weight, *bias = node.operands
        k, parameters = self.weighted, node.parameters
        name, value = superscript("W", k), self.names[x.index]
        product = {
            "linear": f"{name} {value}",
            "matmul": f"{value} {name}",
            "convolve": f"{name} ∗ {value}",
            "convolve_transposed": f"{name} ∗ᵀ {value}",
        }[node.primitive.name]
        where = [f"{name}: {lengths(weight.shape)}"]
        if bias and bias[0] is not None:
            product += f" + {superscript('b', k)}"
            where.append(f"{superscript('b', k)}: {lengths(bias[0].shape)}")
        return product, [*where, *window_words(parameters)]

    def of_byte_weights(self, node: Node) -> tuple[str, list[str]]:
        """A product or a convolution of bytes."""
        x, weight, bias, factor = node.operands
        k, parameters = self.weighted, node.parameters
        w, b, m = (superscript(letter, k) for letter in "Wbm")
        value = less(self.names[x.index], parameters["zero_point"])
        product = f"{w} {value}" if node.primitive.name == "quantized_linear" else f"{w} ∗ {value}"
        where = [
            f"{w}: {lengths(weight.shape)}",
            f"{b}: {lengths(bias.shape)}",
            f"{m}: {lengths(factor.shape)}",
        ]
        right = rounded(f"{m} · ({product} + {b})", parameters["output"])
        return right, [*where, *window_words(parameters)]

    def right(self, node: Node, operands: list[str], where: list[str]) -> str:
        """The right side of any other node."""
        name, parameters, first = node.primitive.name, node.parameters, operands[0]
        if name in ("map", "several", "move"):
            function = getattr(parameters["function"], "__name__", name).strip("<>_")
            if name == "map":
                where += meaning(function, parameters["function"])
                operands = [*operands, *(f"{each:.6g}" for each in parameters["arguments"])]
            return f"{function}({', '.join(operands)})"
        if name == "pool":
            where += window_words(parameters)
            return f"{parameters['kind']} of {first} over windows of {lengths(parameters['size'])}"
        if name in OF_BYTES:
            return OF_BYTES[name](operands, parameters)
        if name == "standardize":
            return f"({first} − mean {first}) / √(var {first} + {parameters['eps']:.6g})"
        if name == "call":
            return f"{called(parameters['layer'])}({', '.join(operands)})"
        if name in MEANINGS:
            where.append(MEANINGS[name])
        form = OPERATORS.get(name) or node.primitive.numpy.replace("np.", "")
        if form:
            return form.format(*operands, **parameters)
        return f"{name}({', '.join(operands)})"


def less(name: str, zero_point: int) -> str:
    """A value of bytes without its zero point.

    >>> less("x", 0), less("x", 128)
    ('x', '(x − 128)')
    """
    return f"({name} − {zero_point})" if zero_point else name


def rounded(number: str, output: Any) -> str:
    """A number as a byte, if it becomes one."""
    if output is None:
        return number
    more = f" + {output.zero_point}" if output.zero_point else ""
    limits = "" if output[1:] == (0, 255) else f" from {output.low} to {output.high}"
    return f"round({number}){more}{limits}"


def sum_of_bytes(operands: Sequence[str], parameters: dict[str, Any]) -> str:
    """A rescaled sum of two values."""
    pairs = zip(operands, parameters["zero_points"], parameters["multipliers"], strict=True)
    terms = [f"{less(name, zero)} · {factor:.6g}" for name, zero, factor in pairs]
    return rounded(" + ".join(terms), parameters["output"])


def mean_of_bytes(operands: Sequence[str], parameters: dict[str, Any]) -> str:
    """A rescaled mean of windows."""
    value = less(operands[0], parameters["zero_point"])
    mean = f"mean of {value} over windows of {lengths(parameters['size'])} · {parameters['multiplier']:.6g}"
    return rounded(mean, parameters["output"])


OF_BYTES: dict[str, Callable[[Sequence[str], dict[str, Any]], str]] = {
    "quantize": lambda operands, given: rounded(f"{operands[0]} / {given['scale']:.6g}", given["output"]),
    "lookup": lambda operands, given: f"{operands[1]}[{operands[0]}]",
    "quantized_add": sum_of_bytes,
    "quantized_average": mean_of_bytes,
}


def called(layer: Any) -> str:
    """What a layer is called that runs its own forward: the operation of an `Operator`, or its class."""
    name = type(layer).__name__
    return str(layer.operation) if name == "Operator" else name


def window_words(parameters: dict[str, Any]) -> list[str]:
    """What differs from windows side by side without padding."""
    found = []
    stride, padding = parameters.get("stride", (1, 1)), parameters.get("padding", ((0, 0), (0, 0)))
    if stride != (1, 1):
        found.append(f"stride {lengths(stride)}")
    if any(map(any, padding)):
        found.append(f"padding {padding[0]} and {padding[1]}")
    if parameters.get("dilation", (1, 1)) != (1, 1):
        found.append(f"dilation {lengths(parameters['dilation'])}")
    if parameters.get("groups", 1) != 1:
        found.append(f"{parameters['groups']} groups")
    return found


def meaning(name: str, function: Any) -> list[str]:
    """What an activation computes, if the first sentence of its docstring says f(x) = …."""
    found, code = FIRST_SENTENCE.match(function.__doc__ or ""), getattr(function, "__code__", None)
    if found is None or code is None:
        return []
    return [f"{name}({', '.join(code.co_varnames[: code.co_argcount])}) = {found[1]}"]
