"""What the CPU offers: vector width, number of registers, and the tile shapes that follow from them."""

import os
from functools import cache
from typing import NamedTuple

from tinytensor.kernels.cache import cpu

__all__ = ["Dot", "Vectors", "architecture", "dot", "features", "vectors"]


class Vectors(NamedTuple):
    """One instruction set: its name, the bytes of a vector register, and how many registers there are."""

    name: str
    bytes: int
    registers: int

    def width(self, itemsize: int) -> int:
        """Lanes of a vector of elements of that many bytes."""
        return self.bytes // itemsize


@cache
def architecture() -> str:
    """LLVM's name of the instruction set: x86_64, aarch64, riscv64, ….

    >>> architecture().isidentifier()
    True
    """
    return cpu().partition("-")[0]


@cache
def features() -> frozenset[str]:
    """The CPU features that Numba compiles for: `$NUMBA_CPU_FEATURES` if set, else those of this CPU.

    What `$NUMBA_CPU_NAME` implies is not among them, so a name with an empty list gets 128-bit vectors.
    """
    listed = os.environ.get("NUMBA_CPU_FEATURES")
    if listed is None and os.environ.get("NUMBA_CPU_NAME", "").lower() == "generic":
        return frozenset()
    if listed is None:
        found = {name[1:] for name in cpu().split(" ", 2)[2].split(",") if name.startswith("+")}
        avx = os.environ.get("NUMBA_ENABLE_AVX") != "0"
        return frozenset(name for name in found if avx or not name.startswith("avx"))
    return frozenset(feature[1:] for feature in listed.split(",") if feature.startswith("+"))


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


class Dot(NamedTuple):
    """How four bytes are multiplied by four others in each lane, and how many sums a tile of them has."""

    name: str
    sums: int
    signed: bool = False  # both operands are signed, so inputs are read as x - 128


@cache
def dot() -> Dot:
    """The instruction for products of bytes; where there is none, each of the four is multiplied alone."""
    found, kind = features(), vectors()
    if kind.name == "AVX-512" and "avx512vnni" in found:
        return Dot("vpdpbusd", 24)
    if kind.name == "AVX2" and "avxvnni" in found:
        return Dot("vpdpbusd", 11)
    if kind.name == "AVX2" or (kind.name == "AVX-512" and "avx512bw" in found):
        return Dot("vpmaddwd", 8 if kind.registers == 16 else 18)
    if kind.name == "NEON" and found & {"i8mm", "dotprod"}:
        return Dot("usdot", 22) if "i8mm" in found else Dot("sdot", 22, signed=True)
    return Dot("plain", kind.registers // 2)
