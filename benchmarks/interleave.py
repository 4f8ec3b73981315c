"""Rounds A B C A B C …: whatever slows the machine down for a while slows every peer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.case import Case, Effort, Failed, Result, Suite

__all__ = ["Plan", "measured", "takers"]

LIVES = 2  # a peer that was lost so often is left out of the rest of the suite

Plan = list[tuple[Suite, list[Case]]]
Step = Callable[[Case, str], None]


def measured(plan: Plan, peers: Iterable[Any], effort: Effort, step: Step) -> Iterator[Result]:
    """Every peer in every case, as each is done; `step` is told of each peer that is prepared for one.

    Cases with as many threads and cores run together, whatever their suite, so that a peer's process serves
    all of them: starting some peers takes seconds.
    """
    pinned = {(case.threads, case.cores) for _, cases in plan for case in cases}
    for threads, number in sorted(pinned):
        subjects: dict[Any, Any] = {}
        try:
            for suite, cases in plan:
                lost: dict[str, int] = {}
                rounds = replace(effort, rounds=min(effort.rounds, suite.most_rounds))
                for case in cases:
                    if (case.threads, case.cores) == (threads, number):
                        taking = {
                            p.name: subject(subjects, suite, p, case) for p in takers(suite, case, peers)
                        }
                        yield from one_case(case, taking, rounds, lost, step)
        finally:
            for each in subjects.values():
                each.close()


def takers(suite: Suite, case: Case, peers: Iterable[Any]) -> list[Any]:
    """Who takes part in the case."""
    return [peer for peer in (*peers, *suite.extra) if suite.takes(peer, case)]


def subject(present: dict[Any, Any], suite: Suite, peer: Any, case: Case) -> Any:
    """What is measured for the peer: the one that there is, or a new one."""
    key = suite.subject, peer.name
    if key not in present:
        present[key] = suite.subject(peer, case)
    return present[key]


def one_case(
    case: Case, subjects: dict[str, Any], effort: Effort, lost: dict[str, int], step: Step
) -> list[Result]:
    """All rounds of one case; a peer that fails is done, the others go on."""
    found = {
        name: Result(case.suite, case.group, case.label, case.threads, name, dict(case.settings), case.unit)
        for name in subjects
    }
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}

    def attempt(name: str, what: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return what(*arguments)
        except Failed as failure:
            found[name].failed = str(failure)
            lost[name] = lost.get(name, 0) + failure.lost

    for name in subjects:
        if lost.get(name, 0) >= LIVES:
            found[name].failed = "left out: was lost twice in this suite"
    for sitting in np.array_split(range(effort.rounds), min(effort.sittings, effort.rounds)):
        for name, each in subjects.items():
            if not sitting[0]:
                step(case, name)
            if not found[name].failed:
                facts = attempt(name, each.prepare, case, effort) or {}
                found[name].blas = facts.pop("blas", "")
                found[name].facts |= facts
        for _ in sitting:
            for name, each in subjects.items():
                if not found[name].failed and (one := attempt(name, each.measure, effort)):
                    seen[name].append(one)
    for name, result in found.items():
        result.values = [float(one["value"]) for one in seen[name]]
        extra = seen[name][0].keys() - {"value"} if seen[name] else set()
        result.facts |= {fact: float(np.median([one[fact] for one in seen[name]])) for fact in extra}
    return list(found.values())
