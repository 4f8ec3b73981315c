"""Files: killed while saving, changed while read, damaged at random and guided by coverage."""

import importlib.util
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.campaign.outcome import Effort, Outcome
from benchmarks.campaign.scripts import ROOT

__all__ = ["files", "guided"]

SAVER = """
import sys
import tinytensor as tt
models = [tt.Sequential(tt.Linear(300, 200, seed=seed)) for seed in (0, 1)]
models[0].save(sys.argv[1])
print("ready", flush=True)
while True:
    for model in models:
        model.save(sys.argv[1])
"""


def states() -> list[dict[str, Any]]:
    """The parameters of the two models that are saved in turn."""
    return [tt.Sequential(tt.Linear(300, 200, seed=seed)).state_dict() for seed in (0, 1)]


def is_one_of(model: Any, several: list[dict[str, Any]]) -> bool:
    """Whether a model's parameters are those of one of several, whole."""
    values = list(model.state_dict().values())
    return any(
        len(values) == len(each) and all(map(np.array_equal, values, each.values())) for each in several
    )


def suffixes() -> list[str]:
    """Formats that can be written here."""
    return [".safetensors", ".npz"] + [".onnx"] * (importlib.util.find_spec("onnx") is not None)


def killed(outcome: Outcome, folder: Path, times: int) -> None:
    """SIGKILL at a random moment of a save: the file is one of the two, whole."""
    expected, rng = states(), random.Random(0)
    for suffix in suffixes():
        count, path = outcome.count(f"killed while saving {suffix}"), folder / f"model{suffix}"
        for _ in range(times):
            command = [sys.executable, "-c", SAVER, str(path)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
            process.communicate()
            try:
                count.add(is_one_of(tt.load(path), expected), "another model")
            except tt.TinyTensorError as error:
                count.add(False, str(error))
        left = list(folder.glob(".tinytensor-*.tmp"))
        count.note = count.note or f"{len(left)} temporary files left by {times} kills"
        for each in left:
            each.unlink()


def changed(outcome: Outcome, folder: Path, times: int) -> None:
    """Another thread overwrites the file in place: what is read is one of the two, or refused."""
    expected = states()
    for suffix in suffixes():
        count, path = outcome.count(f"changed while read, {suffix}"), folder / f"changing{suffix}"
        contents = []
        for seed in (0, 1):
            tt.Sequential(tt.Linear(300, 200, seed=seed)).save(path)
            contents.append(path.read_bytes())
        done = threading.Event()
        writer = threading.Thread(target=overwrite, args=(path, contents, done))
        writer.start()
        mixed = 0
        for _ in range(times):
            try:
                whole = is_one_of(tt.load(path), expected)
            except (tt.TinyTensorError, OSError):
                count.refused += 1
                continue
            mixed += not whole
            # ONNX has no checksums: parameters of two models in one file cannot be told from a third's
            count.add(whole or suffix == ".onnx", "a mixture of two models")
        done.set()
        writer.join()
        count.note = count.note or (f"{mixed} mixtures, which this format cannot tell" if mixed else "")


def overwrite(path: Path, contents: list[bytes], done: threading.Event) -> None:
    """Write, cut and lengthen a file in place, in pieces."""
    rng, i = random.Random(1), 0
    while not done.is_set():
        content = contents[i % 2]
        with open(path, "r+b", buffering=0) as file:
            if rng.random() < 0.3:
                file.truncate(rng.randrange(len(content)))
            for start in range(0, len(content), 1 << 15):
                file.seek(start)
                file.write(content[start : start + (1 << 15)])
        i += 1
        time.sleep(rng.uniform(0, 0.002))


def files(effort: Effort) -> Outcome:
    """Kills, changes, and random damage to every format."""
    outcome = Outcome()
    killed(outcome, effort.scratch, effort.of(5, 100))
    changed(outcome, effort.scratch, effort.of(100, 5000))
    if sys.platform != "linux":
        outcome.left_out.append("random damage: limits of memory are those of Linux")
        return outcome
    from tests.io.fuzz import campaign

    tried = effort.of(2000, 50_000)
    found = campaign(tried, seed=int(time.time()), workers=effort.of(1, 2))
    count = outcome.count("files with random damage")
    count.right, count.wrong = found["loaded"], found["wrong"] + len(found["died"])
    count.refused = tried - count.right - count.wrong
    count.note = (
        f"at most {found['longest']:.1f} s and {found['grown'] / 2**20:.0f} MiB a file; {found['died'][:2]}"
    )
    return outcome


def guided(effort: Effort) -> Outcome:
    """All loaders under atheris, each for a bounded time."""
    from benchmarks.campaign.guided import FORMATS

    outcome, seconds = Outcome(), effort.of(3, 30)
    if importlib.util.find_spec("atheris") is None:
        outcome.left_out.append("fuzzing guided by coverage: atheris is not installed (pip install atheris)")
        return outcome
    for name in effort.of(("safetensors", "npz member"), FORMATS):
        count, finds = outcome.count(name), effort.scratch / name.replace(" ", "-")
        finds.mkdir()
        command = [sys.executable, "-m", "benchmarks.campaign.guided", name, str(seconds), str(finds)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=20 * seconds + 200,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        runs = re.search(r"Done (\d+) runs", done.stderr)
        loaded = finds / "loaded"
        kept = sorted(finds.glob("find-*")) + sorted(finds.glob("crash-*")) + sorted(finds.glob("*out-*"))
        count.right = int(loaded.read_text()) if loaded.exists() else 0
        count.wrong = len(kept) or int(done.returncode != 0)
        count.refused = max(0, int(runs[1]) - count.right - count.wrong) if runs else 0
        covered = re.findall(r"cov: (\d+)", done.stderr)
        count.note = f"{covered[-1] if covered else '?'} edges covered in {seconds} s"
        if count.wrong:
            count.note = f"{[each.name for each in kept]}; {done.stderr[-200:]}"
            keep(kept, name)
    return outcome


def keep(found: list[Path], name: str) -> None:
    """Leave the files where a developer finds them."""
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / "tinytensor-finds"
    folder.mkdir(exist_ok=True)
    for each in found:
        (folder / f"{name.replace(' ', '-')}-{each.name}").write_bytes(each.read_bytes())
