"""Scalar functions for the elementwise instructions of a program; the same operations as Tensors have."""

import math
from collections.abc import Callable
from typing import Any

FUNCTIONS = [
    "absolute", "add", "divide", "maximum", "minimum", "multiply", "negative", "negative_scaled", "subtract",
]  # fmt: skip
__all__ = [*FUNCTIONS, "BOUNDS", "CHOOSE", "bounds", "inverse_power"]

Bounds = Callable[..., tuple[float, float]]
# functions min(max(x, low), high) of x, which a tile computes before it stores; both from the other arguments
BOUNDS: dict[Any, Bounds] = {}


def bounds(of: Bounds) -> Callable[[Any], Any]:
    """Decorate a scalar function f(x, …) that is min(max(x, low), high), NaN where x is: of(…) gives both."""

    def register(function: Any) -> Any:
        BOUNDS[function] = of
        return function

    return register


def add(a: Any, b: Any) -> Any:
    """A + b."""
    return a + b


def subtract(a: Any, b: Any) -> Any:
    """A - b."""
    return a - b


def multiply(a: Any, b: Any) -> Any:
    """A · b."""
    return a * b


def divide(a: Any, b: Any) -> Any:
    """A / b."""
    return a / b


def negative_scaled(x: Any, slope: Any) -> Any:
    """Slope · x where x is negative, x elsewhere."""
    return x * slope if x < 0 else x


def maximum(a: Any, b: Any) -> Any:
    """The larger; NaN where either is NaN."""
    return a if a >= b or a != a else b


def minimum(a: Any, b: Any) -> Any:
    """The smaller; NaN where either is NaN."""
    return a if a <= b or a != a else b


def negative(x: Any) -> Any:
    """-x."""
    return -x


def absolute(x: Any) -> Any:
    """|x|."""
    return abs(x)


def inverse_power(x: Any, bias: Any, scale: Any, exponent: Any) -> Any:
    """(bias + scale · x)^-exponent of a positive base."""
    return math.exp(-exponent * math.log(bias + scale * x))


def where_less(a: Any, b: Any, x: Any, y: Any) -> Any:
    """X where a < b, else y."""
    return x if a < b else y


def where_less_equal(a: Any, b: Any, x: Any, y: Any) -> Any:
    """X where a ≤ b, else y."""
    return x if a <= b else y


def where_greater(a: Any, b: Any, x: Any, y: Any) -> Any:
    """X where a > b, else y."""
    return x if a > b else y


def where_greater_equal(a: Any, b: Any, x: Any, y: Any) -> Any:
    """X where a ≥ b, else y."""
    return x if a >= b else y


CHOOSE = {  # by the name of the comparison
    "less": where_less, "less_equal": where_less_equal, "greater": where_greater,
    "greater_equal": where_greater_equal,
}  # fmt: skip
