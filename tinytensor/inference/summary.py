"""`model.summary()`: a table of every layer's output shape, parameters and bytes, and whether it is fused."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytensor import notebook
from tinytensor.creation import zeros
from tinytensor.errors import ShapeError
from tinytensor.inference import calls
from tinytensor.inference.plan import Form
from tinytensor.inference.program import operations
from tinytensor.inference.samples import dtype_of
from tinytensor.inference.trace import EXAMPLE_ROWS
from tinytensor.inference.traceable import Traceable
from tinytensor.kernels.boundary import index
from tinytensor.primitives.definition import Node
from tinytensor.tensors import Tensor
from tinytensor.text import escaped, listed, text_table

__all__ = ["Row", "Summary", "is_inside", "leaf_layers", "shapes", "summarize", "why_python"]

SHOWN = 60  # characters of a layer
WIDE = 3  # names of parameters in a note
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
    multiply_adds: int | None = None  # of one sample; None if the layer was not traced
    float_bytes: int = 0  # of the parameters, if weights of int8 were float32 again

    @property
    def output(self) -> str:
        """The shape of the output, or why there is none."""
        if self.shape is None:
            return textwrap.shorten(escaped(self.reason), SHOWN, placeholder=" …")
        return f"({', '.join(['batch', *map(str, self.shape)])})"


@dataclass(frozen=True)
class Summary:
    """The layers of a model, and their sums; notes say what is wrong, slow by accident, or not fused."""

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

    @property
    def float_bytes(self) -> int:
        """Bytes of all parameters together, if weights of int8 and their biases were float32 again."""
        return sum(row.float_bytes for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample in the products and convolutions of all traced layers together."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table: a header, a row for each layer, and the sums."""
        cells: list[tuple[str, ...]] = [
            ("name", "layer", "output", "fused", "multiply-adds", "parameters", "bytes")
        ]
        for row in self.rows:
            name, fused = escaped(row.name, keep=""), "yes" if row.fused else "·"
            work = "·" if row.multiply_adds is None else f"{row.multiply_adds:,}"
            counts = work, f"{row.parameters:,}", f"{row.bytes:,}"
            cells.append((name, escaped(row.layer), row.output, fused, *counts))
        sums = f"{self.multiply_adds:,}", f"{self.parameters:,}", f"{self.bytes:,}"
        return [*cells, ("total", "", "", "", *sums)]

    def __str__(self) -> str:
        return "\n".join([text_table(self.cells, texts=4), *map(escaped, self.notes)])

    __repr__ = __str__
    _repr_html_ = notebook.summary_html


@dataclass
class Outputs:
    """Shape and dtype of each layer's output, by name; if a layer raises, its name and the error."""

    found: Mapping[str, Any]
    fused: frozenset[str] = frozenset()
    reasons: Mapping[str, str] | None = None
    failed: str | None = None
    error: Exception | None = None
    multiply_adds: Mapping[str, int] = field(default_factory=dict)


NOT_RUN = Outputs({})


def summarize(model: Any, shape: int | tuple[int, ...] | None = None) -> Summary:
    """The summary of a model for samples of that shape; without one, of what the first Linear takes."""
    leaves = dict(leaf_layers(model))
    outputs = of_first_linear(model, leaves) if shape is None else outputs_for(model, leaves, axes(shape))
    if shape is not None and outputs.error is not None:
        calls.call_with(
            model, zeros((1, *axes(shape)), dtype=dtype_of(model))
        )  # raises, and says at which layer
    notes = list(doubled(leaves, outputs.found))
    if outputs is NOT_RUN and leaves:
        notes.insert(0, "the shape of a sample is unknown; summary(shape) shows the outputs' shapes")
    if outputs.error is not None:
        notes.insert(0, f"{outputs.failed}: {outputs.error}")
    notes += [f"{name}: not fused: {reason}" for name, reason in (outputs.reasons or {}).items()]
    rows = tuple(row(name, layer, outputs) for name, layer in leaves.items())
    found = Summary(rows, tuple(notes))
    if found.float_bytes != found.bytes:
        notes.append(f"quantised: {found.bytes:,} bytes instead of {found.float_bytes:,} in float32")
    return Summary(rows, tuple(notes))


def shapes(model: Any, shape: int | tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """See `Layer.trace`."""
    leaves = dict(leaf_layers(model))
    outputs = outputs_for(model, leaves, axes(shape))
    if outputs.error is not None:
        calls.call_with(model, zeros((1, *axes(shape)), dtype=dtype_of(model)))
        raise outputs.error
    return {name: each.shape[1:] for name, each in outputs.found.items() if name in leaves}


def axes(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a sample as a tuple.

    Raises:
        ShapeError: it is not lengths.
    """
    try:
        lengths = tuple(map(index, shape if isinstance(shape, Iterable) else (shape,)))
    except TypeError:
        lengths = (-1,)
    if any(length < 0 for length in lengths):
        raise ShapeError(f"shape: expected the lengths of one sample, as 784 or (28, 28), got {shape!r:.80}")
    return lengths


def of_first_linear(model: Any, leaves: Mapping[str, Traceable]) -> Outputs:
    """The outputs for flat samples of as many numbers as the first Linear takes, if they get through it."""
    for name, layer in leaves.items():
        if hasattr(layer, "in_features"):
            outputs = outputs_for(model, leaves, (layer.in_features,))
            return outputs if name in outputs.found else NOT_RUN
    return NOT_RUN


def outputs_for(model: Any, leaves: Mapping[str, Traceable], sample: tuple[int, ...]) -> Outputs:
    """What the layers make of samples of that shape, from a trace."""
    x = zeros((EXAMPLE_ROWS, *sample), dtype=dtype_of(model))
    form = Form(model, [x._array], [x.dtype])
    if form.traced is None:
        return chained(leaves, x[:1], form.reason)
    traced = form.traced
    found = {name: Dry(("n", *each.sample), each.dtype) for name, each in traced.shapes.items()}
    outside: dict[str, Any] = dict.fromkeys(leaves)
    if form.stages is not None:
        outside = {stage.owner: stage for stage in form.stages if isinstance(stage, Node)}
    fused = frozenset(
        name
        for name in leaves
        if name in found and name not in traced.reasons and not any(is_inside(each, name) for each in outside)
    )
    work = {
        name: sum(operations(node) for node in traced.nodes if is_inside(node.owner, name))
        for name in leaves
        if not any(is_inside(each, name) for each in traced.reasons)
    }
    apart = {name or "model": why_python(node, traced.reasons) for name, node in outside.items() if node}
    reasons = {**apart, **traced.reasons, **({"model": form.reason} if form.reason else {})}
    return Outputs(found, fused, reasons, multiply_adds=work)


def why_python(node: Node, reasons: dict[str, str]) -> str:
    """Why a node is not part of a program."""
    name = node.primitive.name
    if name == "call":
        return reasons.get(node.owner, "it cannot be traced")
    if node.primitive.lower is None:
        return f"there is no instruction for {name}"
    return f"the instruction for {name} does not take these dtypes, axes or constants"


def is_inside(path: str, name: str) -> bool:
    """Whether the path of a layer is that name, or of a layer inside it."""
    return path == name or path.startswith(f"{name}.")


class Dry:
    """The shape and the dtype of an output."""

    def __init__(self, shape: tuple[Any, ...], dtype: np.dtype[Any]):
        self.shape, self.dtype = shape, dtype


def chained(leaves: Mapping[str, Traceable], x: Tensor, reason: str) -> Outputs:
    """What the layers make of x, one after the other, up to the first that raises."""
    outputs: dict[str, Any] = {}
    for name, layer in leaves.items():
        try:
            x = outputs[name] = calls.call(layer, x)
        except Exception as error:  # of a layer of the user's, any
            return Outputs(outputs, failed=name, error=error)
    return Outputs(outputs, reasons={"model": reason})


def doubled(leaves: Mapping[str, Any], outputs: Mapping[str, Any]) -> Iterator[str]:
    """A note on the first layer that makes float64 of float32."""
    for name, layer in leaves.items():
        wide = [key for key, value in layer.parameters().items() if value.dtype == np.float64]
        if wide:
            which = ", ".join(listed(wide, WIDE))
            yield f'float64 from {name} on, as is its {which}; model.astype("float32") computes in float32'
            return
        if name in outputs and outputs[name].dtype == np.float64:
            yield f"float64 from {name} on, by its forward"
            return


def leaf_layers(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The layers of a model by name, those of a Sequential inside it as `block.layer`."""
    children = model.children()
    if not prefix and not children and type(model).__name__ != "Sequential":
        yield type(model).__name__.lower(), model
    for name, child in children.items():
        if type(child).__name__ == "Sequential":
            yield from leaf_layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def row(name: str, layer: Any, outputs: Outputs = NOT_RUN) -> Row:
    """What the table says of one layer."""
    tensors = layer.parameters().values()
    numbers, size = sum(t.size for t in tensors), sum(t.numpy().nbytes for t in tensors)
    shown = textwrap.shorten(repr(layer), SHOWN, placeholder=" …")
    if name in outputs.found:
        return Row(
            name, shown, tuple(outputs.found[name].shape[1:]), numbers, size, name in outputs.fused,
            multiply_adds=outputs.multiply_adds.get(name), float_bytes=in_float32(layer),
        )  # fmt: skip
    reason = UNKNOWN if outputs.error is None else "not reached"
    if name == outputs.failed:
        reason = str(outputs.error).removeprefix(f"{layer!r}: ")
    return Row(name, shown, None, numbers, size, False, reason, float_bytes=in_float32(layer))


def in_float32(layer: Any) -> int:
    """The bytes of a layer's parameters, if weights of int8 and their biases were float32 again."""
    arrays = [each.numpy() for each in layer.parameters().values()]
    if any(each.dtype == np.int8 for each in arrays):
        return sum(4 * each.size for each in arrays if each.dtype.kind == "i")  # no scales
    return sum(0 if each.dtype == np.uint8 else each.nbytes for each in arrays)  # no tables
