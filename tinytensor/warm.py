"""Compile everything there is to compile, now instead of when it is first needed."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tinytensor import activations
from tinytensor.errors import require
from tinytensor.kernels import arithmetic, elementwise, scalar
from tinytensor.kernels.bytes_lanes import common_bytes_tiles
from tinytensor.kernels.bytes_layer import common_bytes_parts
from tinytensor.kernels.convolution import common_tiles
from tinytensor.kernels.declare import kernels
from tinytensor.kernels.layer import common_parts
from tinytensor.kernels.matmul import common_matvecs
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
    by_operands = {1: elementwise.loop_kernels, 2: elementwise.pair_kernels}
    for function in (
        *(getattr(arithmetic, name) for name in arithmetic.FUNCTIONS),
        *arithmetic.CHOOSE.values(),
    ):
        by_operands.get(elementwise.arity(function), elementwise.several_kernels)(function)
    found: list[tuple[str, Callable[[], Any]]] = [(each.name, each.load) for each in kernels.values()]
    more = common_tiles() | common_bytes_parts() | common_bytes_tiles()
    specs = (*common_parts(), *common_matvecs(), *sorted(more, key=repr))
    return found + [(spec.name, partial(address, spec)) for spec in specs]


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
