"""What the CPU offers: vector width, number of registers, and the tile shapes that follow from them."""

from functools import cache
from typing import NamedTuple

import llvmlite.binding as llvm
from numba.core import config

__all__ = ["Vectors", "features", "vectors"]


class Vectors(NamedTuple):
    """One instruction set: its name, the bytes of a vector register, and how many registers there are."""

    name: str
    bytes: int
    registers: int

    def width(self, itemsize: int) -> int:
        """Lanes of a vector of elements of that many bytes."""
        return self.bytes // itemsize

    @property
    def tile_rows(self) -> int:
        """Rows of a tile two vectors wide: two accumulators a row, two loaded vectors, one broadcast."""
        return (self.registers - 3) // 2


@cache
def features() -> frozenset[str]:
    """The CPU features that Numba compiles for: `$NUMBA_CPU_FEATURES` if set, else those of this CPU."""
    if config.CPU_FEATURES is not None:
        named = config.CPU_FEATURES.split(",")
        return frozenset(feature[1:] for feature in named if feature.startswith("+"))
    return frozenset(feature for feature, present in llvm.get_host_cpu_features().items() if present)


@cache
def vectors() -> Vectors:
    """The widest vectors that can multiply and add in one step, or 128-bit vectors of any kind."""
    found = features()
    if {"avx512f", "avx512vl", "avx512dq"} <= found:
        return Vectors("AVX-512", 64, 32)
    if {"avx2", "fma"} <= found:
        return Vectors("AVX2", 32, 16)
    if "neon" in found:
        return Vectors("NEON", 16, 32)
    return Vectors("128-bit", 16, 16)
