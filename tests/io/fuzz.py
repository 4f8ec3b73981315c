"""Loads files with random damage, of every format: `python -m tests.io.fuzz --count N --seed S`.

Each file must load, with `--run` also compute, or raise an error of tinytensor's: no crash, no hang, no other
error, and little memory. Number n of a seed is the same file every time, so `--start n --count 1` repeats it.
Processes work side by side; one that dies is replaced, and the file it died of is reported.
"""

import argparse
import contextlib
import ctypes
import faulthandler
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import tempfile
import time
import warnings
import zipfile
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np

import tinytensor as tt
from tests.datasets.idx_files import idx_bytes
from tests.io import hostile
from tinytensor.datasets.idx import read_idx

SECONDS = 10  # of computing that one file may take
ASLEEP = 300  # of anything, for a wait that never ends
LOADERS = {
    "idx": lambda path: read_idx(path, 3),
    "external": lambda path: tt.from_onnx(path, external_data=True),
    **dict.fromkeys(hostile.WEIGHTS_ALONE, tt.io.read_state),  # which tt.load reads, and refuses with advice
}
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]
VALUES = [
    None, True, -1, 0, 1, 1 << 31, 1 << 40, 1 << 70, 0.5, -0.5, 1e308, float("nan"), "", "relu", "Dense",
    "x" * 300, "\x1b[31m", "\ud800", [], [None], [[0]], [-1, 1 << 40], {},
    {"class_name": "Dense", "config": {}},
]  # fmt: skip


def originals(folder):
    """A whole file for each format; those of several files are a dict by name."""
    found = dict(hostile.originals(folder))
    found["idx"] = idx_bytes(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    if find_spec("onnx"):
        found["external"] = external(folder)
    return found


def external(folder):
    """An ONNX model whose weights are in another file."""
    import onnx

    model = onnx.load(folder / "good.onnx")
    onnx.external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, folder / "external.onnx")
    return {name: (folder / name).read_bytes() for name in ("external.onnx", "weights.bin")}


def mutated(rng, content, others):
    """Damage of one to four kinds, one after the other."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        content = rng.choice(DAMAGES)(rng, content, others)
    return content


def flip(rng, content, others):
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def number(rng, content, others):
    size, value = rng.choice([1, 2, 4, 8]), rng.choice(NUMBERS)
    data = (value % (1 << 8 * size)).to_bytes(size, rng.choice(["little", "big"]))
    at = rng.randrange(len(content) + 1)
    return content[:at] + data + content[at + size :]


def cut(rng, content, others):
    begin, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:begin] + content[end:] if rng.random() < 0.5 else content[:begin]


def repeat(rng, content, others):
    begin = rng.randrange(len(content) + 1)
    part = content[begin : begin + rng.choice([1, 4, 16, 64, 256])]
    return content[:begin] + part * rng.choice([2, 3, 50]) + content[begin + len(part) :]


def swap(rng, content, others):
    size = rng.choice([1, 4, 16, 64])
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    if a + size > b:
        return content
    return (
        content[:a]
        + content[b : b + size]
        + content[a + size : b]
        + content[a : a + size]
        + content[b + size :]
    )


def splice(rng, content, others):
    other = rng.choice(others)
    begin, at = rng.randrange(len(other) + 1), rng.randrange(len(content) + 1)
    part = other[begin : begin + rng.choice([4, 32, 256, 4096])]
    return content[:at] + part + content[at + rng.choice([0, len(part)]) :]


def digits(rng, content, others):
    """Another number in text, as in JSON and in the headers of arrays."""
    places = [match.span() for match in re.finditer(rb"\d+", content)]
    if not places:
        return content
    begin, end = rng.choice(places)
    return content[:begin] + rng.choice([b"0", b"-1", b"9" * 12, b"9" * 40, b"1e999", b""]) + content[end:]


DAMAGES = [flip, flip, flip, number, number, cut, repeat, swap, splice, digits]


def changed_json(rng, text):
    """A configuration in which something is something else."""
    value = json.loads(text)
    places = []

    def visit(inner):
        for key in inner if isinstance(inner, dict) else range(len(inner)):
            places.append((inner, key))
            if isinstance(inner[key], dict | list):
                visit(inner[key])

    visit(value)
    for _ in range(rng.choice([1, 1, 2])):
        inner, key = rng.choice(places)
        inner[key] = rng.choice(VALUES) if rng.random() < 0.7 else rng.choice(places)[0]
    try:
        return json.dumps(value).encode()
    except ValueError:  # it now holds itself
        return text


def in_archive(rng, content, others):
    """Damage inside an archive whose checksums are right."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    if name.endswith(".json") and rng.random() < 0.7:
        members[name] = changed_json(rng, members[name])
    else:
        members[name] = mutated(rng, members[name], others)
    return hostile.archived(members)


def damaged(rng, content, others):
    """The file with damage: of the members of an archive every second time."""
    if isinstance(content, dict):
        name = rng.choice(list(content))
        return content | {name: mutated(rng, content[name], others)}
    if content[:2] == b"PK" and rng.random() < 0.7:
        return in_archive(rng, content, others)
    return mutated(rng, content, others)


def attempt(loader, path, run=False):
    """Load a file, and run what came of it if that is wanted; True if it loaded."""
    try:
        model = loader(path)
        repr(model)
    except tt.TinyTensorError:
        return False
    if run and isinstance(model, tt.Layer):
        with contextlib.suppress(tt.TinyTensorError):
            model(np.ones((2, 2), np.float32))
    return True


def work(index, stop, seed, found, folder, run=False):
    """Files from `index` to `stop`; what came of them is in `found`, so that nothing is lost if this dies."""
    warnings.simplefilter("ignore")
    good = originals(folder)
    everything = [
        each for value in good.values() for each in (value.values() if isinstance(value, dict) else [value])
    ]
    for name, content in good.items():  # imports and compiled kernels are not the file's memory
        assert attempt(LOADERS.get(name, tt.load), written(folder, content)), name
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hostile.limit_memory(max(map(len, everything)))
    for number in (signal.SIGPROF, signal.SIGALRM):  # it says where it is, and dies
        faulthandler.register(number, chain=True)
    names = list(good)
    while index < stop:
        rng = random.Random(f"{seed} {index}")
        name = rng.choice(names)
        path = written(folder, damaged(rng, good[name], everything))
        found.index, begin = index, time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(ASLEEP)
        try:
            found.loaded += attempt(LOADERS.get(name, tt.load), path, run)
        except BaseException as error:
            print(
                json.dumps(
                    {"file": index, "format": name, "wrong": f"{type(error).__name__}: {error}"[:300]}
                ),
                flush=True,
            )
            found.wrong += 1
        signal.setitimer(signal.ITIMER_PROF, 0)
        found.longest = max(found.longest, time.process_time() - begin)
        found.grown = max(found.grown, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        index += 1
    signal.alarm(0)
    found.index = index


def written(folder, content):
    """The path of a file, or of the first of several."""
    files = content if isinstance(content, dict) else {"model": content}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder / next(iter(files))


class Found(ctypes.Structure):
    """What a process has seen; `grown` in KB."""

    _fields_ = [(name, ctypes.c_longlong) for name in ("index", "loaded", "wrong", "grown")] + [
        ("longest", ctypes.c_double)
    ]


def campaign(count, seed, start=0, workers=1, run=False):
    """Load that many files; what was found."""
    context = multiprocessing.get_context("spawn")
    os.environ |= hostile.ONE_THREAD
    bounds = [start + count * i // workers for i in range(workers + 1)]
    shared = [context.Value(Found, lock=False) for _ in range(workers)]
    died = []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as root:

        def begin(i, index):
            folder = Path(root, str(i))
            folder.mkdir(exist_ok=True)
            process = context.Process(target=work, args=(index, bounds[i + 1], seed, shared[i], folder, run))
            process.start()
            return process

        running = {i: begin(i, bounds[i]) for i in range(workers)}
        while running:
            for i, process in list(running.items()):
                process.join(0.2)
                if process.exitcode is None:
                    continue
                del running[i]
                if process.exitcode:
                    died.append({"file": shared[i].index, "status": process.exitcode})
                    if len(died) < 10:
                        running[i] = begin(i, shared[i].index + 1)
    return {
        "files": count,
        "loaded": sum(each.loaded for each in shared),
        "wrong": sum(each.wrong for each in shared),
        "died": died,
        "longest": max(each.longest for each in shared),
        "grown": max(each.grown for each in shared) << 10,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--run", action="store_true", help="run what loads; compiles kernels that are missing"
    )
    given = parser.parse_args()
    found = campaign(given.count, given.seed, given.start, given.workers, given.run)
    print(json.dumps(found))
    raise SystemExit(bool(found["wrong"] or found["died"]))


if __name__ == "__main__":
    main()
