"""Compile everything there is to compile, now instead of when it is first needed."""

from collections.abc import Iterable
from typing import Any

from tinytensor import activations
from tinytensor.errors import require
from tinytensor.kernels import binary, driver, elementwise, matmul, peak, power, reduce, softmax
from tinytensor.kernels._jit import Kernel, kernels
from tinytensor.layers.activation import Activation
from tinytensor.operators import activations as other_activations

__all__ = ["declared", "warmup"]

MODULES = (binary, driver, elementwise, matmul, peak, power, reduce, softmax)  # that declare kernels


def declared() -> list[tuple[Kernel, Any]]:
    """Every kernel that comes with tinytensor, with each of its signatures."""
    for module in (activations, other_activations):
        for value in [*vars(module).values(), activations.GELU("tanh")]:
            scalar = getattr(value, "scalar", None)
            if scalar is not None and (isinstance(value, Activation) or issubclass(value, Activation)):
                elementwise.loop_kernel(scalar)
    return [(kernel, signature) for kernel in kernels.values() for signature in kernel.declared]


def warmup(progress: bool = False) -> int:
    """Compile every kernel for this CPU, or load it from the cache; returns how many there are.

    Args:
        progress: show a bar on the terminal (extra `cli`).

    >>> import tinytensor as tt
    >>> tt.warmup() > 100  # doctest: +SKIP
    True
    """
    jobs: Iterable[tuple[Kernel, Any]] = declared()
    count = len(declared())
    if progress:
        jobs = require("rich.progress", extra="cli").track(jobs, description="compiling", total=count)
    for kernel, signature in jobs:
        kernel.compile(signature)
    return count
