"""`tt.verify`: how far a model's answers are from those of the model that it was made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinytensor import notebook
from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.io.references import model_values, reference_of
from tinytensor.io.tolerance import ERRORS, Scale, tolerance, value_scales
from tinytensor.kernels.boundary import Array, as_operand
from tinytensor.layers.layer import Layer
from tinytensor.text import escaped

__all__ = ["Difference", "Report", "verify"]

BITS: dict[Any, Any] = {
    np.dtype(np.float16): np.uint16, np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The largest differences between one value of two models.

    Attributes:
        name: which value it is: a layer's, or an output.
        shape: its shape.
        max_abs: the largest |ours - theirs|; of infinities of one sign, and of NaN and NaN, it is 0.
        max_rel: the largest |ours - theirs| / |theirs|.
        max_ulp: the largest number of floats from one to the other, in the narrower of the two dtypes.
        tolerance: how large `max_abs` may be between two programs that compute the same in that dtype.
        at: the index of the element with the largest absolute difference.
    """

    name: str
    shape: tuple[int, ...]
    max_abs: float
    max_rel: float
    max_ulp: int
    at: tuple[int, ...]
    tolerance: float = 0.0


@dataclass(frozen=True)
class Report:
    """What `verify` found; printing it shows a table.

    Attributes:
        program: what computed the reference.
        layers: the values inside that have the same name and shape on both sides.
        outputs: the outputs.
        agreeing: in how many rows of the first output the largest element is at the same place; None where
            there are no rows of several numbers.
        rows: how many rows there are.
        snr: of the outputs, in decibels: the power of the reference over that of the difference.
    """

    program: str
    layers: tuple[Difference, ...]
    outputs: tuple[Difference, ...]
    agreeing: int | None
    rows: int
    snr: float = math.inf

    @property
    def verdict(self) -> Literal["same", "close", "different"]:
        """`same`: every output is equal; `close`: every one is within its tolerance; or `different`."""
        if self.max_abs == 0:
            return "same"
        return "close" if all(each.max_abs <= each.tolerance for each in self.outputs) else "different"

    @property
    def max_abs(self) -> float:
        """The largest absolute difference of an output."""
        return max(each.max_abs for each in self.outputs)

    @property
    def max_rel(self) -> float:
        """The largest relative difference of an output."""
        return max(each.max_rel for each in self.outputs)

    @property
    def max_ulp(self) -> int:
        """The largest difference of an output in units in the last place."""
        return max(each.max_ulp for each in self.outputs)

    @property
    def cells(self) -> list[list[str]]:
        """The table: a header, and a row for each value."""
        cells = [["value", "shape", "absolute", "tolerance", "relative", "ULP"]]
        for each in (*self.layers, *self.outputs):
            floats = [f"{value:.3g}" for value in (each.max_abs, each.tolerance, each.max_rel)]
            cells.append(
                [escaped(f"{each.name:.40}", keep=""), str(each.shape), *floats, f"{each.max_ulp:,}"]
            )
        return cells

    def __str__(self) -> str:
        cells = self.cells
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [f"the largest differences from {self.program}"]
        for row in cells:
            padded = zip(row, widths, strict=True)
            shown = [cell.ljust(n) if i < 2 else cell.rjust(n) for i, (cell, n) in enumerate(padded)]
            lines.append("  ".join(shown).rstrip())
        if self.agreeing is not None:
            lines.append(f"argmax agrees in {self.agreeing:,} of {self.rows:,} rows")
        if self.verdict == "different":
            lines.append(f"signal to noise of the outputs: {self.snr:.1f} dB")
        return "\n".join([*lines, f"verdict: {self.verdict}, {self.reason()}"])

    def reason(self) -> str:
        """Why the verdict is what it is."""
        if self.verdict == "same":
            return "every output is equal"
        if self.verdict == "close":
            return "every output is within its tolerance"
        beyond = [each for each in (*self.layers, *self.outputs) if not each.max_abs <= each.tolerance]
        return f"{escaped(f'{beyond[0].name:.40}', keep='')} is the first value beyond its tolerance"

    __repr__ = __str__
    _repr_html_ = notebook.report_html


def verify(model: Layer, reference: Any, *x: Any) -> Report:
    """Compare a model with the one that it was made from, on samples: same, close or different.

    A value is close if it differs by at most 16 E + 16 u max |y|. E is the rounding error that this model
    itself makes on this input: how far its values in float32 are from those in float64, scaled to the
    unit roundoff u of the dtype in which the two programs are compared.

    A model on bytes is close if it differs by no more than it does itself where bytes of its samples are one
    step off; bytes that it gives may be one step off. Signal to noise and how many answers agree say what
    quantising has cost.

    Values inside are compared where they have the same names on both sides: layers of PyTorch and of Keras,
    and values of ONNX where one side was made of the other. The input is first converted to the dtype that
    the reference wants.

    Args:
        model: the model.
        reference: a path to a file (ONNX through ONNX Runtime or else onnx's reference evaluator, `.keras`
            through Keras, others through tinytensor), a `ModelProto`, a PyTorch module, a Keras model, an
            estimator of scikit-learn (its `predict_proba`, or `predict`), or any function of arrays.
        x: the input; as many as the model takes.

    Raises:
        ArgumentError: there are no samples.
        DtypeError: the model is no layer, or the reference none of these.
        ShapeError: the outputs differ in number or shape.
        ModelFormatError: the file is no model.
        MissingExtra: the program that runs the reference is not installed.

    >>> import tinytensor as tt
    >>> print(tt.verify(tt.relu, lambda x: x.clip(0), [[1.0, -1.0]]))
    the largest differences from a function
    value   shape   absolute  tolerance  relative  ULP
    output  (1, 2)         0   9.54e-07         0    0
    argmax agrees in 1 of 1 rows
    verdict: same, every output is equal
    """
    if not isinstance(model, Layer):
        raise DtypeError(f"verify: expected a model, got {model!r:.80}")
    if not x:
        raise ArgumentError("verify: expected samples after the reference: verify(model, reference, x)")
    other = reference_of(reference)
    inputs = converted([np.asarray(as_operand(each)) for each in x], other.dtypes)
    ours, theirs = model_values(model, inputs), other.run(inputs)
    shapes = [[each.shape for each in side] for side in (ours.outputs, theirs.outputs)]
    if shapes[0] != shapes[1]:
        raise ShapeError(f"verify: the model gives {shapes[0]}, {other.program} {shapes[1]}")
    scales = value_scales(model, inputs)
    layers = [
        difference(name, value, theirs.inner[name], scales.inner.get(name))
        for name, value in ours.inner.items()
        if name in theirs.inner and theirs.inner[name].shape == value.shape
    ]
    names = ["output"] if len(shapes[0]) == 1 else [f"output {i}" for i in range(len(shapes[0]))]
    of_outputs: Sequence[Scale | None] = scales.outputs or [None] * len(names)
    whole = zip(names, ours.outputs, theirs.outputs, of_outputs, strict=True)
    outputs = [difference(*each) for each in whole]
    agreeing, rows = agreement(ours.outputs[0], theirs.outputs[0])
    snr = decibels(ours.outputs, theirs.outputs)
    return Report(other.program, tuple(layers), tuple(outputs), agreeing, rows, snr)


def agreement(first: Array, second: Array) -> tuple[int | None, int]:
    """In how many of how many rows the largest numbers have the same place; None of rows of one number."""
    if first.ndim < 2 or first.shape[-1] < 2:
        return None, 0
    same = first.argmax(-1) == second.argmax(-1)
    return int(same.sum()), same.size


def decibels(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    """10 log₁₀ of the power of theirs over that of the difference; NaN with infinities."""
    with np.errstate(all="ignore"):
        signal = sum(float((each.astype(np.float64) ** 2).sum()) for each in theirs)
        pairs = zip(ours, theirs, strict=True)
        noise = sum(float(((a.astype(np.float64) - b) ** 2).sum()) for a, b in pairs)
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and math.isfinite(signal / noise) else math.nan


def converted(inputs: Sequence[Array], dtypes: Sequence[str]) -> list[Array]:
    """The inputs in the dtypes that are wanted; one is meant for all floats."""
    wanted = list(dtypes) * len(inputs) if len(dtypes) == 1 else list(dtypes)
    if len(wanted) != len(inputs):
        return list(inputs)
    return [each.astype(dtype, copy=False) for each, dtype in zip(inputs, wanted, strict=True)]


def difference(name: str, ours: Array, theirs: Array, scale: Scale | None = None) -> Difference:
    """The largest differences of two arrays of one shape."""
    if not ours.size:
        return Difference(name, ours.shape, 0.0, 0.0, 0, ())
    dtypes = [each.dtype for each in (ours, theirs) if each.dtype in BITS]
    narrower = min(dtypes, key=lambda each: each.itemsize) if len(dtypes) == 2 else None
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(all="ignore"):
        absolute = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        absolute = np.where(np.isnan(absolute), np.inf, absolute)  # NaN on one side
        relative = np.where(absolute == 0, 0.0, absolute / np.abs(b))
        relative = np.where(np.isnan(relative), np.inf, relative)
    at = np.unravel_index(int(absolute.argmax()), absolute.shape)
    return Difference(
        name,
        ours.shape,
        float(absolute.max()),
        float(relative.max()),
        ulps(ours, theirs),
        tuple(map(int, at)),
        allowed(scale, ours, theirs, narrower),
    )


def allowed(scale: Scale | None, ours: Array, theirs: Array, narrower: Any) -> float:
    """How far two values may be apart: a byte as its scale says, other integers not at all."""
    if ours.dtype == theirs.dtype == np.uint8 and scale is not None:
        return ERRORS * scale.error
    return 0.0 if narrower is None else tolerance(scale or Scale.of(ours), narrower)


def ulps(ours: Array, theirs: Array) -> int:
    """The largest number of floats from one to the other; of integers their difference."""
    floats = [each for each in (ours.dtype, theirs.dtype) if each in BITS]
    if len(floats) < 2:
        return int(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max())
    dtype = min(floats, key=lambda each: each.itemsize)
    unsigned = BITS[dtype]
    sign = unsigned(1) << unsigned(8 * dtype.itemsize - 1)
    with np.errstate(over="ignore"):
        bits = [np.ascontiguousarray(each, dtype).view(unsigned) for each in (ours, theirs)]
    a, b = (each & ~sign for each in bits)
    opposite = (bits[0] & sign) != (bits[1] & sign)
    apart = np.where(opposite, a + b, np.maximum(a, b) - np.minimum(a, b))
    return int(np.where(np.isnan(ours) & np.isnan(theirs), unsigned(0), apart).max())
