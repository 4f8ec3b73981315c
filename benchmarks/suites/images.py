"""Networks of images: MLPerf Tiny's five from their files, and three of convolutions from their weights."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import image_networks as networks
from benchmarks import image_peers
from benchmarks.case import Case, Prepared, Suite
from benchmarks.suites import mnist

BATCHES = (1, 10, 100, 1_000)
MOST = {"vww": 100}  # images at once: 110 kB each
QUICK = MOST | {"resnet": 100, "3×3 stack": 100}  # the others take less than 50 ms for a thousand


def case(suite: str, name: str, count: int, threads: int) -> Case:
    """The network on so many images."""
    settings = {"network": name, "rows": count}
    return Case(suite, name, f"batch {count:,}", threads, settings, threads)


def cases(suite: str, names: Any, quick: bool, threads: list[int]) -> list[Case]:
    """Ascending batches, as the memory of a process only grows."""
    return [
        case(suite, name, count, each)
        for each in threads
        for count in BATCHES
        for name in names
        if count <= (QUICK if quick else MOST).get(name, count) and not networks.missing(name)
    ]


def takes(peer: Any, case: Case) -> bool:
    return image_peers.takes(peer.name, case.settings["network"])


def prepare(peer: Any, case: Case) -> Prepared:
    """The peer's function for the case, its answer checked, and the memory that its process takes at most."""
    name, count = case.settings["network"], case.settings["rows"]
    x = networks.images(name, count)
    forget_peak()
    call = image_peers.ADAPTERS[peer.name](name, x, case.threads)
    y = np.asarray(call())
    memory = peak_memory()
    flop, parameters = networks.work(name)
    moved = x.nbytes + y.nbytes + 4 * parameters
    facts = {"rows": count, "flop": flop * count, "bytes": moved, "error": networks.check(name, x, y)}
    return Prepared(call, facts | memory)


def forget_peak() -> None:
    """Have Linux count a process's peak of memory from now on."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> dict[str, float]:
    """The largest resident size since then in bytes, where the system tells."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    return {"peak": 1024.0 * int(status.read_text().partition("VmHWM:")[2].split()[0])}


def suite(name: str, about: str, names: Any) -> Suite:
    return Suite(
        about,
        lambda quick, threads: cases(name, names, quick, threads),
        takes,
        mnist.worker,
        "µs/row",
        ("rows/s", "µs/row", "GFLOP/s", "share of peak", "peak memory", "max error"),
        prepare,
    )


TINY = suite("tiny", "MLPerf Tiny's five networks from their files", networks.TINY)
CNN = suite("cnn", "the course's SimpleConvNet, the packaged mnist_cnn and a 3×3 stack", networks.CNN)
