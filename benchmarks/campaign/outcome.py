"""What a check of the campaign finds: counts, and tables for the reader."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Check", "Count", "Effort", "Outcome", "markdown"]


@dataclass
class Count:
    """How often something was tried, and what came of it: tried = right + refused + wrong.

    `refused` counts errors that were expected: an error of ours for arguments or files that do not fit.
    """

    what: str
    right: int = 0
    refused: int = 0
    wrong: int = 0
    note: str = ""

    @property
    def tried(self) -> int:
        return self.right + self.refused + self.wrong

    def add(self, right: bool, note: str = "") -> None:
        """Count one more; the note of the first that is wrong is kept."""
        self.right += right
        self.wrong += not right
        if not right and not self.note:
            self.note = note[:300]


@dataclass
class Outcome:
    """The counts of a check, and tables of text beside them: a title, a head and rows."""

    counts: list[Count] = field(default_factory=list)
    tables: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # what this machine cannot try, and why

    def count(self, what: str) -> Count:
        """A new count."""
        self.counts.append(Count(what))
        return self.counts[-1]

    @property
    def wrong(self) -> int:
        return sum(each.wrong for each in self.counts)

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": [asdict(each) | {"tried": each.tried} for each in self.counts],
            "tables": [list(each) for each in self.tables],
            "left_out": self.left_out,
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Outcome":
        counts = [Count(**{k: v for k, v in each.items() if k != "tried"}) for each in found["counts"]]
        return cls(counts, [(title, head, rows) for title, head, rows in found["tables"]], found["left_out"])


@dataclass(frozen=True)
class Effort:
    """How much is tried, and a folder that a check may fill."""

    long: bool
    scratch: Path

    def of(self, quick: Any, long: Any) -> Any:
        """The first in the quick form, the second in the long one."""
        return long if self.long else quick


@dataclass(frozen=True)
class Check:
    """A promise by name, its section's title, and the function that tries it."""

    name: str
    title: str
    run: Callable[[Effort], Outcome]


def row(cells: list[str]) -> str:
    return "| " + " | ".join(each.replace("|", "\\|").replace("\n", " ") for each in cells) + " |"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [row(head), "|" + "---|" * len(head), *map(row, rows)]


def markdown(facts: dict[str, Any], found: dict[str, dict[str, Any]], titles: dict[str, str]) -> str:
    """The report: counts of all checks, then each check's tables."""
    outcomes = {name: Outcome.from_json(each) for name, each in found.items()}
    lines = ["# The campaign", "", *table(["what", "is"], [[k, str(v)] for k, v in facts.items()]), ""]
    rows, total = [], [0, 0, 0, 0]
    for name, outcome in outcomes.items():
        counted = [[e.tried, e.right, e.refused, e.wrong] for e in outcome.counts]
        sums = [sum(column) for column in zip(*counted, strict=True)] if counted else [0] * 4
        total = [a + b for a, b in zip(total, sums, strict=True)]
        rows.append([titles[name], *(f"{each:,}" for each in sums), f"{found[name]['seconds']:,.0f}"])
    rows.append(["**all**", *(f"**{each:,}**" for each in total), ""])
    lines += [*table(["check", "tried", "right", "refused", "wrong", "seconds"], rows), ""]
    for name, outcome in outcomes.items():
        command = f"python -m benchmarks.campaign --{found[name]['form']} --only {name}"
        lines += [f"## {titles[name]}", "", f"`{command}`, commit {found[name]['commit']}", ""]
        counts = [[e.what, *(f"{n:,}" for n in (e.tried, e.right, e.refused, e.wrong)), e.note]
                  for e in outcome.counts]  # fmt: skip
        lines += [*table(["what", "tried", "right", "refused", "wrong", "note"], counts), ""]
        for title, head, body in outcome.tables:
            lines += [f"### {title}", "", *table(head, body), ""]
        lines += [f"Not tried here: {each}." for each in outcome.left_out] + [""] * bool(outcome.left_out)
    return "\n".join(lines).rstrip() + "\n"


def save(
    folder: Path, facts: dict[str, Any], found: dict[str, dict[str, Any]], titles: dict[str, str]
) -> None:
    """Write campaign.json and campaign.md."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"facts": facts, "checks": found}, indent=1)
    (folder / "campaign.json").write_text(text + "\n", encoding="utf-8")
    (folder / "campaign.md").write_text(markdown(facts, found, titles), encoding="utf-8")
