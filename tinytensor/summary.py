"""`model.summary()`: every layer's output shape, parameters and bytes, as a table."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinytensor.creation import zeros
from tinytensor.layers.layer import Layer
from tinytensor.layers.linear import Linear
from tinytensor.plan import divide
from tinytensor.tensor import Tensor
from tinytensor.text import escaped, text_table

if TYPE_CHECKING:
    from tinytensor.sequential import Sequential

__all__ = ["Row", "Summary", "summarize"]

SHOWN = 60  # characters of a layer
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Row:
    """One layer of a model; without a shape, `reason` says why."""

    name: str
    layer: str
    shape: tuple[int, ...] | None
    parameters: int
    bytes: int
    fused: bool = False
    reason: str = UNKNOWN

    @property
    def output(self) -> str:
        """The shape of the output, or why there is none."""
        if self.shape is None:
            return textwrap.shorten(escaped(self.reason), SHOWN, placeholder=" …")
        return f"({', '.join(['batch', *map(str, self.shape)])})"


@dataclass(frozen=True)
class Summary:
    """The layers of a model, and their sums; notes say what is wrong, or slow by accident."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Numbers in all parameters together."""
        return sum(row.parameters for row in self.rows)

    @property
    def bytes(self) -> int:
        """Bytes of all parameters together."""
        return sum(row.bytes for row in self.rows)

    def __str__(self) -> str:
        cells = [("name", "layer", "output", "fused", "parameters", "bytes")]
        for row in self.rows:
            name, fused = escaped(row.name, keep=""), "yes" if row.fused else "·"
            cells.append(
                (name, escaped(row.layer), row.output, fused, f"{row.parameters:,}", f"{row.bytes:,}")
            )
        cells.append(("total", "", "", "", f"{self.parameters:,}", f"{self.bytes:,}"))
        return "\n".join([text_table(cells, texts=4), *map(escaped, self.notes)])

    __repr__ = __str__


class Chain(NamedTuple):
    """What layers make of a batch of one: outputs by name, and at which layer it ends for which error."""

    outputs: Mapping[str, Tensor]
    failed: str | None = None
    error: Exception | None = None


NOT_RUN = Chain({})


def summarize(model: "Sequential", shape: int | tuple[int, ...] | None = None) -> Summary:
    """The summary of a model for samples of that shape; without one, of what the first Linear takes."""
    leaves = dict(leaf_layers(model))
    fused = set(fused_layers(model))
    chain = as_first_linear(leaves) if shape is None else chained(leaves, zeros((1, *axes(shape))))
    if shape is not None and chain.error is not None:
        model(zeros((1, *axes(shape))), fused=False)  # raises, and says at which layer
    notes = list(doubled(leaves, chain.outputs))
    if chain is NOT_RUN and leaves:
        notes.insert(0, "the shape of a sample is unknown; summary(shape) shows the outputs' shapes")
    if chain.error is not None:
        notes.insert(0, f"{chain.failed}: {chain.error}")
    rows = tuple(row(name, layer, chain, name in fused) for name, layer in leaves.items())
    return Summary(rows, tuple(notes))


def axes(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    """A shape as a tuple."""
    return (shape,) if isinstance(shape, int) else tuple(shape)


def as_first_linear(leaves: Mapping[str, Layer]) -> Chain:
    """The outputs for flat samples of as many numbers as the first Linear takes, if they get through it."""
    for name, layer in leaves.items():
        if isinstance(layer, Linear):
            chain = chained(leaves, zeros((1, layer.in_features)))
            return chain if name in chain.outputs else NOT_RUN
    return NOT_RUN


def chained(leaves: Mapping[str, Layer], x: Tensor) -> Chain:
    """What the layers make of x, one after the other, up to the first that raises."""
    outputs: dict[str, Tensor] = {}
    for name, layer in leaves.items():
        try:
            x = outputs[name] = layer(x)
        except Exception as error:  # of a layer of the user's, any
            return Chain(outputs, name, error)
    return Chain(outputs)


def doubled(leaves: Mapping[str, Layer], outputs: Mapping[str, Tensor]) -> Iterator[str]:
    """A note on the first layer that makes float64 of float32."""
    for name, layer in leaves.items():
        wide = [key for key, value in layer.parameters().items() if value.dtype == np.float64]
        if wide:
            which = f"{', '.join(wide[:3])}{' …' * (len(wide) > 3)}"
            yield f'float64 from {name} on, as is its {which}; model.astype("float32") computes in float32'
            return
        if name in outputs and outputs[name].dtype == np.float64:
            yield f"float64 from {name} on, by its forward"
            return


def fused_layers(model: "Sequential", prefix: str = "") -> Iterator[str]:
    """The names of the layers that run in a compiled program, see `tinytensor.plan`."""
    for part in divide(enumerate(model)):
        for position, layer in part.layers:
            name = prefix + list(model.children())[position]
            if type(layer) is type(model):
                inner = dict(leaf_layers(layer, f"{name}.")) if part.stretch else None
                yield from fused_layers(layer, f"{name}.") if inner is None else inner
            elif part.stretch:
                yield name


def leaf_layers(layer: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers of a model by name, those of a Sequential inside it as `block.layer`."""
    for name, child in layer.children().items():
        if type(child) is type(layer):
            yield from leaf_layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def row(name: str, layer: Layer, chain: Chain = NOT_RUN, fused: bool = False) -> Row:
    """What the table says of one layer."""
    tensors = layer.parameters().values()
    numbers, size = sum(t.size for t in tensors), sum(t.numpy().nbytes for t in tensors)
    shown = textwrap.shorten(repr(layer), SHOWN, placeholder=" …")
    if name in chain.outputs:
        return Row(name, shown, chain.outputs[name].shape[1:], numbers, size, fused)
    reason = UNKNOWN if chain.error is None else "not reached"
    if name == chain.failed:
        reason = str(chain.error).removeprefix(f"{layer!r}: ")
    return Row(name, shown, None, numbers, size, fused, reason)
