"""The tile of bytes for CPUs that are not here: which instructions a step is made of."""

import re

import pytest

from tinytensor.kernels import cpu, matrix_unit, native
from tinytensor.kernels.cpu import Dot
from tinytensor.kernels.specs import BytesLaneTile, MatrixTile, Tile

X86, ARM = "x86_64-linux-gnu", "aarch64-linux-gnu"
MACHINES = {
    # triple, CPU, features, lanes, instruction, times for each sum
    "vpdpbusd": (X86, "sapphirerapids", "", 16, r"vpdpbusd\s.*zmm", 1),
    "AVX-VNNI": (X86, "alderlake", "", 8, r"vpdpbusd\s.*ymm", 1),
    "vpmaddwd": (X86, "haswell", "", 8, r"vpmaddwd\s.*ymm", 2),
    "usdot": (ARM, "neoverse-v1", "+i8mm", 4, r"usdot\s", 1),
    "sdot": (ARM, "cortex-a76", "+dotprod", 4, r"sdot\s", 1),
}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("taps", [False, True])
def test_a_step_multiplies_four_bytes_of_each_lane(name, taps):
    triple, kind, features, lanes, instruction, times = MACHINES[name]
    dot = {"AVX-VNNI": "vpdpbusd"}.get(name, name)
    try:
        machine = native.target_machine(triple, kind, features)
    except RuntimeError:
        pytest.skip(f"this build of LLVM makes no code for {triple}")
    tile = Tile("int8", lanes, 3, 2, taps=taps, dot=dot, output="uint8")
    text = machine.emit_assembly(native.compile_module(tile.build(), machine))
    found = [line for line in text.splitlines() if re.search(instruction, line)]
    assert len(found) == times * tile.sums == 6 * times
    assert "vpmaddubsw" not in text  # which saturates
    assert not re.search(r"^\s+(call|bl)\s", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("+avx512f,+avx512vl,+avx512dq,+avx512bw,+avx512vnni,+avx2,+fma", Dot("vpdpbusd", 24)),
        ("+avx512f,+avx512vl,+avx512dq,+avx512bw,+avx2,+fma", Dot("vpmaddwd", 18)),
        ("+avx2,+fma,+avxvnni", Dot("vpdpbusd", 11)),
        ("+avx2,+fma", Dot("vpmaddwd", 8)),
        ("+neon,+dotprod,+i8mm", Dot("usdot", 22)),
        ("+neon,+dotprod", Dot("sdot", 22, signed=True)),
        ("+neon", Dot("plain", 16)),
        ("", Dot("plain", 8)),
    ],
)
def test_the_instruction_follows_from_the_cpu(monkeypatch, features, expected):
    caches = (cpu.features, cpu.vectors, cpu.dot)
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    for each in caches:
        each.cache_clear()
    try:
        assert cpu.dot() == expected
    finally:
        monkeypatch.undo()
        for each in caches:
            each.cache_clear()


def assembly(spec, triple=X86, kind="sapphirerapids"):
    try:
        machine = native.target_machine(triple, kind)
    except RuntimeError:
        pytest.skip(f"this build of LLVM makes no code for {triple}")
    return machine.emit_assembly(native.compile_module(spec.build(), machine))


@pytest.mark.parametrize(("squares", "across"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_a_step_of_the_matrix_unit_is_a_product_for_each_square(squares, across):
    text = assembly(MatrixTile("multiply", squares, across, "uint8"))
    assert text.count("\ttdpbusd\t") == squares * across
    assert text.count("\ttileloadd\t") == squares * across + squares + across  # starts, rows, weights
    assert text.count("\ttilestored\t") == squares * across


def test_the_taps_of_a_row_are_interleaved_and_multiplied_at_once():
    text = assembly(BytesLaneTile("rows", 16, 4, 1, dot="vpdpbusd", loads=3))
    assert text.count("\tvpermb\t") == text.count("\tvpdpbusd\t") == 4


def test_a_cpu_or_a_system_without_a_matrix_unit(monkeypatch):
    for features in (frozenset(), frozenset({"amx-int8", "amx-tile"})):
        monkeypatch.setattr(matrix_unit, "features", lambda features=features: features)
        monkeypatch.setattr(matrix_unit, "dot", lambda: Dot("vpdpbusd", 24))
        monkeypatch.setattr(matrix_unit, "vectors", lambda: cpu.Vectors("AVX-512", 64, 32))
        monkeypatch.setattr(matrix_unit.ctypes, "CDLL", lambda name: Refusing())
        assert not matrix_unit.has_matrix_unit.__wrapped__()


class Refusing:
    """A C library whose every system call fails."""

    def syscall(self, *arguments):
        return -1
