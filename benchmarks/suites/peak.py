"""How near a wide network comes to the rate of fused multiply-adds that a loop without loads sustains.

Both do as many operations, in alternating rounds, so a clock that falls under load falls for both.
"""

from typing import Any

from benchmarks.case import Case, Prepared, Suite
from benchmarks.networks import LARGE
from benchmarks.peers import Peer
from benchmarks.roofline import CHAINS, burner, width
from benchmarks.suites import mnist

LOOP = Peer("FMA loop", "tinytensor", "tinytensor-nn", None, "#8a8a8a")


def cases(quick: bool, threads: list[int]) -> list[Case]:
    return [
        mnist.case("peak", LARGE, "dense", rows, 1) for rows in ((1_000,) if quick else (100, 1_000, 10_000))
    ]


def takes(peer: Any, case: Case) -> bool:
    return peer.name in ("tinytensor", LOOP.name)


def prepare(peer: Any, case: Case) -> Prepared:
    """The network, or the loop with as many operations on registers."""
    if peer.name != LOOP.name:
        return mnist.prepare(peer, case)
    flop = float(LARGE.flop * case.settings["rows"])
    lanes = width()
    loop, steps = burner(lanes), round(flop / (2 * lanes * CHAINS))
    return Prepared(lambda: loop(steps), {"rows": case.settings["rows"], "flop": flop, "error": 0.0})


SUITE = Suite(
    "a wide network without zeros beside a loop of FMAs without loads",
    cases,
    takes,
    mnist.worker,
    "GFLOP/s",
    ("µs/row", "GFLOP/s", "share of peak", "max error"),
    prepare,
    extra=(LOOP,),
)
