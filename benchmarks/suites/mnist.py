"""Batched inference: networks with and without normalization, digits and dense numbers, 1 to 10,000 rows."""

from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.case import Case, Prepared, Suite
from benchmarks.networks import (
    AD01,
    CHAPTER,
    INPUTS,
    LARGE,
    NARROW,
    NORMED,
    SMALL,
    Network,
    inputs,
    largest_error,
    missing,
)  # fmt: skip
from benchmarks.workers import Worker, cores

BATCHES = (1, 10, 100, 1_000, 10_000)
FEWER = (1, 10, 100, 1_000)  # of the further networks
PIXELS = ("digits", "uint8", "dense")
FURTHER = (*((net, "digits") for net in NORMED), (NARROW, "dense"), (AD01, "spectra"))


def case(suite: str, network: Network, kind: str, rows: int, threads: int, **other: Any) -> Case:
    """The network on so many rows."""
    settings = {"network": asdict(network), "input": kind, "rows": rows}
    named = {"group": f"{network.name}, {INPUTS[kind]}", "label": f"batch {rows:,}", "cores": threads} | other
    return Case(suite, threads=threads, settings=settings, **named)


def cases(quick: bool, threads: list[int]) -> list[Case]:
    if quick:
        chosen = [(CHAPTER, kind, rows) for kind in PIXELS for rows in (1, 100, 1_000)]
        chosen += [(LARGE, "digits", 1), (LARGE, "digits", 1_000)]
    else:
        chosen = [(net, kind, rows) for net in (CHAPTER, SMALL, LARGE) for kind in PIXELS for rows in BATCHES]
        chosen += [(net, kind, rows) for net, kind in FURTHER for rows in FEWER if not missing(net)]
    return [case("mnist", *each, count) for count in threads for each in chosen]


def takes(peer: Any, case: Case) -> bool:
    return bool(peer.takes(network_of(case), case.settings["rows"]))


def network_of(case: Case) -> Network:
    """The network of a case."""
    wanted = case.settings["network"]
    return Network(**wanted | {"sizes": tuple(wanted["sizes"])})


def prepare(peer: Any, case: Case) -> Prepared:
    """The peer's function for the case, its answer compared with float64."""
    network = network_of(case)
    x = inputs(case.settings["input"], case.settings["rows"], network.sizes[0])
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
    "inference of eight networks, batch 1 to 10,000, against every peer",
    cases,
    takes,
    worker,
    "µs/row",
    ("rows/s", "µs/row", "GFLOP/s", "share of peak", "max error"),
    prepare,
)
