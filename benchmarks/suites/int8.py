"""Quantised networks: two dense ones on digits, MLPerf Tiny's five at batch 1; speed and quality."""

from typing import Any

import numpy as np

from benchmarks import int8_networks as networks
from benchmarks import int8_peers
from benchmarks.case import Case, Prepared, Suite
from benchmarks.suites import mnist
from benchmarks.suites.images import forget_peak, peak_memory

__all__ = ["SUITE", "case", "cases"]

BATCHES = (1, 10, 100, 1_000)


def case(name: str, count: int, threads: int) -> Case:
    """The network on so many samples."""
    settings = {"network": name, "rows": count}
    return Case("int8", name, f"batch {count:,}", threads, settings, threads)


def cases(quick: bool, threads: list[int]) -> list[Case]:
    """Dense networks by batch, then the five."""
    chosen = [(name, count) for count in BATCHES for name in networks.DENSE]
    chosen += [(name, 1) for name in networks.FILES if not networks.missing(name)]
    return [case(*each, count) for count in threads for each in chosen]


def takes(peer: Any, case: Case) -> bool:
    return peer.name in int8_peers.ADAPTERS


def prepare(peer: Any, case: Case) -> Prepared:
    """The peer's function for the case, and how good it is on all samples."""
    name, count = case.settings["network"], case.settings["rows"]
    every = networks.samples(name)
    x = np.resize(every, (count, *every.shape[1:]))
    forget_peak()
    made = int8_peers.ADAPTERS[peer.name](name, x, case.threads)
    whole = np.resize(every, (-(-len(every) // count) * count, *every.shape[1:]))
    batches = np.split(whole, len(whole) // count)
    parts = [made.restore(np.array(made.run(made.convert(batch)))) for batch in batches]
    quality = networks.quality(name, np.concatenate(parts)[: len(every)])
    given = made.convert(x)
    flop, _ = networks.work(name)
    facts = {"rows": count, "flop": flop * count, "bytes": given.nbytes}
    return Prepared(lambda: made.run(given), facts | quality | peak_memory())


SUITE = Suite(
    "quantised networks: speed and quality of ours, ONNX Runtime's, OpenVINO's and LiteRT's",
    cases,
    takes,
    mnist.worker,
    "µs/row",
    ("rows/s", "µs/row", "GFLOP/s", "peak memory"),
    prepare,
)
