"""How near a wide network comes to the rate of fused multiply-adds that a loop without loads sustains.

A CPU's clock is lower under loads and FMAs together than under FMAs alone, and rises some milliseconds
after these have ended: on a Xeon with AVX-512 the same loop runs at 240 GFLOP/s by itself and at 205 to 240
after the network. So it is timed in short parts, each right after the network, in the same process.
"""

import time
from typing import Any

from benchmarks.case import Call, Case, Prepared, Suite
from benchmarks.networks import LARGE
from benchmarks.peers import PEERS, Peer
from benchmarks.roofline import CHAINS, burner, width
from benchmarks.suites import mnist
from benchmarks.timing import SLICES, elapsed

PART_FLOP = 5e7  # of the loop after a turn of the network: 0.2 ms
LOOP = Peer("FMA loop", "tinytensor", "tinytensor-nn", None, "#8a8a8a")


def cases(quick: bool, threads: list[int]) -> list[Case]:
    return [
        mnist.case("peak", LARGE, "dense", rows, 1) for rows in ((1_000,) if quick else (100, 1_000, 10_000))
    ]


def takes(peer: Any, case: Case) -> bool:
    return peer.name in ("tinytensor", LOOP.name)


def prepare(peer: Any, case: Case) -> Prepared:
    """The network, or the loop with as many operations on registers, after turns of the network."""
    if peer.name != LOOP.name:
        return mnist.prepare(peer, case)
    flop = float(LARGE.flop * case.settings["rows"])
    lanes = width()
    loop, steps = burner(lanes), round(flop / (2 * lanes * CHAINS))
    network = mnist.prepare(PEERS["tinytensor"], case).call
    facts = {"rows": case.settings["rows"], "flop": flop, "error": 0.0}
    part = min(steps, round(PART_FLOP / (2 * lanes * CHAINS)))

    def sample(at_least: float) -> dict[str, float]:
        """The fastest part of the loop, as seconds of all its steps."""
        took = []
        for _ in range(SLICES):
            keep_busy(network, at_least / SLICES)
            took.append(elapsed(lambda: loop(part), 1))
        return {"value": min(took) * steps / part}

    return Prepared(lambda: loop(steps), facts, sample)


def keep_busy(call: Call, seconds: float) -> None:
    """Call for so long, once at least."""
    end = time.perf_counter() + seconds
    call()
    while time.perf_counter() < end:
        call()


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
