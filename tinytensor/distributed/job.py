"""`score`: predict on an input of any size, on many workers, and go on where a former run was cut off.

Beside the output stands a folder `OUT.unfinished` with what is computed so far, a description of the job, and
an empty file in `done` for each partition that was written whole. Workers write all of it, so what is there
survives the client and the scheduler. All machines see the input and the output under the same path.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinytensor import __version__
from tinytensor.distributed.carried import Carried, arrived, packed
from tinytensor.distributed.cluster import connected
from tinytensor.distributed.inputs import Input, Partition, opened_input
from tinytensor.distributed.outputs import Output, opened_output
from tinytensor.errors import ArgumentError, PartitionError, require
from tinytensor.inference.results import results
from tinytensor.io.atomic import replacing
from tinytensor.kernels.boundary import length
from tinytensor.samples.options import Options
from tinytensor.samples.prepared import prepared

__all__ = ["Scored", "score"]

BATCH_ROWS = 10_000  # read and computed at a time: the memory that a partition needs beside its outputs
SECONDS_OF_NEWS = 0.5  # in which the scheduler tells of all tasks that it lost with a worker
SECONDS_BETWEEN = 1.0  # two questions to the scheduler how many threads there are; each takes milliseconds
AHEAD = 3  # partitions for each thread that are handed out: one in work, others to follow without a pause


class Scored(NamedTuple):
    """What `score` did: rows, partitions, and how many of these an earlier run had written."""

    rows: int
    partitions: int
    resumed: int


class Work(NamedTuple):
    """What each task is told beside the model and its partition."""

    input: Input
    output: Output
    done: str
    batch_size: int
    threads: int


def score(
    model: Any,
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    scheduler: str = "local",
    rows: int | None = None,
    batch_size: int | None = None,
    threads: int = 1,
    force: bool = False,
    progress: bool = False,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Scored:
    """Write the model's outputs for an input that may outgrow one machine; resume what was cut off.

    A run that ends early, for whatever reason, leaves `OUTPUT.unfinished`; the same call computes what is
    missing there and puts the output in its place. Partitions are written by their position, so each row is
    there once, with the bits that `model.predict` gives for it on one machine.

    Args:
        input: `.npy`, `.parquet`, a Zarr array, or a folder of `.npy` or `.parquet` files, which workers see
            under the same path. Pixels of uint8 become numbers from 0 to 1 unless the model has a Rescale.
        output: `.npy`, `.zarr`, a folder of `.npy` files (no ending), or of `.parquet` files with each row's
            class and its score.
        scheduler: the address of a Dask scheduler, or `local[N]` for N workers here, of one thread each.
        rows: most samples of a partition; 64 MiB of input by default. Zarr chunks and row groups stay whole.
        threads: how many threads work on a partition; one is right where Dask has a thread for each CPU.
        force: replace an output that exists.
        columns, drop: the columns of Parquet that are the features, or those that are none.
        progress: show a bar on the terminal (extra `cli`).

    Raises:
        ArgumentError: the input or the output is of no known kind, exists already, or an unfinished output is
            that of another job; no scheduler answers, or it was lost.
        PartitionError: a partition cannot be computed; it names the partition and its rows.
    """
    name, place = os.fspath(output), Path(os.path.abspath(output))
    if not force and os.path.lexists(place):
        raise ArgumentError(f"{name}: exists already; --force replaces it")
    source = opened_input(os.fspath(input), Options(columns=tuple(columns), drop=tuple(drop)))
    partitions = source.partitions(None if rows is None else length("score: rows", rows))
    if not partitions:
        raise ArgumentError(f"{os.fspath(input)}: expected samples, got none")
    folder = place.with_name(place.name + ".unfinished")
    target = opened_output(str(folder / "data"), name, result_of(model, source))
    payload = packed(model)
    begin(folder, target, partitions, described(payload, source, rows))
    written = {int(each) for each in os.listdir(folder / "done")}
    left = [each for each in partitions if each.number not in written]
    work = Work(source, target, str(folder / "done"), batch_size or BATCH_ROWS, threads)
    with bar(progress, partitions[-1].stop, partitions[-1].stop - sum(map(rows_of, left))) as step:
        if left:
            with connected(scheduler) as client:
                for partition in computed(client, payload, work, left):
                    step(rows_of(partition))
    target.finish(partitions)
    put(folder / "data", place)
    shutil.rmtree(folder)
    return Scored(partitions[-1].stop, len(partitions), len(partitions) - len(left))


def result_of(model: Any, source: Input) -> Any:
    """The shape of a sample of the model's output, and its dtype.

    Raises:
        ArgumentError: there are several outputs.
    """
    example = prepared(model, np.zeros((2, *source.sample), source.dtype))
    found = results(model, [(example.shape[1:], example.dtype)])
    if len(found) != 1:
        raise ArgumentError(f"score: expected a model of one output, got one of {len(found)}")
    return found[0]


def rows_of(partition: Partition) -> int:
    """How many rows it has."""
    return partition.stop - partition.start


def described(payload: bytes, source: Input, rows: int | None) -> dict[str, Any]:
    """What must be the same for partitions of two runs to belong together."""
    return {
        "model": hashlib.sha256(payload).hexdigest(),
        "input": [list(each) for each in source.files],
        "columns": list(getattr(source, "columns", ())),
        "rows": rows,
        "tinytensor": __version__,
    }


def begin(folder: Path, target: Output, partitions: list[Partition], job: dict[str, Any]) -> None:
    """Make the folder of a job, or go on in that of the same one.

    Raises:
        ArgumentError: there is one of another job.
    """
    description = folder / "job.json"
    if description.exists():
        before = json.loads(description.read_text("utf-8"))
        other = [key for key, value in job.items() if before.get(key) != value]
        if other:
            raise ArgumentError(
                f"{folder}: is what is left of another job, with other {', '.join(other)}; "
                "remove it to begin anew"
            )
        return
    shutil.rmtree(folder, ignore_errors=True)  # cut off before anything was computed
    (folder / "done").mkdir(parents=True)
    target.create(partitions)
    with replacing(description) as temporary:
        temporary.write_text(json.dumps(job), "utf-8")


def compute(carried: Carried, work: Work, partition: Partition) -> int:
    """The task: read, predict and write one partition; returns its number."""
    try:
        sample, dtype = work.output.result
        y = np.empty((rows_of(partition), *sample), dtype)
        first = 0
        for batch in work.input.batches(partition, work.batch_size):
            samples = prepared(carried.model, batch)
            y[first : first + len(samples)] = carried.model.predict(samples, threads=work.threads)
            first += len(samples)
        work.output.write(partition, y)
        (Path(work.done) / str(partition.number)).touch()
    except Exception as error:  # whatever a user's layer or a file raises
        raise PartitionError(f"{partition}: {type(error).__name__}: {error}") from error
    return partition.number


def computed(client: Any, payload: bytes, work: Work, partitions: Iterable[Partition]) -> Iterator[Partition]:
    """The partitions, as each is written; a few for each thread are handed out at a time."""
    distributed, config = require("distributed", "dask"), require("dask.config", "dask")
    warn = {"distributed.admin.large-graph-warning-threshold": len(payload) + (1 << 24)}
    with config.set(warn), lost_scheduler_told(client):
        carried = client.submit(arrived, payload, key=f"model-{os.urandom(8).hex()}")
    run, todo = os.urandom(8).hex(), iter(partitions)
    running: dict[Any, Partition] = {}
    finished = distributed.as_completed(loop=client.loop)
    threads, asked = 1, -SECONDS_BETWEEN

    def hand_out() -> None:
        nonlocal threads, asked
        if time.monotonic() > asked + SECONDS_BETWEEN:
            threads, asked = sum(client.nthreads().values()), time.monotonic()
        while len(running) < AHEAD * max(1, threads):
            partition = next(todo, None)
            if partition is None:
                return
            key = ("predict-" + run, partition.number)
            future = client.submit(compute, carried, work, partition, key=key)
            running[future] = partition
            finished.add(future)

    try:
        with lost_scheduler_told(client):
            hand_out()
            for future in finished:
                partition = running.pop(future)
                with lost_workers_told(partition, running):
                    future.result()
                yield partition
                hand_out()
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.cancel([carried, *finished.futures])


@contextlib.contextmanager
def lost_scheduler_told(client: Any) -> Iterator[None]:
    """Errors of a client whose scheduler is gone, as ours.

    Which one it is depends on the moment: futures are cancelled, connections closed, messages refused.
    """
    try:
        yield
    except PartitionError:
        raise
    except Exception as error:
        cancelled = require("distributed", "dask").CancelledError
        if client.status == "running" and not isinstance(error, (cancelled, OSError)):
            raise
        raise ArgumentError(
            "the Dask scheduler was lost; what was written is kept, and the same command goes on from there"
        ) from error


@contextlib.contextmanager
def lost_workers_told(partition: Partition, running: dict[Any, Partition]) -> Iterator[None]:
    """The error of a partition whose workers died, as ours.

    Dask blames a lost worker on every task that the worker held, so all of these are named.
    """
    try:
        yield
    except require("distributed", "dask").KilledWorker as error:
        time.sleep(SECONDS_OF_NEWS)
        lost = [each for future, each in running.items() if future.status == "error"]
        names = " or ".join(map(str, sorted([partition, *lost])))
        raise PartitionError(
            f"{names}: the workers that held it died, as they do when they need more memory than "
            "their limit; try partitions of fewer rows (--rows)"
        ) from error


def put(data: Path, place: Path) -> None:
    """Move the whole output to its place."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    os.replace(data, place)


@contextlib.contextmanager
def bar(wanted: bool, total: int, done: int) -> Iterator[Any]:
    """A function that tells a bar on the terminal of so many rows more."""
    if not wanted:
        yield lambda count: None
        return
    rich = require("rich.progress", extra="cli")
    columns = (
        rich.TextColumn("predicting"), rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )  # fmt: skip
    with rich.Progress(*columns) as shown:
        task = shown.add_task("", total=total, completed=done)
        yield lambda count: shown.update(task, advance=count)
