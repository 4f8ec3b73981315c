"""Scalar functions for compiled loops."""

import math
from typing import Any

from tinytensor.kernels._jit import by_dtype, inline

__all__ = ["erf", "exp", "expm1", "log", "log1p", "sqrt", "tanh"]


def make(name: str) -> Any:
    """A stub that calls the C library, until the branch-free versions land."""
    function = getattr(math, name)

    def stub(x: Any) -> Any:
        return function(x)

    stub.__name__ = stub.__qualname__ = name
    compiled = inline(lambda x: function(x))
    return by_dtype(stub)(compiled, compiled)


exp, expm1, log, log1p, tanh, erf, sqrt = map(make, ("exp", "expm1", "log", "log1p", "tanh", "erf", "sqrt"))
