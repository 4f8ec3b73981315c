"""The peak resident size of a process that loads the chapter's network and predicts."""

from benchmarks.case import Case, Suite
from benchmarks.fresh import SCRIPTS, Fresh


def cases(quick: bool, threads: list[int]) -> list[Case]:
    """The input is resident, too: 3 kB a row."""
    rows = (10_000,) if quick else (1, 10_000, 100_000)
    return [
        Case("memory", "peak resident size", f"{n:,} at once", 1, {"what": "predict", "rows": n}, unit="B")
        for n in rows
    ]


SUITE = Suite(
    "peak resident size of a process that predicts",
    cases,
    lambda peer, case: peer.name in SCRIPTS,
    Fresh,
    "value",
    ("value",),
    most_rounds=1,
)
