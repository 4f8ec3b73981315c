"""Matrix products: `linear`, y = x Wᵀ + b for every sample, and `matmul`."""

from typing import Any

import numpy as np

from tinytensor.errors import DtypeError
from tinytensor.kernels.boundary import FLOATS, Array
from tinytensor.kernels.matmul import matmul as product
from tinytensor.primitives.definition import Node, Primitive, Result, Symbol

__all__ = ["linear", "matmul"]


def compute_linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x Wᵀ + b for x of (…, in), weight of (out, in), bias of (out,) or None."""
    out_features, in_features = weight.shape
    if not x.dtype == weight.dtype == (weight if bias is None else bias).dtype or weight.dtype not in FLOATS:
        dtype = np.result_type(x, weight, np.float32, *(() if bias is None else (bias,)))
        x, weight = x.astype(dtype), weight.astype(dtype)
        bias = None if bias is None else bias.astype(dtype)
    bias = None if bias is None else np.ascontiguousarray(bias)
    y = product(x.reshape(-1, in_features) if x.size and x.ndim > 2 else x, weight.T, bias)
    return y.reshape(*x.shape[:-1], out_features)


def linear_result(x: Symbol, weight: Any, bias: Any = None) -> Result:
    """(…, out_features)."""
    if type(x) is not Symbol or type(weight) is Symbol or type(bias) is Symbol:
        raise DtypeError("linear: a weight that is computed from the samples")
    dtype = np.result_type(x.dtype, weight, np.float32, *(() if bias is None else (bias,)))
    return Result((*x.sample[:-1], weight.shape[0]), dtype)


def is_packable(node: Node) -> bool:
    """Whether the tile computes it: a constant weight with at least one element, all of one float dtype."""
    x, weight = node.operands[:2]
    dtype = node.result.dtype
    kinds = [each.dtype for each in node.operands if each is not None]
    return weight.size > 0 and dtype in FLOATS and all(kind in FLOATS for kind in kinds) and x.dtype == dtype


def lower_linear(program: Any, node: Node) -> None:
    """One instruction for the rows of all samples."""
    x, weight, *bias = node.operands
    program.linear(node, x, weight, bias[0] if bias else None)


linear = Primitive(
    "linear", compute_linear, linear_result, lower_linear, is_packable, "{0} @ {1}.T + {2}",
    promotes=True,
)  # fmt: skip


def matmul_result(a: Any, b: Any) -> Result:
    """(…, columns) for a constant matrix on the right; stacks of matrices by NumPy's rule."""
    symbol = a if type(a) is Symbol else b
    if type(a) is not Symbol or len(a.sample) < 1 or (type(b) is Symbol and a.ndim != b.ndim):
        symbol.tracer.refuse("a product that mixes samples")
    right = b.sample if type(b) is Symbol else b.shape
    if type(b) is Symbol and len(right) < 2:
        symbol.tracer.refuse("a product that mixes samples")
    if type(b) is not Symbol and len(right) > 2:
        symbol.tracer.refuse("a product with a stack of matrices")
    if not right or a.sample[-1] != right[-2 if len(right) > 1 else 0]:
        symbol.tracer.refuse(f"the product of samples of {a.sample} by {right}")
    dtype = np.result_type(a.dtype, b.dtype)
    if type(b) is Symbol:
        leading = np.broadcast_shapes(a.sample[:-2], right[:-2])
        return Result((*leading, a.sample[-2], right[-1]), dtype)
    return Result((*a.sample[:-1], *right[1:]), dtype)


def is_linear(node: Node) -> bool:
    """Whether the right operand is a matrix that can be packed."""
    x, b = node.operands
    return type(b) is not Symbol and b.ndim == 2 and b.dtype == x.dtype == node.result.dtype and (
        b.dtype in FLOATS and b.size > 0
    )  # fmt: skip


matmul = Primitive(
    "matmul", product, matmul_result,
    lambda program, node: program.linear(node, node.operands[0], node.operands[1].T, None), is_linear,
    "{0} @ {1}", promotes=True,
)  # fmt: skip
