"""Mutation testing by cosmic-ray: `python -m benchmarks.campaign.mutants --out DIR [MODULE …] [--most N]`.

Of each module at most N mutants, drawn at random, are made one after the other in a copy of the tree, and
the tests of that module run until the first fails. Without modules, all of `TESTS` are tried; compiled
kernels are left to the planted faults (`benchmarks.campaign.faults`). Results are kept in DIR/mutants.json
and DIR/mutants.md; while a module's source is the same, only what survived and is not explained, and what was
not tried, is tried again. `equivalents` says of survivors why they change nothing that is promised. The exit
status is 1 if less than 95% of the others are caught.
"""

import argparse
import compileall
import contextlib
import difflib
import functools
import hashlib
import importlib
import json
import os
import py_compile
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.campaign.equivalents import reason
from benchmarks.campaign.faults import ROOT, WANTED, copied
from benchmarks.campaign.mutant_tests import TESTS
from benchmarks.campaign.outcome import table

CONFIG = """[cosmic-ray]
module-path = "tinytensor/{module}"
timeout = 1.0
excluded-modules = []
test-command = ""

[cosmic-ray.distributor]
name = "local"
"""
PRELOADED = ("hypothesis", "numpy", "onnx", "h5py", "tflite", "torch")  # tests need not import them again
MEMORY = 6 << 30  # bytes of data; without a limit, a mutant that reads a length wrongly takes all there is


def mutants(folder: Path, module: str) -> dict[str, Any]:
    """All mutants of a module that cosmic-ray can make, by what they are, in a random order."""
    from cosmic_ray.work_db import WorkDB, use_db

    (folder / "config.toml").write_text(CONFIG.format(module=module))
    command = [sys.executable, "-m", "cosmic_ray.cli", "init", "config.toml", "session"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    with use_db(folder / "session", WorkDB.Mode.open) as database:
        found = {repr(item.mutations): item.mutations for item in database.pending_work_items}
    random.Random(module).shuffle(keys := sorted(found))
    return {key: found[key] for key in keys}


def change(diff: str) -> str:
    """The lines that a mutant takes away and adds, without their indentation."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    return " → ".join(
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)).strip() or "(nothing)"
        for sign in "-+"
    )


def is_equivalent(module: str, diff: str) -> bool:
    return reason(module, change(diff)) is not None


def passes(folder: Path, files: list[str], seconds: float, processor: int) -> bool:
    """Whether tests pass there, in a child of this process, which has imported what they need.

    They may take `seconds`, and each of their processes `processor` seconds of CPU time and `MEMORY`.
    """
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONPATH": str(folder), "HYPOTHESIS_PROFILE": "mutants"}
        os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--assert=plain", *files]))
    end = time.monotonic() + seconds
    while not (waited := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    status = os.waitstatus_to_exitcode(waited[1])
    return status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)  # a module without examples


def survives(folder: Path, intact: Path, module: str) -> bool:
    """Whether all tests of a module pass in a tree: the first file alone, then, if need be, the others."""
    first, *others = TESTS[module].split()
    return all(
        passes(folder, files, *limit(intact, *files))
        for files in ([first], [*others, f"tinytensor/{module}"])
    )


@functools.cache
def limit(intact: Path, *files: str) -> tuple[float, int]:
    """Seconds, also of CPU time, that tests may take; a mutant that makes them hang is caught."""
    begin, used = time.monotonic(), children_seconds()
    if not passes(intact, list(files), 1800, 1800):
        raise SystemExit(f"tests fail without a mutant: {files}")
    return 60 + 10 * (time.monotonic() - begin), int(20 + 4 * (children_seconds() - used))


def children_seconds() -> float:
    """CPU time of the children of this process that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def compiled(folder: Path) -> Path:
    """The folder, a copy of the tree with bytecode that is checked against its source, whatever its date."""
    folder.mkdir()
    copied(folder)
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(folder, quiet=2, invalidation_mode=checked)
    return folder


def tried(module: str, most: int, before: dict[str, Any], folder: Path, intact: Path) -> dict[str, Any]:
    """How many mutants of a module its tests catch, and those that survive; `before` is what is known.

    Mutants are made in `folder`, one at a time; `intact` has none.
    """
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator

    source = hashlib.sha256((ROOT / "tinytensor" / module).read_bytes()).hexdigest()[:12]
    before = before if before.get("source") == source else {"tried": 0, "survived": {}}
    survived = {key: diff for key, diff in before["survived"].items() if is_equivalent(module, diff)}
    again = before["survived"].keys() - survived.keys()
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        (Path(name) / "tinytensor").symlink_to(intact / "tinytensor")
        found = mutants(Path(name), module)
    number = max(min(most, len(found)), before["tried"])
    for i, (key, (mutation,)) in enumerate(found.items()):
        if key in again or before["tried"] <= i < number:
            operator = get_operator(mutation.operator_name)(**mutation.operator_args)
            with use_mutation(folder / "tinytensor" / module, operator, mutation.occurrence) as (old, new):
                if survives(folder, intact, module):
                    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="")
                    survived[key] = "\n".join(lines)
                    print(f"  survivor: {change(survived[key])}", flush=True)
    return {"source": source, "mutants": len(found), "tried": number, "survived": survived}


def counts(module: str, found: dict[str, Any]) -> list[int]:
    """Of a module: mutants, tried, equivalent, caught, not caught."""
    equivalent = sum(is_equivalent(module, diff) for diff in found["survived"].values())
    survived = len(found["survived"])
    return [found["mutants"], found["tried"], equivalent, found["tried"] - survived, survived - equivalent]


def report(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: counts for each module, then the survivors."""
    rows = {name: counts(name, each) for name, each in found.items()}
    total = [sum(column) for column in zip(*rows.values(), strict=True)]
    real = total[1] - total[2]
    said = f"{len(rows)} modules; {total[3]} of {real} mutants that are not equivalent are caught"
    lines = ["# Mutants", "", "`python -m benchmarks.campaign.mutants --out DIR`", ""]
    lines += [f"{said} ({100 * total[3] / max(1, real):.1f}%).", ""]
    body = [[name, *map(str, each)] for name, each in (rows | {"**all**": total}).items()]
    lines += [*table(["module", "mutants", "tried", "equivalent", "caught", "not caught"], body), ""]
    for title, wanted in (("Not caught", False), ("Equivalent: nothing that is promised changes", True)):
        survivors = [
            [name, f"`{change(diff)}`", reason(name, change(diff)) or ""]
            for name, each in found.items()
            for diff in each["survived"].values()
            if is_equivalent(name, diff) is wanted
        ]
        if survivors:
            lines += [f"## {title}", "", *table(["module", "survivor", "why"], survivors), ""]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Try modules; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--most", type=int, default=12, help="mutants of a module")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    if unknown := [each for each in given.modules if each not in TESTS]:
        parser.error(f"no module {', '.join(unknown)}; there are {', '.join(TESTS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / "mutants.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        trees = compiled(Path(name) / "mutant"), compiled(Path(name) / "intact")
        for module in given.modules or TESTS:
            found[module] = tried(module, given.most, found.get(module, {}), *trees)
            kept.write_text(json.dumps(found, indent=1) + "\n")
            (given.out / "mutants.md").write_text(report(found), encoding="utf-8")
            _, number, equivalent, caught, _ = counts(module, found[module])
            print(f"{module}: {caught} of {number - equivalent} caught", flush=True)
    sums = [sum(each) for each in zip(*(counts(name, each) for name, each in found.items()), strict=True)]
    return int(sums[3] < WANTED * (sums[1] - sums[2]))


if __name__ == "__main__":
    sys.exit(main())
