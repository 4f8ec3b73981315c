"""A user's scalar Python function, compiled as if a kernel author had written it.

`0.5 * (x + math.sqrt(x * x + b))` is float64 work in Numba even for a float32 x, because a Python literal
is a float64, and `math.exp` is a call into libm that stops the loop from vectorising. One pass over
Numba's intermediate representation, before types are inferred, mends both: numbers take the dtype of x,
functions of `math` and `numpy` become ours, and other Python functions and activations are compiled alike.
"""

import builtins
import math
import operator
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import float32, types
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.untyped_passes import IRProcessing

from tinytensor.kernels import scalar
from tinytensor.kernels._jit import INLINE_OPTIONS, Part
from tinytensor.kernels.power import power

__all__ = ["compile_scalar", "is_activation", "is_compiled_alike"]


def where(condition: Any, x: Any, y: Any) -> Any:
    """np.where of scalars, for which Numba makes arrays: 500 ns an element."""
    return x if condition else y


def clip(x: Any, low: Any, high: Any) -> Any:
    """np.clip of scalars, which Numba does not have."""
    return min(max(x, low), high)


STUBS = {name: getattr(scalar, name) for name in scalar.__all__} | {"pow": power, "power": power}
KNOWN = {*STUBS.values(), scalar.exp_times, scalar.gelu}  # compiled code has them already
OURS: dict[Any, Any] = {
    getattr(module, name): stub
    for name, stub in {**STUBS, "where": where, "clip": clip}.items()
    for module in (math, np)
    if hasattr(module, name)
}
NUMBAS_OWN = ("math", "numpy", "builtins")  # modules of whose functions Numba knows what they do


def translate(value: Any, dtype: Callable[[Any], Any]) -> Any:
    """What a name or literal of the user's function stands for in compiled code."""
    if type(value) in (int, float) or isinstance(value, np.floating):
        return dtype(value)
    if type(value) is tuple:
        return tuple(translate(each, dtype) for each in value)
    if is_activation(value):
        return compile_scalar(with_defaults(value.scalar, value.scalar_arguments))
    if isinstance(value, Hashable):
        value = OURS.get(value, value)
    return compile_scalar(value) if is_compiled_alike(value) else value


def is_activation(value: Any) -> bool:
    """Whether a value that a function names is an activation."""
    return isinstance(getattr(value, "scalar", None), FunctionType) and not isinstance(value, type)


def is_compiled_alike(value: Any) -> bool:
    """Whether a value that a function names is another scalar function in Python."""
    if not isinstance(value, FunctionType) or value in KNOWN:
        return False
    return not isinstance(OURS.get(value), FunctionType) and module_of(value) not in NUMBAS_OWN


def module_of(function: FunctionType) -> str:
    """The package that a function is from; one made by `exec` may be from none."""
    return (function.__module__ or "").partition(".")[0]


def with_defaults(function: FunctionType, defaults: tuple[float, ...]) -> FunctionType:
    """The same function with other defaults for its last parameters."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, defaults, function.__closure__
    )
    copy.__module__ = function.__module__
    return copy


def integers_by_need(func_ir: ir.FunctionIR) -> Iterator[str]:
    """Names of variables whose integer must stay one: `x ** 2`, `range(3)`, `p[0]`."""
    for block in func_ir.blocks.values():
        ranges = {
            statement.target.name
            for statement in block.find_insts(ir.Assign)
            if isinstance(statement.value, ir.Global) and statement.value.value is builtins.range
        }
        for statement in block.find_insts(ir.Assign):
            expression = statement.value
            if is_power(expression):
                yield expression.rhs.name
            elif is_expression(expression, "call") and expression.func.name in ranges:
                yield from (argument.name for argument in expression.args)
            elif is_expression(expression, "getitem", "static_getitem"):
                index = expression.index_var if expression.op == "static_getitem" else expression.index
                if index is not None:
                    yield index.name


def is_expression(value: Any, *operations: str) -> bool:
    """Whether an assigned value is an expression of that kind."""
    return isinstance(value, ir.Expr) and value.op in operations


def is_power(value: Any) -> bool:
    """Whether an assigned value is `x ** y`, or what `x **= y` assigns."""
    return is_expression(value, "binop", "inplace_binop") and value.fn in (operator.pow, operator.ipow)


class Translation:
    """The rewriting of one function's statements, for one type of argument."""

    def __init__(self, state: Any):
        self.arguments = state.args
        self.dtype = np.float32 if float32 in state.args else float
        self.integers = set(integers_by_need(state.func_ir))
        self.modules: dict[str, ModuleType] = {}
        self.kept: set[str] = set()

    def __call__(self, statement: ir.Assign) -> Any:
        """The value to assign instead, or a function to call instead of an operator."""
        source, name = statement.value, statement.target.name
        if isinstance(source, ir.Const | ir.Global | ir.FreeVar):
            return self.constant(name, source.value, source)
        if isinstance(source, ir.Arg) and isinstance(self.arguments[source.index], types.Omitted):
            return self.constant(name, self.arguments[source.index].value, source)
        if is_expression(source, "getattr") and source.value.name in self.modules:
            found = getattr(self.modules[source.value.name], source.attr, None)
            return source if found is None else self.constant(name, found, source)
        return source

    def constant(self, name: str, value: Any, source: Any) -> Any:
        """A number, function or module that the function names, translated."""
        if isinstance(value, ModuleType):
            self.modules[name] = value
        elif type(value) is int and name in self.integers:
            self.kept.add(name)
            return source
        translated = translate(value, self.dtype)
        # what stays as it is keeps what Numba knows about it: a literal's type, a module's attribute
        return source if translated is value else ir.Global(name, translated, source.loc)


@register_pass(mutates_CFG=False, analysis_only=False)
class LiteralsInDtype(FunctionPass):
    """Numbers take the dtype of the argument; functions become ours, and `x ** 0.5` a call to our power."""

    _name = "tinytensor_literals_in_dtype"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """Rewrite the assignments of one function."""
        translation = Translation(state)
        for block in state.func_ir.blocks.values():
            for statement in list(block.find_insts(ir.Assign)):
                statement.value = translation(statement)
        for block in state.func_ir.blocks.values():
            for statement in list(block.find_insts(ir.Assign)):
                if is_power(statement.value) and statement.value.rhs.name not in translation.kept:
                    call_power(block, statement)
        return True


def call_power(block: ir.Block, statement: ir.Assign) -> None:
    """Turn `x ** y` into a call: Numba's own is one into libm, and stops the loop from vectorising."""
    operation, location = statement.value, statement.loc
    function = block.scope.redefine("$power", location)
    block.prepend(ir.Assign(ir.Global("power", power, location), function, location))
    statement.value = ir.Expr.call(function, (operation.lhs, operation.rhs), (), location)


class ScalarCompiler(CompilerBase):
    """Numba's own pipeline with our pass in it."""

    def define_pipelines(self) -> list[Any]:
        """The stages, in order."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.add_pass_after(LiteralsInDtype, IRProcessing)
        pipeline.finalize()
        return [pipeline]


@cache
def compile_scalar(function: Callable[..., Any]) -> CPUDispatcher:
    """A function that compiled loops may call; LLVM inlines and vectorises it there."""
    return Part(function, targetoptions=dict(INLINE_OPTIONS), pipeline_class=ScalarCompiler)
