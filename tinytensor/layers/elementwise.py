"""`@tt.elementwise`: a scalar Python function of several values, compiled and applied with broadcasting."""

import functools
import inspect
from types import FunctionType
from typing import Any, final

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import real_number
from tinytensor.kernels.elementwise import MOST_OPERANDS
from tinytensor.mapping import other_operand
from tinytensor.primitives.elementwise import floating, several
from tinytensor.tensors import Tensor

__all__ = ["Elementwise", "elementwise"]

PLACES = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@final
class Elementwise:
    """What `@tt.elementwise` makes of a function: y = scalar(a, b, …) for every element."""

    def __init__(self, scalar: FunctionType):
        self.scalar = scalar
        self.signature = signature_of(scalar)
        functools.update_wrapper(self, scalar)

    def __call__(self, *operands: Any, **named: Any) -> Tensor:
        """The function of Tensors, arrays and numbers that broadcast; float32 or float64.

        Raises:
            ArgumentError: other operands than the function takes, or it cannot be compiled.
            ShapeError: the operands do not broadcast.
        """
        try:
            bound = self.signature.bind(*operands, **named)
        except TypeError as error:
            raise ArgumentError(f"{self.scalar.__name__}{self.signature}: {error}") from None
        bound.apply_defaults()
        values = [value_of(each) for each in bound.arguments.values()]
        return Tensor._wrap(several(*values, function=self.scalar))

    def __repr__(self) -> str:
        return f"<elementwise {self.scalar.__name__}{self.signature}>"


def value_of(operand: Any) -> Any:
    """An operand: a number as it is, anything else as floats."""
    value = other_operand(operand)
    if type(value) in (bool, int):
        return float(value)
    return value if type(value) is float else floating(value)


def signature_of(scalar: Any) -> inspect.Signature:
    """The signature of a scalar function, or an error that says what is wrong with it.

    Raises:
        ArgumentError: no Python function with a name, or other parameters than 1 to 8 values.
        DtypeError: a default that is no number.
    """
    who = f"@tt.elementwise {getattr(scalar, '__name__', scalar)!s:.80}"
    if not isinstance(scalar, FunctionType) or not scalar.__name__.isidentifier():
        raise ArgumentError(f"{who}: expected a Python function with a name; define it with def")
    signature = inspect.signature(scalar)
    parameters = signature.parameters.values()
    if not 1 <= len(parameters) <= MOST_OPERANDS or any(each.kind not in PLACES for each in parameters):
        raise ArgumentError(f"{who}{signature}: expected 1 to {MOST_OPERANDS} values, (a, b, …)")
    for each in parameters:
        if each.default is not each.empty:
            real_number(f"{who}({each.name}=…)", each.default)
    return signature


def elementwise(function: Any) -> Elementwise:
    """Turn a scalar Python function of several values into one of Tensors: f(a, b, …), compiled, vectorised.

    The function is written as one of `@tt.activation` is, with arithmetic, comparisons, `if` expressions and
    `exp expm1 log log1p tanh erf sqrt` from `math`; a parameter with a default may be left out. Operands are
    Tensors, arrays and numbers that broadcast; the result has their common float dtype. In the `forward` of a
    layer it is fused with what is around it.

    Args:
        function: of 1 to 8 numbers, returning a number.

    Raises:
        ArgumentError: no Python function with a name, or it takes something else. On the first call: the
            function does what Numba cannot compile.
        DtypeError: a default that is no number.

    >>> import math
    >>> import tinytensor as tt
    >>> @tt.elementwise
    ... def gated(x, gate):
    ...     return x / (1 + math.exp(-gate))
    >>> gated([1.0, 2.0], 0.0).tolist()
    [0.5, 1.0]
    """
    return Elementwise(function)
