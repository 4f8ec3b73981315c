"""Jobs whose workers, scheduler or client are killed at random moments, until they are done all the same."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import tinytensor as tt

__all__ = ["faults", "servers"]

ROWS, KILLS = 200_000, 3  # of a job; kills at most, then it may finish
ROOT = Path(__file__).parents[1]

JOB = """
import sys
import tinytensor as tt
if __name__ == "__main__":
    model = tt.Sequential(tt.Flatten(), *list(tt.models.mnist_mlp())[1:])
    done = tt.distributed.score(model, sys.argv[1], sys.argv[2], sys.argv[3], rows=int(sys.argv[4]))
    print(done.resumed)
"""


def faults(folder: Path, jobs: int, seed: int = 0) -> dict[str, int]:
    """How many jobs of how many rows were killed how often, and how many rows are wrong at the end."""
    draw = random.Random(seed)
    images = np.resize(tt.datasets.mnist("sample")[0], (ROWS, 28, 28))
    np.save(folder / "x.npy", images)
    expected = tt.models.mnist_mlp().predict(images)
    (folder / "job.py").write_text(JOB)
    found = {"jobs": jobs, "rows": 0, "wrong": 0, "resumed": 0, "runs": 0}
    found |= {"workers killed": 0, "schedulers killed": 0, "clients killed": 0}
    for number in range(jobs):
        out = folder / f"y{number}.npy"
        rows = draw.choice([777, 1000, 2500])
        kills = draw.randrange(1, KILLS + 1)
        while not out.exists():
            found["runs"] += 1
            assert found["runs"] < 10 * jobs * KILLS, "jobs do not finish"
            kills -= one_run(folder, out, rows, draw, kills > 0, found)
        y = np.load(out)
        found["rows"] += len(y)
        found["wrong"] += int((y.view(np.uint32) != expected.view(np.uint32)).any(1).sum())
        out.unlink()
    return found


def one_run(
    folder: Path, out: Path, rows: int, draw: random.Random, kill: bool, found: dict[str, int]
) -> int:
    """Run a job until it ends, or is made to; how many processes were killed."""
    with servers(folder) as (started, address):
        command = [
            sys.executable,
            str(folder / "job.py"),
            str(folder / "x.npy"),
            str(out),
            address,
            str(rows),
        ]
        client = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        killed = 0
        if kill:
            done = out.with_name(out.name + ".unfinished") / "done"
            enough = draw.randrange(1, ROWS // rows)
            while client.poll() is None and count(done) < enough:
                time.sleep(0.002)
            if client.poll() is None:
                name = draw.choice(["workers", "schedulers", "clients"])
                victim = {
                    "workers": worker_of(started[1]),
                    "schedulers": started[0].pid,
                    "clients": client.pid,
                }
                if victim[name] is not None:
                    os.kill(victim[name], signal.SIGKILL)
                    found[f"{name} killed"] += 1
                    killed = 1
        text, errors = client.communicate()
        if client.returncode == 0:
            found["resumed"] += int(text)
        elif not killed:
            raise RuntimeError(errors[-2000:])
        return killed


def count(folder: Path) -> int:
    """How many files are in a folder, which may not be there yet."""
    try:
        return len(os.listdir(folder))
    except FileNotFoundError:
        return 0


def worker_of(nanny: Any) -> int | None:
    """The process that a nanny has started last."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in psutil.Process(nanny.pid).children():
            if "resource_tracker" not in " ".join(each.cmdline()):  # a worker gives itself a title of its own
                return int(each.pid)
    return None


@contextlib.contextmanager
def servers(folder: Path, workers: int = 2) -> Any:
    """A scheduler, and workers under a nanny: processes on this machine, with the scheduler's address."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    common = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    program = [sys.executable, "-m", "dask"]
    quiet: dict[str, Any] = {
        "env": {**os.environ, "PYTHONPATH": str(ROOT)},
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    started = []
    try:
        command = [*program, "scheduler", "--port", "0", "--scheduler-file", str(file), *common]
        started.append(subprocess.Popen(command, **quiet))
        address_in(file)
        command = [
            *program,
            "worker",
            "--scheduler-file",
            str(file),
            "--nworkers",
            str(workers),
            "--nthreads",
            "1",
        ]
        started.append(subprocess.Popen([*command, *common], cwd=folder, **quiet))
        yield started, address_in(file)
    finally:
        for each in started:
            for child in [*children(each), each]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            each.wait()


def address_in(file: Path) -> str:
    """The address of the scheduler that writes the file."""
    while True:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # not there yet, or not whole
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.01)


def children(process: Any) -> list[Any]:
    """All processes that one has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        found: list[Any] = psutil.Process(process.pid).children(recursive=True)
        return found
    return []
