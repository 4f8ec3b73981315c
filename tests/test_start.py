"""The start of a process whose kernels are kept: neither Numba nor what a network does not need is loaded."""

import os
import subprocess
import sys

import pytest

import tinytensor as tt
from tinytensor.kernels.cache import kind_of_cpu

SCRIPT = """
import sys
import numpy as np
import tinytensor as tt

model = tt.Sequential(
    tt.Linear(20, 10, seed=0), tt.sigmoid, tt.Linear(10, 40, seed=1), tt.relu, tt.Linear(40, 3, seed=2),
    tt.softmax,
)
rng = np.random.default_rng(0)
for batch in (1, 10, 100):
    x = rng.standard_normal((batch, 20), np.float32)
    y = model.predict(x, threads=2)
    same = np.array_equal(y, model(tt.Tensor(x), fused=False).numpy())
    assert same and np.allclose(y.sum(axis=1), 1, atol=1e-6)
t = tt.Tensor([[1.0, 2.0], [3.0, 4.0]])
assert (t @ t + 1).sum().item() == 58.0 and t.mean(axis=0).tolist() == [2.0, 3.0]
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""
SLOW = ("numba", "tinytensor.kernels.vector", "tinytensor.io", "numpy.ma", "importlib.metadata")
LOADS = """
import sys
import numpy as np
before = set(sys.modules)
import tinytensor as tt
assert tt.load(sys.argv[1]).predict(np.ones((1, 20), np.float32), threads=2).shape == (1, 3)
print(*(name for name in sys.argv[2:] if name in sys.modules and name not in before))
"""
NOT_TO_LOAD = (
    "numba", "llvmlite.ir", "numpy.random", "pathlib", "zipfile", "hashlib", "tempfile", "dataclasses",
    "concurrent.futures", "difflib", "traceback", "tinytensor.layers.conv", "tinytensor.io.onnx",
)  # fmt: skip


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Runs a script in a process with a cache that is empty at first; which of the modules it imported."""
    env = os.environ | {"TINYTENSOR_CACHE": str(tmp_path_factory.mktemp("cache"))}

    def run(script, *arguments):
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


def test_only_the_first_process_imports_numba(start):
    assert "numba" in start(SCRIPT, *SLOW)
    assert start(SCRIPT, *SLOW) == []


def test_to_load_a_model_and_predict_takes_few_modules(start, tmp_path):
    path = str(tmp_path / "model.safetensors")
    tt.Sequential(tt.Linear(20, 40, seed=0), tt.relu, tt.Linear(40, 3, seed=1), tt.softmax).save(path)
    loads_without_llvm = sys.platform == "linux" and kind_of_cpu() != ""
    start(LOADS, path)
    assert start(LOADS, path, *NOT_TO_LOAD, *["llvmlite.binding"] * loads_without_llvm) == []
