"""Compile everything there is to compile, now instead of when it is first needed."""

from collections.abc import Iterable

from tinytensor import activations
from tinytensor.errors import require
from tinytensor.kernels import arithmetic, elementwise, scalar
from tinytensor.kernels.declare import Kernel, kernels
from tinytensor.layers.activation import Activation
from tinytensor.operators import activations as other_activations

__all__ = ["declared", "warmup"]


def declared() -> list[Kernel]:
    """Every kernel that comes with tinytensor."""
    for module in (activations, other_activations):
        for value in [*vars(module).values(), activations.GELU("tanh")]:
            function = getattr(value, "scalar", None)
            if function is not None and (isinstance(value, Activation) or issubclass(value, Activation)):
                elementwise.loop_kernels(function)
    for name in scalar.__all__:
        elementwise.loop_kernels(getattr(scalar, name))
    for name in arithmetic.__all__:
        elementwise.pair_kernels(getattr(arithmetic, name))
    return list(kernels.values())


def warmup(progress: bool = False) -> int:
    """Compile every kernel for this CPU, or load it from the cache; returns how many there are.

    Args:
        progress: show a bar on the terminal (extra `cli`).

    >>> import tinytensor as tt
    >>> tt.warmup() > 100  # doctest: +SKIP
    True
    """
    jobs: Iterable[Kernel] = declared()
    count = len(declared())
    if progress:
        jobs = require("rich.progress", extra="cli").track(jobs, description="compiling", total=count)
    for each in jobs:
        each.load()
    return count
