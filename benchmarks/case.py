"""What is measured, what came out, and how a peer says that it cannot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Call", "Case", "Effort", "Failed", "Prepared", "Result", "Suite"]

Call = Callable[[], Any]
Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Case:
    """One column of one table: every peer that can does the same work."""

    suite: str
    group: str
    label: str
    threads: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    cores: int = 0  # to be pinned to; 0 for all
    unit: str = "s"

    @property
    def key(self) -> Key:
        return self.suite, self.group, self.label, self.threads


@dataclass(frozen=True)
class Prepared:
    """In a worker: work ready to be timed, and what is known about it.

    `sample`, where a suite has one, measures in its own way; it gives the value and whatever else it saw.
    """

    call: Call
    facts: dict[str, float]
    sample: Callable[[float], dict[str, float]] | None = None


@dataclass
class Result:
    """What one peer did in one case: one value a round, of time in seconds or of memory in bytes."""

    suite: str
    group: str
    label: str
    threads: int
    peer: str
    settings: dict[str, Any]
    unit: str = "s"
    values: list[float] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    failed: str | None = None
    blas: str = ""  # the libraries of linear algebra that its process had loaded

    @property
    def key(self) -> Key:
        return self.suite, self.group, self.label, self.threads

    @property
    def median(self) -> float:
        return float(np.median(self.values))

    @property
    def spread(self) -> float:
        """The middle half of the values over their median."""
        low, high = np.quantile(self.values, [0.25, 0.75])
        return float(high - low) / self.median


@dataclass(frozen=True)
class Effort:
    """How often and how long is measured, and how long a peer may take to answer.

    For each sitting the work is made anew, at other addresses in memory; the rounds are shared among them.
    """

    rounds: int
    at_least: float  # seconds a round
    sittings: int = 1
    prepare_limit: float = 180.0
    measure_limit: float = 60.0


@dataclass(frozen=True)
class Suite:
    """A family of cases. `subject` makes what is measured for a peer: a worker, or a process each time."""

    about: str
    cases: Callable[..., list[Case]]  # (quick, threads)
    takes: Callable[[Any, Case], bool]  # whether the peer can do the case
    subject: Callable[..., Any]  # (peer, case)
    cell: str  # the figure in the tables, of benchmarks.figures.FIGURES
    figures: tuple[str, ...]  # those in the details
    prepare: Callable[[Any, Case], Prepared] | None = None  # in a worker
    most_rounds: int = 1000
    extra: tuple[Any, ...] = ()  # who takes part beside the chosen peers


class Failed(Exception):
    """A peer gave no answer that could be timed; `lost` if its process is gone."""

    def __init__(self, reason: str, lost: bool = False):
        super().__init__(reason)
        self.lost = lost
