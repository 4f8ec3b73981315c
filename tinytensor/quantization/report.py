"""How a network on bytes differs from the one in float32 that it was made of, layer by layer."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytensor import notebook
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Symbol
from tinytensor.quantization.calibration import BATCH, Calibration, numbers, values_of
from tinytensor.quantization.emission import Placed
from tinytensor.tensors import Tensor
from tinytensor.text import escaped, text_table

__all__ = ["Quantization", "QuantizedLayer", "measured"]


@dataclass(frozen=True)
class QuantizedLayer:
    """What became of one layer.

    Attributes:
        name: the layer of the model in float32, as in `state_dict`.
        layer: the class of the layer that computes it now.
        dtype: of its result, "uint8" or "float32".
        snr: of its result, in decibels: the power of the values in float32 over that of the difference. What
            the layers before it lose counts.
        saturation: the share of the values in float32 that lie outside what bytes stand for.
        bytes: of its parameters.
    """

    name: str
    layer: str
    dtype: str
    snr: float
    saturation: float
    bytes: int


@dataclass(frozen=True)
class Quantization:
    """How a quantised model differs from the model in float32; printing it shows a table.

    Attributes:
        rows: the layers, in the order in which they are computed.
        samples: how many samples it was measured on: the first of those given, at most 1,000.
        snr: of the outputs, in decibels.
        agreement: the share of samples, or of rows of the first output, whose largest element is at the same
            place; None where an output is one number.
        float_bytes: of the parameters of the model in float32.
        bytes: of those of the quantised model.
        kept: the layers that stay in float32 because the caller, or a bound, wants it.
    """

    rows: tuple[QuantizedLayer, ...]
    samples: int
    snr: float
    agreement: float | None
    float_bytes: int
    bytes: int
    kept: tuple[str, ...] = ()

    @property
    def saturation(self) -> float:
        """The largest share of values of one layer that lie outside what bytes stand for."""
        return max((row.saturation for row in self.rows), default=0.0)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table: a header, and a row for each layer."""
        cells: list[tuple[str, ...]] = [("name", "layer", "result", "SNR dB", "saturated", "bytes")]
        for row in self.rows:
            numbers = f"{row.snr:.1f}", f"{row.saturation:.3%}", f"{row.bytes:,}"
            cells.append((escaped(row.name, keep=""), row.layer, row.dtype, *numbers))
        whole = f"{self.snr:.1f}", f"{self.saturation:.3%}", f"{self.bytes:,}"
        return [*cells, ("whole", "", "", *whole)]

    @property
    def notes(self) -> list[str]:
        """What the table does not say."""
        agreeing = "" if self.agreement is None else f"{self.agreement:.2%} of answers agree; "
        kept = f"; in float32: {', '.join(self.kept)}" if self.kept else ""
        return [
            f"{agreeing}{self.bytes:,} bytes instead of {self.float_bytes:,}; measured on {self.samples:,} "
            f"samples{escaped(kept, keep='')}"
        ]

    def to_json(self) -> str:
        """Everything as JSON; a signal to noise without a difference is null."""
        values = dataclasses.asdict(self) | {"saturation": self.saturation}
        rows = [row | {"snr": finite(row["snr"])} for row in values["rows"]]
        return json.dumps(values | {"rows": rows, "snr": finite(self.snr)})

    def __str__(self) -> str:
        return "\n".join([text_table(self.cells, texts=3), *self.notes])

    __repr__ = __str__
    _repr_html_ = notebook.quantization_html


def finite(number: float) -> float | None:
    """A number that JSON has, or None."""
    return number if math.isfinite(number) else None


class Difference:
    """The power of values and of their differences, over batches."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0
        self.outside = self.count = 0

    def add(self, exact: Array, found: Array, placed: Placed | None = None) -> None:
        """Take the values of a batch."""
        wide = exact.astype(np.float64)
        self.signal += float((wide**2).sum())
        self.noise += float(((wide - found) ** 2).sum())
        self.count += wide.size
        if placed is not None and placed.scale is not None:
            half = placed.scale.step / 2
            low, high = placed.scale.low - half, placed.scale.high + half
            self.outside += int(((wide < low) | (wide > high)).sum())

    @property
    def snr(self) -> float:
        """In decibels; infinite where there is no difference."""
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal else -math.inf

    @property
    def saturation(self) -> float:
        """The share of values outside."""
        return self.outside / self.count if self.count else 0.0


def run(placed: Sequence[Placed], x: Array) -> dict[str, Tensor]:
    """Every value of the new model by name, layer by layer."""
    values: dict[str, Any] = {"": None, "x": Tensor(x)}
    for each in placed:
        y = each.layer.forward(*[values[name] for name in each.reads])
        values.update(zip(each.defines, y if isinstance(y, tuple) else (y,), strict=True))
    return values


def measured(
    calibration: Calibration, placed: Sequence[Placed], outputs: Sequence[str], sizes: tuple[int, int],
    kept: Sequence[str] = (),
) -> Quantization:  # fmt: skip
    """Run both models on the samples that calibration has kept."""
    shown = [each for each in placed if each.step is not None and each.value is not None]
    differences = {id(each): Difference() for each in shown}
    whole, same, answers = Difference(), 0, 0
    ends: list[Symbol] = calibration.recording.outputs
    samples = np.concatenate(calibration.samples)
    wanted = {each.value.index for each in shown if each.value is not None} | {each.index for each in ends}
    for start in range(0, len(samples), BATCH):
        x = numbers(samples[start : start + BATCH])
        found = run(placed, x)
        exact = {
            symbol.index: value
            for symbol, value in values_of(calibration.recording, calibration.nodes, x)
            if symbol.index in wanted
        }
        for each in shown:
            assert each.value is not None
            differences[id(each)].add(exact[each.value.index], restored(each, found), each)
        for symbol, name in zip(ends, outputs, strict=True):
            whole.add(exact[symbol.index], found[name].numpy())
        first, second = exact[ends[0].index], found[outputs[0]].numpy()
        if first.shape[-1] > 1:
            agreeing = first.argmax(-1) == second.argmax(-1)
            same, answers = same + int(agreeing.sum()), answers + agreeing.size
    rows = tuple(row_of(each, differences[id(each)]) for each in shown)
    share = same / answers if answers else None
    return Quantization(rows, len(samples), whole.snr, share, *sizes, tuple(kept))


def restored(placed: Placed, found: dict[str, Tensor]) -> Array:
    """The numbers that a layer's result stands for."""
    y = found[placed.defines[0]].numpy()
    if placed.scale is None:
        return y
    return np.asarray((y.astype(np.float64) - placed.scale.zero_point) * placed.scale.step)


def row_of(placed: Placed, difference: Difference) -> QuantizedLayer:
    """The row of a layer."""
    size = sum(each.numpy().nbytes for each in placed.layer.parameters().values())
    dtype = "float32" if placed.scale is None else "uint8"
    return QuantizedLayer(
        placed.name, type(placed.layer).__name__, dtype, difference.snr, difference.saturation, size
    )
