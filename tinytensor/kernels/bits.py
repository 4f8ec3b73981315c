"""Operations on floats that Python has no name for: fused multiply-add, bit patterns, whole polynomials.

Each becomes one LLVM instruction (a polynomial: one fma for each coefficient) on a float32 or a float64 and
the integer of the same width, so that loops over them vectorise with every lane in use: Numba's own
arithmetic turns int32 into int64. Where a CPU has no fma, LLVM calls an exact one: same bits, more time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import float32, float64, int32, int64
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "DOUBLE",
    "SINGLE",
    "Precision",
    "Scalar",
    "absolute",
    "add",
    "bits",
    "copysign",
    "fma",
    "from_bits",
    "mask",
    "polynomial",
    "shift_left",
    "shift_right",
    "square_root",
    "subtract",
]

Scalar = Callable[..., Any]


class Precision(NamedTuple):
    """What a scalar function must know of its dtype; `mantissa` is the number of bits stored of it."""

    name: str
    real: Any
    integer: Any
    mantissa: int
    bias: int

    def pattern(self, x: float) -> Any:
        """The bits of x, as an integer as wide as the dtype."""
        return self.real(x).view(self.integer)


SINGLE = Precision("single", np.float32, np.int32, 23, 127)
DOUBLE = Precision("double", np.float64, np.int64, 52, 1023)

INTEGER = {float32: int32, float64: int64}
FLOAT = {int32: float32, int64: float64}


def call(builder: ir.IRBuilder, name: str, *operands: ir.Value) -> ir.Value:
    """One of LLVM's own functions of floats."""
    kind = operands[0].type
    full = f"llvm.{name}.{'f32' if kind == ir.FloatType() else 'f64'}"
    function_type = ir.FunctionType(kind, [kind] * len(operands))
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, full), operands)


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once."""
    return a(a, a, a), lambda context, builder, signature, values: call(builder, "fma", *values)


@intrinsic
def absolute(typing_context: Any, x: Any) -> Any:
    """|x|."""
    return x(x), lambda context, builder, signature, values: call(builder, "fabs", *values)


@intrinsic
def square_root(typing_context: Any, x: Any) -> Any:
    """√x, correctly rounded, as IEEE 754 wants it."""
    return x(x), lambda context, builder, signature, values: call(builder, "sqrt", *values)


@intrinsic
def copysign(typing_context: Any, x: Any, sign: Any) -> Any:
    """|x| with the sign of `sign`."""
    return x(x, x), lambda context, builder, signature, values: call(builder, "copysign", *values)


@intrinsic
def bits(typing_context: Any, x: Any) -> Any:
    """The bit pattern of a float, as an integer."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.bitcast(values[0], context.get_value_type(signature.return_type))

    return INTEGER[x](x), generate


@intrinsic
def from_bits(typing_context: Any, pattern: Any) -> Any:
    """The float of a bit pattern."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.bitcast(values[0], context.get_value_type(signature.return_type))

    return FLOAT[pattern](pattern), generate


def integer_operation(name: str) -> Scalar:
    """An operation on integers that stays in their width, wrapping around."""

    @intrinsic
    def operation(typing_context: Any, a: Any, b: Any) -> Any:
        return a(a, a), lambda context, builder, signature, values: getattr(builder, name)(*values)

    return operation  # type: ignore[no-any-return]


add, subtract, mask = integer_operation("add"), integer_operation("sub"), integer_operation("and_")
shift_left, shift_right = integer_operation("shl"), integer_operation("lshr")


def polynomial(*coefficients: float) -> Scalar:
    """c₀ + c₁x + c₂x² + …, by Horner's rule with fma."""

    @intrinsic
    def evaluate(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
            *others, result = (ir.Constant(values[0].type, c) for c in coefficients)
            for coefficient in reversed(others):
                result = call(builder, "fma", result, values[0], coefficient)
            return result

        return x(x), generate

    return evaluate  # type: ignore[no-any-return]
