"""How many samples a program's instructions take at a time, so that their values stay in L2.

Values of a network of images shrink from layer to layer, while weights grow: two samples of the first layers
may fill L2, when the last ones should take dozens at once, which then share weights and fill their tiles. A
phase is a run of instructions that take the same number of samples at a time; a block of samples goes through
one phase, some of them at a time, before it comes to the next. Values that pass from one phase to another
have rows for the whole block, all others for one turn.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tinytensor.inference.buffers import Buffer

__all__ = ["Phase", "Phases", "phases_of"]

ROWS = (120, 60, 24, 12)  # multiples of most tiles' heights; a page of weights is read once for them
HEAVY = 1 << 20  # bytes of weights, which come from L3 for every block, as L2 does not hold them
HEAVY_ROWS = 252  # of a block then
BLOCK_BYTES = 1 << 18  # of the widest value: it and the next stay in L2
PASSED_BYTES = 1 << 20  # of a value that passes from a phase to the next, for a block: half of L2
ENOUGH = 48  # rows, among which weights are shared and with which tiles are full


class Phase(NamedTuple):
    """A run of instructions, and how many samples they take at a time."""

    first: int
    stop: int
    rows: int


class Phases(NamedTuple):
    """A program's phases, in order, and the samples of a block that goes through them."""

    block: int
    phases: list[Phase]

    @property
    def fewest(self) -> int:
        """Rows that every buffer has."""
        return min(each.rows for each in self.phases)

    def joined(self, first: Phase, last: Phase) -> "Phases":
        """With one phase instead of those from the first to the last."""
        begin, end = self.phases.index(first), self.phases.index(last) + 1
        one = Phase(first.first, last.stop, min(each.rows for each in self.phases[begin:end]))
        return self._replace(phases=[*self.phases[:begin], one, *self.phases[end:]])

    def passing(self, buffers: Sequence[Buffer]) -> list[Buffer]:
        """Those that pass from one phase to another."""
        return [each for each in buffers if each.number is None and self.at(each.first) != self.at(each.last)]

    def give_rows(self, buffers: Sequence[Buffer]) -> set[Buffer]:
        """Room for the rows that buffers hold; those that pass between phases are busy in all of each."""
        passing = set(self.passing(buffers))
        for each in buffers:
            first, last = self.at(each.first), self.at(each.last)
            each.rows = self.block if each in passing else first.rows
            if each in passing:
                each.first, each.last = first.first, last.stop - 1
        return passing

    def at(self, instruction: int) -> Phase:
        """The phase of an instruction."""
        return next((each for each in self.phases if instruction < each.stop), self.phases[-1])


def fitting(stride: int, weights: int) -> int:
    """How many samples of a value stay in L2, or in half of it beside weights that do not."""
    if weights > HEAVY >= HEAVY_ROWS * stride:
        return HEAVY_ROWS
    rows = next((rows for rows in ROWS if rows * stride <= BLOCK_BYTES), ROWS[-1])
    return max(1, BLOCK_BYTES // stride) if rows * stride > 2 * BLOCK_BYTES else rows


def phases_of(widest: Sequence[int], buffers: Sequence[Buffer], weights: int = 0) -> Phases:
    """The phases of instructions: of each the stride of its widest value, beside so many bytes of weights."""
    rows = [fitting(each, weights) for each in widest]
    fewest = min(rows, default=ENOUGH)
    block = ENOUGH if fewest < ROWS[-1] else fewest  # with more, one phase for all
    found = Phases(block, runs([min(each, block) for each in rows]) or [Phase(0, 0, ENOUGH)])
    while True:
        wide = [each for each in found.passing(buffers) if each.stride * block > PASSED_BYTES]
        if not wide:
            return found._replace(block=max(each.rows for each in found.phases))
        found = found.joined(found.at(wide[0].first), found.at(wide[0].last))


def runs(rows: Sequence[int]) -> list[Phase]:
    """Instructions that follow each other and take the same number of rows."""
    found: list[Phase] = []
    for i, each in enumerate(rows):
        if found and found[-1].rows == each:
            found[-1] = found[-1]._replace(stop=i + 1)
        else:
            found.append(Phase(i, i + 1, each))
    return found
