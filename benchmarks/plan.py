"""The plan's promises, measured: `python -m benchmarks.plan [--quick] [--data DIR] [--json DIR]`.

tinytensor against itself: activations of one's own, the look for zeros, many rows; memory and the start of a
process. `python -m benchmarks.rows` measures whole networks against other libraries.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks import report
from benchmarks.case import Case, Effort, Result
from benchmarks.command import new_run, progress
from benchmarks.core import process_seconds
from benchmarks.figures import by_case, ratio
from benchmarks.interleave import measured
from benchmarks.networks import CHAPTER, digits, inputs, model
from benchmarks.peers import PEERS, absent
from benchmarks.record import save
from benchmarks.suites import coldstart
from benchmarks.tables import Table
from benchmarks.workers import environment

OURS = "tinytensor"
START = Case(
    "coldstart", "from the start of the process", "first prediction", 1, {"what": "predict", "rows": 1}
)


def row(what: str, figure: float, bound: float, most: bool = False, noisy: bool = False) -> list[str]:
    """What, promised, measured, and whether it is kept."""
    good = figure <= bound if most else figure >= bound
    verdict = "kept" if good else "missed"
    return [
        what,
        f"{'≤' if most else '≥'} {bound:g}",
        f"{figure:.2f}",
        f"{verdict}, noisy" if noisy else verdict,
    ]


def paired(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> float:
    """How many times as long the second takes as the first: the median over alternating calls."""
    first(), second()
    ratios = []
    for _ in range(rounds):
        begin = time.perf_counter()
        first()
        middle = time.perf_counter()
        second()
        ratios.append((time.perf_counter() - middle) / (middle - begin))
    return float(np.median(ratios))


@tt.activation
def swish_of_ones_own(x: Any, beta: float = 1.0) -> Any:
    """The formula of tt.swish, written by a user."""
    u = beta * x
    e = math.exp(-abs(u))
    return (x * e if u < 0 else x) / (1 + e)


def with_activation(activation: Any) -> tt.Sequential:
    """The chapter's network with another activation."""
    made = model(CHAPTER, raw=False)
    made[1] = made[3] = activation
    return made


def without_skipping() -> tt.Sequential:
    """The chapter's network with a weight that is not finite: 0 times it is NaN, so zeros are not skipped."""
    made = model(CHAPTER, raw=False)
    weight = made[0].weight.numpy().copy()
    weight[0, 0] = math.inf
    made[0].weight = weight
    return made


def against_itself(quick: bool) -> list[list[str]]:
    """What tinytensor promises about itself."""
    rounds = 5 if quick else 41
    made, dense = model(CHAPTER, raw=False), inputs("dense", 1_000)
    builtin, own, plain = with_activation(tt.swish), with_activation(swish_of_ones_own), without_skipping()
    custom = paired(lambda: builtin.predict(dense, threads=1), lambda: own.predict(dense, threads=1), rounds)
    look = paired(lambda: plain.predict(dense, threads=1), lambda: made.predict(dense, threads=1), rounds)
    many = inputs("digits", 20_000 if quick else 200_000)
    few = many[:1_000]
    more = paired(
        lambda: [made.predict(few, threads=1) for _ in range(len(many) // len(few))],
        lambda: made.predict(many, threads=1), 3 if quick else 9,
    )  # fmt: skip
    return [
        row("an activation of one's own, time against the same formula built in", custom, 1.05, most=True),
        row("numbers without zeros: time with the look for zeros against without", look, 1.03, most=True),
        row(f"time for each of {len(many):,} rows against 1,000", more, 1.15, most=True),
    ]


MEMORY = """
import sys, threading, time
import numpy as np
import tinytensor as tt

def anonymous():
    status = open("/proc/self/status").read()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024

def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.002)

model = tt.models.mnist_mlp()
x = np.memmap(sys.argv[1], np.float32, "r").reshape(-1, 784)
model = model[2:]
out = np.zeros((len(x), 10), np.float32)
out += 1
peak, done = anonymous(), False
begin = peak
watcher = threading.Thread(target=watch)
watcher.start()
model.predict(x, out=out)
done = True
watcher.join()
print(peak - begin)
"""


def memory(rows: int) -> list[list[str]]:
    """Anonymous memory beyond imports, model and output, for rows of a memory map."""
    if not Path("/proc/self/status").exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        with path.open("wb") as file:
            for _ in range(rows // 10_000):
                inputs("digits", 10_000).tofile(file)
        command = [sys.executable, "-c", MEMORY, str(path)]
        environ = environment(len(os.sched_getaffinity(0)))
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return [
        row(f"MB of anonymous memory for {rows:,} rows of a memory map", float(done.stdout), 100, most=True)
    ]


def start(found: dict[Any, dict[str, Result]], rounds: int) -> list[list[str]]:
    """From the start of a process to its first prediction."""
    peers = found[START.key]
    numba = [process_seconds("-c", "import numba") for _ in range(1 + rounds)][1:]
    ours, what = peers[OURS].values, "start to first prediction, against"
    rows = [row(f"{what} `import numba`", float(np.median(ours) / np.median(numba)), 2, most=True)]
    if "PyTorch" in peers and not peers["PyTorch"].failed:
        rows.append(row(f"{what} PyTorch", ratio(ours, peers["PyTorch"].values).median, 2.5))
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it works")
    parser.add_argument("--data", metavar="DIR", help="a folder with MNIST's IDX files")
    parser.add_argument("--json", type=Path, metavar="DIR", help="write every figure to DIR/results.json")
    options = parser.parse_args(arguments)
    if options.data:
        os.environ["TINYTENSOR_DATA"] = options.data
        digits.cache_clear()
    effort = Effort(3, 0.002) if options.quick else Effort(15, 0.02)
    peers = [PEERS[name] for name in (OURS, "PyTorch") if not absent(PEERS[name])]
    run = new_run(["python", "-m", "benchmarks.plan"], peers, {}, [1], options.quick)
    with progress(len(peers)) as step:
        run.results = list(measured([(coldstart.SUITE, [START])], peers, effort, step))
    own = [*against_itself(options.quick), *memory(20_000 if options.quick else 400_000)]
    rows = [*own, *start(by_case(run.results), 2 if options.quick else 5)]
    report.put(Table("Promises", ["what", "promised", "measured", ""], rows))
    report.put(Table("The run", ["what", "is"], report.facts(run)))
    if options.json:
        print(f"written: {save(run, options.json)}")


if __name__ == "__main__":
    main()
