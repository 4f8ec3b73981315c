"""A scalar Python function as an expression, for formats that hold no Python: ONNX, arrays of NumPy.

The function is called with expressions for numbers. Where it asks whether a condition is true, it is called
once for each answer, and the two results become one `where`; so `if`, `and`, `min` and returns in the middle
need no rules of their own. Names that it reads are translated as they are for compiled code: functions of
`math` and `numpy`, activations, other Python functions.
"""

import builtins
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.kernels import scalar

__all__ = ["Expression", "expression_of", "in_order"]

MOST_BRANCHES = 64  # of one function
COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")

# Functions by the names of their operations; what a user may call.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "abs": (abs, math.fabs, np.abs, np.fabs),
    "exp": (math.exp, np.exp, scalar.exp),
    "exp_times": (scalar.exp_times,),
    "expm1": (math.expm1, np.expm1, scalar.expm1),
    "log": (math.log, np.log, scalar.log),
    "log1p": (math.log1p, np.log1p, scalar.log1p),
    "tanh": (math.tanh, np.tanh, scalar.tanh),
    "erf": (math.erf, scalar.erf),
    "gelu": (scalar.gelu,),
    "sqrt": (math.sqrt, np.sqrt, scalar.sqrt),
    "sin": (math.sin, np.sin),
    "cos": (math.cos, np.cos),
    "tan": (math.tan, np.tan),
    "sinh": (math.sinh, np.sinh),
    "cosh": (math.cosh, np.cosh),
    "arcsin": (math.asin, np.arcsin),
    "arccos": (math.acos, np.arccos),
    "arctan": (math.atan, np.arctan),
    "arcsinh": (math.asinh, np.arcsinh),
    "arccosh": (math.acosh, np.arccosh),
    "arctanh": (math.atanh, np.arctanh),
    "floor": (math.floor, np.floor),
    "ceil": (math.ceil, np.ceil),
    "sign": (np.sign,),
    "power": (math.pow, np.power),
    "maximum": (np.maximum,),
    "minimum": (np.minimum,),
}
NAMES = {function: name for name, functions in FUNCTIONS.items() for function in functions}
ON_NUMBERS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "negative": operator.neg, "erf": math.erf, "gelu": scalar.gelu, "exp_times": lambda x, y: y * np.exp(x),
    **{name: getattr(np, name) for name in (*FUNCTIONS, *COMPARISONS) if hasattr(np, name)},
}  # fmt: skip


class Fork(BaseException):
    """The function asks for a condition that is not decided yet."""

    def __init__(self, condition: "Expression"):
        self.condition = condition


class Evaluation:
    """One call of a function: the numbers of all expressions, and which conditions are true in this call."""

    def __init__(self, table: dict[Any, int] | None = None, decided: dict[int, bool] | None = None):
        self.table: dict[Any, int] = {} if table is None else table
        self.decided = decided or {}

    def with_answer(self, condition: "Expression", answer: bool) -> "Evaluation":
        """A call in which the condition is true, or false."""
        return Evaluation(self.table, self.decided | {condition.key: answer})


class Expression:
    """An operation by name, of expressions; a "number", or an "operand" by its position."""

    def __init__(self, evaluation: Evaluation, operation: str, *of: Any):
        self.evaluation, self.operation, self.of = evaluation, operation, of
        names = (each.key if isinstance(each, Expression) else float(each).hex() for each in of)
        self.key: int = evaluation.table.setdefault((operation, *names), len(evaluation.table))

    def made(self, operation: str, *of: Any) -> "Expression":
        """Another one, of this and others; of numbers alone their result."""
        return made(self.evaluation, operation, *of)

    def __bool__(self) -> bool:
        if self.operation == "number":
            return bool(self.of[0] != 0)
        condition = self if self.operation in COMPARISONS else self.made("not_equal", self, 0)
        if condition.key not in self.evaluation.decided:
            raise Fork(condition)
        return self.evaluation.decided[condition.key]

    def __hash__(self) -> int:
        return self.key

    def __neg__(self) -> "Expression":
        return self.made("negative", self)

    def __abs__(self) -> "Expression":
        return self.made("abs", self)

    def __pos__(self) -> "Expression":
        return self

    def __float__(self) -> float:
        raise TypeError("it calls a function of numbers that has no counterpart")

    __index__ = __int__ = __float__


def binary(name: str) -> Callable[[Any, Any], Any]:
    """The method of an operator."""
    return lambda self, other: self.made(name, self, other)


def reflected(name: str) -> Callable[[Any, Any], Any]:
    """The method of an operator whose left operand is a number."""
    return lambda self, other: self.made(name, other, self)


OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power"}
for method, operation in OPERATORS.items():
    setattr(Expression, f"__{method}__", binary(operation))
    setattr(Expression, f"__r{method}__", reflected(operation))
for method, operation in zip(("lt", "le", "gt", "ge", "eq", "ne"), COMPARISONS, strict=True):
    setattr(Expression, f"__{method}__", binary(operation))


def made(evaluation: Evaluation, operation: str, *of: Any) -> Expression:
    """An operation of expressions and numbers."""
    operands = [each if isinstance(each, Expression) else number(evaluation, each) for each in of]
    if all(each.operation == "number" for each in operands) and operation in ON_NUMBERS:
        with np.errstate(all="ignore"):
            return number(evaluation, ON_NUMBERS[operation](*(np.float64(each.of[0]) for each in operands)))
    if operation == "where" and operands[0].operation == "number":
        return operands[1] if operands[0].of[0] else operands[2]
    return Expression(evaluation, operation, *operands)


def number(evaluation: Evaluation, value: Any) -> Expression:
    """A number as an expression."""
    if not isinstance(value, bool | np.bool | int | float | np.number):
        raise TypeError(f"it computes with {value!r:.40}")
    return Expression(evaluation, "number", float(value))


def expression_of(function: FunctionType, count: int, arguments: Sequence[float] = ()) -> Expression:
    """What a function of so many operands computes, with its further arguments as numbers.

    Raises:
        UnsupportedOp: it does what no expression of numbers says: a loop that depends on values, a function
            that is not known, more than 64 branches; or the result does not depend on all operands.
    """
    name = getattr(function, "__name__", str(function))
    branches = 0

    def called(evaluation: Evaluation) -> Expression:
        nonlocal branches
        operands = [Expression(evaluation, "operand", position) for position in range(count)]
        try:
            y = translated(function, evaluation)(*operands, *arguments)
        except Fork as fork:
            branches += 1
            if branches > MOST_BRANCHES:
                raise TypeError(
                    f"more than {MOST_BRANCHES} branches, or a loop that depends on values"
                ) from None
            yes, no = (called(evaluation.with_answer(fork.condition, answer)) for answer in (True, False))
            return yes if yes.key == no.key else Expression(evaluation, "where", fork.condition, yes, no)
        return y if isinstance(y, Expression) else number(evaluation, y)

    try:
        found = called(Evaluation())
        if len({each.of for each in in_order(found) if each.operation == "operand"}) < count:
            raise TypeError("the result does not depend on all of its values; leave them out")
        return found
    except Exception as error:  # whatever the user's function raises of expressions
        raise UnsupportedOp(f"{name}: the function cannot be written as an expression: {error}") from error


def translated(value: Any, evaluation: Evaluation) -> Any:
    """What a name of the function stands for while it is called with expressions."""
    if isinstance(value, ModuleType):
        return Names(value, evaluation)
    if value is np.where:
        return lambda condition, x, y: x if condition else y
    if value is np.clip:
        return lambda x, low, high: min(max(x, low), high)
    scalar_function = getattr(value, "scalar", None)
    if isinstance(scalar_function, FunctionType) and not isinstance(value, type):
        defaults = getattr(value, "scalar_arguments", scalar_function.__defaults__)
        return with_names(scalar_function, evaluation, defaults)
    known = NAMES.get(value) if callable(value) and not isinstance(value, type) else None
    if known is not None:
        return lambda *of: made(evaluation, known, *of)
    if isinstance(value, FunctionType):
        return with_names(value, evaluation, value.__defaults__)
    return value


class Names:
    """A module whose names are translated."""

    def __init__(self, module: ModuleType, evaluation: Evaluation):
        self._module, self._evaluation = module, evaluation

    def __getattr__(self, name: str) -> Any:
        return translated(getattr(self._module, name), self._evaluation)


def with_names(function: FunctionType, evaluation: Evaluation, defaults: Any) -> Callable[..., Any]:
    """The same function, whose names are translated when it is called."""

    def call(*of: Any, **named: Any) -> Any:
        space = {
            name: translated(function.__globals__[name], evaluation)
            for name in names_in(function.__code__)
            if name in function.__globals__
        }
        space["__builtins__"] = vars(builtins) | {"abs": translated(abs, evaluation), "float": lambda x: x}
        contents = [translated(cell.cell_contents, evaluation) for cell in function.__closure__ or ()]
        cells = tuple(map(CellType, contents))
        return FunctionType(function.__code__, space, function.__name__, defaults, cells)(*of, **named)

    return call


def names_in(code: CodeType) -> Iterator[str]:
    """The names that a function, and the functions inside it, may read."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from names_in(each)


def in_order(expression: Expression) -> list[Expression]:
    """The expression and all inside it, each once, operands first."""
    found: dict[int, Expression] = {}
    wanted = [expression]
    while wanted:
        missing = [each for each in wanted[-1].of if isinstance(each, Expression) and each.key not in found]
        wanted.extend(missing)
        if not missing:
            found.setdefault(wanted[-1].key, wanted[-1])
            wanted.pop()
    return list(found.values())
