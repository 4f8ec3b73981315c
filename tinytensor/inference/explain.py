"""`model.explain(x)`: each step of a model as a formula with this model's numbers, and what computes it."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytensor import notebook
from tinytensor.creation import zeros
from tinytensor.errors import ArgumentError
from tinytensor.inference import calls
from tinytensor.inference.formulas import Formulas, called, subscript
from tinytensor.inference.plan import Form, is_folded, needed
from tinytensor.inference.predict import given
from tinytensor.inference.program import Program, operations
from tinytensor.inference.samples import as_tensor, dtype_of, read_as
from tinytensor.inference.summary import axes, leaf_layers, why_python
from tinytensor.inference.trace import EXAMPLE_ROWS
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Node
from tinytensor.tensors import Tensor
from tinytensor.text import escaped

__all__ = ["Explanation", "Step", "Values", "explain"]

SHOWN = 60  # characters of a layer
FIRST = 5  # values of a sample
VIEW = "no instruction: another view of the same elements"
TABLE = "part of the table of what each byte stands for"
TILES = "no instruction: part of the tiles of the product before"
MOST_AXES = 64  # that NumPy allows: such a sample has no place for an axis of samples


@dataclass(frozen=True)
class Values:
    """What a step makes of one sample: the first numbers, the range, and which part of them is zero."""

    first: tuple[float, ...]
    size: int
    min: float
    max: float
    zeros: float

    @classmethod
    def of(cls, array: Array) -> "Values":
        """Of an array."""
        flat = np.asarray(array).ravel()
        first = tuple(map(float, flat[:FIRST]))
        if not flat.size:
            return cls(first, 0, math.nan, math.nan, 0.0)
        return cls(first, flat.size, float(flat.min()), float(flat.max()), float((flat == 0).mean()))

    def __str__(self) -> str:
        shown = ", ".join(f"{each:.4g}" for each in self.first) + ", …" * (self.size > len(self.first))
        return f"{shown or 'none'}; from {self.min:.4g} to {self.max:.4g}; {self.zeros:.1%} zeros"


@dataclass(frozen=True)
class Step:
    """One step of a model.

    Attributes:
        layer: the name of the layer that it belongs to, as in `state_dict`; empty for the model itself.
        code: that layer as code, shortened.
        formula: what is computed.
        where: what the letters in it stand for.
        shape: of the result for one sample.
        computed_by: an instruction of a program, or Python and why.
        multiply_adds: in products and convolutions, for one sample.
        bytes: of the constants, and of what is read and written for one sample; both are None where a layer
            runs its own forward.
        values: the result for the sample, if one was given.
    """

    layer: str
    code: str
    formula: str
    where: str
    shape: tuple[int, ...]
    computed_by: str
    multiply_adds: int | None
    bytes: int | None
    values: Values | None = None

    @property
    def lines(self) -> list[str]:
        """The step as text; the layer is not part of it."""
        known = [f"({', '.join(['batch', *map(str, self.shape)])})", self.computed_by]
        if self.multiply_adds:
            known.append(f"{self.multiply_adds:,} multiply-adds")
        if self.bytes:
            known.append(f"{self.bytes:,} bytes")
        first = f"{self.formula}    {self.where}".rstrip()
        return [first, f"    {'; '.join(known)}", *([f"    {self.values}"] if self.values else [])]


@dataclass(frozen=True)
class Explanation:
    """The steps of a model in the order in which they are computed; printing it shows them."""

    rows: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def multiply_adds(self) -> int:
        """Of all steps, for one sample."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    def __str__(self) -> str:
        lines: list[str] = []
        former = None
        for row in self.rows:
            if (row.layer, row.code) != former:
                lines.append(escaped(f"{row.layer} {row.code}".strip(), keep=""))
            lines += [f"    {escaped(line, keep='')}" for line in row.lines]
            former = row.layer, row.code
        lines.append(f"{self.multiply_adds:,} multiply-adds for one sample")
        return "\n".join([*lines, *map(escaped, self.notes)])

    __repr__ = __str__
    _repr_html_ = notebook.explanation_html


def explain(model: Any, x: Any = None, shape: int | tuple[int, ...] | None = None) -> Explanation:
    """See `Model.explain`."""
    if x is not None and shape is not None:
        raise ArgumentError("explain: expected a sample or a shape, not both")
    samples = examples_of_shape(model, shape) if x is None else one_sample(model, x)
    arrays = [each._array for each in samples]
    dtypes = [x.dtype] if type(x) is np.ndarray else [each.dtype for each in arrays]
    form = Form(model, [read_as(model, each, True) for each in arrays], dtypes)
    if form.traced is None:
        return layer_by_layer(model, samples, form.reason, x is not None)
    return Explanation(tuple(steps(model, form, x is not None)))


def examples_of_shape(model: Any, shape: int | tuple[int, ...] | None) -> list[Tensor]:
    """Zeros of that shape; without one, of as many numbers as the first Linear takes."""
    if shape is None:
        linear = next((each for _, each in leaf_layers(model) if hasattr(each, "in_features")), None)
        samples = [] if linear is None else [zeros((EXAMPLE_ROWS, linear.in_features), dtype=dtype_of(model))]
        if not samples or not runs(model, samples):
            raise ArgumentError(
                f"{type(model).__name__}.explain: the shape of a sample is unknown; give a sample, or its "
                "shape as in explain(shape=(28, 28))"
            )
        return samples
    samples = [zeros((EXAMPLE_ROWS, *axes(shape)), dtype=dtype_of(model))]
    calls.call_with(model, *samples)  # raises, and says at which layer
    return samples


def one_sample(model: Any, x: Any) -> list[Tensor]:
    """The inputs as batches of one sample.

    Raises:
        ArgumentError: it is a batch of several.
    """
    tensors = given(model, x, lambda each: as_tensor(model, each))
    batched = all(each.ndim > 1 for each in tensors)
    if batched and runs(model, [each[:EXAMPLE_ROWS] for each in tensors]):
        if any(len(each) != 1 for each in tensors):
            raise ArgumentError(
                f"{type(model).__name__}.explain: expected one sample or a batch of one, got a batch of "
                f"{len(tensors[0])}; explain(x[:1]) explains the first"
            )
        return tensors
    if any(each.ndim == MOST_AXES for each in tensors):
        calls.call_with(model, *tensors)  # raises
    samples = [Tensor._wrap(each._array[None]) for each in tensors]
    if batched and all(len(each) == 1 for each in tensors) and not runs(model, samples):
        samples = tensors
    calls.call_with(model, *samples)  # raises, and says at which layer
    return samples


def runs(model: Any, samples: Sequence[Tensor]) -> bool:
    """Whether the model takes them."""
    try:
        calls.call_with(model, *samples)
    except Exception:  # of a layer of the user's, any
        return False
    return True


def steps(model: Any, form: Form, with_values: bool) -> Iterator[Step]:
    """A step for each node that the outputs are computed from."""
    traced = form.traced
    assert traced is not None
    formulas, code = Formulas(traced.inputs, traced.outputs), codes(model)
    nodes = needed(traced)
    places = placed(form, nodes)
    for node in nodes:
        formula, where = formulas.of(node)
        values = Values.of(traced.value(node.result)[0]) if with_values else None
        place = places[node.result.index]
        counted = None if node.primitive.name == "call" else operations(node)
        moved = None if counted is None else 0 if place.endswith((VIEW, TABLE, TILES)) else size_of(node)
        yield Step(
            node.owner, code(node.owner), formula, where, node.result.sample, place, counted, moved, values
        )


def size_of(node: Node) -> int:
    """Bytes of a node's constants, and of what it reads and writes for one sample."""
    constants = sum(each.nbytes for each in node.operands if isinstance(each, np.ndarray))
    moved = (math.prod(each.sample) * each.dtype.itemsize for each in (*node.symbols, node.result))
    return constants + sum(moved)


def codes(model: Any) -> Any:
    """A function from the name of a layer to the layer as code."""

    def code(path: str) -> str:
        layer = model
        for name in filter(None, path.split(".")) if path else ():
            layer = layer.children().get(name, layer)
        return textwrap.shorten(repr(layer), SHOWN, placeholder=" …")

    return code


def placed(form: Form, nodes: list[Node]) -> dict[int, str]:
    """What computes each node, by the index of its result."""
    assert form.traced is not None
    if form.stages is None:
        return {node.result.index: f"Python: {form.reason}" for node in nodes}
    found = {
        node.result.index: "part of the step that reads it"
        for node in nodes
        if is_folded(node, nodes) or node.primitive.name == "cast"
    }
    programs = [stage for stage in form.stages if isinstance(stage, Program)]
    for number, program in enumerate(programs, 1):
        for i, node in enumerate(program.nodes):
            which = [k for k, owner in enumerate(program.owners, 1) if owner == i]
            absent = VIEW if node.primitive.name == "move" else TABLE if i < program.owners[0] else TILES
            found[node.result.index] = f"program {number}, {instructions(which) or absent}"
    for stage in form.stages:
        if isinstance(stage, Node):
            found[stage.result.index] = f"Python: {why_python(stage, form.traced.reasons)}"
    return found


def instructions(which: Sequence[int]) -> str:
    """Instructions by number."""
    if not which:
        return ""
    return f"instruction {which[0]}" if len(which) == 1 else f"instructions {which[0]} to {which[-1]}"


def layer_by_layer(model: Any, samples: list[Tensor], reason: str, with_values: bool) -> Explanation:
    """The steps of a model that cannot be traced: its layers, if it is a Sequential, or itself."""
    code, rows, y = codes(model), [], samples[0]
    layers = dict(leaf_layers(model)) if type(model).__name__ == "Sequential" else {"": model}
    before = "x"
    for i, (name, layer) in enumerate(layers.items(), 1):
        y = calls.call_with(layer, *(samples if i == 1 else [y]))
        first = y[0] if isinstance(y, tuple) else y
        after = "y" if i == len(layers) else subscript("u", i)
        values = Values.of(np.atleast_1d(first.numpy())[:1]) if with_values else None
        formula = f"{after} = {called(layer)}({before})"
        rows.append(
            Step(name, code(name), formula, "", first.shape[1:], f"Python: {reason}", None, None, values)
        )
        before = after
    return Explanation(tuple(rows))
