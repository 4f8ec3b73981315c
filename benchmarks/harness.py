"""How two sides are measured so that their ratio means something on a machine that drifts.

Each side lives in a process of its own, both on the same core and with one thread, and the rounds are
interleaved A B A B: whatever slows the machine down for a while slows both. The ratio is taken pair by pair,
and its median is reported with its quartiles.
"""

import importlib.metadata
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

__all__ = [
    "Ratio",
    "child_environment",
    "geometric_mean",
    "interleave",
    "machine",
    "seconds_per_call",
    "show",
    "workers",
]

THREADS = ("OPENBLAS", "OMP", "MKL", "VECLIB", "NUMBA", "TINYTENSOR")
# Set by some images to force an older kernel on NumPy's BLAS, which would make it lose unfairly.
HANDICAPS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPY_DISABLE_CPU_FEATURES")


@dataclass(frozen=True)
class Ratio:
    """Times of two sides in seconds, round by round; the ratio is theirs / ours, so above 1 we are faster."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def pairs(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def median(self) -> float:
        return statistics.median(self.pairs)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile of the pairs' ratios; of a single pair, that pair twice."""
        if len(self.pairs) < 2:
            return self.pairs[0], self.pairs[0]
        low, _, high = statistics.quantiles(self.pairs, n=4, method="inclusive")
        return low, high

    @property
    def noisy(self) -> bool:
        """Half of the pairs lie further apart than a fifth of their median: too noisy to judge."""
        low, high = self.quartiles
        return high - low > 0.2 * self.median


def geometric_mean(ratios: Sequence[float]) -> float:
    """(Π r)^(1/n)."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def seconds_per_call(call: Callable[[], object], at_least: float) -> float:
    """Call repeatedly for at least that many seconds, after one call that fills the caches again."""
    call()
    calls, elapsed = 1, 0.0
    while True:
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        elapsed = time.perf_counter() - begin
        if elapsed >= at_least:
            return elapsed / calls
        calls = max(2 * calls, math.ceil(1.2 * calls * at_least / max(elapsed, 1e-7)))


def interleave(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> Ratio:
    """Measure A B A B …; each callable answers with seconds."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return Ratio(*zip(*pairs, strict=True))


def child_environment() -> dict[str, str]:
    """This process's environment with one thread for everybody and nothing that ties a side's hands."""
    kept = {name: value for name, value in os.environ.items() if name not in HANDICAPS}
    return kept | {f"{library}_NUM_THREADS": "1" for library in THREADS}


def cores() -> list[int]:
    """The cores that this process may run on; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin() -> None:
    """Stay on the last core: the first one serves most interrupts."""
    if cores():
        os.sched_setaffinity(0, cores()[-1:])


@contextmanager
def workers(count: int) -> Iterator[list[Callable[..., Any]]]:
    """Start pinned processes; each is a function that runs `function(*arguments)` there and waits for it."""
    before = dict(os.environ)
    pools = [ProcessPoolExecutor(1, get_context("spawn"), pin) for _ in range(count)]
    try:
        # a spawned process inherits os.environ as it is when the first task is submitted
        os.environ.clear()
        os.environ.update(child_environment())
        for pool in pools:
            pool.submit(os.getpid).result()
    finally:
        os.environ.clear()
        os.environ.update(before)
    try:
        yield [lambda function, *args, pool=pool: pool.submit(function, *args).result() for pool in pools]
    finally:
        for pool in pools:
            pool.shutdown()


def cpu_model() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def blas() -> str:
    """The kernel that NumPy's BLAS chose for this CPU, and its threads."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown (pip install threadpoolctl)"
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return "; ".join(
        f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture', 'unknown')}, "
        f"{pool['num_threads']} thread"
        for pool in found
    ) or "none that threadpoolctl knows"  # fmt: skip


def machine() -> dict[str, str]:
    """What the figures depend on; called in a worker, so that it tells what the workers have."""
    names = ("numpy", "numba", "llvmlite", "scipy")
    versions = {name: importlib.metadata.version(name) for name in names}
    return {
        "cpu": cpu_model(),
        "system": platform.platform(),
        "cores": f"1 of {os.cpu_count()}, both sides on the same"
        if cores()
        else f"{os.cpu_count()}, not pinned",
        "python": platform.python_version(),
        **versions,
        "blas": blas(),
    }


def show(title: str, head: list[str], rows: list[list[str]]) -> None:
    """A table, by rich where it is installed."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print(f"\n{title}", *("\t".join(each) for each in [head, *rows]), sep="\n", flush=True)
        return
    table = Table(*head, title=title, title_justify="left")
    for each in rows:
        table.add_row(*each)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
