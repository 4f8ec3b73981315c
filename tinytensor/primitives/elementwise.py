"""Primitives that compute one element from one element of each operand, with broadcasting."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.errors import DtypeError
from tinytensor.kernels import arithmetic, binary, elementwise
from tinytensor.kernels.boundary import FLOAT32, FLOATS, Array, as_floating, convert, joint_shape
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol, constant_sample, first_symbol

__all__ = [
    "BY_UFUNC", "absolute", "add", "bitwise_and", "bitwise_or", "bitwise_xor", "cast", "divide", "equal",
    "floating", "greater", "greater_equal", "inverted", "less", "less_equal", "map_scalar", "maximum",
    "minimum", "multiply", "negative", "not_equal", "power", "scaled_where_negative", "several", "subtract",
    "where",
]  # fmt: skip

BOOL = np.dtype(np.bool)


def joint_sample(operands: tuple[Any, ...]) -> tuple[int, ...]:
    """What samples of the operands broadcast to."""
    symbol = first_symbol(operands)
    samples = []
    for each in operands:
        if type(each) is Symbol:
            if each.ndim != symbol.ndim:
                symbol.tracer.refuse(f"operands of {each.ndim} and {symbol.ndim} axes")
            samples.append(each.sample)
        else:
            samples.append(constant_sample(each, symbol))
    joint = joint_shape(*samples)
    if joint is None:
        symbol.tracer.refuse(f"samples of shapes {samples} do not broadcast")
    return joint


def joint_dtype(operands: tuple[Any, ...]) -> np.dtype[Any]:
    """The dtype that NumPy promotes them to; a Python number is weak."""
    known = [each if type(each) in (bool, int, float) else each.dtype for each in operands]
    return np.result_type(*known)


def promoted(*operands: Any) -> Result:
    """Broadcast, in the common dtype."""
    return Result(joint_sample(operands), joint_dtype(operands))


def compared(*operands: Any) -> Result:
    """Broadcast, as bools."""
    joint_dtype(operands)
    return Result(joint_sample(operands), BOOL)


def divided(a: Any, b: Any) -> Result:
    """Broadcast; integers give float64."""
    dtype = joint_dtype((a, b))
    return Result(joint_sample((a, b)), dtype if dtype.kind == "f" else FLOATS[1])


def is_float(node: Node) -> bool:
    """Whether a program can compute it: in one float dtype, that of all its symbols."""
    dtype = node.result.dtype
    return dtype in FLOATS and all(each.dtype == dtype for each in node.symbols)


def pair(name: str, eager: Callable[..., Any], scalar: Any, numpy: str) -> Primitive:
    """A function of two values."""
    return Primitive(
        name, eager, divided if name == "divide" else promoted,
        lambda program, node: program.pair(node, scalar), is_float, numpy, promotes=True,
    )  # fmt: skip


def comparison(name: str, eager: Callable[..., Any], numpy: str) -> Primitive:
    """A function of two values that is true or false."""
    return Primitive(name, eager, compared, numpy=numpy)


add = pair("add", binary.add, arithmetic.add, "{0} + {1}")
subtract = pair("subtract", binary.subtract, arithmetic.subtract, "{0} - {1}")
multiply = pair("multiply", binary.multiply, arithmetic.multiply, "{0} * {1}")
divide = pair("divide", binary.divide, arithmetic.divide, "{0} / {1}")
maximum = pair("maximum", binary.maximum, arithmetic.maximum, "np.maximum({0}, {1})")
minimum = pair("minimum", binary.minimum, arithmetic.minimum, "np.minimum({0}, {1})")
power = Primitive("power", binary.power, promoted, numpy="{0} ** {1}")
less = comparison("less", binary.less, "{0} < {1}")
less_equal = comparison("less_equal", binary.less_equal, "{0} <= {1}")
greater = comparison("greater", binary.greater, "{0} > {1}")
greater_equal = comparison("greater_equal", binary.greater_equal, "{0} >= {1}")
equal = comparison("equal", binary.equal, "{0} == {1}")
not_equal = comparison("not_equal", binary.not_equal, "{0} != {1}")
bitwise_and = Primitive("and", binary.bitwise_and, promoted, numpy="{0} & {1}")
bitwise_or = Primitive("or", binary.bitwise_or, promoted, numpy="{0} | {1}")
bitwise_xor = Primitive("xor", binary.bitwise_xor, promoted, numpy="{0} ^ {1}")

# What NumPy calls these operations: `np.add(array, tensor)` gives the bits that `tensor + array` gives.
BY_UFUNC: dict[np.ufunc, Primitive] = {
    np.add: add, np.subtract: subtract, np.multiply: multiply, np.divide: divide, np.power: power,
    np.maximum: maximum, np.minimum: minimum, np.less: less, np.less_equal: less_equal,
    np.greater: greater, np.greater_equal: greater_equal, np.equal: equal, np.not_equal: not_equal,
    np.bitwise_and: bitwise_and, np.bitwise_or: bitwise_or, np.bitwise_xor: bitwise_xor,
}  # fmt: skip


# Functions of one value


def negated(array: Array) -> Array:
    """-x; of bools there is none."""
    if array.dtype == bool:
        raise DtypeError("-t: a Tensor of bools has no negative; did you mean ~t?")
    return np.asarray(np.negative(array))


def complemented(array: Array) -> Array:
    """~x of bools and integers."""
    if array.dtype in FLOATS:
        raise DtypeError(f"~t: expected bools or integers, got {array.dtype}; did you mean -t?")
    return np.asarray(np.invert(array))


def alike(x: Symbol, **parameters: Any) -> Result:
    """The shape and the dtype of the operand."""
    return Result(x.sample, x.dtype)


negative = Primitive(
    "negative", negated, alike, lambda program, node: program.map(node, arithmetic.negative, ()), is_float,
    "-{0}",
)  # fmt: skip
absolute = Primitive(
    "absolute", lambda x: np.asarray(np.abs(x)), alike,
    lambda program, node: program.map(node, arithmetic.absolute, ()), is_float, "np.abs({0})",
)  # fmt: skip
inverted = Primitive("invert", complemented, alike, numpy="~{0}")
map_scalar = Primitive(
    "map", lambda x, function, arguments: elementwise.apply(function, x, arguments), alike,
    lambda program, node: program.map(node, node.parameters["function"], node.parameters["arguments"]),
    is_float,
)  # fmt: skip
cast = Primitive(
    "cast", lambda x, dtype: convert(x, dtype), lambda x, dtype: Result(x.sample, dtype),
    numpy="{0}.astype(np.{dtype})",
)  # fmt: skip


def floating(array: Any) -> Any:
    """float32 or float64: others are promoted as NumPy promotes them with float32."""
    if type(array) is not Symbol:
        return as_floating(array)
    return array if array.dtype in FLOATS else cast(array, dtype=np.result_type(array.dtype, FLOAT32))


# Functions of several values


def several_result(*operands: Any, function: Any) -> Result:
    """Broadcast; Python numbers alone beside a symbol take its dtype."""
    return Result(joint_sample(operands), joint_dtype(operands))


def lower_where(program: Any, node: Node) -> None:
    """A comparison whose result only this reads is part of it."""
    condition, x, y = node.operands
    test = program.producer(condition)
    program.several(node, arithmetic.CHOOSE[test.primitive.name], (*test.operands, x, y))


def where_is_fusable(node: Node) -> bool:
    """Whether the condition is a comparison of floats; a trace says so by `producer`."""
    condition = node.operands[0]
    if type(condition) is not Symbol or not is_float_beside(node, condition):
        return False
    test = condition.tracer.producer(condition)  # type: ignore[attr-defined]
    if test is None or test.primitive.name not in arithmetic.CHOOSE:
        return False
    floats = [each for each in test.operands if hasattr(each, "dtype")]
    return all(each.dtype == node.result.dtype for each in floats)


def is_float_beside(node: Node, condition: Symbol) -> bool:
    """Whether what a where chooses from is of one float dtype."""
    dtype = node.result.dtype
    return dtype in FLOATS and all(each.dtype == dtype for each in node.symbols if each is not condition)


def chosen(condition: Any, x: Any, y: Any) -> Result:
    """Broadcast, in the common dtype of what is chosen from."""
    numbers = all(type(each) in (bool, int, float) for each in (x, y))
    dtype = joint_dtype((FLOAT32.type(0), y)) if numbers else joint_dtype((x, y))
    return Result(joint_sample((condition, x, y)), dtype)


where = Primitive(
    "where", binary.where, chosen, lower_where, where_is_fusable, "np.where({0}, {1}, {2})",
)  # fmt: skip
several = Primitive(
    "several", lambda *operands, function: elementwise.apply_several(function, operands), several_result,
    lambda program, node: program.several(node, node.parameters["function"], node.operands), is_float,
    promotes=True,
)  # fmt: skip


def scaled(x: Array, slope: Any) -> Array:
    """x where it is not negative (or NaN), slope · x elsewhere."""
    return binary.where(binary.less(x, 0), binary.multiply(x, slope), x)


scaled_where_negative = Primitive(
    "prelu", scaled, promoted, lambda program, node: program.pair(node, arithmetic.negative_scaled),
    lambda node: is_float(node) and type(node.operands[0]) is Symbol,
    "np.where({0} < 0, {0} * {1}, {0})", promotes=True,
)  # fmt: skip
