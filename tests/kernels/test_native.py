"""Machine code from LLVM: each kind of function has its own, and a CPU of any name gets some."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tinytensor.kernels import cpu, load, native, object_file
from tinytensor.kernels.specs import ColumnTile, Lister, Matvec, Tile

UNKNOWN = ("riscv64-unknown-linux-gnu", "ppc64le-redhat-linux", "s390x-ibm-linux", "loongarch64-linux-gnu")
CACHES = (cpu.architecture, cpu.features, cpu.vectors, cpu.dot)


def test_two_kinds_that_are_equal_as_tuples_have_code_of_their_own():
    kinds = Lister("float64", 8, True), Matvec("float64", 8, 1)
    assert kinds[0] == kinds[1]  # True is 1: a list was made by a product's code, and the process died
    for each in (kinds, kinds[::-1]):
        native.address.cache_clear()
        assert len({native.address(kind) for kind in each}) == 2


@pytest.fixture
def host(monkeypatch):
    """A function that sets what LLVM says of this CPU: system, name and features."""
    for each in CACHES:
        each.cache_clear()
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    yield lambda text: monkeypatch.setattr(cpu, "cpu", lambda: text)
    for each in CACHES:
        each.cache_clear()


@pytest.mark.parametrize("triple", UNKNOWN)
def test_tiles_for_a_cpu_of_an_unknown_name(host, triple):
    host(f"{triple} generic ")  # LLVM lists no features of some CPUs
    assert cpu.architecture() == triple.partition("-")[0]
    assert (cpu.features(), cpu.vectors().name, cpu.dot().name) == (frozenset(), "128-bit", "plain")
    try:
        machine = native.target_machine(triple)
    except RuntimeError:
        pytest.skip(f"this build of LLVM makes no code for {triple}")
    depthwise = ColumnTile("float32", 4, 2, (3, 3), (0, 3), 1, (1, 1))
    for tile in (Tile("float32", 4, 4, 3), Tile("float64", 2, 4, 3, listed=True), depthwise):
        code = str(native.compile_module(tile.build(), machine))
        assert f"@{tile.name}(" in code
        assert "asm" not in code


PROGRAM = """
import sys
from tinytensor.kernels import cache
known = cache.cpu()
cache.cpu = lambda: "riscv64-unknown-linux-gnu generic " if sys.argv[1:] else known
import numpy as np
import tinytensor as tt
rng = np.random.default_rng(0)
x, image = rng.standard_normal((37, 61), np.float32), rng.standard_normal((3, 2, 9, 8), np.float32)
model = tt.Sequential(tt.Linear(61, 45, seed=0), tt.relu, tt.Linear(45, 10, seed=1), tt.softmax)
conv = tt.Sequential(tt.Conv2d(2, 20, 3, seed=0), tt.relu, tt.MaxPool2d(2), tt.Flatten())
results = model.predict(x), conv.predict(image), tt.Tensor(x) @ x.T[:, :1]
model.profile(x)
from tinytensor.kernels.cpu import architecture, vectors
print(architecture(), vectors().name)
print(*(np.asarray(each).tobytes().hex() for each in results))
"""


def test_a_whole_process_on_a_cpu_of_an_unknown_name(tmp_path):
    """What Numba compiles is for this CPU; everything that asks for the CPU's name gets another one."""
    found = []
    for arguments, environment in (
        ([], os.environ),
        (["unknown"], os.environ | {"TINYTENSOR_CACHE": str(tmp_path)}),
    ):
        command = [sys.executable, "-c", PROGRAM, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.splitlines())
    assert found[1][0] == "riscv64 128-bit"
    assert found[0][1] == found[1][1]


def test_a_system_whose_object_files_are_unknown_loads_them_by_llvm(monkeypatch):
    monkeypatch.setattr(object_file, "sys", SimpleNamespace(platform="darwin"))
    called = []
    by_llvm = load.load_by_llvm
    monkeypatch.setattr(load, "load_by_llvm", lambda *both: called.append(both[1]) or by_llvm(*both))
    tile = Tile("float32", 4, 2, 1)
    content = native.this_machine().emit_object(native.compile_module(tile.build(), native.this_machine()))
    (at,) = load.load_symbols(content, tile.name)
    assert called == [(tile.name,)]
    assert at != 0
