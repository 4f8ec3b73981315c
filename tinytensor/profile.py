"""`model.profile(x)`: where the time goes, step by step, in the program that predicts."""

import textwrap
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.layers.layer import Layer
from tinytensor.layers.located import run
from tinytensor.plan import Part, Plan
from tinytensor.predict import samples_of
from tinytensor.program import Program
from tinytensor.steps import Linear, Pair, Rescale, Step
from tinytensor.stretch import Shape, known_steps
from tinytensor.tensor import Tensor
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

    def __str__(self) -> str:
        cells = [("step", "µs", "share", "GFLOP/s", "bytes")]
        total = ProfileRow(
            f"{self.samples:,} samples", self.seconds, sum(row.operations for row in self.rows),
            sum(row.bytes for row in self.rows),
        )  # fmt: skip
        for row, share in zip((*self.rows, total), (*self.shares, 1.0), strict=True):
            speed = f"{row.gflops:.1f}" if row.operations else "·"
            cells.append((row.name, f"{row.seconds * 1e6:.1f}", f"{share:.1%}", speed, f"{row.bytes:,}"))
        return text_table(cells, texts=1)

    __repr__ = __str__


def profile(plan: Plan, x: Any, seconds: float) -> Profile:
    """See `Sequential.profile`."""
    samples = samples_of(x)
    rows: dict[tuple[int, int], ProfileRow] = {}
    begin, passes = time.perf_counter(), 0
    while passes < 2 or time.perf_counter() - begin < seconds:  # the first warms up
        if passes == 1:
            rows.clear()
        array: Array = samples._array if type(samples) is Tensor else samples
        tensor = type(samples) is Tensor
        for number, part in enumerate(plan.parts):
            array, found = part_once(part, array, tensor)
            tensor = True
            for place, row in enumerate(found):
                former = rows.get((number, place))
                spent = row.seconds + (former.seconds if former else 0.0)
                rows[number, place] = ProfileRow(row.name, spent, row.operations, row.bytes)
        passes += 1
    counted = passes - 1
    mean = (ProfileRow(row.name, row.seconds / counted, row.operations, row.bytes) for row in rows.values())
    return Profile(tuple(mean), len(samples) if samples.ndim > 1 else 1)


def part_once(part: Part, array: Array, tensor: bool) -> tuple[Array, list[ProfileRow]]:
    """The outputs of one part, and what its steps took."""
    stretch = part.stretch
    if stretch is None:
        return layers_once(part, array, tensor)
    dtype, shape = stretch.program_dtype(array, tensor), stretch.rows(array.shape)
    if dtype is None or shape is None:
        return layers_once(part, array, tensor)
    count, leading = shape
    names = iter(step_names(part))
    rows: list[ProfileRow] = []
    steps = iter(stretch.steps)
    for program in stretch.programs_for(dtype):
        y = np.empty((*leading, program.results), program.dtype)
        rows += program_once(program, array, y.reshape(count, program.results), steps, names)
        array = y
    return array, rows


def program_once(program: Program, x: Array, y: Array, steps: Any, names: Any) -> list[ProfileRow]:
    """What the steps of one program took, by ticks, in seconds by the clock around them all."""
    begin = time.perf_counter()
    ticks = program.reader(x.dtype).timed(x, y)
    seconds = (time.perf_counter() - begin) * ticks / max(1, ticks.sum())
    size, count, features = program.dtype.itemsize, len(y), program.features
    rows = []
    for spent in seconds:
        step, name = next(steps), next(names)
        outputs = step.weight.shape[0] if isinstance(step, Linear) else features
        operations = 2 * step.weight.size * count if isinstance(step, Linear) else 0
        moved = parameter_bytes(step, size) + count * (features + outputs) * size
        rows.append(ProfileRow(name, float(spent), operations, moved))
        features = outputs
    return rows


def parameter_bytes(step: Step, size: int) -> int:
    """Bytes of a step's own numbers."""
    arrays = step if isinstance(step, Linear | Pair | Rescale) else ()
    return sum(each.size for each in arrays if isinstance(each, np.ndarray)) * size


def step_names(part: Part) -> list[str]:
    """A name for each step of a stretch."""
    return [
        named(position, layer)
        for position, layer in part.layers
        for step in known_steps(layer) or ()
        if not isinstance(step, Shape)
    ]


def named(position: int, layer: Layer) -> str:
    """A layer's position, and what it is."""
    return textwrap.shorten(f"{position} {layer!r}", SHOWN, placeholder=" …")


def layers_once(part: Part, array: Array, tensor: bool) -> tuple[Array, list[ProfileRow]]:
    """Layers that run through their own `forward`."""
    x = Tensor._wrap(array) if tensor else Tensor(array)
    rows = []
    for position, layer in part.layers:
        begin = time.perf_counter()
        y = run(position, layer, x, layer)
        spent = time.perf_counter() - begin
        parameters = sum(t.numpy().nbytes for t in layer.parameters().values())
        moved = parameters + x.numpy().nbytes + y.numpy().nbytes
        rows.append(ProfileRow(named(position, layer), spent, 0, moved))
        x = y
    return x._array, rows
