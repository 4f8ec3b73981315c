"""Every promise put to the test: `python -m benchmarks.campaign [--quick|--long] [--only NAME …] --out DIR`.

Each check runs in a process of its own, which must end well: a crash counts as wrong. Counts of what was
tried, right, refused and wrong go to DIR/campaign.json and DIR/campaign.md; with --only the other checks that
are there are kept. The exit status is 1 if anything was wrong. --quick, which CI runs, takes under five
minutes on two cores; --long takes some hours.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.campaign.checks import CHECKS
from benchmarks.campaign.outcome import Count, Effort, Outcome, save
from benchmarks.machine import commit, machine, packages

ROOT = Path(__file__).parents[2]
MOST_SECONDS = {"quick": 300, "long": 4 * 3600}  # of one check


def child(name: str, form: str, answer: Path) -> int:
    """Run one check in this process, and write what it found."""
    with tempfile.TemporaryDirectory(prefix=f"campaign-{name}-") as folder:
        outcome = CHECKS[name].run(Effort(form == "long", Path(folder)))
    answer.write_text(json.dumps(outcome.to_json()))
    return 0


def run(name: str, form: str) -> dict[str, Any]:
    """One check in a process of its own."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        command = [sys.executable, "-m", "benchmarks.campaign", f"--{form}", "--child", name, str(answer)]
        errors = Path(folder, "errors")
        with errors.open("wb") as stream:
            process = subprocess.Popen(command, cwd=ROOT, stderr=stream, start_new_session=True)
        try:
            status: int | str = process.wait(MOST_SECONDS[form])
        except subprocess.TimeoutExpired:
            status = f"no end within {MOST_SECONDS[form]} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if status == 0 and answer.exists():
            outcome = Outcome.from_json(json.loads(answer.read_text()))
        else:
            last = " ".join(errors.read_text(errors="replace").splitlines()[-3:])[-300:]
            outcome = Outcome([Count("the check ends", wrong=1, note=f"status {status}: {last}")])
    return outcome.to_json() | {
        "form": form,
        "seconds": round(time.monotonic() - begin, 1),
        "commit": commit(),
    }


def kept(folder: Path) -> dict[str, dict[str, Any]]:
    """What an earlier run found."""
    try:
        found = json.loads((folder / "campaign.json").read_text(encoding="utf-8"))["checks"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: each for name, each in found.items() if name in CHECKS}


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=__doc__)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", action="store_const", const="quick", dest="form", default="quick")
    form.add_argument("--long", action="store_const", const="long", dest="form")
    parser.add_argument("--only", nargs="+", choices=CHECKS, metavar="NAME", help=", ".join(CHECKS))
    parser.add_argument("--jobs", type=int, default=1, help="checks that run at a time")
    parser.add_argument("--out", type=Path, help="folder of campaign.json and campaign.md")
    parser.add_argument("--child", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        return child(given.child[0], given.form, Path(given.child[1]))
    if given.out is None:
        parser.error("--out DIR: expected a folder for the results")
    found = kept(given.out) if given.only else {}
    host = machine()
    facts = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "CPU": host["cpu"],
        "cores": host["cores_usable"], "system": host["system"], "Python": host["python"], **packages(),
    }  # fmt: skip
    titles, wrong = {name: check.title for name, check in CHECKS.items()}, 0
    pool = ThreadPoolExecutor(given.jobs)
    names = given.only or list(CHECKS)
    for name, result in zip(names, pool.map(lambda name: run(name, given.form), names), strict=True):
        found[name] = result
        outcome = Outcome.from_json(found[name])
        wrong += outcome.wrong
        tried, refused = (sum(getattr(e, which) for e in outcome.counts) for which in ("tried", "refused"))
        seconds = found[name]["seconds"]
        print(
            f"{name}: {tried:,} tried, {refused:,} refused, {outcome.wrong:,} wrong, {seconds:.0f} s",
            flush=True,
        )
        for each in outcome.counts:
            if each.wrong:
                print(f"  {each.what}: {each.wrong:,} of {each.tried:,} wrong: {each.note}", flush=True)
        save(given.out, facts, {key: found[key] for key in CHECKS if key in found}, titles)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
