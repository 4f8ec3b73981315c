"""Planted faults: `python -m benchmarks.campaign.faults --out DIR [--only NUMBER …]`.

Each fault of `fault_list` is made in a copy of the tree, and its tests run there until the first fails. A
fault of a kernel recompiles, with a cache of its own. Results are kept in DIR/faults.json and DIR/faults.md
after each fault, so that a run that was stopped goes on; a fault whose source changed is tried again. The
exit status is 1 if less than 95% are caught, or one that survives has no explanation.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.campaign.fault_list import FAULTS, Fault
from benchmarks.campaign.outcome import table

ROOT = Path(__file__).parents[2]
COPIED = ("tinytensor", "tests", "benchmarks", "docs", "conftest.py", "pyproject.toml")
SECONDS = 900  # of the tests of one fault; a fault that makes them hang is caught
WANTED = 0.95
SURVIVORS: dict[int, str] = {}  # by number, why the fault changes nothing that is promised


def key_of(fault: Fault) -> str:
    """What a kept result belongs to."""
    return hashlib.sha256(repr(fault).encode()).hexdigest()[:12]


def copied(folder: Path) -> None:
    """The tree, afresh."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "results", "_build")
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy(source, target)


def tests(folder: Path, files: tuple[str, ...], cache: Path | None) -> tuple[int | None, str]:
    """Run tests there; the status, None if they do not end, and the last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    if cache is not None:
        environment["TINYTENSOR_CACHE"] = str(cache)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, "no end"
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR", "Fatal"))]
    return process.returncode, (failed or output.splitlines() or [""])[-1]


@cache
def fail_anyway(files: tuple[str, ...]) -> str:
    """What these tests say that fail without a fault, if they do."""
    with tempfile.TemporaryDirectory(prefix="fault-") as name:
        copied(Path(name))
        status, why = tests(Path(name), files, None)
    return "" if status == 0 else why


def attempt(fault: Fault) -> dict[str, Any]:
    """Make the fault in a copy, and run its tests."""
    if why := fail_anyway(fault.tests):
        return {"status": "stale", "why": f"the tests fail without the fault: {why[:150]}"}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fault-") as name:
        folder = Path(name)
        copied(folder)
        path = folder / "tinytensor" / fault.file
        text = path.read_text(encoding="utf-8")
        if text.count(fault.old) != 1:
            return {"status": "stale", "why": f"the text stands there {text.count(fault.old)} times"}
        path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
        of_kernels = fault.file.startswith("kernels/")
        status, why = tests(folder, fault.tests, folder / "cache" if of_kernels else None)
    if status in (2, 3, 4, 5) and "test" not in why:
        return {"status": "stale", "why": f"pytest ended with {status}: {why[:200]}"}
    seconds = round(time.monotonic() - begin)
    return {"status": "survived" if status == 0 else "caught", "why": why[:200], "seconds": seconds}


def report(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: how many are caught, and by which test."""
    results = [(i, fault, found[key_of(fault)]) for i, fault in enumerate(FAULTS) if key_of(fault) in found]
    caught = sum(each["status"] == "caught" for _, _, each in results)
    rows = [
        [str(i), f"`{fault.file}`", f"`{one_line(fault.old)}` → `{one_line(fault.new)}`", each["status"],
         SURVIVORS.get(i, each["why"]) if each["status"] == "survived" else each["why"]]
        for i, fault, each in results
    ]  # fmt: skip
    head = ["#", "file", "fault", "result", "by which test, or why not"]
    lines = ["# Planted faults", "", f"{caught} of {len(results)} are caught.", "", *table(head, rows)]
    return "\n".join(lines) + "\n"


def one_line(text: str) -> str:
    return " ".join(text.split()) or "(nothing)"


def main(arguments: list[str] | None = None) -> int:
    """Try the faults; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign.faults", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", type=int, nargs="+", default=list(range(len(FAULTS))))
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / "faults.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for i in given.only:
        fault = FAULTS[i]
        if found.get(key_of(fault), {"status": "stale"})["status"] == "stale":
            found[key_of(fault)] = attempt(fault)
            kept.write_text(json.dumps(found, indent=1) + "\n")
            (given.out / "faults.md").write_text(report(found), encoding="utf-8")
        result = found[key_of(fault)]
        print(f"{i} {fault.file}: {result['status']}: {result['why']}", flush=True)
    statuses = {i: found[key_of(FAULTS[i])]["status"] for i in given.only}
    survivors = {i for i, status in statuses.items() if status != "caught"}
    return int(len(survivors) > (1 - WANTED) * len(statuses) or not survivors <= SURVIVORS.keys())


if __name__ == "__main__":
    sys.exit(main())
