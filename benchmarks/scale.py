"""Prediction by a Dask cluster, measured: `python -m benchmarks.scale [--quick] [--json FILE]`.

- Efficiency: digits in an npy file, in chunks of 100,000, on one thread without Dask, by one worker of one
  thread, and by two; rounds A B C A B C, so that what slows the machine down slows all of them.
- Memory: 10,000,000 digits, and the most memory that any worker had.
- Faults: jobs whose workers or scheduler are killed at random moments, resumed until they are done, and
  compared with a local prediction bit by bit.
- Figures of this machine for the model of 1,000 machines (`python -m benchmarks.cluster_model`).

Ends with status 1 if a row is wrong or memory is not bounded. Times are judged by the reader: two cores that
others use at the same time say little about three processes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import dask.array as da
import distributed
import numpy as np
import psutil

import tinytensor as tt
from benchmarks.figures import Ratio, ratio
from benchmarks.machine import machine
from benchmarks.scale_faults import faults

CHUNK = 100_000  # digits of a task
CHUNKS = 10  # of the file, which is read several times over
MANY = 10_000_000  # digits, 7.84 GB
PARTITION = 1 << 26  # bytes of input of a partition of `score`
ROOT = Path(__file__).parents[1]

COLD = """
import time
begin = time.perf_counter()
import numpy as np, tinytensor as tt
model = tt.models.mnist_mlp()
model.predict(np.zeros((1000, 28, 28), np.uint8), threads=1)
print(time.perf_counter() - begin)
"""


def networks() -> dict[str, tuple[Any, int]]:
    """Each network, and in how many tasks of a round it computes: an even number, for two workers."""
    wide = tt.Sequential(
        tt.Rescale(1 / 255), tt.Linear(784, 512, seed=0), tt.relu, tt.Linear(512, 512, seed=1), tt.relu,
        tt.Linear(512, 10, seed=2), tt.softmax,
    )  # fmt: skip
    return {"784-50-100-10": (tt.models.mnist_mlp(), 100), "784-512-512-10": (wide, 16)}


def digits(path: Path, count: int) -> str:
    """An npy file of so many digits: the sample's, over and over."""
    images = tt.datasets.mnist("sample")[0].reshape(-1, 784)
    out = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 784))
    for first in range(0, count, CHUNK):
        out[first : first + CHUNK] = np.resize(images, (min(CHUNK, count - first), 784))
    return str(path)


def chunk_of(path: str, number: int) -> Any:
    """A chunk of the file, which is read when it is used."""
    first = number % CHUNKS * CHUNK
    return np.load(path, mmap_mode="r")[first : first + CHUNK]


def read(block_id: tuple[int, ...], path: str) -> Any:
    """The same for a block of a Dask array."""
    return np.asarray(chunk_of(path, block_id[0]))


def local(model: Any, path: str, tasks: int) -> list[Any]:
    """What a loop without Dask does."""
    return [model.predict(np.asarray(chunk_of(path, each)), threads=1) for each in range(tasks)]


def by_dask(client: Any, model: Any, path: str, tasks: int) -> Any:
    """The same, lazily; the outputs stay where they were computed, as those of the loop do."""
    x = da.map_blocks(
        read, path=path, chunks=((CHUNK,) * tasks, (784,)), dtype=np.uint8, meta=np.empty((0, 0), np.uint8)
    )
    y = model.predict(x)
    futures = client.compute(y.to_delayed().ravel().tolist())
    with client.as_current():
        distributed.wait(futures)
    return futures


@contextmanager
def cluster(workers: int, **options: Any) -> Iterator[Any]:
    """A client of workers of one thread on this machine."""
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            silence_logs=50, **options,
        ) as servers,
        distributed.Client(servers, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measured(client: Any, work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that pass, and those that the workers compute, or without a client this process."""

    def computed() -> float:
        return time.process_time() if client is None else sum(client.run(time.process_time).values())

    before = computed()
    elapsed = seconds(work)
    return elapsed, computed() - before


def efficiency(path: str, rounds: int) -> dict[str, Any]:
    """Seconds of each side in each round, for each network."""
    found: dict[str, Any] = {}
    with cluster(1) as one, cluster(2) as two:
        for name, (model, tasks) in networks().items():
            sides = {"local": None, "one worker": one, "two workers": two}
            expected = np.concatenate(local(model, path, tasks)).tobytes()
            for client in (one, two):
                got = np.concatenate(client.gather(by_dask(client, model, path, tasks)))
                assert got.tobytes() == expected
            times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
            for _ in range(rounds):
                for side, client in sides.items():
                    work = partial(local, model, path, tasks)
                    if client is not None:
                        work = partial(by_dask, client, model, path, tasks)
                    times[side].append(measured(client, work))
            found[name] = {
                "tasks": tasks,
                "seconds": {side: [each[0] for each in pairs] for side, pairs in times.items()},
                "CPU seconds": {side: [each[1] for each in pairs] for side, pairs in times.items()},
            }
    return found


def overhead_of_a_task(tasks: int) -> float:
    """Seconds that a task takes which does nothing, by one worker: the scheduler's part and the worker's."""
    with cluster(1) as client:
        client.gather(client.map(int, range(10)))
        return seconds(lambda: client.gather(client.map(abs, range(tasks)))) / tasks


def starts(rounds: int, tasks: int) -> dict[str, Any]:
    """Seconds from the start of Python to the first prediction, without kernels in the cache and with."""
    found: dict[str, Any] = {"cold": [], "warm": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "TINYTENSOR_CACHE": cache, "PYTHONPATH": str(ROOT)}
            for times in found.values():
                command = [sys.executable, "-c", COLD]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                times.append(float(done.stdout))
    return {**found, "task": overhead_of_a_task(tasks)}


def most_memory(pids: list[int], done: threading.Event, found: dict[int, int]) -> None:
    """Note the most memory of each process until it is done."""
    processes = [psutil.Process(pid) for pid in pids]
    while not done.wait(0.02):
        for each in processes:
            found[each.pid] = max(found.get(each.pid, 0), each.memory_info().rss)


def memory(folder: Path, count: int) -> dict[str, Any]:
    """Score so many digits with two workers, and watch their memory."""
    path, out = digits(folder / "many.npy", count), str(folder / "out.npy")
    model = tt.models.mnist_mlp()
    with cluster(2) as client:
        pids = list(client.run(os.getpid).values())
        before = max(psutil.Process(pid).memory_info().rss for pid in pids)
        found: dict[int, int] = {}
        done = threading.Event()
        watcher = threading.Thread(target=most_memory, args=(pids, done, found))
        watcher.start()
        begin = time.perf_counter()
        scored = tt.distributed.score(model, path, out, client.scheduler.address)
        elapsed = time.perf_counter() - begin
        done.set()
        watcher.join()
    wrong = 0
    x, y = np.load(path, mmap_mode="r"), np.load(out, mmap_mode="r")
    for first in range(0, count, CHUNK):
        expected = model.predict(np.asarray(x[first : first + CHUNK]))
        wrong += int((expected.view(np.uint32) != y[first : first + CHUNK].view(np.uint32)).any(1).sum())
    os.unlink(path)
    rows = PARTITION // 784
    # what is mapped of the file, and the outputs twice: as an array and on their way to the file; and what a
    # worker loads for its first task: the package, its kernels, the model
    bound = before + PARTITION + 2 * rows * 40 + 100_000_000
    return {
        "rows": scored.rows, "partitions": scored.partitions, "seconds": elapsed, "wrong": wrong,
        "bytes before": before, "most bytes of a worker": max(found.values()), "bound": bound,
    }  # fmt: skip


def shown(each: Ratio) -> str:
    """A ratio with its quartiles."""
    return f"{each.median:.2f} [{each.low:.2f}, {each.high:.2f}]{' (noisy)' if each.noisy else ''}"


def report(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as Markdown."""
    for part, lines in PARTS.items():
        if part in figures:
            yield from lines(figures[part])


def of_efficiency(cases: dict[str, Any]) -> Iterator[str]:
    """A table of ratios."""
    yield "| network | µs a digit | one worker / local | the same in CPU time | one worker / two workers |"
    yield "|---|---|---|---|---|"
    for name, case in cases.items():
        times, cpu = case["seconds"], case["CPU seconds"]
        each = 1e6 * median(cpu["local"]) / (case["tasks"] * CHUNK)
        overhead, in_cpu = (ratio(one["local"], one["one worker"]) for one in (times, cpu))
        speedup = ratio(times["two workers"], times["one worker"])
        yield f"| {name} | {each:.3f} | {shown(overhead)} | {shown(in_cpu)} | {shown(speedup)} |"
    yield ""


def of_starts(found: dict[str, Any]) -> Iterator[str]:
    """What a task costs, and a worker."""
    yield f"A task that does nothing: {1e3 * found['task']:.2f} ms."
    cold, warm = (median(found[kind]) for kind in ("cold", "warm"))
    yield f"From the start of Python to the first prediction: {cold:.1f} s cold, {warm:.2f} s warm."


def of_memory(one: dict[str, Any]) -> Iterator[str]:
    """The most memory of a worker."""
    yield (
        f"{one['rows']:,} digits by two workers in {one['partitions']} partitions: {one['seconds']:.1f} s, "
        f"{one['wrong']} rows wrong; most memory of a worker {one['most bytes of a worker'] / 1e6:.0f} MB "
        f"(before: {one['bytes before'] / 1e6:.0f} MB, bound: {one['bound'] / 1e6:.0f} MB)."
    )


def of_faults(one: dict[str, Any]) -> Iterator[str]:
    """What was killed, and what came of it."""
    yield (
        f"{one['jobs']} jobs with random kills: {one['workers killed']} workers, {one['schedulers killed']} "
        f"schedulers and {one['clients killed']} clients killed, {one['resumed']} partitions kept over a "
        f"restart; {one['rows']:,} rows, {one['wrong']} wrong."
    )


PARTS = {"efficiency": of_efficiency, "starts": of_starts, "memory": of_memory, "faults": of_faults}


def main() -> int:
    """Measure, show, judge."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few rounds of everything, in two minutes")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="of efficiency; default: 7")
    parser.add_argument("--only", nargs="+", choices=[*PARTS], default=[*PARTS], help="some parts")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, beside those of other parts")
    options = parser.parse_args()
    quick = options.quick
    rounds = options.rounds or (3 if quick else 7)
    figures: dict[str, Any] = {}
    if options.json and os.path.exists(options.json):
        figures = json.loads(Path(options.json).read_text("utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure: dict[str, Callable[[], Any]] = {
            "efficiency": lambda: efficiency(digits(folder / "x.npy", CHUNKS * CHUNK), rounds),
            "starts": lambda: starts(1 if quick else 5, 500 if quick else 5000),
            "memory": lambda: memory(folder, MANY // 10 if quick else MANY),
            "faults": lambda: faults(folder, 2 if quick else 20),
        }
        for part in options.only:
            figures[part] = measure[part]()
            if options.json:
                Path(options.json).write_text(json.dumps({**figures, "machine": machine()}, indent=1) + "\n")
    lines = list(report(figures))
    print(*lines, sep="\n")
    if options.json:
        Path(options.json).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    memory_, faults_ = figures.get("memory"), figures.get("faults")
    wrong = sum(each["wrong"] for each in (memory_, faults_) if each)
    return int(bool(wrong or (memory_ and memory_["most bytes of a worker"] > memory_["bound"])))


if __name__ == "__main__":
    sys.exit(main())
