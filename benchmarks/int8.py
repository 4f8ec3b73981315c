"""Quantised networks against other libraries: `python -m benchmarks.int8 [--quick] [--data DIR] [--out DIR]`.

Two dense networks on digits at batch 1 to 1,000, MLPerf Tiny's five int8 files at batch 1. Prints how many
times as fast we are as each side, our own float32 among them, and beside each speed how good the answers are.
`--out` names a folder in which every case is kept as soon as it is measured.
"""

import argparse
import contextlib
import datetime
import os
import sys
from pathlib import Path

from benchmarks import int8_networks as networks
from benchmarks import report, tables
from benchmarks.case import Effort, Result
from benchmarks.command import FOLDER, collect, new_run, threads_list
from benchmarks.figures import FIGURES, OURS, by_case, ratio
from benchmarks.int8_peers import PEERS
from benchmarks.peers import absent
from benchmarks.record import Run, resumed, save
from benchmarks.suites import int8
from benchmarks.tables import Table
from tinytensor.errors import TinyTensorError

OWN = "tinytensor float32"
FLOATS = (OWN, "ONNX Runtime float32")
PROMISED = {  # at least so many times as fast as the fastest int8 peer, by network and batch
    (name, batch): least
    for name, bounds in zip(networks.DENSE, ((1.0, 1.0, 2.0, 2.0), (1.0, 1.0, 1.4, 1.4)), strict=True)
    for batch, least in zip(int8.BATCHES, bounds, strict=True)
}
OWN_SPEEDUP, MANY = 3.5, 100  # times as fast as our own float32, from so many rows on
LEVEL, MOST_OF_FIVE = 1.0, 4  # with LiteRT, on so many of MLPerf Tiny's five


def good(result: Result) -> str:
    """How good the answers are."""
    facts = result.facts
    snr = "exact" if facts["snr"] >= 200 else f"{facts['snr']:.0f} dB"
    return f"{facts['accuracy']:.1%}, {snr}" if "accuracy" in facts else snr


def speeds(run: Run, threads: int) -> Table:
    """Every case in a row: our time, the ratio to each side, and the quality of each."""
    found = by_case([each for each in run.results if each.threads == threads])
    others = [peer.name for peer in PEERS if peer.name != OURS]
    rows = []
    for (_, group, label, _), peers in found.items():
        if OURS not in peers or peers[OURS].failed:
            rows.append([f"{group}, {label}", tables.FAILED, *[""] * len(others)])
            continue
        ours = peers[OURS]
        cells = [f"{FIGURES['µs/row'](ours)} ({good(ours)})"]
        for name in others:
            other = peers.get(name)
            if other is None or other.failed:
                cells.append(tables.FAILED if other else "")
            else:
                cells.append(f"{tables.compared(peers, name)} ({good(other)})")
        rows.append([f"{group}, {label}", *cells])
    title = (
        f"int8, {threads} thread{'s' * (threads > 1)}: our µs a sample, times as fast as each (answers, SNR)"
    )
    return Table(title, ["network, batch", "tinytensor", *others], rows)


def verdict(figure: float, least: float) -> str:
    return "kept" if figure >= least else "missed"


def row(what: str, ours: Result, other: Result, least: float) -> list[str]:
    """A promise about two results."""
    found = ratio(ours.values, other.values)
    figure = f"{'~' if found.noisy else ''}{found.median:.2f} ({found.low:.2f}–{found.high:.2f}) {other.peer}"
    return [what, f"≥ {least:g}", figure, verdict(found.median, least)]


def promises(run: Run) -> Table:
    """What was promised on one thread."""
    found, rows, level = by_case([each for each in run.results if each.threads == 1]), [], []
    for (_, name, label, _), peers in found.items():
        there = {key: each for key, each in peers.items() if not each.failed}
        rivals = {key: each for key, each in there.items() if key not in (OURS, *FLOATS)}
        if OURS not in there or not rivals:
            continue
        ours, best = there[OURS], min(rivals.values(), key=lambda each: each.median)
        batch = ours.settings["rows"]
        if (name, batch) in PROMISED:
            rows.append(row(f"{name}, {label}: fastest int8 peer", ours, best, PROMISED[name, batch]))
            if batch >= MANY and OWN in there:
                rows.append(row(f"{name}, {label}: our float32", ours, there[OWN], OWN_SPEEDUP))
        elif "LiteRT int8" in there:
            level.append(ratio(ours.values, there["LiteRT int8"].values).median >= LEVEL)
    if level:
        count = sum(level)
        what = f"MLPerf Tiny, batch 1: level with LiteRT, of {len(level)}"
        rows.append([what, f"≥ {MOST_OF_FIVE}", str(count), verdict(count, MOST_OF_FIVE)])
    return Table("Promised", ["what", "promised", "measured", ""], rows)


def overviews(run: Run) -> list[Table]:
    """All that was measured."""
    made = [speeds(run, threads) for threads in dict.fromkeys(each.threads for each in run.results)]
    return [table for table in (*made, promises(run), tables.failures(run)) if table.rows]


def run(options: argparse.Namespace) -> None:
    """Measure what is missing, then print everything."""
    for given, name in ((options.data, "TINYTENSOR_DATA"), (options.folder, "TINYTENSOR_AD01")):
        if given:
            os.environ[name] = str(Path(given).resolve())
    threads = options.threads or [1]
    effort = Effort(5, 0.008) if options.quick else Effort(15, 0.02, 3)
    folder = options.out or Path(FOLDER) / f"int8-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    left_out = {peer.name: why for peer in PEERS if (why := absent(peer))}
    there = [peer for peer in PEERS if peer.name not in left_out]
    left_out |= {name: why for name in networks.FILES if (why := networks.missing(name))}
    command = ["python", "-m", "benchmarks.int8", "--threads", ",".join(map(str, threads))]
    made = resumed(
        new_run(command + ["--quick"] * options.quick, there, left_out, threads, options.quick), folder
    )
    plan = [(int8.SUITE, int8.cases(options.quick, threads))]
    with contextlib.suppress(KeyboardInterrupt):  # what there is, is shown
        collect(made, plan, there, effort, folder)
    path = save(made, folder)
    for table in overviews(made):
        report.put(table)
    report.put(Table("The run", ["what", "is"], report.facts(made)))
    print(f"written: {path}")


def main(arguments: list[str] | None = None) -> int:
    """Parse and run; a mistake of the user's is one line and status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.int8", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, in four minutes")
    parser.add_argument("--threads", type=threads_list, metavar="1,2", help="default: 1")
    parser.add_argument("--data", metavar="DIR", help="a folder with MNIST's IDX files")
    parser.add_argument("--folder", metavar="DIR", help="a folder with the files of MLPerf Tiny")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"default: {FOLDER}/int8-DATE-TIME")
    with contextlib.suppress(KeyboardInterrupt):
        try:
            run(parser.parse_args(arguments))
        except TinyTensorError as error:
            print(f"python -m benchmarks.int8: {error}", file=sys.stderr)
            return 2
        return 0
    return 130


if __name__ == "__main__":
    sys.exit(main())
