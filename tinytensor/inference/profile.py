"""`model.profile(x)`: where the time goes, step by step, in the program that predicts."""

import math
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytensor import notebook
from tinytensor.inference import calls
from tinytensor.inference.plan import Form, Plan, run_node, run_program
from tinytensor.inference.predict import given, samples_of
from tinytensor.inference.program import Program, operations
from tinytensor.inference.summary import is_inside, leaf_layers
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Node
from tinytensor.tensors import Tensor
from tinytensor.text import text_table

__all__ = ["Profile", "ProfileRow", "profile"]

SHOWN = 48  # characters of a layer


@dataclass(frozen=True)
class ProfileRow:
    """One step, for one pass over the samples."""

    name: str
    seconds: float
    operations: int  # of floating point, an input that was skipped for being zero included
    bytes: int  # of parameters, inputs and outputs

    @property
    def gflops(self) -> float:
        """Billions of operations a second."""
        return self.operations / self.seconds / 1e9 if self.seconds else 0.0


@dataclass(frozen=True)
class Profile:
    """The steps of a model, and their sums; printing it shows a table."""

    rows: tuple[ProfileRow, ...]
    samples: int

    @property
    def seconds(self) -> float:
        """Of one pass, on one thread."""
        return sum(row.seconds for row in self.rows)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each step's part of the time."""
        return tuple(row.seconds / self.seconds if self.seconds else 0.0 for row in self.rows)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The table: a header, a row for each step, and the sums."""
        cells: list[tuple[str, ...]] = [("step", "µs", "share", "GFLOP/s", "bytes")]
        total = ProfileRow(
            f"{self.samples:,} samples", self.seconds, sum(row.operations for row in self.rows),
            sum(row.bytes for row in self.rows),
        )  # fmt: skip
        for row, share in zip((*self.rows, total), (*self.shares, 1.0), strict=True):
            speed = f"{row.gflops:.1f}" if row.operations else "·"
            cells.append((row.name, f"{row.seconds * 1e6:.1f}", f"{share:.1%}", speed, f"{row.bytes:,}"))
        return cells

    def __str__(self) -> str:
        return text_table(self.cells, texts=1)

    __repr__ = __str__
    _repr_html_ = notebook.profile_html


def profile(plan: Plan, x: Any, seconds: float) -> Profile:
    """See `Layer.profile`."""
    xs = given(plan.model, x, samples_of)
    arrays: list[Array] = [each._array if type(each) is Tensor else each for each in xs]
    form = plan.form_of(arrays, [type(each) is Tensor for each in xs])
    rows: dict[str, ProfileRow] = {}
    begin, passes = time.perf_counter(), 0
    while passes < 2 or time.perf_counter() - begin < seconds:  # the first warms up
        if passes == 1:
            rows.clear()
        found = (
            whole_once(plan.model, xs)
            if form is None or form.stages is None
            else once(form, plan.model, arrays)
        )
        for row in found:
            former = rows.get(row.name)
            spent = row.seconds + (former.seconds if former else 0.0)
            rows[row.name] = ProfileRow(row.name, spent, row.operations, row.bytes)
        passes += 1
    counted = passes - 1
    mean = (ProfileRow(row.name, row.seconds / counted, row.operations, row.bytes) for row in rows.values())
    return Profile(tuple(mean), len(arrays[0]) if arrays[0].ndim > 1 else 1)


def once(form: Form, model: Any, arrays: Sequence[Array]) -> list[ProfileRow]:
    """What each layer took, on one thread."""
    assert form.stages is not None
    assert form.traced is not None
    values = {each.index: array for each, array in zip(form.traced.inputs, arrays, strict=True)}
    count = len(arrays[0])
    spent: list[tuple[Node, float]] = []
    for stage in form.stages:
        begin = time.perf_counter()
        if isinstance(stage, Program):
            x = values[stage.inputs[0].index]
            y = np.empty((count, *stage.result), stage.dtype)
            ticks = stage.timed(x, y) if len(stage.inputs) == len(stage.outputs) == 1 else None
            if ticks is None or not ticks.any():  # a CPU without a counter that LLVM knows
                run_program(stage, values, count, 1, None, form.traced.outputs)
                ticks = np.ones(len(stage.nodes))
            else:
                values[stage.outputs[0].index] = y
            shares = (time.perf_counter() - begin) * ticks / max(1, ticks.sum())
            # a view of the same elements is no step
            moved = zip(stage.nodes, map(float, shares), strict=True)
            spent += [(node, share) for node, share in moved if share or node.primitive.name != "move"]
        elif isinstance(stage, Node):
            run_node(stage, values, count)
            spent.append((stage, time.perf_counter() - begin))
        else:
            values[stage.result.index] = values[stage.operand.index]
    return rows_of(spent, dict(leaf_layers(model)), count)


def rows_of(spent: list[tuple[Node, float]], leaves: dict[str, Any], count: int) -> list[ProfileRow]:
    """A row for each layer, from what its nodes took."""
    rows: dict[str, ProfileRow] = {}
    for node, seconds in spent:
        owner = next((name for name in leaves if is_inside(node.owner, name)), node.owner)
        layer = leaves.get(owner)
        name = named(owner, layer) if layer is not None else node.primitive.name
        constants = sum(np.asarray(each).nbytes for each in node.operands if isinstance(each, np.ndarray))
        moved = sum(math.prod(each.sample) for each in (*node.symbols, node.result)) * count
        size = constants + moved * node.result.dtype.itemsize
        former = rows.get(name, ProfileRow(name, 0.0, 0, 0))
        rows[name] = ProfileRow(
            name,
            former.seconds + seconds,
            former.operations + 2 * operations(node) * count,
            former.bytes + size,
        )
    return list(rows.values())


def named(name: str, layer: Any) -> str:
    """A layer's name, and what it is."""
    return textwrap.shorten(f"{name} {layer!r}", SHOWN, placeholder=" …")


def whole_once(model: Any, xs: Sequence[Any]) -> list[ProfileRow]:
    """A model that runs through its own forward; of a Sequential, layer by layer."""
    tensors = [each if type(each) is Tensor else Tensor(each) for each in xs]
    if type(model).__name__ != "Sequential":
        begin = time.perf_counter()
        calls.call_with(model, *tensors)
        return [
            ProfileRow(
                textwrap.shorten(repr(model), SHOWN, placeholder=" …"), time.perf_counter() - begin, 0, 0
            )
        ]
    (x,) = tensors
    calls.call_with(model, x)  # raises what it raises, and says at which layer
    rows = []
    for name, layer in leaf_layers(model):
        begin = time.perf_counter()
        y = calls.call(layer, x)
        spent = time.perf_counter() - begin
        parameters = sum(t.numpy().nbytes for t in layer.parameters().values())
        rows.append(
            ProfileRow(named(name, layer), spent, 0, parameters + x.numpy().nbytes + y.numpy().nbytes)
        )
        x = y
    return rows
