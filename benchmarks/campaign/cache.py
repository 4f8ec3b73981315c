"""The compile cache in bad places: the answer is right, at worst slower, and one line says so."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.campaign.outcome import Count, Effort, Outcome
from benchmarks.campaign.scripts import ROOT, answer

__all__ = ["cache"]

NOBODY = "65534"
PREDICT = """
import hashlib, json, os, sys
{before}
import numpy as np
import tinytensor as tt
X = np.random.default_rng(0).standard_normal((50, 16), np.float32)
model = tt.Sequential(tt.Linear(16, 20, seed=0), tt.sigmoid, tt.Linear(20, 3, seed=1), tt.softmax)
y = model.predict(X)
print(json.dumps({{"bits": hashlib.sha256(y.tobytes()).hexdigest(), "compiled": "numba" in sys.modules}}))
"""
AS_NOBODY = "os.setgid(65534); os.setuid(65534); os.environ['USER'] = 'nobody'"
OTHER_CPU = """
from tinytensor.kernels import cache as kept
kept.cpu = lambda: "x86_64-unknown-linux-gnu another +sse2"
"""


class Trial:
    """Processes that predict; each must give the bits of the first, with one line on stderr at most."""

    def __init__(self, outcome: Outcome, scratch: Path):
        self.outcome, self.scratch = outcome, scratch
        self.good = scratch / "good"
        first = self.predict(TINYTENSOR_CACHE=str(self.good))
        self.bits = first.get("bits", first.get("failed"))

    def predict(self, before: str = "", **environment: str) -> Any:
        return answer(PREDICT.format(before=before), **environment)

    def check(self, count: Count, found: Any, compiled: bool | None, said: bool | None = False) -> None:
        """Count one process: its answer, whether it compiled, and whether it said so, once."""
        lines = [line for line in found["stderr"].splitlines() if line.startswith("tinytensor:")]
        wrong = []
        if found.get("bits") != self.bits:
            wrong.append(f"another answer: {found.get('failed', found.get('bits'))}")
        if compiled is not None and found.get("compiled") is not compiled:
            wrong.append(f"compiled: {found.get('compiled')}, expected {compiled}")
        if said is not None and len(lines) != int(said):
            wrong.append(f"{len(lines)} lines on stderr, expected {int(said)}: {found['stderr'][-100:]}")
        count.add(not wrong, "; ".join(wrong))

    def copy(self, name: str) -> Path:
        """A copy of a cache that is whole."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.good, folder)
        folder.chmod(0o700)
        return folder


def cache(effort: Effort) -> Outcome:
    """All the bad places."""
    outcome = Outcome()
    trial = Trial(outcome, effort.scratch)
    kept = outcome.count("a second process compiles nothing")
    trial.check(kept, trial.predict(TINYTENSOR_CACHE=str(trial.good)), compiled=False)
    damage(trial, effort.of(1, 30))
    moved(trial)
    at_once(trial, *effort.of((3, 1), (8, 20)))
    stale(trial)
    unset = {"HOME": "", "XDG_CACHE_HOME": "", "TINYTENSOR_CACHE": ""}
    no_home = outcome.count("no HOME, no cache folder named")
    trial.check(no_home, trial.predict(**unset), compiled=None)
    full_disk(trial)
    if os.name != "posix" or os.getuid() != 0:
        outcome.left_out.append("a read-only installation and two users: only root may become somebody else")
    else:
        read_only(trial)
        two_users(trial)
    return outcome


def damage(trial: Trial, times: int) -> None:
    """Files with flipped bits, cut or emptied."""
    count, rng = trial.outcome.count("damaged files"), random.Random(0)
    for i in range(times):
        folder = trial.copy("damaged")
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        all_of_them = i % 3 == 0  # of some, a kernel need not be among them
        for path in files if all_of_them else rng.sample(files, 2):
            content = bytearray(path.read_bytes())
            if i % 2:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            path.write_bytes(content if i % 2 else content[: rng.randrange(len(content))])
        trial.check(count, trial.predict(TINYTENSOR_CACHE=str(folder)), True if all_of_them else None)
        trial.check(count, trial.predict(TINYTENSOR_CACHE=str(folder)), compiled=False)


def moved(trial: Trial) -> None:
    """A cache baked into an image, on a CPU of another name, and for which Numba is told other features."""
    count = trial.outcome.count("a cache moved to another CPU")
    folder = trial.copy("moved")
    trial.check(count, trial.predict(OTHER_CPU, TINYTENSOR_CACHE=str(folder)), compiled=True)
    trial.check(count, trial.predict(OTHER_CPU, TINYTENSOR_CACHE=str(folder)), compiled=False)
    generic = {"NUMBA_CPU_NAME": "generic", "TINYTENSOR_CACHE": str(folder)}
    trial.check(count, trial.predict(**generic), compiled=True)
    trial.check(count, trial.predict(TINYTENSOR_CACHE=str(folder)), compiled=False)


def at_once(trial: Trial, processes: int, rounds: int) -> None:
    """Processes that start together with an empty cache."""
    count = trial.outcome.count(f"{processes} processes starting cold, {rounds} rounds")
    for _ in range(rounds):
        folder = trial.scratch / "cold"
        shutil.rmtree(folder, ignore_errors=True)
        with ThreadPoolExecutor(processes) as pool:
            found = list(pool.map(lambda at: trial.predict(TINYTENSOR_CACHE=at), [str(folder)] * processes))
        for each in found:
            trial.check(count, each, compiled=None)
        left = [each.name for each in folder.rglob("tmp*")]
        trial.check(count, trial.predict(TINYTENSOR_CACHE=str(folder)), compiled=False)
        count.add(not left, f"temporary files left: {left}")


def copied_package(trial: Trial) -> Path:
    """The package, in a folder of its own."""
    root = trial.scratch / "installed"
    if not root.exists():
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "tinytensor", root / "tinytensor", ignore=ignore)
    return root


def stale(trial: Trial) -> None:
    """A kernel's source changes: what is kept of the old one is not used."""
    count = trial.outcome.count("sources that changed")
    root, folder = copied_package(trial), trial.copy("stale")
    before = f"sys.path.insert(0, {str(root)!r})"
    trial.check(count, trial.predict(before, TINYTENSOR_CACHE=str(folder)), compiled=False)
    source = root / "tinytensor" / "activations.py"
    text = source.read_text()
    old = "    x = 40 if x > 40 else x\n    e = math.exp(-abs(x))\n"  # of sigmoid
    source.write_text(text.replace(old, old.replace("-abs(x)", "-abs(x) - 1"), 1))
    found = trial.predict(before, TINYTENSOR_CACHE=str(folder))
    changed = old in text and found.get("compiled") is True and found.get("bits") not in (None, trial.bits)
    count.add(changed, f"the old code was used: {found}")
    source.write_text(text)
    trial.check(count, trial.predict(before, TINYTENSOR_CACHE=str(folder)), compiled=False)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A disk of that size at the folder; whether the system lets us mount it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def full_disk(trial: Trial) -> None:
    """A disk that is full, or becomes so while kernels are kept."""
    for size, fill in (("4k", True), ("16k", False)):
        with small_disk(trial.scratch / f"disk{size}", size) as mounted:
            if not mounted:
                trial.outcome.left_out.append(f"a full disk of {size}: this user may not mount one")
                continue
            folder = trial.scratch / f"disk{size}"
            if fill:
                with contextlib.suppress(OSError):
                    (folder / "filler").write_bytes(bytes(1 << 20))
            count = trial.outcome.count("a full disk" if fill else "a disk that becomes full")
            for _ in range(2):
                trial.check(count, trial.predict(TINYTENSOR_CACHE=str(folder / "c")), True, said=None)


def read_only(trial: Trial) -> None:
    """An installation and a cache that nobody may write, for a user without a home."""
    count = trial.outcome.count("a read-only installation without a home")
    root, public = copied_package(trial), trial.scratch
    while public != public.parent and public.stat().st_uid == os.getuid():
        public.chmod(public.stat().st_mode | 0o755)
        public = public.parent
    for folder in (root, *root.rglob("*")):
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    nowhere = trial.scratch / "nowhere"
    nowhere.mkdir(mode=0o555)
    before = f"{AS_NOBODY}; sys.path.insert(0, {str(root)!r}); os.chdir('/')"
    unset = {"HOME": "", "XDG_CACHE_HOME": "", "TINYTENSOR_CACHE": str(nowhere)}
    for python in (sys.executable, "/usr/bin/python3"):  # one that somebody else can read
        packages = str(Path(np.__file__).parents[1])
        script = PREDICT.format(before=before)
        found = [answer(script, python=(python,), PYTHONPATH=packages, **unset) for _ in range(2)]
        if "failed" not in found[0]:
            for each in found:
                trial.check(count, each, compiled=True, said=True)
            return
    trial.outcome.left_out.append(f"{count.what}: no Python here can be read by others: {found[0]['failed']}")
    trial.outcome.counts.remove(count)


def two_users(trial: Trial) -> None:
    """A cache of root's that somebody else names: it is not trusted; and the other way round."""
    count = trial.outcome.count("a cache of another user")
    theirs = trial.copy("theirs")
    for each in (theirs, *theirs.rglob("*")):
        os.chown(each, int(NOBODY), int(NOBODY))
    trial.check(count, trial.predict(TINYTENSOR_CACHE=str(theirs)), compiled=True, said=True)
    ours = trial.copy("open")
    for each in (ours, *ours.rglob("*")):
        each.chmod(0o777 if each.is_dir() else 0o666)
    trial.check(count, trial.predict(TINYTENSOR_CACHE=str(ours)), compiled=True, said=True)
