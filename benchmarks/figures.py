"""Figures from times: medians, ratios pair by pair, and whether the machine was quiet enough to judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.case import Result

__all__ = ["FIGURES", "NOISY", "Ratio", "by_case", "fastest", "geometric_mean", "ratio", "short", "verdict"]

NOISY = 0.2  # a ratio whose middle half is wider than this part of its median says nothing
OURS = "tinytensor"


@dataclass(frozen=True)
class Ratio:
    """Theirs / ours, round by round: above 1 we are faster."""

    median: float
    low: float
    high: float

    @property
    def noisy(self) -> bool:
        return self.high - self.low > NOISY * self.median


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """The median and the quartiles of the pairs' ratios; rounds that one side lacks are passed over."""
    n = min(len(ours), len(theirs))
    pairs = np.asarray(theirs[:n]) / np.asarray(ours[:n])
    low, median, high = np.quantile(pairs, [0.25, 0.5, 0.75])
    return Ratio(float(median), float(low), float(high))


def geometric_mean(ratios: Sequence[float]) -> float:
    """(Π r)^(1/n)."""
    return float(np.exp(np.mean(np.log(ratios))))


def by_case(results: Sequence[Result]) -> dict[tuple[str, str, str, int], dict[str, Result]]:
    """Case → peer → result, in the order of measurement."""
    found: dict[tuple[str, str, str, int], dict[str, Result]] = {}
    for result in results:
        found.setdefault(result.key, {})[result.peer] = result
    return found


def fastest(peers: dict[str, Result]) -> str | None:
    """The other peer with the least median of one case."""
    others = {name: each.median for name, each in peers.items() if name != OURS and not each.failed}
    return min(others, key=others.__getitem__) if others else None


def verdict(results: Sequence[Result]) -> tuple[bool, str]:
    """Whether the run can be judged, and why."""
    ratios = [
        ratio(peers[OURS].values, each.values)
        for peers in by_case(results).values()
        for name, each in peers.items()
        if name != OURS and not each.failed and OURS in peers and not peers[OURS].failed
    ]
    if not ratios:
        return True, "nothing to compare with"
    noisy = sum(each.noisy for each in ratios)
    share = noisy / len(ratios)
    said = f"{noisy} of {len(ratios)} ratios have a middle half wider than {NOISY:.0%} of their median"
    if share > 0.2:
        return False, f"the machine was too noisy to judge: {said}"
    return True, f"{'the machine was quiet' if share <= 0.05 else 'some noise'}: {said}"


def per(result: Result, fact: str) -> float:
    """How much of a fact (rows, flop, elements) in a second."""
    return result.facts[fact] / result.median


FIGURES: dict[str, Callable[[Result], Any]] = {
    "time": lambda r: seconds(r.median),
    "rows/s": lambda r: f"{per(r, 'rows'):,.0f}",
    "µs/row": lambda r: short(1e6 / per(r, "rows")),
    "µs": lambda r: short(1e6 * r.median),
    "p95 µs": lambda r: short(1e6 * r.facts["p95"]),
    "p99 µs": lambda r: short(1e6 * r.facts["p99"]),
    "calls/s": lambda r: f"{r.facts['calls_per_second']:,.0f}",
    "GFLOP/s": lambda r: short(per(r, "flop") / 1e9),
    "Gelem/s": lambda r: short(per(r, "elements") / 1e9),
    "peak memory": lambda r: f"{r.facts['peak'] / 1e6:,.0f} MB" if "peak" in r.facts else "",
    "max error": lambda r: f"{r.facts['error']:.1e}",
    "error / γ|A||B|": lambda r: f"{r.facts['error']:.1e}",
    "ULP": lambda r: short(r.facts["error"]),
    "value": lambda r: seconds(r.median) if r.unit == "s" else f"{r.median / 1e6:,.0f} MB",
    "spread": lambda r: f"{r.spread:.0%}",
}


def short(number: float) -> str:
    """Three digits that matter, never in powers of ten.

    >>> short(1234.5), short(12.345), short(0.012345)
    ('1,234', '12.3', '0.0123')
    """
    if not np.isfinite(number) or not number:
        return f"{number:.0f}"
    return f"{number:,.{max(0, 2 - int(np.floor(np.log10(abs(number)))))}f}"


def seconds(number: float) -> str:
    """A time in a unit that fits.

    >>> seconds(2.5e-6)
    '2.50 µs'
    """
    scale, unit = next(
        (s, u) for s, u in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if number * s >= 1 or u == "µs"
    )
    return f"{short(number * scale)} {unit}"
