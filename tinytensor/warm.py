"""Compile everything there is to compile, now instead of when it is first needed."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tinytensor import activations
from tinytensor.errors import require
from tinytensor.kernels import arithmetic, binary, declare, declared, elementwise, power, reduce, softmax
from tinytensor.kernels._jit import kernels
from tinytensor.kernels.layer import common_parts
from tinytensor.kernels.native import address
from tinytensor.layers.activation import Activation
from tinytensor.operators import activations as other_activations

__all__ = ["jobs", "warmup"]

MODULES = (binary, declared, power, reduce, softmax)  # that declare kernels


def jobs() -> list[tuple[str, Callable[[], Any]]]:
    """Every piece of machine code that comes with tinytensor: its name, and what makes it."""
    for module in (activations, other_activations):
        for value in [*vars(module).values(), activations.GELU("tanh")]:
            scalar = getattr(value, "scalar", None)
            if scalar is not None and (isinstance(value, Activation) or issubclass(value, Activation)):
                elementwise.loop_kernel(scalar)
    for name in arithmetic.__all__:
        elementwise.pair_kernel(getattr(arithmetic, name))
    found: list[tuple[str, Callable[[], Any]]] = [
        (each.kernel_name, partial(each.compile, signature))
        for each in kernels.values()
        for signature in each.declared
    ]
    found += [(each.name, partial(getattr, each, "address")) for each in declare.kernels.values()]
    return found + [(spec.name, partial(address, spec, build)) for spec, build in common_parts().items()]


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
