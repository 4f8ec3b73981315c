"""A run as tables: one a group with a peer in each row, one with every figure, and a summary."""

from dataclasses import dataclass
from itertools import groupby

from benchmarks.case import Result
from benchmarks.figures import FIGURES, OURS, by_case, fastest, geometric_mean, ratio, short
from benchmarks.record import Run
from benchmarks.suites import SUITES

__all__ = ["Table", "details", "failures", "overviews", "summary"]

WIN = "*"  # before the fastest of a column; the writers make it bold
FAILED = "failed"


@dataclass(frozen=True)
class Table:
    """Text in rows."""

    title: str
    head: list[str]
    rows: list[list[str]]


def groups(run: Run, suite: str) -> list[tuple[str, dict[str, dict[str, Result]]]]:
    """Title of a table → label of a column → peer → result."""
    cases = by_case([result for result in run.results if result.suite == suite])
    found: dict[str, dict[str, dict[str, Result]]] = {}
    for (_, group, label, threads), peers in cases.items():
        vary = any("threads_vary" in result.settings for result in peers.values())
        several = "" if vary else f", {threads} thread{'s' * (threads > 1)}"
        found.setdefault(group + several, {})[label] = peers
    return list(found.items())


def compared(peers: dict[str, Result], peer: str) -> str:
    """How many times as long as ours theirs takes; ~ where noise hides it."""
    ours, theirs = peers.get(OURS), peers[peer]
    if peer == OURS or ours is None or ours.failed or theirs.failed:
        return ""
    found = ratio(ours.values, theirs.values)
    return f"{'~' if found.noisy else ''}{found.median:.2f}×"


def overviews(run: Run, suite: str) -> list[Table]:
    """For each group: peers in rows, cases in columns, the figure and the ratio in cells."""
    tables = []
    for title, columns in groups(run, suite):
        names = list(dict.fromkeys(name for peers in columns.values() for name in peers))
        rows = []
        for name in names:
            row = [name]
            for peers in columns.values():
                row.append(cell(peers, name, SUITES[suite].cell))
            rows.append(row)
        unit = f" ({SUITES[suite].cell})" * (SUITES[suite].cell != "value")  # whose cells have units
        tables.append(Table(f"{suite}: {title}{unit}", ["", *columns], rows))
    return tables


def cell(peers: dict[str, Result], name: str, figure: str) -> str:
    """One figure, how it compares, and whether it wins."""
    result = peers.get(name)
    if result is None:
        return ""
    if result.failed:
        return FAILED
    least = min(each.median for each in peers.values() if not each.failed)
    won = WIN if result.median == least and len(peers) > 1 else ""
    text = FIGURES[figure](result)
    against = compared(peers, name)
    return f"{won}{text}" + (f" ({against})" if against else "")


def details(run: Run, suite: str) -> list[Table]:
    """Every figure of every result."""
    figures = SUITES[suite].figures
    head = ["case", "peer", *figures, "spread", "tinytensor is", "middle half"]
    tables = []
    for title, columns in groups(run, suite):
        rows = []
        for label, peers in columns.items():
            for name, result in peers.items():
                rows.append([label, name, *detail(run, peers, name, result, figures)])
        tables.append(Table(f"{suite}: {title}", head, rows))
    return tables


def detail(
    run: Run, peers: dict[str, Result], name: str, result: Result, figures: tuple[str, ...]
) -> list[str]:
    """The figures of one result, its spread, and its ratio with quartiles."""
    if result.failed:
        return [FAILED, *[""] * (len(figures) + 2)]
    texts = [share_of_peak(run, result) if f == "share of peak" else FIGURES[f](result) for f in figures]
    against, middle = compared(peers, name), ""
    if against:
        found = ratio(peers[OURS].values, result.values)
        middle = f"{found.low:.2f}–{found.high:.2f}" + (" too noisy to judge" if found.noisy else "")
        against += " as fast"
    return [*texts, FIGURES["spread"](result), against, middle]


def share_of_peak(run: Run, result: Result) -> str:
    """GFLOP/s over the measured peak with as many threads."""
    roof = run.roofline.get(str(result.threads))
    if roof is None or "flop" not in result.facts:
        return ""
    return f"{result.facts['flop'] / result.median / 1e9 / roof['peak_gflops']:.0%}"


def summary(run: Run) -> Table:
    """Each group's ratios against the fastest other peer of each case."""
    rows = []
    for suite in run.suites():
        for title, columns in groups(run, suite):
            ratios = []
            for label, peers in columns.items():
                best = fastest(peers)
                if best and OURS in peers and not peers[OURS].failed:
                    ratios.append((ratio(peers[OURS].values, peers[best].values).median, label, best))
            if ratios:
                mean = geometric_mean([each[0] for each in ratios])
                low, high = min(ratios), max(ratios)
                ends = [f"{short(r)}× at {label} ({best})" for r, label, best in (low, high)]
                rows.append([suite, title, f"{mean:.2f}×", *ends])
    return Table(
        "tinytensor against the fastest other peer of each case",
        ["suite", "group", "geometric mean", "worst", "best"],
        rows,
    )


def failures(run: Run) -> Table:
    """Who failed, where and why; the same reason once."""
    failed = sorted((r.suite, r.peer, r.failed) for r in run.results if r.failed)
    rows = [[*who, str(len(list(same)))] for who, same in groupby(failed)]
    return Table("Failures", ["suite", "peer", "why", "cases"], rows)
