"""`Plan`: what a Sequential runs, made on first use and again when something in it has changed.

Consecutive layers that the driver knows are a `Stretch`; any other layer runs through its `forward`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels.boundary import Array
from tinytensor.kernels.load import KernelRaised
from tinytensor.layers import changes
from tinytensor.layers.layer import Layer
from tinytensor.layers.located import run
from tinytensor.program import Program
from tinytensor.stretch import AnyStep, Stretch, known_steps
from tinytensor.tensor import Tensor
from tinytensor.threads import get_num_threads

__all__ = ["Part", "Plan", "divide", "plan_of"]

Located = tuple[int, Layer]
PLAIN = (bool, int, float, str, tuple, type(None))


class Part(NamedTuple):
    """Layers, each with its position, and the stretch that computes them all, if there is one."""

    layers: list[Located]
    stretch: Stretch | None


class Plan:
    """The parts of a model, and the state of the model that they were made of."""

    def __init__(self, layers: Sequence[Layer], count: int, state: list[Any]):
        self.count, self.state = count, state
        self.parts = list(divide(enumerate(layers)))
        self.ready: dict[np.dtype[Any], Program] = {}  # the whole of it, for samples of that dtype in rows

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
        return array  # type: ignore[no-any-return]

    def at_once(self, array: Array, threads: int | None) -> Array | None:
        """The outputs by the shortest way, if this plan and the samples allow it."""
        program = self.ready.get(array.dtype)
        if program is None:
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


def divide(layers: Iterable[Located]) -> list[Part]:
    """Maximal stretches, and the layers between them."""
    parts: list[Part] = []
    run_of: list[Located] = []
    steps: list[AnyStep] = []

    def finish() -> None:
        if run_of:
            parts.append(Part(list(run_of), Stretch(steps) if Stretch.fits(steps) else None))
            run_of.clear()
            steps.clear()

    for position, layer in layers:
        known = known_steps(layer)
        if known is None:
            finish()
            parts.append(Part([(position, layer)], None))
        else:
            run_of.append((position, layer))
            steps.extend(known)
    finish()
    return parts


def state_of(layer: Layer) -> list[Any]:
    """Everything that a plan may have been made of, in order."""
    found: list[Any] = [layer, *(value for name, value in vars(layer).items() if name != "_plan")]
    for child in layer.children().values():
        found += state_of(child)
    return found


def same(one: Any, other: Any) -> bool:
    """Whether a value of a state is still the same."""
    return one is other or (type(one) is type(other) and type(one) in PLAIN and bool(one == other))


def plan_of(model: Any, layers: Callable[[], Sequence[Layer]]) -> Plan:
    """The model's plan; a new one if the model has changed since it was made."""
    count = changes.count
    plan: Plan | None = model._plan
    if plan is not None and plan.count == count:
        return plan
    with changes.lock:  # several changes that belong together are made under it, too
        count, state = changes.count, state_of(model)
        if plan is None or len(plan.state) != len(state) or not all(map(same, plan.state, state)):
            plan = Plan(layers(), count, state)
            model._plan = plan
        plan.count = count
    return plan
