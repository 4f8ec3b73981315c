"""How far apart two programs that compute the same model may be, from the rounding errors of one of them.

Two correct programs add in different orders and have different exponentials, so their errors differ, but
both are of the size that the model's conditioning and its lengths of sums make them. That size is measured
instead of bounded: a bound by |W| layer after layer grows with every layer, and soon allows everything.

On bytes two correct programs differ where one rounds a half up and the other one down, so a byte may be
one step off. How far that goes is measured, too: by samples whose bytes are one step off at random.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import TinyTensorError
from tinytensor.inference.model import everything_in
from tinytensor.io.references import Values, model_values
from tinytensor.kernels.boundary import Array
from tinytensor.layers.layer import Layer
from tinytensor.layers.quantize import Quantize

__all__ = ["ERRORS", "Scale", "Scales", "tolerance", "value_scales"]

ERRORS = 16  # the other program's error may be a few times ours, and adds to it
ROUNDINGS = 16  # that functions as exp and erf may be off, relative to the largest value
BYTE_RUNS = 4  # with other bytes
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
    steps = [each.scale for _, each in everything_in(model) if isinstance(each, Quantize)]
    if steps or isinstance(model, Quantize):
        return byte_scales(model, narrow, max(steps, default=1.0))
    try:
        models = model.astype(np.float32), model.astype(np.float64)
        found = [scales_once(*models, each) for each in jittered(narrow)]
    except TinyTensorError:
        return Scales([], {})
    outputs = [largest(each) for each in zip(*(outputs for outputs, _ in found), strict=True)]
    return Scales(outputs, {name: largest([inner[name] for _, inner in found]) for name in found[0].inner})


def byte_scales(model: Layer, inputs: Sequence[Array], step: float) -> Scales:
    """The scales of a model on bytes, whose errors are what a step of the samples' bytes changes."""
    exact, rng = model_values(model, inputs), np.random.default_rng(0)
    outputs, inner = [], []
    for _ in range(BYTE_RUNS):
        moved = [(each + rng.integers(-1, 2, each.shape) * step).astype(np.float32) for each in inputs]
        found = model_values(model, moved)
        outputs.append([byte_scale(a, b) for a, b in zip(exact.outputs, found.outputs, strict=True)])
        inner.append({name: byte_scale(value, found.inner[name]) for name, value in exact.inner.items()})
    return Scales(
        [largest(each) for each in zip(*outputs, strict=True)],
        {name: largest([each[name] for each in inner]) for name in exact.inner},
    )


def byte_scale(exact: Array, moved: Array) -> Scale:
    """The scale of a value: a byte may be one step off, a number as far as one of them takes it."""
    found = Scale.of(exact.astype(np.float32), moved)
    return Scale(1.0, 1.0 / ERRORS) if exact.dtype == np.uint8 else Scale(found.size, found.error / ERRORS)


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
