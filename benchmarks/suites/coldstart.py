"""From nothing to the first prediction: import, model file, one row, with and without a kernel cache."""

from typing import Any

from benchmarks.case import Case, Suite
from benchmarks.fresh import SCRIPTS, Fresh


def cases(quick: bool, threads: list[int]) -> list[Case]:
    first = {"what": "predict", "rows": 1}
    return [
        Case("coldstart", "from the start of the process", "import", 1, {"what": "import"}),
        Case("coldstart", "from the start of the process", "first prediction", 1, first),
        Case("coldstart", "from the start of the process", "with no kernel cache", 1,
             first | {"empty_cache": True}),
        Case("coldstart", "on the disk", "install size", 1, {"what": "install"}, unit="B"),
    ]  # fmt: skip


def takes(peer: Any, case: Case) -> bool:
    """Only ours has a cache to be without."""
    return peer.name in SCRIPTS and (peer.name == "tinytensor" or not case.settings.get("empty_cache"))


SUITE = Suite(
    "import, first prediction with and without a kernel cache, install size",
    cases,
    takes,
    Fresh,
    "value",
    ("value",),
    most_rounds=5,
)
