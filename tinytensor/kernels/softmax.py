"""softmax."""

import numpy as np

from tinytensor.kernels.boundary import Array, normalize_axis


def softmax(x: Array, axis: int = -1) -> Array:
    """e^(x - max) / Σ along an axis."""
    (axis,) = normalize_axis("softmax", axis, x.ndim)
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
        return np.asarray(e / e.sum(axis, keepdims=True))


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Its logarithm."""
    (axis,) = normalize_axis("log_softmax", axis, x.ndim)
    with np.errstate(all="ignore"):
        d = x - x.max(axis, keepdims=True, initial=-np.inf)
        return np.asarray(d - np.log(np.exp(d).sum(axis, keepdims=True)))
