"""What bounds prediction on 1,000 machines: `python -m benchmarks.cluster_model [--markdown FILE]`.

On paper, a job of N rows on W workers of one thread takes

    T = start + max(compute, storage, scheduler) + tail
    start     = log2(machines) · (latency + model bytes / link) + start of Python + compiling kernels
    compute   = N · seconds a row / W
    storage   = N · bytes a row / min(machines · link, bandwidth of the store)
    scheduler = N / rows of a partition · seconds of a task
    tail      = rows of a partition · (reading a row + computing it on the slowest machine)

The simulation plays the same job event by event: one scheduler that hands out partitions one after the other,
workers that read and then compute, a store whose bandwidth is shared by those that read at the time, and
machines that are slower than others. A worker does not read while it computes, as ours do not.

The figures it rests on are those of `Job` below. What this package takes is measured by `python -m
benchmarks.scale` and `python -m benchmarks.images`; what a cluster has is assumed: change it to yours.
"""

import argparse
import heapq
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Job", "on_paper", "simulated", "table"]


@dataclass(frozen=True)
class Job:
    """A job and the cluster that it runs on; seconds, bytes, rows."""

    rows: float = 1e11
    row_seconds: float = 0.5e-6  # 784-50-100-10 on digits, one thread
    row_bytes: float = 784.0
    partition_rows: float = 1e6
    model_bytes: float = 180e3
    machines: int = 1000
    workers: int = 16  # of one thread, on each machine
    link: float = 1.25e9  # 10 Gbit/s into each machine
    store: float = 200e9  # what the storage gives to all machines together
    latency: float = 1e-3
    task_seconds: float = 0.5e-3  # of the scheduler, for each task
    start_seconds: float = 1.0  # a worker's Python, its imports, its first prediction with kernels at hand
    compile_seconds: float = 10.0
    cold: bool = False  # whether kernels are compiled first, once a machine
    slow_machines: float = 0.01  # the part of the machines that are slower
    slowness: float = 2.0  # and how much

    @property
    def all_workers(self) -> int:
        """Workers of all machines."""
        return self.machines * self.workers

    @property
    def bandwidth(self) -> float:
        """Bytes a second into one worker if all read."""
        return min(self.link / self.workers, self.store / self.all_workers)

    @property
    def start(self) -> float:
        """Seconds until a worker can compute: the model goes from machine to machine, as in a tree."""
        hops = math.ceil(math.log2(max(2, self.machines)))
        broadcast = hops * (self.latency + self.model_bytes / self.link)
        return broadcast + self.start_seconds + self.compile_seconds * self.cold


def on_paper(job: Job) -> dict[str, float]:
    """The parts of the sum, and the sum."""
    parts = {
        "compute": job.rows * job.row_seconds / job.all_workers,
        "storage": job.rows * job.row_bytes / (job.bandwidth * job.all_workers),
        "scheduler": job.rows / job.partition_rows * job.task_seconds,
    }
    slowest = job.row_seconds * (job.slowness if job.slow_machines else 1.0)
    tail = job.partition_rows * (job.row_bytes / job.bandwidth + slowest)
    return {**parts, "start": job.start, "tail": tail, "total": job.start + max(parts.values()) + tail}


def simulated(job: Job, seed: int = 0) -> float:
    """Seconds until the last partition is done.

    All reads are of one size and share the store alike, so what a reader has got since the beginning is one
    number for all; a read ends when that has grown by the bytes of a partition.
    """
    draw = random.Random(seed)
    slow = [job.slowness if draw.random() < job.slow_machines else 1.0 for _ in range(job.machines)]
    ready = [(job.start * draw.uniform(1.0, 1.2), worker) for worker in range(job.all_workers)]
    heapq.heapify(ready)  # when a worker has its next task, or is done with its last
    readers: list[tuple[float, int]] = []  # what a reader will have got at the end of its read
    left = math.ceil(job.rows / job.partition_rows)
    now = scheduler = got = end = 0.0
    waiting: list[tuple[float, int]] = []  # tasks on their way from the scheduler
    while ready or readers or waiting:
        rate = min(job.link / job.workers, job.store / max(1, len(readers)))
        ends = now + (readers[0][0] - got) / rate if readers else math.inf
        next_ready = ready[0][0] if ready else math.inf
        next_task = waiting[0][0] if waiting else math.inf
        then = min(ends, next_ready, next_task)
        got += (then - now) * rate if readers else 0.0
        now = then
        if then == next_task:
            heapq.heappush(readers, (got + job.partition_rows * job.row_bytes, heapq.heappop(waiting)[1]))
        elif then == ends:
            worker = heapq.heappop(readers)[1]
            took = job.partition_rows * job.row_seconds * slow[worker // job.workers]
            end = max(end, now + took)
            heapq.heappush(ready, (now + took, worker))
        else:
            worker = heapq.heappop(ready)[1]
            if left:
                left -= 1
                scheduler = max(now, scheduler) + job.task_seconds
                heapq.heappush(waiting, (scheduler, worker))
    return end


def turning_point(job: Job) -> float:
    """Seconds a row above which computing takes longer than reading, whatever the number of workers reads."""
    return job.row_bytes / job.bandwidth


SMALL = Job()
CONVOLUTIONAL = replace(SMALL, row_seconds=13.8e-6, partition_rows=2e6)
RESNET = replace(
    SMALL, rows=1e10, row_seconds=150e-6, row_bytes=3072, partition_rows=1e5, model_bytes=3e5
)  # fmt: skip
CASES = {
    "784-50-100-10": SMALL,
    "the same, 10⁵ rows a partition": replace(SMALL, partition_rows=1e5),
    "the same, 10⁷ rows a partition": replace(SMALL, partition_rows=1e7),
    "784-512-512-10": replace(SMALL, row_seconds=5.9e-6, model_bytes=2.7e6),
    "SimpleConvNet, 13.8 µs a row": CONVOLUTIONAL,
    "the same, kernels not compiled": replace(CONVOLUTIONAL, cold=True),
    "the same, data on the machines' own disks": replace(CONVOLUTIONAL, link=5e9, store=5e12),
    "ResNet, 150 µs a row of 3,072 bytes": RESNET,
    "the same, no machine is slow": replace(RESNET, slow_machines=0.0),
    "the same, one machine in ten is 4 times slower": replace(RESNET, slow_machines=0.1, slowness=4.0),
    "the same, and 5 times larger partitions": replace(
        RESNET, slow_machines=0.1, slowness=4.0, partition_rows=5e5
    ),
}


def table() -> Iterator[str]:
    """What each case takes, on paper and simulated, as Markdown."""
    yield "| case | rows | compute | storage | scheduler | start | on paper, s | simulated, s | bound by |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, job in CASES.items():
        parts = on_paper(job)
        bound = max(("compute", "storage", "scheduler"), key=parts.__getitem__)
        figures = [parts[part] for part in ("compute", "storage", "scheduler", "start", "total")]
        cells = " | ".join(
            f"{each:,.0f}" if each >= 100 else f"{each:.3g}" for each in (*figures, simulated(job))
        )
        yield f"| {name} | 10^{math.log10(job.rows):.0f} | {cells} | {bound} |"
    yield ""
    yield (
        f"With {SMALL.workers} workers a machine, {SMALL.link / 1e9:.3g} GB/s into each machine and "
        f"{SMALL.store / 1e9:.3g} GB/s out of the store, {SMALL.machines:,} machines read "
        f"{SMALL.bandwidth / 1e6:.3g} MB/s a worker: a row of {SMALL.row_bytes:.0f} bytes that takes less "
        f"than {1e6 * turning_point(SMALL):.3g} µs to compute is bound by storage."
    )


def main() -> int:
    """Compute and show."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, too")
    options = parser.parse_args()
    lines = list(table())
    print(*lines, sep="\n")
    if options.markdown:
        Path(options.markdown).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
