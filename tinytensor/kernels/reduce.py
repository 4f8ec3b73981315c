"""Reductions over any axes."""

from typing import Any

import numpy as np

from tinytensor.errors import ShapeError
from tinytensor.kernels.boundary import Array, Axis, normalize_axis


def _reduction(name: str, empty_ok: bool) -> Any:
    function = getattr(np, name)

    def reduction(x: Array, axis: Axis, keepdims: bool, ddof: int = 0) -> Array:
        axes = normalize_axis(name, axis, x.ndim)
        if not empty_ok and any_(x.shape[a] == 0 for a in axes):
            raise ShapeError(f"{name}: nothing along axis {axis} of shape {x.shape}")
        extra = {"ddof": ddof} if ddof else {}
        return np.asarray(
            function(x, axis=axis if name.startswith("arg") else axes, keepdims=keepdims, **extra)
        )

    return reduction


any_ = any
sum, prod, mean, var, std, any, all = (
    _reduction(n, True) for n in ("sum", "prod", "mean", "var", "std", "any", "all")
)
min, max, argmin, argmax = (_reduction(n, False) for n in ("min", "max", "argmin", "argmax"))
