"""Loads thousands of damaged files in a process with little memory: `python -m tests.io.hostile try DIR`.

For every format: every truncation, a byte too many, flipped bits of every byte, and the lies of `crafted`.
Prints JSON: how many files, how many of them loaded, the longest time, how much memory was added to that of
the imports, and everything that went wrong.
"""

import contextlib
import io
import json
import os
import pickle
import resource
import sys
import time
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import tinytensor as tt
from tests.io import crafted

ALLOWED = 64 << 20  # bytes beside twice the file
# Address space that threads reserve is no memory, but limited together with it.
ONE_THREAD = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
DATA = Path(__file__).parent / "data"


def small():
    return tt.Sequential(
        tt.Linear(2, 2, seed=0), tt.leaky_relu(negative_slope=0.25), ("out", tt.Linear(2, 1, seed=1))
    )


def saved(folder, suffix, model=None):
    path = folder / f"good{suffix}"
    (model or small()).save(path)
    return path.read_bytes()


def course():
    one = np.ones((2, 2), np.float32)
    return pickle.dumps({"W1": one, "b1": one[0], "W2": one, "b2": one[0]}, protocol=4)


def weights():
    from safetensors.numpy import save

    return save({"0.weight": np.ones((2, 3), np.float16), "0.bias": np.ones(2, np.float16)})


def originals(folder):
    """One file of each format that can be read here."""
    found = {
        "safetensors": saved(folder, ".safetensors"), "weights": weights(), "npz": saved(folder, ".npz"),
        "pickle": course(), "torch": (DATA / "small.pt").read_bytes(),
        "torch before 1.6": (DATA / "small_before_1_6.pt").read_bytes(),
    }  # fmt: skip
    if find_spec("onnx"):
        from tests.io import crafted_onnx

        found["onnx"] = saved(folder, ".onnx")
        found["onnx operations"] = crafted_onnx.operations().SerializeToString()
        found["onnx bytes"] = crafted_onnx.of_bytes().SerializeToString()
        found["onnx elsewhere"] = crafted_onnx.beside(folder).SerializeToString()
    if find_spec("tflite"):
        from tests.io import tflite_files

        found["tflite"] = tflite_files.small("float32")
        found["tflite int8"] = tflite_files.small("int8")
    if find_spec("h5py"):
        from tests.io.keras_files import small_h5

        found["keras"] = (DATA / "small.keras").read_bytes()
        found["h5"] = small_h5()
        found["h5 strings"] = small_h5("3.0.5", "variable")
    return found


WEIGHTS_ALONE = ("weights", "pickle", "torch", "torch before 1.6")

# How many bits of every byte are flipped: all, but of archives, which checksums guard, some, in turn.
BITS = {
    "npz": 2,
    "keras": 1,
    "torch": 1,
    "onnx operations": 2,
    "onnx elsewhere": 4,
    "onnx bytes": 2,
    "tflite": 4,
    "tflite int8": 4,
}


def damaged(content, flips):
    """Every truncation, a byte too many, flipped bits."""
    yield from (content[:length] for length in range(len(content)))
    yield content + b"\0"
    for position in range(len(content)):
        for bit in range(flips):
            changed = bytearray(content)
            changed[position] ^= 1 << (bit * 8 // flips + position) % 8
            yield bytes(changed)


def sampled(content):
    """Of a format that has much empty space some damage: every eighth byte that is not 0, some lengths."""
    used = [i for i, byte in enumerate(content) if byte]
    for position in used[::8]:
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        yield bytes(changed)
    yield from (content[:length] for length in range(0, len(content), 256))


def weights_of_keras():
    """The file of Keras with damaged weights, whose checksum in the archive is right."""
    with zipfile.ZipFile(DATA / "small.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for changed in sampled(members["model.weights.h5"]):
        yield archived(members | {"model.weights.h5": changed})


def archived(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Trial:
    """One file after the other, in memory, and what came of them."""

    def __init__(self, folder):
        self.folder = folder
        self.file = os.memfd_create("model")
        self.path = Path(f"/proc/self/fd/{self.file}")
        self.files, self.loaded, self.wrong, self.longest = 0, 0, [], 0.0

    def load(self, name, content):
        path = self.path
        if name == "onnx elsewhere":  # it needs a folder
            path = self.folder / "m.onnx"
            path.write_bytes(content)
        else:
            os.ftruncate(self.file, 0)
            os.pwrite(self.file, content, 0)
        begin = time.process_time()  # the machine may be busy
        try:
            if name.removeprefix("crafted ") in WEIGHTS_ALONE:
                tt.io.read_state(path)  # then it is read, and refused with advice
                with contextlib.suppress(tt.ModelFormatError):
                    self.wrong.append(f"{name}: a model of weights alone: {tt.load(path)!r}")
            else:
                repr(tt.load(path))
            self.loaded += 1
        except tt.ModelFormatError as error:
            if not str(error).startswith(str(path)):
                self.wrong.append(f"{name}: does not say where: {error}")
        except BaseException as error:
            self.wrong.append(f"{name}: {type(error).__name__}: {error}"[:300] + f" {content[:400].hex()}")
        self.files += 1
        self.longest = max(self.longest, time.process_time() - begin)


def limit_memory(size):
    """No more address space than there is now and what a file of that size may take."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2 * size + ALLOWED
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def streams_of(folder, good):
    """All damaged and crafted files, by what they were made of."""
    streams = {
        name: sampled(content) if name.startswith("h5") else damaged(content, BITS.get(name, 8))
        for name, content in good.items()
    }
    if "keras" in good:
        streams["keras weights"] = weights_of_keras()
    return streams | {
        f"crafted {name}": files for name, files in crafted.files(folder).items() if name in good
    }


def compile_kernels(folder):
    """Load all files without a limit: what the compiler takes is not a file's memory."""
    warnings.simplefilter("ignore")
    trial, good = Trial(folder), originals(folder)
    for name, content in good.items():
        trial.load(name, content)
    for name, stream in streams_of(folder, good).items():
        for content in stream:
            trial.load(name, content)


def main(folder):
    warnings.simplefilter("ignore")
    trial, good = Trial(folder), originals(folder)
    for name, content in good.items():  # imports and compiled kernels are not the file's memory
        trial.load(name, content)
    repr(tt.ones(2) * tt.ones(2))
    assert trial.loaded == len(good), trial.wrong
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limit_memory(max(map(len, good.values())))
    counts = {}
    for name, stream in streams_of(folder, good).items():
        start = trial.files
        for content in stream:
            trial.load(name, content)
        counts[name] = trial.files - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    found = {"counts": counts, "files": trial.files, "loaded": trial.loaded, "longest": trial.longest}
    print(json.dumps(found | {"grown": grown, "wrong": trial.wrong[:20]}))


if __name__ == "__main__":
    {"compile": compile_kernels, "try": main}[sys.argv[1]](Path(sys.argv[2]))
