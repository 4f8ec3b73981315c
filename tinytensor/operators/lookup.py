"""Operations of ai.onnx.ml, in plain NumPy; as operators they have these names."""

from typing import Any

import numpy as np

from tinytensor.operators.definition import operation
from tinytensor.operators.inference import categories, first, last_axis

__all__: list[str] = []


def matches(x: Any, keys: Any) -> Any:
    """Along a new axis, whether x is each key; NaN is NaN."""
    wide = np.expand_dims(x, -1)
    return (wide == keys) | ((wide != wide) & (keys != keys))


@operation(1, last_axis)
def ArrayFeatureExtractor(x: Any, indices: Any) -> Any:
    """The columns of x that have these indices; of a vector, one row."""
    return np.take(np.atleast_2d(x), indices.ravel(), -1)


@operation(4, first, "third")
def LabelEncoder(x: Any, keys: Any, values: Any, default: Any) -> Any:
    """The value that stands at the first key that x is, else the default."""
    if not keys.size:
        return np.full(x.shape, default.ravel()[0], values.dtype)
    found = matches(x, keys)
    return np.where(found.any(-1), values[found.argmax(-1)], default.ravel()[0])


@operation(1, categories, "float32")
def OneHotEncoder(x: Any, categories: Any, zeros: int = 1) -> Any:
    """Along a new axis, 1 for the category that x is; for a value that is none, 0 everywhere if `zeros`."""
    found = matches(x, categories)
    if not zeros and not found.any(-1).all():
        raise ValueError("a value is none of the categories")
    return found.astype(np.float32)


@operation(1, first)
def Normalizer(x: Any, norm: str = "MAX") -> Any:
    """Every row by its largest element, the sum of absolute values or the length; as it is if that is 0."""
    wide = np.array(x, np.float64, order="C")
    if norm == "MAX":
        size = np.max(wide, -1, keepdims=True, initial=-np.inf)
    elif norm == "L1":
        size = np.sum(np.abs(wide), -1, keepdims=True)
    else:
        size = np.sqrt(np.sum(wide * wide, -1, keepdims=True))
    return (wide / np.where(size == 0, 1, size)).astype(x.dtype)
