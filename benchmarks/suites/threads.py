"""What two threads bring tinytensor: the same call with both and with one, round against round."""

from typing import Any

import tinytensor as tt
from benchmarks.case import Call, Case, Suite
from benchmarks.networks import CHAPTER, LARGE, Array, Network, model
from benchmarks.peers import Peer
from benchmarks.suites import mnist

NETWORKS = [
    (net, kind) for net in (CHAPTER, LARGE) for kind in mnist.PIXELS if (net, kind) != (LARGE, "uint8")
]


def one_thread(network: Network, x: Array, threads: int) -> Call:
    """As tinytensor's own, on as many cores, but with one thread."""
    tt.set_num_threads(threads)
    made = model(network, x.dtype == "uint8")
    return lambda: made.predict(x, threads=1)


ONE = Peer("tinytensor, 1 thread", "tinytensor", "tinytensor-nn", one_thread, "#8a8a8a")


def cases(quick: bool, threads: list[int]) -> list[Case]:
    """Each number of threads above one, every batch: the small ones must not lose."""
    return [
        mnist.case("threads", net, kind, rows, count)
        for count in threads
        for net, kind in (NETWORKS[:1] if quick else NETWORKS)
        for rows in mnist.BATCHES
        if count > 1
    ]


def takes(peer: Any, case: Case) -> bool:
    return peer.name in ("tinytensor", ONE.name)


SUITE = Suite(
    "tinytensor on several threads against one",
    cases,
    takes,
    mnist.worker,
    "µs/row",
    ("rows/s", "µs/row", "GFLOP/s", "share of peak", "max error"),
    mnist.prepare,
    extra=(ONE,),
)
