"""Operations on elements, in plain NumPy, by their names in ONNX.

Functions of the circle and the hyperbola are computed in float64: of float32 they are correctly rounded but
for about one result in 2²⁹. Arrays are in C order first, as NumPy computes others by another algorithm.
"""

from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.inference import broadcast, first

__all__: list[str] = []


def in_float64(function: Any, x: Any) -> Any:
    """A function of float64, in the dtype of x."""
    return function(np.array(x, np.float64, order="C")).astype(x.dtype)


@operation(22, first)
def Acos(x: Any) -> Any:
    """Arc cosine."""
    return in_float64(np.arccos, x)


@operation(22, first)
def Acosh(x: Any) -> Any:
    """Area hyperbolic cosine."""
    return in_float64(np.arccosh, x)


@operation(22, first)
def Asin(x: Any) -> Any:
    """Arc sine."""
    return in_float64(np.arcsin, x)


@operation(22, first)
def Asinh(x: Any) -> Any:
    """Area hyperbolic sine."""
    return in_float64(np.arcsinh, x)


@operation(22, first)
def Atan(x: Any) -> Any:
    """Arc tangent."""
    return in_float64(np.arctan, x)


@operation(22, first)
def Atanh(x: Any) -> Any:
    """Area hyperbolic tangent."""
    return in_float64(np.arctanh, x)


@operation(22, first)
def Cos(x: Any) -> Any:
    """Cosine."""
    return in_float64(np.cos, x)


@operation(22, first)
def Cosh(x: Any) -> Any:
    """Hyperbolic cosine."""
    return in_float64(np.cosh, x)


@operation(22, first)
def Sin(x: Any) -> Any:
    """Sine."""
    return in_float64(np.sin, x)


@operation(22, first)
def Sinh(x: Any) -> Any:
    """Hyperbolic sine."""
    return in_float64(np.sinh, x)


@operation(22, first)
def Tan(x: Any) -> Any:
    """Tangent."""
    return in_float64(np.tan, x)


@operation(13, first)
def Ceil(x: Any) -> Any:
    """⌈x⌉."""
    return np.ceil(x)


@operation(13, first)
def Floor(x: Any) -> Any:
    """⌊x⌋."""
    return np.floor(x)


@operation(22, first)
def Round(x: Any) -> Any:
    """The nearest integer; of two the even one."""
    return np.rint(x)


@operation(13, first)
def Sign(x: Any) -> Any:
    """-1, 0 or 1; NaN stays."""
    return np.sign(x)


@operation(13, first)
def Reciprocal(x: Any) -> Any:
    """1 / x."""
    return np.divide(np.ones((), x.dtype), x)


@operation(28, broadcast)
def Mod(a: Any, b: Any, fmod: int = 0) -> Any:
    """The remainder of a / b, with the sign of b; with that of a as C's if `fmod`."""
    return np.fmod(a, b) if fmod else np.mod(a, b)


@operation(13, broadcast)
def Sum(*xs: Any) -> Any:
    """The sum of the operands, from the first to the last."""
    y = xs[0]
    for each in xs[1:]:
        y = y + each
    return y


@operation(13, broadcast)
def Mean(*xs: Any) -> Any:
    """The mean of the operands."""
    return Sum(*xs) / np.array(len(xs), xs[0].dtype)


@operation(19, broadcast, "bool")
def Equal(a: Any, b: Any) -> Any:
    """Whether a = b; NaN equals nothing."""
    return np.equal(a, b)


@operation(1, first, "bool")
def Not(x: Any) -> Any:
    """Whether x is false."""
    return np.logical_not(x)


@operation(7, broadcast, "bool")
def And(a: Any, b: Any) -> Any:
    """Whether both are true."""
    return np.logical_and(a, b)


@operation(7, broadcast, "bool")
def Or(a: Any, b: Any) -> Any:
    """Whether one is true."""
    return np.logical_or(a, b)


@operation(7, broadcast, "bool")
def Xor(a: Any, b: Any) -> Any:
    """Whether just one is true."""
    return np.logical_xor(a, b)


@operation(20, first, "bool")
def IsNaN(x: Any) -> Any:
    """Whether x is NaN."""
    return np.isnan(x)


@operation(20, first, "bool")
def IsInf(x: Any, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    """Whether x is infinite, of the signs that are asked for."""
    return np.isinf(x) & (((x < 0) & bool(detect_negative)) | ((x > 0) & bool(detect_positive)))


@operation(25, first, "second")
def CastLike(x: Any, like: Any) -> Any:
    """X in the dtype of another value."""
    return x.astype(like.dtype)


@operation(9, first)
def Shrink(x: Any, lambd: float = 0.5, bias: float = 0.0) -> Any:
    """X + bias below -lambd, x - bias above lambd, else 0; NaN is 0, as in ONNX Runtime."""
    moved = np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0))
    return moved.astype(x.dtype)
