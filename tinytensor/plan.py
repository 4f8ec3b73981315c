"""`Plan`: what a Sequential runs, made on first use and again when something in it has changed.

Consecutive layers that the driver knows are a `Stretch`; any other layer runs through its `forward`.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.elementwise import is_current, read_by
from tinytensor.kernels.load import KernelRaised
from tinytensor.kernels.scalar_source import Read, same, still
from tinytensor.layers import changes
from tinytensor.layers.activation import Activation
from tinytensor.layers.calls import checked_rows
from tinytensor.layers.layer import Layer
from tinytensor.layers.located import run
from tinytensor.program import Program
from tinytensor.stretch import AnyStep, Stretch, known_steps
from tinytensor.tensor import Tensor
from tinytensor.threads import get_num_threads

__all__ = ["Part", "Plan", "divide", "plan_of"]

Located = tuple[int, Layer]
Known = tuple[Layer, list[AnyStep] | None]


class Part(NamedTuple):
    """Layers, each with its position, and the stretch that computes them all, if there is one."""

    layers: list[Located]
    stretch: Stretch | None


class Plan:
    """The parts of a model, and the state of the model that they were made of."""

    def __init__(self, state: list[Known], count: int):
        self.count, self.state = count, state
        self.reads = reads_of(layer for layer, _ in state)
        self.parts = divided((position, *known) for position, known in enumerate(state))
        self.ready: dict[np.dtype[Any], Program] = {}  # the whole of it, for samples of that dtype in rows

    def is_current(self, count: int) -> bool:
        """Whether nothing has changed since; `count` is that of changes to layers."""
        return self.count == count and (not self.reads or still(self.reads))

    def run(self, x: Array | Tensor, threads: int | None = None, out: Array | None = None) -> Array:
        """The outputs, in `out` if it is given and they can be written there."""
        tensor = type(x) is Tensor
        array: Any = x._array if tensor else x  # type: ignore[union-attr]
        if out is None:
            y = self.at_once(array, threads)
            if y is not None:
                return y
        threads = threads or get_num_threads()
        for part in self.parts:
            here = out if part is self.parts[-1] else None
            found = None if part.stretch is None else part.stretch.run(array, tensor, threads, here)
            if part.stretch is not None and found is not None and len(self.parts) == 1:
                self.remember(part.stretch, array.dtype)
            array = layer_by_layer(part.layers, array, tensor) if found is None else found
            tensor = True
        return finished(array, x)

    def at_once(self, array: Array, threads: int | None) -> Array | None:
        """The outputs by the shortest way, if this plan and the samples allow it."""
        program = self.ready.get(array.dtype)
        if program is None or (self.reads and not still(self.reads)):
            return None
        shape, flags = array.shape, array.flags
        if len(shape) != 2 or shape[1] != program.features or not (flags.c_contiguous and flags.aligned):
            return None
        y = np.empty((shape[0], program.results), program.dtype)
        try:
            if shape[0] <= program.alone:
                program.run(array, y)
            else:
                program.spread(array, y, threads or get_num_threads())
        except KernelRaised:
            return None
        return y

    def remember(self, stretch: Stretch, dtype: np.dtype[Any]) -> None:
        """Note the program that does it all for samples of this dtype, if one does and reads them itself."""
        for programs in stretch.programs.values():
            program = programs[0].reader(dtype)
            if len(programs) == 1 and program.source == dtype:
                self.ready[dtype] = program


def layer_by_layer(layers: Iterable[Located], array: Array, tensor: bool) -> Array:
    """Each layer's own `forward`; errors say where they happened."""
    x = Tensor._wrap(array) if tensor else Tensor(array)
    for position, layer in layers:
        x = run(position, layer, x, layer)
    return x._array


def finished(y: Array, x: Array | Tensor) -> Array:
    """The outputs, one for each sample, in memory of their own."""
    checked_rows("Sequential", x.shape, y.shape)
    samples = x._array if type(x) is Tensor else x
    own = y.flags.writeable and not np.may_share_memory(y, samples)
    return y if own else y.copy()


def divide(layers: Iterable[Located]) -> list[Part]:
    """Maximal stretches, and the layers between them."""
    return divided((position, layer, known_steps(layer)) for position, layer in layers)


def divided(layers: Iterable[tuple[int, Layer, list[AnyStep] | None]]) -> list[Part]:
    """The same, of layers with their steps."""
    parts: list[Part] = []
    run_of: list[Located] = []
    steps: list[AnyStep] = []

    def finish() -> None:
        if run_of:
            parts.append(Part(list(run_of), Stretch(steps) if Stretch.fits(steps) else None))
            run_of.clear()
            steps.clear()

    for position, layer, known in layers:
        if known is None:
            finish()
            parts.append(Part([(position, layer)], None))
        else:
            run_of.append((position, layer))
            steps.extend(known)
    finish()
    return parts


def reads_of(layers: Iterable[Layer]) -> list[Read]:
    """What activations are computed from beside attributes whose assignment is counted."""
    found: list[Read] = []
    for layer in layers:
        if isinstance(layer, Activation) and hasattr(layer, "scalar"):
            with contextlib.suppress(ArgumentError):  # it does not compile: forward says why
                is_current(layer.scalar)
                found += read_by(layer.scalar)
            if any(name not in vars(layer) for name in layer._names):  # a property, or of the class
                found.append(Read(partial(getattr, layer, "scalar_arguments"), layer.scalar_arguments))
        if isinstance(layer, Iterable):  # a Sequential
            found += reads_of(layer)
    return found


def state_of(layers: Iterable[Layer]) -> list[Known]:
    """Everything that a plan is made of: the layers and the steps that compute them."""
    return [(layer, known_steps(layer)) for layer in layers]


def same_steps(one: list[AnyStep] | None, other: list[AnyStep] | None) -> bool:
    """Whether steps compute the same from the same arrays, by identity, and numbers, by their bits."""
    if one is None or other is None:
        return one is other
    return same(tuple(one), tuple(other))


def is_same(state: list[Known], other: list[Known]) -> bool:
    """Whether a plan made of one state would be that made of the other."""
    return len(state) == len(other) and all(
        layer is there and same_steps(steps, found)
        for (layer, steps), (there, found) in zip(state, other, strict=True)
    )


def plan_of(model: Any, layers: Callable[[], Sequence[Layer]]) -> Plan:
    """The model's plan; a new one if the model has changed since it was made."""
    count = changes.count
    plan: Plan | None = model._plan
    if plan is not None and plan.is_current(count):
        return plan
    with changes.lock:  # several changes that belong together are made under it, too
        count, state = changes.count, state_of(layers())
        if plan is None or not still(plan.reads) or not is_same(plan.state, state):
            plan = Plan(state, count)
            object.__setattr__(model, "_plan", plan)  # which is no change of the model
        plan.count = count
    return plan
