"""What changed between two runs, and what of it is beyond the noise."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.case import Result
from benchmarks.figures import OURS, by_case, verdict
from benchmarks.record import Run
from benchmarks.tables import Table

__all__ = ["Change", "changes", "regressions", "table"]

FLOOR = 0.10  # repeated runs on a quiet machine differ by less


@dataclass(frozen=True)
class Change:
    """One case: new time over old time, without what changed for the other peers, too."""

    key: tuple[str, str, str, int]
    factor: float
    drift: float
    noise: float
    failed: str | None = None

    @property
    def verdict(self) -> str:
        if self.failed:
            return "fails now"
        if self.factor > 1 + self.noise:
            return "slower"
        return "faster" if self.factor < 1 / (1 + self.noise) else ""


def drift(old: dict[str, Result], new: dict[str, Result]) -> float:
    """The median factor of the other peers: what the machine did, not we."""
    factors = [
        new[name].median / old[name].median
        for name in old.keys() & new.keys() - {OURS}
        if not old[name].failed and not new[name].failed
    ]
    return float(np.median(factors)) if factors else 1.0


def changes(old: Run, new: Run) -> list[Change]:
    """Every case that went well in the old run and is in the new one."""
    before, after = by_case(old.results), by_case(new.results)
    found = []
    for key, peers in before.items():
        ours = peers.get(OURS)
        now = after.get(key, {}).get(OURS)
        if ours is None or ours.failed or now is None:
            continue
        if now.failed:
            found.append(Change(key, math.nan, 1.0, 0.0, now.failed))
            continue
        moved = drift(peers, after[key])
        noise = max(FLOOR, math.hypot(ours.spread, now.spread))
        found.append(Change(key, now.median / ours.median / moved, moved, noise))
    return found


def regressions(found: list[Change]) -> list[Change]:
    """Those that are slower beyond the noise, or fail."""
    return [change for change in found if change.verdict in ("slower", "fails now")]


def table(old: Run, new: Run, found: list[Change]) -> Table:
    """What changed; cases within the noise are only counted."""
    rows = [
        [
            f"{suite}: {group}, {label}, {threads} thread{'s' * (threads > 1)}",
            change.failed or f"{change.factor:.2f}",
            f"{change.drift:.2f}",
            f"±{change.noise:.0%}",
            change.verdict,
        ]
        for change in sorted(found, key=lambda change: -(math.inf if change.failed else change.factor))
        if change.verdict
        for suite, group, label, threads in [change.key]
    ]
    calm = sum(not change.verdict for change in found)
    rows.append([f"{calm} of {len(found)} cases are within the noise", "", "", "", ""])
    for name, run in (("old", old), ("new", new)):
        judged, why = verdict(run.results)
        if not judged:
            rows.append([f"the {name} run: {why}", "", "", "", ""])
    if old.machine["cpu"] != new.machine["cpu"]:
        rows.append([f"another CPU: {old.machine['cpu']}, {new.machine['cpu']}", "", "", "", ""])
    title = f"tinytensor {new.commit} against {old.commit}: time as a factor of the old one"
    return Table(title, ["case", "factor", "machine's own", "noise", ""], rows)
