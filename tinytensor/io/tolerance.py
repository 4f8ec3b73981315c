"""How far apart two programs that compute the same model may be, from the rounding errors of one of them.

Two correct programs add in different orders and have different exponentials, so their errors differ, but
both are of the size that the model's conditioning and its lengths of sums make them. That size is measured
instead of bounded: a bound by |W| layer after layer grows with every layer, and soon allows everything.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.io.references import Values, model_values
from tinytensor.kernels.boundary import Array
from tinytensor.layers.layer import Layer

__all__ = ["Scale", "Scales", "tolerance", "value_scales"]

ERRORS = 16  # the other program's error may be a few times ours, and adds to it
ROUNDINGS = 16  # that functions as exp and erf may be off, relative to the largest value
FEW_ROWS = 16  # with fewer, the error of one row may be small by luck
UNIT_ROUNDOFF = {np.dtype(f"float{bits}"): 2.0**-p for bits, p in ((16, 11), (32, 24), (64, 53))}


class Scale(NamedTuple):
    """The largest absolute value, and the largest error of float32, of one value of a model."""

    size: float
    error: float

    @staticmethod
    def of(exact: Array, rounded: Array | None = None) -> "Scale":
        """The scale of a value that is known exactly, and as float32 gives it."""
        if exact.dtype.kind != "f":
            return Scale(0.0, 0.0)
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.zeros(1) if rounded is None else np.abs(rounded.astype(np.float64) - exact)
            sizes = np.abs(exact.astype(np.float64))
        return Scale(*(float(each.max(initial=0, where=np.isfinite(each))) for each in (sizes, apart)))


class Scales(NamedTuple):
    """The scale of every output, and of values inside by name; empty where float64 is out of reach."""

    outputs: list[Scale]
    inner: Mapping[str, Scale]


def tolerance(scale: Scale, dtype: np.dtype[Any]) -> float:
    """How far one value of two programs may be apart, if they compute in this dtype.

    >>> tolerance(Scale(size=1.0, error=0.0), np.dtype(np.float32)) == 2.0**-20
    True
    """
    u = UNIT_ROUNDOFF[dtype]
    return ERRORS * scale.error * (u / UNIT_ROUNDOFF[np.dtype(np.float32)]) + ROUNDINGS * u * scale.size


def value_scales(model: Layer, inputs: Sequence[Array]) -> Scales:
    """The scales of all values of a model: it is run in float32 and in float64 on what float32 can hold."""
    narrow = [each.astype(np.float32) if each.dtype.kind == "f" else each for each in inputs]
    try:
        models = model.astype(np.float32), model.astype(np.float64)
        found = [scales_once(*models, each) for each in jittered(narrow)]
    except TinyTensorError:
        return Scales([], {})
    outputs = [largest(each) for each in zip(*(outputs for outputs, _ in found), strict=True)]
    return Scales(outputs, {name: largest([inner[name] for _, inner in found]) for name in found[0].inner})


def scales_once(narrow: Layer, wide: Layer, inputs: Sequence[Array]) -> Scales:
    """The scales of one run."""
    doubled = [each.astype(np.float64) if each.dtype.kind == "f" else each for each in inputs]
    rounded: Values = model_values(narrow, inputs)
    exact: Values = model_values(wide, doubled)
    outputs = [Scale.of(a, b) for a, b in zip(exact.outputs, rounded.outputs, strict=True)]
    return Scales(
        outputs, {name: Scale.of(value, rounded.inner[name]) for name, value in exact.inner.items()}
    )


def jittered(inputs: Sequence[Array]) -> list[list[Array]]:
    """The inputs and, if they are few rows, the same slightly smaller several times: other roundings."""
    rows = max((len(each) for each in inputs if each.ndim > 1), default=1)
    times = max(1, FEW_ROWS // max(1, rows))
    return [
        [each * np.float32(1 - k / 1024) if each.dtype.kind == "f" else each for each in inputs]
        for k in range(times)
    ]


def largest(scales: Sequence[Scale]) -> Scale:
    """The largest size and the largest error."""
    return Scale(max(each.size for each in scales), max(each.error for each in scales))
