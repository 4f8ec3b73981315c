"""Thousands of malformed files: each loads or raises one error, in little time and memory; none is run."""

import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import tinytensor as tt
from tests.io.hostile import ONE_THREAD

SECONDS = 10


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux")
def test_ten_thousand_malformed_files(tmp_path, capsys):
    environment = os.environ | ONE_THREAD
    command = [sys.executable, "-m", "tests.io.hostile"]
    subprocess.run([*command, "compile", tmp_path], env=environment, check=True)
    done = subprocess.run(
        [*command, "try", tmp_path], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    found = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        print(
            f"\nmalformed files: {found['files']:,}, of which {found['loaded']:,} load; at most "
            f"{1e3 * found['longest']:.0f} ms and {found['grown'] >> 20} MB: {found['counts']}"
        )
    assert found["wrong"] == []
    assert found["files"] >= 10_000
    assert found["longest"] < SECONDS
    assert found["grown"] <= 64 << 20


LOAD = """
import sys
from pathlib import Path
import tinytensor as tt

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

small, large = sys.argv[1:]
load = tt.io.read_state if small.endswith(".pt") else tt.load
load(small)
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
before = kilobytes("VmRSS")
load(large)
print((kilobytes("VmHWM") - before) << 10)
"""


def of_torch(model, path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    values = {"weight": torch.from_numpy(np.array(model[0].weight))}
    torch.save(values, path)


WRITERS = {
    "safetensors": lambda model, path: model.save(path),
    "npz": lambda model, path: model.save(path),
    "onnx": lambda model, path: model.save(path),
    "pt": of_torch,
}


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are those of Linux")
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_large_file_takes_at_most_twice_its_size(tmp_path, suffix):
    if suffix == "onnx":
        pytest.importorskip("onnx")
    paths = []
    for size in (2, 5120):  # 100 MB, of which the allowance of 64 MB is no excuse for a third copy
        paths.append(tmp_path / f"{size}.{suffix}")
        weight = np.ones((size, size), np.float32)
        WRITERS[suffix](tt.Sequential(tt.Linear.of(weight)), paths[-1])
    environment = os.environ | {"MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", LOAD, *paths]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 2 * paths[-1].stat().st_size + (16 << 20)


class Canary:
    """A pickle that makes a folder, if anybody runs it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_no_code_from_a_file_runs(tmp_path):
    canary = tmp_path / "canary"
    payload = Canary(canary)
    call = f"__import__('os').mkdir({str(canary)!r})"
    files = {
        "pickle": pickle.dumps({"W1": payload}, protocol=2),
        "pickle 4": pickle.dumps(payload, protocol=4),
    }
    np.savez(tmp_path / "objects.npz", **{"0.weight": np.array([payload], dtype=object)})
    files["npz"] = (tmp_path / "objects.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "header.npz", "w") as archive:
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {call}}}\n".encode()
        archive.writestr("0.weight.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    files["npy header"] = (tmp_path / "header.npz").read_bytes()
    from tests.io.crafted import chain, described, layer

    for name in ("Lambda", "eval", "os.system", "builtins.exec"):
        files[f"safetensors {name}"] = described(chain(layer(name, function=call)))
    from tests.io.hostile import archived

    marshalled = {
        "class_name": "__lambda__",
        "config": {"code": "4wEAAAA=", "defaults": None, "closure": None},
    }
    function = {"module": "builtins", "class_name": "function", "config": call, "registered_name": "function"}
    for name, value in (("Lambda", {"function": marshalled}), ("Activation", {"activation": function})):
        inner = {"module": "keras.layers", "class_name": name, "config": {"name": "a", **value}}
        config = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
        files[f"keras {name}"] = archived(
            {"config.json": json.dumps(config).encode(), "model.weights.h5": b""}
        )
    torch_like = {
        "archive/data.pkl": pickle.dumps({"0.weight": payload}, protocol=2),
        "archive/version": b"3",
    }
    files["torch"] = archived(torch_like)
    path = tmp_path / "model"
    for name, content in files.items():
        path.write_bytes(content)
        with pytest.raises((tt.ModelFormatError, tt.MissingExtra)):
            tt.load(path)
        assert not canary.exists(), name
    pickle.loads(files["pickle"])
    assert canary.exists()  # it would have been seen
