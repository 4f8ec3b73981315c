"""The tests on other Pythons and versions: `python -m benchmarks.campaign.pythons --python PATH … --out DIR`.

For each interpreter, a new environment gets the wheel and its extra `test`, in the newest versions
that there are, or with --lowest in the lowest that `pyproject.toml` allows. The tests are those of the sdist,
whose package is the wheel's (the campaign's check `wheel` compares them). DIR/pythons.md has a row for each.
An environment takes 1 GB, and its tests 13 minutes on two cores.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.campaign.outcome import table
from benchmarks.campaign.scripts import ROOT
from benchmarks.campaign.wheel import build

NAMED = ("numpy", "numba", "llvmlite", "safetensors")
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
REQUIREMENT = re.compile(r"([\w.-]+)(\[[\w,-]*\])?>=([\w.]+)")
VERSIONS = f"""
import json, platform
from importlib.metadata import version
print(json.dumps({{"python": platform.python_version()}} | {{name: version(name) for name in {NAMED}}}))
"""


def lowest() -> list[str]:
    """The lowest versions of what the package and its extra `test` name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras, wanted, found = project["optional-dependencies"], ["test"], list(project["dependencies"])
    while wanted:
        for each in extras[wanted.pop()]:
            if each.startswith(project["name"]):
                wanted += each.partition("[")[2].rstrip("]").split(",")
            else:
                found.append(each)
    matches = filter(None, map(REQUIREMENT.fullmatch, found))
    return sorted(
        {f"{name}{extras or ''}=={version}" for name, extras, version in map(re.Match.groups, matches)}
    )


def environment(python: str, wheel: Path, folder: Path, pins: list[str]) -> Path:
    """A new environment with the wheel; its interpreter."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    inside = folder / "venv" / "bin" / "python"
    command = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{wheel}[test]", *pins]
    subprocess.run(command, check=True)
    return inside


def row(python: str, pins: list[str], jobs: int, chosen: list[str]) -> dict[str, Any]:
    """The versions in an environment of this interpreter, and what came of the tests there."""
    with tempfile.TemporaryDirectory(prefix="pythons-") as name:
        folder = Path(name)
        (folder / "tree").mkdir()
        files = build(folder / "tree")
        shutil.unpack_archive(files[".gz"], folder / "sdist", filter="data")
        (tests,) = (folder / "sdist").iterdir()
        inside = environment(python, files[".whl"], folder, pins)
        found = json.loads(subprocess.run([inside, "-c", VERSIONS], check=True, capture_output=True).stdout)
        kept = os.environ | {"TINYTENSOR_CACHE": str(folder / "cache")}
        command = [inside, "-m", "pytest", "-q", "-n", str(jobs), "-p", "no:cacheprovider", *chosen]
        done = subprocess.run(command, cwd=tests, env=kept, stdout=subprocess.PIPE, text=True)
    print(done.stdout[-2000:], flush=True)
    return found | {"status": done.returncode} | outcomes(done.stdout.splitlines()[-1])


def outcomes(line: str) -> dict[str, int]:
    """What the last line of pytest counts."""
    return {what.removesuffix("s"): int(number) for number, what in COUNTS.findall(line)}


def main(arguments: list[str] | None = None) -> int:
    """Run the tests on each; the exit status is 1 if any failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign.pythons", description=__doc__)
    parser.add_argument("--python", nargs="+", default=[sys.executable], metavar="PATH", help="interpreters")
    parser.add_argument("--lowest", action="store_true", help="the lowest versions instead of the newest")
    parser.add_argument("--jobs", type=int, default=2, help="processes that run the tests")
    parser.add_argument("--out", type=Path, required=True, help="folder of pythons.md")
    parser.add_argument("tests", nargs="*", default=["tests"], help="files of tests, as for pytest")
    given = parser.parse_args(arguments)
    pins = lowest() if given.lowest else []
    rows = [row(python, pins, given.jobs, given.tests) for python in given.python]
    head = ["python", *NAMED, "passed", "failed", "error", "skipped"]
    cells = [[str(each.get(name, 0)) for name in head] for each in rows]
    given.out.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["# Pythons", "", *table(head, cells)]) + "\n"
    (given.out / "pythons.md").write_text(text, encoding="utf-8")
    print(text)
    return int(any(each["status"] for each in rows))


if __name__ == "__main__":
    sys.exit(main())
