"""The wheel and the sdist: built twice they have the same bytes, and what is installed of them works."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.campaign.outcome import Effort, Outcome
from benchmarks.campaign.scripts import ROOT

__all__ = ["wheel"]

EPOCH = "1577836800"  # 2020-01-01, the date of every file inside
CONTENT = ("tinytensor", "tests", "benchmarks", "docs", ".ci")
SMOKE = """
import numpy as np
import tinytensor as tt
images, labels = tt.datasets.mnist("sample")
assert tt.__file__.startswith({target!r}), tt.__file__
assert (tt.models.mnist_mlp().predict(images[:100]).argmax(1) == labels[:100]).mean() > 0.9
"""


def build(folder: Path) -> dict[str, Path]:
    """Copy the tree to the folder and build there; the files by their ending."""
    for name in CONTENT:
        ignore = shutil.ignore_patterns("__pycache__", "_build", "results")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore, copy_function=shutil.copyfile)
    for path in ROOT.iterdir():
        if path.is_file() and path.suffix in (".md", ".toml", ".py", "") and path.name != ".git":
            shutil.copyfile(path, folder / path.name)
    command = [sys.executable, "-m", "hatchling", "build", "-d", "out"]
    subprocess.run(
        command, cwd=folder, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH}, check=True, capture_output=True
    )
    return {path.suffix: path for path in (folder / "out").iterdir()}


def wheel(effort: Effort) -> Outcome:
    """Build twice, compare, install, run."""
    outcome = Outcome()
    if importlib.util.find_spec("hatchling") is None:
        outcome.left_out.append("wheels: hatchling is not installed (pip install hatchling)")
        return outcome
    built = []
    for name in ("first", "second"):
        (effort.scratch / name).mkdir()
        built.append(build(effort.scratch / name))
    for suffix in sorted(built[0]):
        count = outcome.count(f"{built[0][suffix].name} built twice: the same bytes")
        digests = [hashlib.sha256(each[suffix].read_bytes()).hexdigest() for each in built]
        count.add(digests[0] == digests[1], " and ".join(digests))
        count.note = count.note or f"SHA-256 {digests[0][:16]}…"
    for suffix in sorted(built[0]):
        count, target = outcome.count(f"installed from {suffix}"), effort.scratch / f"installed{suffix}"
        command = [
            sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
            "--target", str(target), str(built[0][suffix]),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            count.add(False, done.stderr[-300:])
            continue
        script = SMOKE.format(target=str(target))
        path = {"PYTHONPATH": str(target)}
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=effort.scratch, env=os.environ | path, capture_output=True,
            text=True,
        )  # fmt: skip
        count.add(done.returncode == 0, done.stderr[-300:])
    return outcome
