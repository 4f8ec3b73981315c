"""Primitives that fold axes of a sample away."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.kernels import reduce
from tinytensor.kernels.boundary import FLOATS, normalize_axis
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol

__all__ = ["all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "std", "sum", "var"]

KEEPS, INTEGERS, TRUTH = "keeps", "integers", "truth"  # what the dtype of a result is


def reduction(name: str, dtype: str = KEEPS, lower: bool = False) -> Primitive:
    """A fold of `kernels.reduce` by its name."""
    compute: Callable[..., Any] = getattr(reduce, name)

    def result(x: Symbol, axis: Any, keepdims: bool, **others: Any) -> Result:
        axes = normalize_axis(name, axis, x.ndim)
        if 0 in axes:
            x.tracer.refuse(f"{name} over the batch")
        lengths = [1 if i + 1 in axes else n for i, n in enumerate(x.sample) if keepdims or i + 1 not in axes]
        return Result(tuple(lengths), dtype_of(x))

    def dtype_of(x: Symbol) -> np.dtype[Any]:
        if dtype == KEEPS:
            return (
                x.dtype if x.dtype in FLOATS else np.asarray(compute(np.ones(1, x.dtype), None, False)).dtype
            )
        return np.dtype(np.int64 if dtype == INTEGERS else np.bool)

    def is_over_last(node: Node) -> bool:
        """Whether the last axes of float samples are folded."""
        x = node.operands[0]
        axes = normalize_axis(name, node.parameters["axis"], x.ndim)
        last = axes == tuple(range(x.ndim - len(axes), x.ndim))
        return lower and last and x.dtype in FLOATS and 0 not in x.sample

    return Primitive(
        name, compute, result, lambda program, node: program.reduce(node, name), is_over_last,
        f"{{0}}.{name}({{axis}}, keepdims={{keepdims}})",
    )  # fmt: skip


sum, mean = reduction("sum", lower=True), reduction("mean", lower=True)
max, min = reduction("max", lower=True), reduction("min", lower=True)
prod, var, std = reduction("prod"), reduction("var"), reduction("std")
argmax, argmin = reduction("argmax", INTEGERS), reduction("argmin", INTEGERS)
any, all = reduction("any", TRUTH), reduction("all", TRUTH)
