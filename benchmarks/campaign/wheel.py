"""The wheel and the sdist: built twice they have the same bytes, and what is installed of them works.

The wheel has every file of the package and nothing else, and is the same whether it is built from the tree or
from the sdist, which is what an installer does that finds no wheel.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from benchmarks.campaign.outcome import Effort, Outcome
from benchmarks.campaign.scripts import ROOT

__all__ = ["build", "wheel"]

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
    return built(folder, "sdist", "wheel")


def built(folder: Path, *targets: str) -> dict[str, Path]:
    """Build what stands in the folder; the files by their ending."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", "out"]
    command += [argument for target in targets for argument in ("-t", target)]
    subprocess.run(
        command, cwd=folder, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH}, check=True, capture_output=True
    )
    return {path.suffix: path for path in (folder / "out").iterdir()}


def digest(path: Path) -> str:
    """Of all its bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same_from_sdist(outcome: Outcome, files: dict[str, Path], folder: Path) -> None:
    """Build a wheel of what the sdist holds."""
    shutil.unpack_archive(files[".gz"], folder, filter="data")
    (source,) = folder.iterdir()
    digests = [digest(files[".whl"]), digest(built(source, "wheel")[".whl"])]
    outcome.count("the wheel of the sdist: the same bytes as the tree's").add(
        digests[0] == digests[1], " and ".join(digests)
    )


def complete(outcome: Outcome, path: Path) -> None:
    """Compare the wheel's files with the package's."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    files = [each for each in (ROOT / "tinytensor").rglob("*") if each.is_file()]
    wanted = {str(each.relative_to(ROOT)): each.read_bytes() for each in files if each.suffix != ".pyc"}
    differ = sorted(name for name in held | wanted if held.get(name) != wanted.get(name))
    count = outcome.count("the wheel holds the package's files, data included, and nothing else")
    count.add(not differ, f"{len(differ)} differ: {differ[:5]}")
    count.note = count.note or f"{len(held)} files"


def wheel(effort: Effort) -> Outcome:
    """Build twice and of the sdist, compare, install, run."""
    outcome = Outcome()
    if importlib.util.find_spec("hatchling") is None:
        outcome.left_out.append("wheels: hatchling is not installed (pip install hatchling)")
        return outcome
    folders = [effort.scratch / name for name in ("first", "second", "sdist")]
    for each in folders:
        each.mkdir()
    first, second = map(build, folders[:2])
    for suffix in sorted(first):
        count = outcome.count(f"{first[suffix].name} built twice: the same bytes")
        digests = [digest(files[suffix]) for files in (first, second)]
        count.add(digests[0] == digests[1], " and ".join(digests))
        count.note = count.note or f"SHA-256 {digests[0][:16]}…"
    same_from_sdist(outcome, first, folders[2])
    complete(outcome, first[".whl"])
    for suffix in sorted(first):
        count, target = outcome.count(f"installed from {suffix}"), effort.scratch / f"installed{suffix}"
        command = [
            sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
            "--target", str(target), str(first[suffix]),
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
