"""The cache of what Numba's dispatchers compile: kernels that are called with arrays."""

import pickle
from collections.abc import Callable
from typing import Any

from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from tinytensor.kernels import cache

__all__ = ["KernelCache", "cached_source"]


def cached_source(function: Callable[..., Any]) -> bool:
    """Whether the stamp changes with this function, so that what is compiled from it may be kept."""
    package, _, module = function.__module__.rpartition(".")
    return package == "tinytensor.kernels" or (package.startswith("tinytensor") and module == "activations")


class KernelCache(NullCache):
    """What Numba's dispatcher asks for a compiled signature before it compiles, and tells when it has."""

    def __init__(self, kernel_name: str):
        self.kernel_name = kernel_name

    def key(self, signature: Any) -> str:
        """The name of one signature in the cache."""
        return f"{self.kernel_name} {signature}"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled signature, if it is there and whole."""
        content = cache.read(self.key(sig))
        if content is not None:
            try:
                rtsys.initialize(target_context)
                return CompileResult._rebuild(target_context, *pickle.loads(content))
            except Exception:  # whatever a file holds that another program wrote
                pass
        cache.announce_compilation()
        return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep a compiled signature, whole or not at all."""
        cache.write(self.key(sig), dumps(cres._reduce()))
