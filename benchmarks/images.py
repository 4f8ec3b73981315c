"""Networks of images against other libraries: `python -m benchmarks.images [tiny|cnn] [--quick]`.

`tiny` are the five reference networks of MLPerf Tiny, `cnn` the course's SimpleConvNet, the packaged
mnist_cnn and two 3×3 convolutions. Prints the ratios to every peer, the share of the rate of FMAs and peak
memory.
"""

import argparse
import contextlib
import datetime
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import charts, report, tables
from benchmarks import image_networks as networks
from benchmarks.case import Effort, Result
from benchmarks.command import FOLDER, collect, new_run, threads_list
from benchmarks.figures import FIGURES, OURS, by_case, fastest
from benchmarks.image_charts import CHARTS
from benchmarks.image_peers import ADAPTERS
from benchmarks.machine import usable_cores
from benchmarks.peers import PEERS, absent
from benchmarks.record import Run, resumed, save
from benchmarks.suites import SUITES
from benchmarks.tables import Table
from benchmarks.workers import environment
from tinytensor.errors import TinyTensorError

NAMES = {"tiny": networks.TINY, "cnn": networks.CNN}
STREAMED, QUICK_STREAMED = 10_000, 1_000  # images of 96×96×3
LIMIT = 200.0  # MB of working memory for them

STREAM = """
import sys, threading, time
import numpy as np
import tinytensor as tt

def resident():
    status = open("/proc/self/status").read()
    return [int(status.partition(name)[2].split()[0]) / 1000 for name in ("RssAnon:", "VmRSS:")]

def watch():
    global peak
    while not done:
        peak = np.maximum(peak, resident())
        time.sleep(0.002)

model = tt.load(sys.argv[1])
x = np.memmap(sys.argv[2], np.float32, "r").reshape(-1, 96, 96, 3)
out = np.memmap(sys.argv[3], np.float32, "w+", shape=(len(x), 2))
begin = peak = np.array(resident())
done = False
watcher = threading.Thread(target=watch)
watcher.start()
clock = time.perf_counter()
model.predict(x, out=out)
clock = time.perf_counter() - clock
done = True
watcher.join()
print(*(peak - begin), clock)
"""


def stream(count: int) -> tuple[float, float, float]:
    """vww reads so many images of a memory map: MB of memory of its own, MB with the map's pages, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        with path.open("wb") as file:
            for _ in range(count // 100):
                networks.images("vww", 100).tofile(file)
        files = [str(networks.folder() / networks.TINY["vww"].keras), str(path), str(Path(folder, "y"))]
        done = subprocess.run(
            [sys.executable, "-c", STREAM, *files], env=environment(usable_cores()),
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    own, resident, took = map(float, done.stdout.split())
    return own, resident, took


def streamed(count: int) -> Table:
    """What the images took, against the promise."""
    own, resident, took = stream(count)
    what = f"{count:,} images of 96×96×3 of a memory map through vww"
    verdict = "kept" if own <= LIMIT else "missed"
    rows = [
        [f"{what}: MB of anonymous memory", f"≤ {LIMIT:.0f}", f"{own:.1f}", verdict],
        [f"{what}: MB with the map's pages", "", f"{resident:.0f}", ""],
        [f"{what}: seconds on all cores", "", f"{took:.1f}", ""],
    ]
    return Table("Working memory", ["what", "promised", "measured", ""], rows)


def line(run: Run, peers: dict[str, Result], others: list[str]) -> list[str]:
    """Of one case: our time and share of the peak; the ratio to each peer, the fastest one marked."""
    ours, best = peers[OURS], fastest(peers)
    if ours.failed:
        return [tables.FAILED, *[""] * (1 + len(others))]
    made = [FIGURES["µs/row"](ours), tables.share_of_peak(run, ours)]
    for name in others:
        failed = name in peers and peers[name].failed
        ratio = tables.compared(peers, name) if name in peers and not failed else ""
        made.append(tables.FAILED if failed else tables.WIN * (name == best) + ratio)
    return made


def overview(run: Run, suite: str, threads: int) -> Table:
    """Every case of a suite with so many threads; the fastest peer of each stands out."""
    found = by_case([each for each in run.results if (each.suite, each.threads) == (suite, threads)])
    others = list(dict.fromkeys(name for peers in found.values() for name in peers if name != OURS))
    order = list(NAMES[suite])
    rows = [
        [f"{group}, {label.removeprefix('batch ')}", *line(run, peers, others)]
        for (_, group, label, _), peers in sorted(found.items(), key=lambda item: order.index(item[0][1]))
    ]
    title = f"{suite}, {threads} thread{'s' * (threads > 1)}: how many times as fast tinytensor is as each"
    return Table(title, ["network, batch", "µs/image", "of peak", *others], rows)


def memory(run: Run) -> Table:
    """The peak resident size of each peer's process at the largest batch of each network."""
    largest = {(each.suite, each.settings["network"]): each.key for each in run.results if each.threads == 1}
    cases = by_case(run.results)
    others = list(dict.fromkeys(each.peer for each in run.results))
    rows = []
    for (_, name), key in largest.items():
        cells = [
            FIGURES["peak memory"](cases[key][peer])
            if peer in cases[key] and not cases[key][peer].failed
            else ""
            for peer in others
        ]
        rows.append([f"{name}, {key[2]}", *cells])
    return Table("Peak resident size of the process, the library included", ["network", *others], rows)


def overviews(run: Run) -> list[Table]:
    """All that was measured."""
    pairs = dict.fromkeys((each.suite, each.threads) for each in run.results)
    made = [overview(run, *pair) for pair in pairs]
    return [table for table in (*made, memory(run), tables.failures(run)) if table.rows]


def run(options: argparse.Namespace) -> None:
    """Measure what is missing, then print everything."""
    if options.data:
        os.environ["TINYTENSOR_AD01"] = str(Path(options.data).resolve())
    suites = list(NAMES) if options.suite == "all" else [options.suite]
    threads = options.threads or ([1] if options.quick else sorted({1, usable_cores()}))
    effort = Effort(5, 0.008) if options.quick else Effort(9, 0.02, 3)
    folder = options.out or Path(FOLDER) / f"images-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    peers = [PEERS[name] for name in ADAPTERS]
    left_out = {peer.name: why for peer in peers if (why := absent(peer))}
    left_out |= {name: why for suite in suites for name in NAMES[suite] if (why := networks.missing(name))}
    there = [peer for peer in peers if peer.name not in left_out]
    command = ["python", "-m", "benchmarks.images", options.suite, "--threads", ",".join(map(str, threads))]
    command += ["--quick"] * options.quick
    made = resumed(new_run(command, there, left_out, threads, options.quick), folder)
    plan = [(SUITES[name], SUITES[name].cases(options.quick, threads)) for name in suites]
    with contextlib.suppress(KeyboardInterrupt):  # what there is, is shown
        collect(made, plan, there, effort, folder)
    path = save(made, folder)
    for table in overviews(made):
        report.put(table)
    if "tiny" in suites and not networks.missing("vww") and Path("/proc/self/status").exists():
        report.put(streamed(QUICK_STREAMED if options.quick else STREAMED))
    report.put(Table("The run", ["what", "is"], report.facts(made)))
    drawn = charts.draw(made, folder, CHARTS)
    print("written:", *(str(each) for each in (path, *(folder / name for name in drawn))))


def main(arguments: list[str] | None = None) -> int:
    """Parse and run; a mistake of the user's is one line and status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.images", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("suite", nargs="?", choices=[*NAMES, "all"], default="all", help="default: all")
    parser.add_argument("--quick", action="store_true", help="few rounds and large batches, in three minutes")
    parser.add_argument(
        "--threads", type=threads_list, metavar="1,2", help="default: 1, and all cores unless quick"
    )
    parser.add_argument("--data", metavar="DIR", help="a folder with the files of MLPerf Tiny")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"default: {FOLDER}/images-DATE-TIME")
    with contextlib.suppress(KeyboardInterrupt):
        try:
            run(parser.parse_args(arguments))
        except TinyTensorError as error:
            print(f"python -m benchmarks.images: {error}", file=sys.stderr)
            return 2
        return 0
    return 130


if __name__ == "__main__":
    sys.exit(main())
