"""Batched inference: three networks, real digits and dense numbers, 1 to 10,000 rows at once."""

from typing import Any

import numpy as np

from benchmarks.case import Case, Prepared, Suite
from benchmarks.networks import CHAPTER, INPUTS, LARGE, SMALL, Network, inputs, largest_error
from benchmarks.workers import Worker, cores

BATCHES = (1, 10, 100, 1_000, 10_000)


def case(suite: str, network: Network, kind: str, rows: int, threads: int, **other: Any) -> Case:
    """The network on so many rows."""
    settings = {"network": list(network.sizes), "hidden": network.hidden, "input": kind, "rows": rows}
    named = {"group": f"{network.name}, {INPUTS[kind]}", "label": f"batch {rows:,}", "cores": threads} | other
    return Case(suite, threads=threads, settings=settings, **named)


def cases(quick: bool, threads: list[int]) -> list[Case]:
    if quick:
        few = [(CHAPTER, kind, rows) for kind in INPUTS for rows in (1, 100, 1_000)]
        chosen = [*few, (LARGE, "digits", 1), (LARGE, "digits", 1_000)]
    else:
        chosen = [(net, kind, rows) for net in (CHAPTER, SMALL, LARGE) for kind in INPUTS for rows in BATCHES]
    return [case("mnist", *each, count) for count in threads for each in chosen]


def takes(peer: Any, case: Case) -> bool:
    return bool(case.settings["rows"] <= peer.most_rows)


def network_of(case: Case) -> tuple[Network, Any]:
    """The network of a case, and its input."""
    wanted = case.settings
    network = Network(tuple(wanted["network"]), wanted["hidden"])
    return network, inputs(wanted["input"], wanted["rows"], network.sizes[0])


def prepare(peer: Any, case: Case) -> Prepared:
    """The peer's function for the case, its answer compared with float64."""
    network, x = network_of(case)
    call = peer.network(network, x, case.threads)
    error = largest_error(network, x, np.asarray(call()))
    return Prepared(call, facts(network, x) | {"error": error})


def facts(network: Network, x: Any) -> dict[str, float]:
    """The work: rows, floating-point operations, bytes that must be read or written at least once."""
    moved = x.nbytes + 4 * len(x) * network.sizes[-1] + 4 * network.parameters
    return {"rows": len(x), "flop": network.flop * len(x), "bytes": moved}


def worker(peer: Any, case: Case) -> Worker:
    return Worker(peer, case.threads, cores(case.cores))


SUITE = Suite(
    "inference of three networks, batch 1 to 10,000, against every peer",
    cases,
    takes,
    worker,
    "µs/row",
    ("rows/s", "µs/row", "GFLOP/s", "share of peak", "max error"),
    prepare,
)
