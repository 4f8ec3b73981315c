"""Operations on elements and matrices; the dtype of the first operand is the dtype of the result.

Source: the operator schemas of ONNX; integers divide towards zero, as in C.
"""

from functools import reduce
from typing import Any

import numpy as np

from tinytensor.functions import maximum, minimum, where
from tinytensor.tensors import Tensor

__all__ = [
    "absolute", "add", "cast", "clip", "divide", "erf", "exp", "gemm", "greater", "greater_equal", "identity",
    "less", "less_equal", "log", "matmul", "maxima", "minima", "multiply", "negative", "power", "select",
    "sqrt", "subtract",
]  # fmt: skip


def add(a: Tensor, b: Tensor) -> Tensor:
    """A + b."""
    return a + b


def subtract(a: Tensor, b: Tensor) -> Tensor:
    """A - b."""
    return a - b


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """A · b."""
    return a * b


def divide(a: Tensor, b: Tensor) -> Tensor:
    """A / b; of integers without the remainder.

    >>> divide(Tensor([-7], int), Tensor([2], int)).tolist()
    [-3]
    """
    if a.dtype.kind == "f":
        return a / b
    x, y = a.numpy(), b.numpy()
    with np.errstate(all="ignore"):
        floor = np.floor_divide(x, y)
        inexact = (floor * y != x) & ((x < 0) != (y < 0)) & (y != 0)
    return Tensor._wrap(np.asarray(floor + inexact.astype(floor.dtype)))


def power(a: Tensor, b: Tensor) -> Tensor:
    """a^b."""
    if a.dtype.kind == "f":
        return a ** b.astype(a.dtype)
    exponent = b.numpy()
    wide = exponent.astype(np.float64) if exponent.dtype.kind == "f" or (exponent < 0).any() else exponent
    with np.errstate(all="ignore"):
        return Tensor._wrap(np.asarray(np.power(a.numpy(), wide)).astype(a.dtype))


def negative(x: Tensor) -> Tensor:
    """-x."""
    return -x


def absolute(x: Tensor) -> Tensor:
    """|x|."""
    return abs(x)


def exp(x: Tensor) -> Tensor:
    """e^x."""
    return x.exp()


def log(x: Tensor) -> Tensor:
    """The natural logarithm."""
    return x.log()


def sqrt(x: Tensor) -> Tensor:
    """√x."""
    return x.sqrt()


def erf(x: Tensor) -> Tensor:
    """The error function."""
    return x.erf()


def identity(x: Tensor) -> Tensor:
    """X."""
    return x


def less(a: Tensor, b: Tensor) -> Tensor:
    """A < b, as bools."""
    return a < b


def less_equal(a: Tensor, b: Tensor) -> Tensor:
    """A ≤ b, as bools."""
    return a <= b


def greater(a: Tensor, b: Tensor) -> Tensor:
    """A > b, as bools."""
    return a > b


def greater_equal(a: Tensor, b: Tensor) -> Tensor:
    """A ≥ b, as bools."""
    return a >= b


def select(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """A where the condition is true, else b."""
    return where(condition, a, b)


def maxima(*xs: Tensor) -> Tensor:
    """The largest of the operands, elementwise."""
    return reduce(maximum, xs)


def minima(*xs: Tensor) -> Tensor:
    """The smallest of the operands, elementwise."""
    return reduce(minimum, xs)


def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """min(max(x, low), high)."""
    return x.clip(low, high)


def cast(x: Tensor, to: str) -> Tensor:
    """X in another dtype, by name; out of an integer's range C decides, as everywhere in ONNX.

    >>> cast(Tensor([1.7, -1.7]), "int64").tolist()
    [1, -1]
    """
    dtype = np.dtype(to)
    if x.dtype == dtype:
        return x
    if x.dtype.kind == dtype.kind == "f":
        return x.astype(dtype)
    with np.errstate(all="ignore"):
        return Tensor._wrap(x.numpy().astype(dtype))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """A @ B, as NumPy's."""
    return a @ b


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    """Alpha · A' @ B' + beta · C, with A' = Aᵀ if transA, B' likewise.

    >>> gemm(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([1.0]), transB=1).tolist()
    [[12.0]]
    """
    y = (a.T if transA else a) @ (b.T if transB else b)
    y = y if alpha == 1 else scaled(y, alpha)
    return y if c is None else y + (c if beta == 1 else scaled(c, beta))


def scaled(x: Tensor, factor: Any) -> Tensor:
    """factor · x in the dtype of x."""
    return cast(x * factor, x.dtype.name)
