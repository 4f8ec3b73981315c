"""Rounds A B C A B C …: whatever slows the machine down for a while slows every peer."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.case import Case, Effort, Failed, Result, Suite

__all__ = ["measured"]

LIVES = 2  # a peer that was lost so often is left out of the rest of the suite


def measured(
    suite: Suite, cases: list[Case], peers: Iterable[Any], effort: Effort, step: Callable[[str], None]
) -> list[Result]:
    """Every peer in every case; `step` is told of each peer that is done with one."""
    results: list[Result] = []
    for threads, number in sorted({(case.threads, case.cores) for case in cases}):
        subjects: dict[str, Any] = {}
        lost: dict[str, int] = {}
        try:
            for case in cases:
                if (case.threads, case.cores) != (threads, number):
                    continue
                taking = {peer.name: peer for peer in peers if suite.takes(peer, case)}
                for name, peer in taking.items():
                    if name not in subjects:
                        subjects[name] = suite.subject(peer, case)
                present = {name: subjects[name] for name in taking}
                results += one_case(case, present, effort, lost, step)
        finally:
            for subject in subjects.values():
                subject.close()
    return results


def one_case(
    case: Case, subjects: dict[str, Any], effort: Effort, lost: dict[str, int], step: Callable[[str], None]
) -> list[Result]:
    """All rounds of one case; a peer that fails is done, the others go on."""
    found = {
        name: Result(case.suite, case.group, case.label, case.threads, name, dict(case.settings))
        for name in subjects
    }
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}

    def attempt(name: str, what: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return what(*arguments)
        except Failed as failure:
            found[name].failed = str(failure)
            lost[name] = lost.get(name, 0) + failure.lost

    for name, subject in subjects.items():
        if lost.get(name, 0) >= LIVES:
            found[name].failed = "left out: was lost twice in this suite"
            continue
        step(f"{case.group}, {case.label}: {name}")
        found[name].facts |= attempt(name, subject.prepare, case, effort) or {}
    for _ in range(effort.rounds):
        for name, subject in subjects.items():
            if not found[name].failed and (one := attempt(name, subject.measure, effort)):
                seen[name].append(one)
    for name, result in found.items():
        result.values = [float(one["value"]) for one in seen[name]]
        extra = seen[name][0].keys() - {"value"} if seen[name] else set()
        result.facts |= {fact: float(np.median([one[fact] for one in seen[name]])) for fact in extra}
        result.unit = "B" if result.facts.pop("bytes_are_measured", 0) else "s"
    return list(found.values())
