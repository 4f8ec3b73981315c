"""Files, measured: `python -m benchmarks.io [--quick] [--json FILE]`.

Loading a safetensors model of 400 MB, its checksums checked, beside reading its bytes; and importing an ONNX
model of 100 layers in a new process, after `import onnx`. Ends with status 1 where a promise is broken.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

import tinytensor as tt
from benchmarks.figures import ratio
from benchmarks.machine import machine
from benchmarks.workers import environment

FEATURES, QUICK_FEATURES = 10_000, 2_000  # of a square Linear: 400 MB, 16 MB
LAYERS, WIDTH = 100, 256
MOST_OF_READING, MOST_SECONDS = 1.3, 1.0

IMPORT = """
import sys, time
import onnx
begin = time.perf_counter()
import tinytensor as tt
model = tt.load(sys.argv[1])
print(time.perf_counter() - begin, len(model))
"""


def load(path: str) -> float:
    """Seconds to load a model."""
    begin = time.perf_counter()
    model = tt.load(path)
    elapsed = time.perf_counter() - begin
    assert len(model) == 1
    return elapsed


def read(path: str) -> float:
    """Seconds to read the bytes of a file, as a program does."""
    begin = time.perf_counter()
    content = Path(path).read_bytes()
    elapsed = time.perf_counter() - begin
    assert len(content) == Path(path).stat().st_size
    return elapsed


def read_to_array(path: str) -> float:
    """Seconds to read them into memory of NumPy's, which asks the system for large pages."""
    begin = time.perf_counter()
    content = np.fromfile(path, np.uint8)
    elapsed = time.perf_counter() - begin
    assert content.size == Path(path).stat().st_size
    return elapsed


def loading(folder: Path, features: int, rounds: int) -> tuple[int, dict[str, list[float]]]:
    """The size of a file, and seconds to load and to read it, A B C A B C in one process."""
    path = folder / "model.safetensors"
    weight = np.random.default_rng(0).standard_normal((features, features), np.float32)
    tt.Sequential(tt.Linear.of(weight)).save(path)
    assert np.array_equal(tt.load(path)[0].weight, weight)
    del weight
    sides = {"load": load, "read": read, "read to an array": read_to_array}
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side(str(path)))
    return path.stat().st_size, found


def importing(folder: Path, rounds: int) -> list[float]:
    """Seconds from `import onnx` to a model of LAYERS layers, in new processes."""
    path = folder / "model.onnx"
    layers = [layer for seed in range(LAYERS) for layer in (tt.Linear(WIDTH, WIDTH, seed=seed), tt.relu)]
    tt.Sequential(*layers).save(path)
    seconds = []
    for _ in range(rounds):
        command = [sys.executable, "-c", IMPORT, str(path)]
        done = subprocess.run(command, env=environment(1), capture_output=True, text=True, check=True)
        elapsed, count = done.stdout.split()
        assert int(count) == 2 * LAYERS
        seconds.append(float(elapsed))
    return seconds


def main() -> int:
    """Measure, show, judge."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.io",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a small file, to see that it works")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    rounds = 3 if options.quick else 11
    with tempfile.TemporaryDirectory() as folder:
        size, found = loading(Path(folder), QUICK_FEATURES if options.quick else FEATURES, rounds)
        imports = importing(Path(folder), rounds)
    print(f"load {size / 1e6:.0f} MB of safetensors, checksums checked: {median(found['load']):.3f} s")
    times = {name: ratio(found[name], found["load"]) for name in ("read", "read to an array")}
    for name, each in times.items():
        seconds, promise = median(found[name]), f"; promised: {MOST_OF_READING}" if name == "read" else ""
        print(
            f"  {name}: {seconds:.3f} s, ratio {each.median:.2f} [{each.low:.2f}, {each.high:.2f}]{promise}"
        )
    print(
        f"import {LAYERS} layers of ONNX after onnx itself: {median(imports):.2f} s; "
        f"promised: {MOST_SECONDS:.0f} s"
    )
    if options.json:
        figures = {"bytes": size, **found, "import": imports, "machine": machine()}
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    return int(times["read"].median > MOST_OF_READING or median(imports) >= MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
