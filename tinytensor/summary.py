"""`model.summary()`: every layer's output shape, parameters and bytes, as a table."""

import contextlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinytensor.creation import zeros
from tinytensor.errors import TinyTensorError
from tinytensor.layers.layer import Layer
from tinytensor.layers.linear import Linear
from tinytensor.plan import divide
from tinytensor.text import text_table

if TYPE_CHECKING:
    from tinytensor.sequential import Sequential

__all__ = ["Row", "Summary", "summarize"]

SHOWN = 60  # characters of a layer


@dataclass(frozen=True)
class Row:
    """One layer of a model."""

    name: str
    layer: str
    shape: tuple[int, ...] | None
    parameters: int
    bytes: int
    fused: bool = False


@dataclass(frozen=True)
class Summary:
    """The layers of a model, and their sums."""

    rows: tuple[Row, ...]

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
            shape = "?" if row.shape is None else ", ".join(["batch", *map(str, row.shape)])
            fused = "yes" if row.fused else "·"
            cells.append((row.name, row.layer, f"({shape})", fused, f"{row.parameters:,}", f"{row.bytes:,}"))
        cells.append(("total", "", "", "", f"{self.parameters:,}", f"{self.bytes:,}"))
        return text_table(cells, texts=4)

    __repr__ = __str__


def summarize(model: "Sequential", shape: int | tuple[int, ...] | None = None) -> Summary:
    """The summary of a model for samples of that shape; without one, of what the first Linear takes."""
    shapes: dict[str, tuple[int, ...]] = {}
    leaves = dict(leaf_layers(model))
    if shape is not None:
        shapes = output_shapes(model, (shape,) if isinstance(shape, int) else shape)
    else:
        first = next((layer for layer in leaves.values() if isinstance(layer, Linear)), None)
        with contextlib.suppress(TinyTensorError):  # as when a Reshape stands in front
            shapes = output_shapes(model, (first.in_features,)) if first else {}
    fused = set(fused_layers(model))
    return Summary(tuple(row(name, layer, shapes.get(name), name in fused) for name, layer in leaves.items()))


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


def output_shapes(model: "Sequential", shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes that a batch of one zero sample takes on its way, by layer."""
    return {str(name): y.shape[1:] for name, y in model.outputs(zeros((1, *shape))).items()}


def row(name: str, layer: Layer, shape: tuple[int, ...] | None, fused: bool = False) -> Row:
    """What the table says of one layer."""
    tensors = layer.parameters().values()
    numbers, size = sum(t.size for t in tensors), sum(t.numpy().nbytes for t in tensors)
    return Row(name, textwrap.shorten(repr(layer), SHOWN, placeholder=" …"), shape, numbers, size, fused)
