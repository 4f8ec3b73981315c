"""The engine's promised figures: `python -m benchmarks.rows [--quick] [--data DIR] [--out DIR]`.

Networks against the fastest of six peers on one thread, two threads against one, the share of the rate of
FMAs, and A @ B against NumPy. `--out` names a folder in which every case is kept as soon as it is measured;
the same command goes on with what is missing there.
"""

import argparse
import contextlib
import datetime
import sys
from pathlib import Path
from typing import Any

from benchmarks import report, tables
from benchmarks.case import Case, Effort, Result
from benchmarks.command import FOLDER, collect, new_run, use_folders
from benchmarks.figures import OURS, by_case, fastest, geometric_mean, ratio
from benchmarks.machine import usable_cores
from benchmarks.networks import CHAPTER, INPUTS, LARGE, Network
from benchmarks.peers import PEERS, absent
from benchmarks.record import Run, resumed, save
from benchmarks.suites import matmul, mnist, peak, threads
from benchmarks.tables import Table
from tinytensor.errors import TinyTensorError

SIX = ("ONNX Runtime", "OpenVINO", "LiteRT", "JAX", "PyTorch", "NumPy")
SLOW = ("PyTorch AOTInductor",)  # compiles for seconds a case: not in quick runs
PROMISED: dict[tuple[Network, str], tuple[float, ...]] = {  # at least so many times as fast, by batch
    (CHAPTER, "digits"): (4, 2.5, 2, 2, 2),
    (CHAPTER, "uint8"): (4, 2.6, 2.2, 2.2, 2.4),
    (LARGE, "digits"): (4, 1.6, 1.55, 1.55, 1.55),
    (CHAPTER, "dense"): (2.5, 1.7, 1.2, 1.2, 1.3),
    (LARGE, "dense"): (1.4, 1.15, 1, 1, 1.1),
}
SPEEDUP, MANY = 1.85, 1_000  # two threads against one, from so many rows on
SHARE = 0.95  # of the rate of FMAs
PRODUCTS, WORST_PRODUCT = 1.0, 0.8  # times NumPy's speed: the geometric mean, each shape
QUICK_PRODUCT = 2 * 1024**3  # operations: larger products are left out of quick runs

COLUMNS = [f"batch {n:,}" for n in mnist.BATCHES]

Plan = list[tuple[Any, list[Case]]]


def nets(count: int) -> list[Case]:
    """The promised networks with so many threads."""
    return [mnist.case("mnist", *net, rows, count) for net in PROMISED for rows in mnist.BATCHES]


def plans(quick: bool) -> list[tuple[tuple[str, ...], Plan]]:
    """Who takes part in what, one after the other."""
    counts = [1, 2] if usable_cores() > 1 else [1]
    six = (OURS, *SIX) if quick else (OURS, *SIX, *SLOW)
    further = [case for case in mnist.cases(False, [1]) if mnist.network_of(case) not in (CHAPTER, LARGE)]
    further = [case for case in further if mnist.network_of(case) != mnist.SMALL]
    products = [
        case
        for case in matmul.cases(False, counts)
        if case.settings["dtype"] == "float32" and "chapter" not in case.group
        if not quick or 2 * case.settings["m"] * case.settings["k"] * case.settings["n"] <= QUICK_PRODUCT
    ]
    two = [] if quick else [case for count in counts[1:] for case in nets(count)]
    return [
        (six, [(mnist.SUITE, nets(1))]),
        ((OURS,), [(peak.SUITE, peak.cases(quick, [1])), (threads.SUITE, threads.cases(False, counts))]),
        ((OURS, "NumPy"), [(matmul.SUITE, products)]),
        (six, [(mnist.SUITE, further)]),
        (six, [(mnist.SUITE, two)]),
    ]


def cell(peers: dict[str, Result], least: float = 0.0) -> str:
    """Median and quartiles of the ratio to the fastest other peer, its name, and a promise that is missed."""
    best = fastest(peers)
    if not peers:
        return ""
    if best is None or OURS not in peers or peers[OURS].failed:
        return tables.FAILED
    found = ratio(peers[OURS].values, peers[best].values)
    text = f"{'~' if found.noisy else ''}{found.median:.2f} ({found.low:.2f}–{found.high:.2f})"
    text += f" {best}" * (best != threads.ONE.name)
    return text if found.median >= least else f"{text}, missed: ≥ {least:g}"


def column(label: str) -> int:
    """Where a batch stands in the tables."""
    return COLUMNS.index(label)


def numbers(run: Run) -> Table:
    """The promised networks on one thread: a network in each row, a batch in each column."""
    found = by_case(run.results)
    rows = []
    for (network, kind), bounds in PROMISED.items():
        cases = [mnist.case("mnist", network, kind, n, 1) for n in mnist.BATCHES]
        cells = [cell(found.get(case.key, {}), least) for case, least in zip(cases, bounds, strict=True)]
        rows.append([f"{network.name}, {INPUTS[kind]}", *cells])
    title = "Times as fast as the fastest other peer: median (quartiles) peer"
    return Table(title, ["one thread", *COLUMNS], rows)


def others(run: Run) -> Table:
    """The networks without a promise, and two threads against the peers' two."""
    promised = {case.key for case in nets(1)}
    rows: dict[str, list[str]] = {}
    for key, peers in by_case([result for result in run.results if result.suite == "mnist"]).items():
        if key not in promised:
            _, group, label, count = key
            named = rows.setdefault(f"{group}, {count} thread{'s' * (count > 1)}", [""] * len(mnist.BATCHES))
            named[column(label)] = cell(peers)
    table = [[name, *cells] for name, cells in rows.items()]
    return Table("Further networks, and two threads", ["against the fastest peer", *COLUMNS], table)


def two_threads(run: Run) -> Table:
    """How many times as fast two threads are as one."""
    rows: dict[str, list[str]] = {}
    for (_, group, label, _), peers in by_case(results(run, "threads")).items():
        rows.setdefault(group, [""] * len(mnist.BATCHES))[column(label)] = cell(
            peers, SPEEDUP if mnist.BATCHES[column(label)] >= MANY else 1.0
        )
    return Table(
        "Two threads against one: times as fast, median (quartiles)",
        ["two threads", *COLUMNS],
        [[name, *cells] for name, cells in rows.items()],
    )


def results(run: Run, suite: str) -> list[Result]:
    return [result for result in run.results if result.suite == suite]


def verdict(figure: float, least: float) -> str:
    return "kept" if figure >= least else "missed"


def share_of_fma(run: Run) -> list[list[str]]:
    """The wide network's rate over that of the loop without loads."""
    rows = []
    for (_, group, label, _), peers in by_case(results(run, "peak")).items():
        if any(each.failed for each in peers.values()) or len(peers) < 2:
            continue
        found = ratio(peers[OURS].values, peers[peak.LOOP.name].values)
        what = f"{group}, {label}: share of the FMA rate without loads"
        figure = f"{found.median:.3f} ({found.low:.3f}–{found.high:.3f})"
        rows.append([what, f"≥ {SHARE:g}", figure, verdict(found.median, SHARE)])
    return rows


def products(run: Run) -> list[list[str]]:
    """A @ B against NumPy: geometric mean and slowest shape by number of threads and kind."""
    kinds: dict[tuple[int, str], list[tuple[float, str]]] = {}
    for (_, group, label, count), peers in by_case(results(run, "matmul")).items():
        if not any(each.failed for each in peers.values()) and len(peers) > 1:
            found = ratio(peers[OURS].values, peers["NumPy"].values).median
            for kind in ("all shapes", group.partition(",")[0]):
                kinds.setdefault((count, kind), []).append((found, label))
    rows = []
    for (count, kind), ratios in sorted(kinds.items()):
        mean, (worst, where) = geometric_mean([each for each, _ in ratios]), min(ratios)
        what = f"A @ B, {kind}, {count} thread{'s' * (count > 1)}"
        rows.append([f"{what}: geometric mean", f"≥ {PRODUCTS:g}", f"{mean:.2f}", verdict(mean, PRODUCTS)])
        slowest = [f"≥ {WORST_PRODUCT:g}", f"{worst:.2f}", verdict(worst, WORST_PRODUCT)]
        rows.append([f"{what}: slowest, {where}", *slowest])
    return rows


def show(run: Run) -> None:
    """Print all that there is so far."""
    for suite in ("mnist", "threads", "peak", "matmul"):
        if results(run, suite):
            for table in tables.overviews(run, suite):
                report.put(table)
    singles = Table("Rates", ["what", "promised", "measured", ""], [*share_of_fma(run), *products(run)])
    for table in (numbers(run), others(run), two_threads(run), singles, tables.failures(run)):
        if table.rows:
            report.put(table)
    report.put(Table("The run", ["what", "is"], report.facts(run)))


def run(options: argparse.Namespace) -> None:
    """Measure what is missing, then print everything."""
    use_folders(options)
    effort = Effort(5, 0.008) if options.quick else Effort(15, 0.02, 3)
    folder = options.out or Path(FOLDER) / f"rows-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    parts = plans(options.quick)
    names = list(dict.fromkeys(name for part, _ in parts for name in part))
    left_out = {name: str(absent(PEERS[name])) for name in names if absent(PEERS[name])}
    counts = [1, 2] if usable_cores() > 1 else [1]
    command = ["python", "-m", "benchmarks.rows"] + ["--quick"] * options.quick
    there = [PEERS[name] for name in names if name not in left_out]
    made = resumed(new_run(command, there, left_out, counts, options.quick), folder)
    with contextlib.suppress(KeyboardInterrupt):  # what there is, is shown
        for chosen, plan in parts:
            collect(made, plan, [peer for peer in there if peer.name in chosen], effort, folder)
    path = save(made, folder)
    show(made)
    print(f"written: {path}")


def main(arguments: list[str] | None = None) -> int:
    """Parse and run; a mistake of the user's is one line and status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rows", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, in four minutes")
    parser.add_argument("--data", metavar="DIR", help="a folder with MNIST's IDX files")
    parser.add_argument("--folder", metavar="DIR", help="a folder with ad01.h5 of MLPerf Tiny")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"default: {FOLDER}/rows-DATE-TIME")
    with contextlib.suppress(KeyboardInterrupt):
        try:
            run(parser.parse_args(arguments))
        except TinyTensorError as error:
            print(f"python -m benchmarks.rows: {error}", file=sys.stderr)
            return 2
        return 0
    return 130


if __name__ == "__main__":
    sys.exit(main())
