"""Samples through a network in float32, batch by batch, and what its values were."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.inference.plan import needed
from tinytensor.kernels.boundary import FLOATS, Array, as_operand
from tinytensor.primitives.definition import Symbol
from tinytensor.quantization.ranges import Observed
from tinytensor.quantization.recording import Recording
from tinytensor.tensors import Tensor

__all__ = ["Calibration", "batches_of", "numbers", "values_of"]

BATCH = 100  # samples that go through the network at a time
EVALUATED = 1000  # samples that are kept, for the report


def batches_of(samples: Any) -> Iterator[Array]:
    """Batches of samples, checked; an array is cut into batches, an iterator gives them.

    Raises:
        ArgumentError: there are none, or numbers that are not finite.
        ShapeError: no axis of samples.
        DtypeError: no numbers.
    """
    whole = isinstance(samples, Tensor | np.ndarray | list | tuple) or hasattr(samples, "__array__")
    if not whole and not isinstance(samples, Iterable):
        raise DtypeError(f"quantize: samples: expected an array or batches of it, got {samples!r:.80}")
    count = 0
    for batch in [samples] if whole else samples:
        array = batch._array if type(batch) is Tensor else as_operand(batch)
        if array.ndim < 2:
            raise ShapeError(
                f"quantize: samples: expected (samples, …), got shape {array.shape}; "
                "did you forget the batch axis? x[None] is a batch of one"
            )
        for start in range(0, len(array), BATCH):
            some = array[start : start + BATCH]
            if some.dtype.kind == "f" and not np.isfinite(some).all():
                bad = count + int(np.flatnonzero(~np.isfinite(some).reshape(len(some), -1).all(axis=1))[0])
                raise ArgumentError(f"quantize: samples: expected finite numbers, sample {bad} has others")
            count += len(some)
            yield some
    if not count:
        raise ArgumentError(
            "quantize: samples: expected at least one sample, got none; a few hundred of those that the "
            "network was trained on are enough"
        )


def numbers(batch: Array) -> Array:
    """Samples as the network reads them: float32."""
    with np.errstate(over="ignore"):  # what is too large is infinite, and refused
        return batch.astype(np.float32, copy=False)


class Calibration:
    """What the values of a recording were for the samples.

    Args:
        detailed: whether histograms are needed, not only the ends.
    """

    def __init__(self, recording: Recording, detailed: bool):
        self.recording, self.detailed = recording, detailed
        self.nodes = needed(recording)
        self.observed: dict[int, Observed] = {}
        self.samples: list[Array] = []  # the first of them, as given
        self.pixels = True  # whether all numbers are whole ones from 0 to 255

    def add(self, batch: Array) -> None:
        """Run a batch."""
        missing = EVALUATED - sum(map(len, self.samples))
        if missing > 0:
            self.samples.append(batch[:missing].copy())
        if batch.dtype != np.uint8:
            self.pixels = self.pixels and bool(
                ((batch >= 0) & (batch <= 255) & (batch == np.rint(batch))).all() and (batch > 1).any()
            )
        expected = self.recording.inputs[0].sample
        if batch.shape[1:] != expected:
            raise ShapeError(f"quantize: samples: expected {expected} as the first, got {batch.shape[1:]}")
        for symbol, values in values_of(self.recording, self.nodes, numbers(batch)):
            if symbol.dtype in FLOATS and values.size:
                self.observed.setdefault(symbol.index, Observed(self.detailed)).add(self.who(symbol), values)

    def who(self, symbol: Symbol) -> str:
        """The layer that computes a value, for a message."""
        node = next((each for each in self.nodes if each.result is symbol), None)
        return "the input" if node is None else f"the output of {node.owner or 'the model'}"


def values_of(recording: Recording, nodes: Sequence[Any], x: Array) -> Iterator[tuple[Symbol, Array]]:
    """The values of a network for a batch, one after the other; what is not read again is dropped."""
    last: dict[int, int] = {}
    for i, node in enumerate(nodes):
        last.update({each.index: i for each in node.symbols})
    ends = {each.index for each in recording.outputs}
    (given,) = recording.inputs
    values = {given.index: x.astype(given.dtype, copy=False)}
    yield given, values[given.index]
    for i, node in enumerate(nodes):
        operands = [values[each.index] if isinstance(each, Symbol) else each for each in node.operands]
        with np.errstate(all="ignore"):
            y = np.asarray(node.primitive.eager(*operands, **node.parameters))
        values[node.result.index] = y
        yield node.result, y
        for each in node.symbols:
            if last[each.index] == i and each.index not in ends:
                values.pop(each.index, None)
