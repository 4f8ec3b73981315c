"""Measure tinytensor against what you would pick instead, on your own machine."""

import argparse
import contextlib
import datetime
import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tinytensor as tt
from benchmarks import machine
from benchmarks.parser import Parser
from benchmarks.record import resumed, save
from tinytensor.commands.terminal import exit_status
from tinytensor.errors import ArgumentError, require

__all__ = ["add_arguments", "collect", "main", "new_run", "progress", "run"]

FOLDER = "benchmark-results"


def threads_list(text: str) -> list[int]:
    """Comma-separated numbers from 1 to that of the cores."""
    parts, most = text.split(","), machine.usable_cores()
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= most for part in parts):
        raise argparse.ArgumentTypeError(
            f"expected numbers from 1 to {most}, this machine's cores, with commas, as 1,2, got {text!r}"
        )
    return sorted({int(part) for part in parts})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each suite, `all`, `report` and `compare`; none lists them."""
    from benchmarks.suites import SUITES

    parser.set_defaults(action=list_suites)
    subparsers = parser.add_subparsers(title="suites and reports", metavar="WHAT")
    about = {name: suite.about for name, suite in SUITES.items()} | {
        "all": "all of these, one after the other"
    }
    for name, text in about.items():
        suite = subparsers.add_parser(name, help=text, description=f"{name}: {text}", allow_abbrev=False)
        suite.set_defaults(action=measure, suites=list(SUITES) if name == "all" else [name])
        suite.add_argument("--quick", action="store_true", help="few cases and rounds: shows that it works")
        suite.add_argument("--threads", type=threads_list, metavar="1,2", help="default: 1 and all cores")
        suite.add_argument("--peers", metavar="A,B", help="only these; tinytensor always takes part")
        suite.add_argument("--data", metavar="DIR", help="a folder with MNIST's IDX files")
        suite.add_argument("--folder", metavar="DIR", help="a folder with ad01.h5 of MLPerf Tiny")
        suite.add_argument(
            "--out",
            type=Path,
            metavar="DIR",
            help=f"default: {FOLDER}/DATE-TIME; an unfinished run there goes on",
        )
    report = subparsers.add_parser("report", help="draw a run's report again", allow_abbrev=False)
    report.set_defaults(action=report_again)
    report.add_argument("folder", type=Path, metavar="DIR", help="where results.json is")
    compare = subparsers.add_parser(
        "compare", help="what changed; status 1 if slower beyond the noise", allow_abbrev=False
    )
    compare.set_defaults(action=compare_runs)
    compare.add_argument("old", type=Path, metavar="A", help="a folder with results.json")
    compare.add_argument("new", type=Path, metavar="B", help="another, of a later run")


def list_suites(args: argparse.Namespace) -> int:
    """What there is to run."""
    from benchmarks.suites import SUITES

    width = max(map(len, SUITES))
    print(*(f"{name:{width}}  {suite.about}" for name, suite in SUITES.items()), sep="\n")
    print(
        f"{'all':{width}}  all of these\n\nas in: python -m benchmarks mnist --quick --threads 1,2 --out DIR"
    )
    return 0


def chosen_peers(names: str | None, quick: bool) -> tuple[list[Any], dict[str, str]]:
    """Who takes part, and who does not, and why."""
    from benchmarks.peers import PEERS, absent

    wanted = [name.strip().lower() for name in names.split(",")] if names else []
    unknown = set(wanted) - {name.lower() for name in PEERS}
    if unknown:
        raise ArgumentError(f"--peers: no {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    taking, left_out = [], {}
    for name, peer in PEERS.items():
        if wanted and name.lower() not in wanted and name != "tinytensor":
            continue
        why = absent(peer) or (
            "too slow to start for --quick; name it in --peers" * (quick and peer.slow and not wanted)
        )
        if why:
            left_out[name] = why
        else:
            taking.append(peer)
    return taking, left_out


def measure(args: argparse.Namespace) -> int:
    """Run suites and report them."""
    from benchmarks import report
    from benchmarks.record import load

    require("rich", "bench"), require("matplotlib", "bench")
    use_folders(args)
    peers, left_out = chosen_peers(args.peers, args.quick)
    for name, why in left_out.items():
        print(f"left out: {name}: {why}", file=sys.stderr)
    folder = args.out or Path(FOLDER) / datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    made, path = measured_run(args, peers, left_out, folder)
    made = load(path)  # rounded as in the file, so that `report` redraws the same
    written = [path, *report.write(made, folder)]
    report.show(made)
    print("written:", *written, sep="\n  ")
    return 0


def use_folders(args: argparse.Namespace) -> None:
    """Tell this process and the workers where the data are."""
    for given, name in ((args.data, "TINYTENSOR_DATA"), (args.folder, "TINYTENSOR_AD01")):
        if given:
            os.environ[name] = str(Path(given).resolve())


def measured_run(
    args: argparse.Namespace, peers: list[Any], left_out: dict[str, str], folder: Path
) -> tuple[Any, Path]:
    """All suites of a run, kept in the folder; the run and its file."""
    from benchmarks.case import Effort
    from benchmarks.suites import SUITES

    threads = args.threads or ([1] if args.quick else sorted({1, machine.usable_cores()}))
    made = new_run(command_line(args, threads), peers, left_out, threads, args.quick)
    plan = [(SUITES[name], SUITES[name].cases(args.quick, threads)) for name in args.suites]
    made = resumed(made, folder)
    effort = Effort(3, 0.004) if args.quick else Effort(7, 0.016, 2)
    with contextlib.suppress(KeyboardInterrupt):  # what there is, is reported
        collect(made, plan, peers, effort, folder)
    made.results.sort(key=lambda result: args.suites.index(result.suite))
    for count, again in roofs(threads).items():  # what a neighbour took from the first try
        made.roofline[count] = {name: max(best, again[name]) for name, best in made.roofline[count].items()}
    return made, save(made, folder)


def collect(made: Any, plan: list[Any], peers: list[Any], effort: Any, folder: Path) -> None:
    """Measure what the run lacks, with a bar and the time left; its file is written after every case."""
    from benchmarks.interleave import measured, takers

    done = {result.key for result in made.results}
    plan = [(suite, [case for case in cases if case.key not in done]) for suite, cases in plan]
    total = sum(len(takers(suite, case, peers)) for suite, cases in plan for case in cases)
    begin = time.monotonic() - made.seconds
    with progress(total) as step:
        for _, results in itertools.groupby(measured(plan, peers, effort, step), lambda each: each.key):
            made.results += results
            made.seconds = time.monotonic() - begin
            save(made, folder)


def roofs(threads: list[int]) -> dict[str, dict[str, float]]:
    """The machine's measured limits for each number of threads."""
    from benchmarks import roofline
    from benchmarks.workers import Worker, cores

    found = {}
    for count in threads:
        worker = Worker(None, count, cores(count))
        try:
            found[str(count)] = worker.ask(120, roofline.measure, count)
        finally:
            worker.close()
    return found


def new_run(
    command: list[str], peers: list[Any], left_out: dict[str, str], threads: list[int], quick: bool
) -> Any:
    """A run without results: the machine, its state, the versions."""
    from benchmarks.networks import NETWORKS, digits, missing
    from benchmarks.peers import package
    from benchmarks.record import Run

    absent = {network.name: why for network in NETWORKS if (why := missing(network))}
    test_set = bool(os.environ.get("TINYTENSOR_DATA"))
    return Run(
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        quick=quick,
        tinytensor=tt.__version__,
        commit=machine.commit(),
        digits=f"{len(digits()):,} of MNIST's {'test' if test_set else 'training'} set",
        machine=machine.machine(),
        packages=machine.packages(),
        peers={peer.name: package(peer) for peer in peers},
        left_out=left_out | absent,
        roofline=roofs(threads),
    )


@contextlib.contextmanager
def progress(total: int) -> Iterator[Any]:
    """A bar on stderr with the time left; gives the function that tells it of a step."""
    rich = require("rich.progress", "bench")
    columns = (rich.TextColumn("{task.description:70}"), rich.BarColumn(20), rich.TaskProgressColumn(),
               rich.TimeElapsedColumn(), rich.TextColumn("left:"), rich.TimeRemainingColumn())  # fmt: skip
    console = require("rich.console", "bench").Console(stderr=True)
    done = 0
    with rich.Progress(*columns, console=console, speed_estimate_period=300) as bar:
        task = bar.add_task("", total=total)

        def step(case: Any, peer: str) -> None:
            nonlocal done
            done += 1
            text = f"{case.suite}: {case.group}, {case.label}: {peer}"
            bar.update(task, advance=1, description=text[:70])
            if not console.is_terminal and 20 * done // total > 20 * (done - 1) // total:
                print(f"{done / total:4.0%}  {text}", file=sys.stderr, flush=True)

        yield step


def report_again(args: argparse.Namespace) -> int:
    """Redraw a run's report from its results."""
    from benchmarks import report
    from benchmarks.record import load

    made = load(args.folder)
    folder = args.folder if args.folder.is_dir() else args.folder.parent
    written = report.write(made, folder)
    report.show(made)
    print("written:", *written, sep="\n  ")
    return 0


def compare_runs(args: argparse.Namespace) -> int:
    """What changed between two runs; 1 if something is slower beyond the noise."""
    from benchmarks import compare, report
    from benchmarks.record import load

    old, new = load(args.old), load(args.new)
    found = compare.changes(old, new)
    report.put(compare.table(old, new, found))
    return int(bool(compare.regressions(found)))


def command_line(args: argparse.Namespace, threads: list[int]) -> list[str]:
    """What repeats the run, without the names of this machine's folders."""
    what = args.suites[0] if len(args.suites) == 1 else "all"
    line = ["python", "-m", "benchmarks", what, "--threads", ",".join(map(str, threads))]
    return line + ["--quick"] * args.quick + (["--peers", args.peers] if args.peers else [])


def run(args: argparse.Namespace) -> int:
    """What the parsed arguments ask for; returns the exit status."""
    status: int = args.action(args)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; what the user can have caused is one line on stderr and status 2."""
    parser = Parser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    add_arguments(parser)
    return exit_status("python -m benchmarks", lambda: run(parser.parse_args(arguments)))
