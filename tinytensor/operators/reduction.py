"""Operations that fold axes away; `axes` is a Tensor of int64, and without any all axes are meant."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import normalize_axis
from tinytensor.operators.arithmetic import cast
from tinytensor.operators.shape import integers
from tinytensor.tensors import Tensor

__all__ = ["argmax", "reduce_max", "reduce_mean", "reduce_sum"]


def reduction(name: str, identity: Callable[[np.dtype[Any]], Any]) -> Callable[..., Tensor]:
    """A fold of that name, and what it gives for nothing."""

    def reduce(
        x: Tensor, axes: Tensor | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:
        """Folded axes have length 1 or, without `keepdims`, are gone."""
        named = integers(axes) or None
        if named is None and noop_with_empty_axes:
            return x
        folded = normalize_axis(name, named, x.ndim)
        kept = tuple(1 if i in folded else n for i, n in enumerate(x.shape))
        if all(x.shape[i] for i in folded):
            y = cast(getattr(x, name)(named, keepdims=True), x.dtype.name)
        else:
            y = Tensor._wrap(np.full(kept, identity(x.dtype), x.dtype))
        return y if keepdims else y.squeeze(folded)

    return reduce


def smallest(dtype: np.dtype[Any]) -> Any:
    """-∞, or the smallest integer, or False."""
    if dtype.kind == "f":
        return -np.inf
    return np.iinfo(dtype).min if dtype.kind in "iu" else False


reduce_sum = reduction("sum", lambda dtype: 0)
reduce_mean = reduction("mean", lambda dtype: np.nan if dtype.kind == "f" else 0)
reduce_max = reduction("max", smallest)


def argmax(x: Tensor, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    """Where the largest element is, int64: the first of them, or the last."""
    if not select_last_index:
        return x.argmax(axis, bool(keepdims))
    backwards = Tensor._wrap(np.flip(x.numpy(), axis)).argmax(axis, bool(keepdims))
    return x.shape[axis] - 1 - backwards
