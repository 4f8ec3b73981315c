"""Compile everything there is to compile, now instead of when it is first needed."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tinytensor import activations
from tinytensor.errors import require
from tinytensor.kernels import arithmetic, elementwise, scalar
from tinytensor.kernels.convolution import common_tiles
from tinytensor.kernels.declare import kernels
from tinytensor.kernels.layer import common_parts
from tinytensor.kernels.native import address
from tinytensor.layers.activation import Activation
from tinytensor.operators import activations as other_activations

__all__ = ["jobs", "warmup"]


def jobs() -> list[tuple[str, Callable[[], Any]]]:
    """Every piece of machine code that comes with tinytensor: its name, and what makes it."""
    for module in (activations, other_activations):
        for value in [*vars(module).values(), activations.GELU("tanh")]:
            function = getattr(value, "scalar", None)
            if function is not None and (isinstance(value, Activation) or issubclass(value, Activation)):
                elementwise.loop_kernels(function)
    for name in scalar.__all__:
        elementwise.loop_kernels(getattr(scalar, name))
    for name in arithmetic.__all__:
        elementwise.pair_kernels(getattr(arithmetic, name))
    found: list[tuple[str, Callable[[], Any]]] = [(each.name, each.load) for each in kernels.values()]
    return found + [
        (spec.name, partial(address, spec, build))
        for spec, build in (common_parts() | common_tiles()).items()
    ]


def warmup(progress: bool = False) -> int:
    """Compile every kernel for this CPU, or load it from the cache; returns how many there are.

    Args:
        progress: show a bar on the terminal (extra `cli`).

    >>> import tinytensor as tt
    >>> tt.warmup() > 100  # doctest: +SKIP
    True
    """
    todo = jobs()
    shown: Iterable[tuple[str, Callable[[], Any]]] = todo
    if progress:
        shown = require("rich.progress", extra="cli").track(todo, description="compiling")
    for _, make in shown:
        make()
    return len(todo)
