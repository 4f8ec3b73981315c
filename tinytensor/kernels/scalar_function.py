"""A user's scalar Python function, compiled as if a kernel author had written it.

`0.5 * (x + math.sqrt(x * x + b))` is float64 work in Numba even for a float32 x, because a Python literal
is a float64, and `math.exp` is a call into libm that stops the loop from vectorising. One pass over
Numba's intermediate representation, before types are inferred, mends both: number literals take the
dtype of x, and functions of `math` and `numpy` become ours.
"""

import builtins
import math
import operator
from collections.abc import Callable, Iterator
from functools import cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import float32
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.untyped_passes import IRProcessing

from tinytensor.kernels import scalar
from tinytensor.kernels._jit import INLINE_OPTIONS

__all__ = ["compile_scalar"]

OURS: dict[Any, Any] = {
    function: getattr(scalar, name)
    for name in ("exp", "expm1", "log", "log1p", "tanh", "erf", "sqrt")
    for module in (math, np)
    if (function := getattr(module, name, None)) is not None
}


def with_our_functions(module: ModuleType) -> ModuleType:
    """A stand-in for `math` or `numpy` inside compiled scalar functions."""
    stand_in = ModuleType(module.__name__)
    stand_in.__dict__.update(module.__dict__)
    stand_in.__dict__.update({f.__name__: ours for f, ours in OURS.items() if hasattr(module, f.__name__)})
    return stand_in


STAND_INS = {math: with_our_functions(math), np: with_our_functions(np)}


def translate(value: Any, dtype: Callable[[float], Any]) -> Any:
    """What a name or literal of the user's function stands for in compiled code."""
    if type(value) in (int, float):
        return dtype(value)
    if isinstance(value, ModuleType):
        return STAND_INS.get(value, value)
    if isinstance(getattr(value, "scalar", None), FunctionType):  # an Activation used inside another
        return compile_scalar(value.scalar)
    if isinstance(value, FunctionType) and value not in OURS and value.__module__ != scalar.__name__:
        return compile_scalar(value)
    if isinstance(value, FunctionType | BuiltinFunctionType | np.ufunc):
        return OURS.get(value, value)
    return value


def integers_by_need(func_ir: ir.FunctionIR) -> Iterator[str]:
    """Names of temporaries whose integer must stay one: `x ** 2`, `range(3)`, `p[0]`."""
    for block in func_ir.blocks.values():
        ranges = {
            statement.target.name
            for statement in block.find_insts(ir.Assign)
            if isinstance(statement.value, ir.Global) and statement.value.value is builtins.range
        }
        for statement in block.find_insts(ir.Assign):
            expression = statement.value
            if not isinstance(expression, ir.Expr):
                continue
            if expression.op in ("binop", "inplace_binop") and expression.fn in (operator.pow, operator.ipow):
                yield expression.rhs.name
            elif expression.op == "call" and expression.func.name in ranges:
                yield from (argument.name for argument in expression.args)
            elif expression.op in ("getitem", "static_getitem"):
                index = expression.index_var if expression.op == "static_getitem" else expression.index
                if index is not None:
                    yield index.name


@register_pass(mutates_CFG=False, analysis_only=False)
class LiteralsInDtype(FunctionPass):
    """Number literals take the dtype of the first argument; `math` and `numpy` become ours."""

    _name = "tinytensor_literals_in_dtype"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """Rewrite the constants, globals and free variables of one function."""
        dtype = np.float32 if state.args[0] == float32 else float
        integers = set(integers_by_need(state.func_ir))
        for block in state.func_ir.blocks.values():
            for statement in block.find_insts(ir.Assign):
                source = statement.value
                if not isinstance(source, ir.Const | ir.Global | ir.FreeVar):
                    continue
                if type(source.value) is int and statement.target.name in integers:
                    continue
                source.value = translate(source.value, dtype)
        return True


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
    return CPUDispatcher(function, targetoptions=dict(INLINE_OPTIONS), pipeline_class=ScalarCompiler)
