"""ONNX's operations in plain NumPy, by their own names; their source goes into a model's Python file.

Each function uses `np`, `math` and functions of `tinytensor.io.python.functions`, nothing else.
"""

import math
from typing import Any

import numpy as np

from tinytensor.io.python.functions import erf, log_softmax, normalize, softmax, standardize

__all__: list[str] = []


def axes_of(values: Any) -> Any:
    """Axes or lengths as Python numbers."""
    return None if values is None else tuple(int(n) for n in values.ravel())


def Abs(x: Any) -> Any:
    """|x|."""
    return np.abs(x)


def Add(a: Any, b: Any) -> Any:
    """A + b."""
    return a + b


def ArgMax(x: Any, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
    """Where the largest element is: the first of them, or the last."""
    if not select_last_index:
        return np.argmax(x, axis, keepdims=bool(keepdims))
    return x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis, keepdims=bool(keepdims))


def BatchNormalization(x: Any, scale: Any, bias: Any, mean: Any, var: Any, epsilon: float = 1e-5) -> Any:
    """(x - mean) · scale / √(var + epsilon) + bias along axis 1."""
    shape = (-1,) + (1,) * (x.ndim - 2)
    return normalize(x, epsilon, *(each.reshape(shape) for each in (scale, bias, mean, var)))


def Cast(x: Any, to: str) -> Any:
    """X in another dtype."""
    return x.astype(to)


def Clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """min(max(x, low), high)."""
    y = x if low is None else np.maximum(x, low)
    return y if high is None else np.minimum(y, high)


def Concat(*xs: Any, axis: int) -> Any:
    """One after the other along an axis."""
    return np.concatenate(xs, axis)


def Div(a: Any, b: Any) -> Any:
    """A / b; of integers towards zero."""
    if a.dtype.kind == "f":
        return a / b
    floor = np.floor_divide(a, b)
    return floor + ((floor * b != a) & ((a < 0) != (b < 0)) & (b != 0)).astype(floor.dtype)


def Dropout(x: Any, ratio: Any = None, training_mode: Any = None) -> Any:
    """X, and that everything of it was kept."""
    return x, np.ones(x.shape, bool)


def Erf(x: Any) -> Any:
    """The error function."""
    return erf(x)


def Exp(x: Any) -> Any:
    """e^x."""
    return np.exp(x)


def Flatten(x: Any, axis: int = 1) -> Any:
    """Two axes: those before `axis` as one, the others as one."""
    split = axis if axis >= 0 else axis + x.ndim
    return x.reshape(math.prod(x.shape[:split]), math.prod(x.shape[split:]))


def Gather(x: Any, indices: Any, axis: int = 0) -> Any:
    """The slices of x along an axis that have these indices."""
    return np.take(x, indices, axis)


def Gemm(
    a: Any, b: Any, c: Any = None, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Any:
    """Alpha · A' @ B' + beta · C."""
    y = (a.T if transA else a) @ (b.T if transB else b)
    y = y if alpha == 1 else (y * alpha).astype(y.dtype)
    return y if c is None else y + (c if beta == 1 else (c * beta).astype(c.dtype))


def Greater(a: Any, b: Any) -> Any:
    """A > b."""
    return a > b


def GreaterOrEqual(a: Any, b: Any) -> Any:
    """A ≥ b."""
    return a >= b


def Identity(x: Any) -> Any:
    """X."""
    return x


def LayerNormalization(x: Any, scale: Any, bias: Any = None, axis: int = -1, epsilon: float = 1e-5) -> Any:
    """Standardized over the axes from `axis` on, · scale + bias; with the mean and 1 / the deviation."""
    axes = tuple(range(axis if axis >= 0 else axis + x.ndim, x.ndim))
    y, mean, inverse = standardize(x, axes, epsilon)
    return (y * scale if bias is None else y * scale + bias), mean, inverse


def Less(a: Any, b: Any) -> Any:
    """A < b."""
    return a < b


def LessOrEqual(a: Any, b: Any) -> Any:
    """A ≤ b."""
    return a <= b


def Log(x: Any) -> Any:
    """The natural logarithm."""
    return np.log(x)


def rows(function: Any, x: Any, axis: int) -> Any:
    """A function of rows, a row being everything from an axis on."""
    return function(Flatten(x, axis)).reshape(x.shape)


def LogSoftmax(x: Any, axis: int = -1, flatten: int = 0) -> Any:
    """The logarithm of softmax; until opset 12 over an axis and all after it."""
    return rows(log_softmax, x, axis) if flatten else log_softmax(x, axis)


def MatMul(a: Any, b: Any) -> Any:
    """A @ B."""
    return a @ b


def Max(*xs: Any) -> Any:
    """The largest of the operands."""
    y = xs[0]
    for each in xs[1:]:
        y = np.maximum(y, each)
    return y


def Min(*xs: Any) -> Any:
    """The smallest of the operands."""
    y = xs[0]
    for each in xs[1:]:
        y = np.minimum(y, each)
    return y


def Mul(a: Any, b: Any) -> Any:
    """A · b."""
    return a * b


def Neg(x: Any) -> Any:
    """-x."""
    return -x


def PRelu(x: Any, slope: Any) -> Any:
    """X where it is not negative, slope · x elsewhere."""
    return np.where(x < 0, x * slope, x)


def Pow(a: Any, b: Any) -> Any:
    """a^b in the dtype of a."""
    if a.dtype.kind == "f":
        return np.power(a, b.astype(a.dtype))
    wide = b.astype(np.float64) if b.dtype.kind == "f" or (b < 0).any() else b
    return np.power(a, wide).astype(a.dtype)


def reduced(function: Any, x: Any, axes: Any, keepdims: int, noop: int, **options: Any) -> Any:
    """A fold along axes, all of them if none are named."""
    named = axes_of(axes) or None
    if named is None and noop:
        return x
    return np.asarray(function(x, axis=named, keepdims=bool(keepdims), **options)).astype(x.dtype)


def ReduceMax(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The largest element along axes."""
    integer = x.dtype.kind in "iu"
    smallest = np.iinfo(x.dtype).min if integer else (False if x.dtype.kind == "b" else -np.inf)
    return reduced(np.max, x, axes, keepdims, noop_with_empty_axes, initial=smallest)


def ReduceMean(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The mean along axes."""
    if not x.size and x.dtype.kind != "f":
        return ReduceSum(x, axes, keepdims, noop_with_empty_axes)
    return reduced(np.mean, x, axes, keepdims, noop_with_empty_axes, dtype=np.float64)


def ReduceSum(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The sum along axes."""
    wide = np.float64 if x.dtype.kind == "f" else None
    return reduced(np.sum, x, axes, keepdims, noop_with_empty_axes, dtype=wide)


def Reshape(x: Any, shape: Any, allowzero: int = 0) -> Any:
    """Another shape; 0 stands for the length that x has there, unless `allowzero`."""
    wanted = axes_of(shape)
    return x.reshape(wanted if allowzero else [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)])


def Shape(x: Any, start: int = 0, end: Any = None) -> Any:
    """The lengths of the axes."""
    return np.array(x.shape[start:end], np.int64)


def Softmax(x: Any, axis: int = -1, flatten: int = 0) -> Any:
    """Softmax along an axis; until opset 12 over it and all after it."""
    return rows(softmax, x, axis) if flatten else softmax(x, axis)


def Sqrt(x: Any) -> Any:
    """√x."""
    return np.sqrt(x)


def Squeeze(x: Any, axes: Any = None) -> Any:
    """Without axes of length 1: those named, or all."""
    return np.squeeze(x, axes_of(axes))


def Sub(a: Any, b: Any) -> Any:
    """A - b."""
    return a - b


def Transpose(x: Any, perm: Any = None) -> Any:
    """The axes in another order, by default reversed."""
    return np.transpose(x, perm)


def Unsqueeze(x: Any, axes: Any) -> Any:
    """With axes of length 1 where the result is to have them."""
    return np.expand_dims(x, axes_of(axes))


def Where(condition: Any, a: Any, b: Any) -> Any:
    """A where the condition is true, else b."""
    return np.where(condition, a, b)
