"""The core's promises, measured: `python -m benchmarks.core [--quick] [--json DIR]`.

Prints both sides, their ratio and both errors for the matrix product and three activations against NumPy,
and the times of the import and of the first run.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import report, tables
from benchmarks.case import Effort
from benchmarks.command import new_run, progress
from benchmarks.figures import by_case, geometric_mean, ratio
from benchmarks.interleave import Plan, measured
from benchmarks.peers import PEERS
from benchmarks.record import Run, save
from benchmarks.suites import SUITES
from benchmarks.tables import Table
from benchmarks.workers import environment

ACTIVATIONS = ("sigmoid", "swish", "gelu")


def plan(quick: bool) -> Plan:
    """Products of squares and of the chapter's shapes in float32, and the activations."""
    shapes = ("squares, float32", "the chapter's, float32")
    products = [case for case in SUITES["matmul"].cases(False, [1]) if case.group in shapes]
    maps = [case for case in SUITES["elementwise"].cases(False, [1]) if case.label in ACTIVATIONS]
    every = slice(None, None, 4 if quick else 1)
    return [(SUITES["matmul"], products[every]), (SUITES["elementwise"], maps[every])]


def process_seconds(*arguments: str, **more: str) -> float:
    """Wall time of a whole Python process."""
    begin = time.perf_counter()
    command, environ = [sys.executable, *arguments], environment(1) | more
    quiet = subprocess.DEVNULL
    subprocess.run(command, env=environ, stdin=quiet, stdout=quiet, stderr=quiet, check=True)
    return time.perf_counter() - begin


def imports(rounds: int) -> str:
    """What `import tinytensor` takes beyond `import numba`, pair by pair."""
    ours, theirs = ("-c", "import tinytensor"), ("-c", "import numba")
    process_seconds(*ours), process_seconds(*theirs)
    added = np.median([process_seconds(*ours) - process_seconds(*theirs) for _ in range(rounds)])
    return f"{1e3 * added:.0f} ms"


def first_runs(rounds: int) -> tuple[str, str]:
    """`tinytensor mnist` with an empty kernel cache, and again with what that left there."""
    command = ("-m", "tinytensor", "mnist")
    with tempfile.TemporaryDirectory() as cache:
        runs = [process_seconds(*command, TINYTENSOR_CACHE=cache) for _ in range(1 + rounds)]
    return f"{runs[0]:.1f} s", f"{np.median(runs[1:]):.2f} s"


def promises(run: Run, rounds: int) -> Table:
    """The figures that the project promises."""
    ratios: dict[str, list[float]] = {"matmul": [], "elementwise": []}
    for (suite, *_), peers in by_case(run.results).items():
        ratios[suite].append(ratio(peers["tinytensor"].values, peers["NumPy"].values).median)
    first, second = first_runs(rounds)
    rows = [
        ["A @ B: geometric mean (promised ≥ 1.0)", f"{geometric_mean(ratios['matmul']):.2f}"],
        ["A @ B: smallest ratio (promised ≥ 0.85)", f"{min(ratios['matmul']):.2f}"],
        ["activations: smallest ratio (promised ≥ 2)", f"{min(ratios['elementwise']):.2f}"],
        ["import beyond numba (promised ≤ 50 ms)", imports(rounds)],
        ["first run ever (promised < 30 s)", first],
        ["second run (promised < 3 s)", second],
    ]
    return Table("Promises", ["what", "measured"], rows)


def main(arguments: list[str] | None = None) -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.core", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few cases and rounds: shows that it works")
    parser.add_argument("--json", type=Path, metavar="DIR", help="write every figure to DIR/results.json")
    options = parser.parse_args(arguments)
    effort = Effort(3, 0.002) if options.quick else Effort(15, 0.02)
    peers = [PEERS["tinytensor"], PEERS["NumPy"]]
    run = new_run(["python", "-m", "benchmarks.core"], peers, {}, [1], options.quick)
    cases = plan(options.quick)
    with progress(2 * sum(len(found) for _, found in cases)) as step:
        run.results = list(measured(cases, peers, effort, step))
    for suite in run.suites():
        for table in tables.details(run, suite):
            report.put(table)
    report.put(promises(run, 1 if options.quick else 5))
    report.put(Table("The run", ["what", "is"], report.facts(run)))
    if options.json:
        print(f"written: {save(run, options.json)}")


if __name__ == "__main__":
    main()
