"""How each primitive is written in NumPy: one rule each, or the template that the primitive has itself."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tinytensor import padding, shaping
from tinytensor.io.expressions import expression_of
from tinytensor.io.pooling import covers_all, has_partial_windows
from tinytensor.io.python.scalars import literal
from tinytensor.layers.layer import code
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["RULES", "Program", "expression"]


class Program(Protocol):
    """What rules write with."""

    def use(self, name: str) -> str:
        """The name of a function of the library, which the file will hold."""

    def scalar(self, function: Any, names: list[str], expression: Any) -> str:
        """The name of a function that computes an expression, which the file will hold."""

    def constant(self, array: Any) -> str:
        """An array as code."""


Rule = Callable[[Program, Node, Sequence[str]], str]  # the operands as code; the code of the result


def expression(program: Program, node: Node, operands: Sequence[str]) -> str | None:
    """The code of a node; None if there is no rule for it."""
    rule = RULES.get(node.primitive.name)
    if rule is not None:
        return rule(program, node, operands)
    return node.primitive.numpy.format(*operands, **node.parameters) or None


def call(name: str, *parameters: str) -> Rule:
    """A function of the library, of the operands and some parameters."""

    def rule(program: Program, node: Node, operands: Sequence[str]) -> str:
        given = [f"{key}={code(node.parameters[key])}" for key in parameters]
        return f"{program.use(name)}({', '.join([*operands, *given])})"

    return rule


def cast(program: Program, node: Node, operands: Sequence[str]) -> str:
    """Another dtype."""
    return f"{operands[0]}.astype({node.result.dtype.name!r})"


def linear(program: Program, node: Node, operands: Sequence[str]) -> str:
    """X Wᵀ + b."""
    product = f"{operands[0]} @ {operands[1]}.T"
    return product if operands[2:] in ([], ["None"]) else f"{product} + {operands[2]}"


def where(program: Program, node: Node, operands: Sequence[str]) -> str:
    """Of two numbers in the dtype of the result."""
    condition, *others = operands
    if not any(hasattr(each, "dtype") for each in node.operands[1:]):
        others = [f"np.{node.result.dtype.name}({each})" for each in others]
    return f"np.where({condition}, {', '.join(others)})"


def map_scalar(program: Program, node: Node, operands: Sequence[str]) -> str:
    """A function of one value, with its parameters as numbers."""
    function, arguments = node.parameters["function"], node.parameters["arguments"]
    return f"{program.scalar(function, ['x'], expression_of(function, 1, arguments))}({operands[0]})"


def several(program: Program, node: Node, operands: Sequence[str]) -> str:
    """A function of several values; numbers in the dtype of the others."""
    function = node.parameters["function"]
    names = list(function.__code__.co_varnames[: len(operands)])
    arrays = [code for code, each in zip(operands, node.operands, strict=True) if type(each) is Symbol]
    given = [
        code if hasattr(each, "dtype") else f"{arrays[0]}.dtype.type({code})"
        for code, each in zip(operands, node.operands, strict=True)
    ]
    return f"{program.scalar(function, names, expression_of(function, len(names)))}({', '.join(given)})"


def standardize(program: Program, node: Node, operands: Sequence[str]) -> str:
    """Over the last axes."""
    axes, eps = tuple(range(-node.parameters["count"], 0)), node.parameters["eps"]
    return f"{program.use('standardize')}({operands[0]}, {axes}, {eps!r})[0]"


def batch_norm(program: Program, node: Node, operands: Sequence[str]) -> str:
    """The four with the features of an axis."""
    x, *arrays = operands
    after = node.result.ndim - 1 - node.parameters["axis"] % node.result.ndim
    shape = f".reshape({', '.join(['-1', *['1'] * after])})" if after else ""
    given = ", ".join(f"{each}{shape}" for each in arrays)
    return f"{program.use('normalize')}({x}, {node.parameters['eps']!r}, {given})"


def fold(program: Program, node: Node, operands: Sequence[str]) -> str:
    """A method of arrays, of floats in float64."""
    given = [f"{key}={code(value)}" for key, value in node.parameters.items()]
    name, dtype = node.primitive.name, node.operands[0].dtype
    if name in ("sum", "mean", "prod", "var", "std") and dtype.kind == "f":
        x = operands[0]
        return f"{x}.{name}({', '.join([*given, 'dtype=np.float64'])}).astype({x}.dtype)"
    return f"{operands[0]}.{name}({', '.join(given)})"


def convolve(program: Program, node: Node, operands: Sequence[str]) -> str:
    """A convolution; without a bias None."""
    keys = ["stride", "padding", "dilation", "groups", "channels_last"]
    keys += ["output_padding"] if node.primitive.name == "convolve_transposed" else []
    whole = [*operands, "None"][:3]
    return call(node.primitive.name, *keys)(program, node, whole)


def pool(program: Program, node: Node, operands: Sequence[str]) -> str:
    """A pooling; of whole images a global one."""
    parameters = node.parameters
    kind, last = parameters["kind"], parameters["channels_last"]
    if covers_all(node):
        return f"{program.use('global_pool')}({operands[0]}, {kind!r}, {last})"
    keys = ("kind", "size", "stride", "padding", "dilation")
    given = [f"{key}={code(parameters[key])}" for key in keys]
    given += [f"ceil={has_partial_windows(node)}", f"counts_padding={parameters['counts_padding']}"]
    return f"{program.use('pool')}({', '.join([operands[0], *given])}, channels_last={last})"


def pad(program: Program, node: Node, operands: Sequence[str]) -> str:
    """A constant around the samples."""
    value = literal(float(node.parameters["value"]))
    return f"np.pad({operands[0]}, {widths_of(node.parameters['widths'])}, constant_values={value})"


def resample(program: Program, node: Node, operands: Sequence[str]) -> str:
    """ONNX's Resize."""
    given = dict(node.parameters)
    numbers = [np.array(given.pop(name) or [], dtype) for name, dtype in RESIZED]
    arrays = ["None" if not each.size else program.constant(each) for each in numbers]
    named = ", ".join(f"{key}={code(value)}" for key, value in given.items())
    return f"{program.use('Resize')}({operands[0]}, None, {', '.join(arrays)}, {named})"


def widths_of(widths: Any) -> str:
    """The widths of a padding as code, none for the axis of samples."""
    return code([(0, 0), *widths])


def move(program: Program, node: Node, operands: Sequence[str]) -> str:
    """By the function that moved; else the elements that the table names."""
    function, arguments = node.parameters["function"], node.parameters["arguments"]
    places, x = node.parameters["places"], operands[0]
    if function in BY_FUNCTION:
        return BY_FUNCTION[function].format(x, *map(code, arguments))
    if function is shaping.transposed:
        return f"{x}.transpose({', '.join(map(code, arguments))})"
    if function is padding.mirrored:
        return f"np.pad({x}, {widths_of(arguments[0])}, mode={arguments[1]!r})"
    if function is shaping.chosen and is_plain(arguments[0]):
        return f"{x}[{key_of(arguments[0])}]"
    if len(operands) == 1 and np.array_equal(places.ravel(), np.arange(np.prod(node.operands[0].sample))):
        lengths = ", ".join(map(str, places.shape))
        return f"{program.use('flatten')}({x})" if places.ndim == 1 else f"{x}.reshape(len({x}), {lengths})"
    return f"{program.use('chosen')}([{', '.join(operands)}], {program.constant(places)})"


BY_FUNCTION: dict[Any, str] = {
    np.expand_dims: "np.expand_dims({0}, {1})",
    np.moveaxis: "np.moveaxis({0}, {1}, {2})",
    np.squeeze: "np.squeeze({0}, {1})",
    np.swapaxes: "np.swapaxes({0}, {1}, {2})",
}


def is_plain(key: Any) -> bool:
    """Whether an index is of slices and numbers."""
    keys = key if isinstance(key, tuple) else (key,)
    return all(each is None or each is Ellipsis or type(each) in (int, slice) for each in keys)


def key_of(key: Any) -> str:
    """An index as code."""
    return ", ".join(part_of(each) for each in (key if isinstance(key, tuple) else (key,)))


def part_of(each: Any) -> str:
    """A part of an index as code."""
    if each is Ellipsis:
        return "..."
    if not isinstance(each, slice):
        return repr(each)
    ends = [("" if end is None else str(end)) for end in (each.start, each.stop)]
    return ":".join(ends if each.step is None else [*ends, str(each.step)])


def embed(program: Program, node: Node, operands: Sequence[str]) -> str:
    """Rows of the table."""
    return f"{operands[1]}[{operands[0]}.astype(np.int64)]"


def flip(program: Program, node: Node, operands: Sequence[str]) -> str:
    """int8 as uint8, 128 higher, or back."""
    return f"({operands[0]}.view(np.uint8) ^ np.uint8(128)).view(np.{node.result.dtype.name})"


def on_bytes(*parameters: str) -> Rule:
    """A function on bytes: of the operands, how the result becomes bytes, and some parameters."""

    def rule(program: Program, node: Node, operands: Sequence[str]) -> str:
        given = dict(node.parameters)
        given["output"] = None if given["output"] is None else tuple(given["output"])
        if node.primitive.name == "quantized_average":
            given["ceil"] = has_partial_windows(node)
        if node.primitive.name == "quantize":
            given["scale"] = float(given["scale"])
        named = [f"{key}={code(given[key])}" for key in (*parameters, "output")]
        return f"{program.use(node.primitive.name)}({', '.join([*operands, *named])})"

    return rule


RESIZED = (("scales", np.float32), ("sizes", np.int64))
WINDOW = ("stride", "padding", "dilation", "channels_last")

RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("sum", "mean", "prod", "var", "std", "max", "min", "argmax", "argmin", "any", "all"), fold
    ),
    "batch_norm": batch_norm,
    "cast": cast,
    "convolve": convolve,
    "convolve_transposed": convolve,
    "embed": embed,
    "flip": flip,
    "linear": linear,
    "local_response": call("LRN", "size", "alpha", "beta", "bias"),
    "log_softmax": call("log_softmax", "axis"),
    "map": map_scalar,
    "move": move,
    "pad": pad,
    "pool": pool,
    "quantize": on_bytes("scale"),
    "quantized_add": on_bytes("zero_points", "multipliers"),
    "quantized_average": on_bytes("zero_point", "multiplier", "size", "ceil", "counts_padding", *WINDOW),
    "quantized_convolution": on_bytes("zero_point", "groups", *WINDOW),
    "quantized_linear": on_bytes("zero_point"),
    "resample": resample,
    "resize": call("resized", "sizes", "factors", "mode", "corners", "channels_last"),
    "several": several,
    "softmax": call("softmax", "axis"),
    "standardize": standardize,
    "where": where,
}
