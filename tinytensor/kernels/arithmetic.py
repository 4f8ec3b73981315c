"""Scalar functions of two values, for the pairs of a program; the same operations as Tensors have."""

from typing import Any

__all__ = ["add", "divide", "multiply", "negative_scaled", "subtract"]


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
