"""What values of a network may be: ranges of observed numbers, and the scale and zero point of a byte.

A histogram has bins from -reach to reach, a power of two that doubles when a larger number comes; so one pass
over samples is enough, whatever comes first.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.kernels.boundary import Array

__all__ = ["METHODS", "Observed", "Scale", "range_of", "scale_of"]

BINS = 8192  # of a histogram; at least a quarter of them where numbers are, 8 for each step of a byte
CANDIDATES = 64  # ranges that "mse" tries
METHODS = ("max", "percentile", "mse")
LEAST, MOST = 1e-30, 1e30  # of a scale, so that products of two and their quotients stay in float32's range


class Scale(NamedTuple):
    """What a byte stands for: (q - zero_point) · step."""

    step: float
    zero_point: int

    @property
    def low(self) -> float:
        """What 0 stands for."""
        return -self.zero_point * self.step

    @property
    def high(self) -> float:
        """What 255 stands for."""
        return (255 - self.zero_point) * self.step

    def byte(self, x: float) -> int:
        """The byte that is nearest to a number."""
        return round(min(255.0, max(0.0, x / self.step + self.zero_point)))

    def restored(self, x: Array) -> Array:
        """Numbers after they have been bytes."""
        q = np.clip(np.rint(x / self.step) + self.zero_point, 0, 255)
        return np.asarray((q - self.zero_point) * self.step)


class Observed:
    """The numbers that a value has taken."""

    def __init__(self, detailed: bool):
        self.low, self.high = math.inf, -math.inf
        self.counts: Any = np.zeros(BINS, np.int64) if detailed else None
        self.reach = 0.0

    def add(self, who: str, values: Array) -> None:
        """Take more numbers.

        Raises:
            ArgumentError: one is not finite.
        """
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ArgumentError(f"quantize: {who} is not finite for some of the samples; look into it first")
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.counts is None or low == high == 0:
            return
        while self.reach < max(-low, high):
            self.widen(2.0 ** math.ceil(math.log2(max(-low, high))))
        places = (values.ravel() * (BINS / 2 / self.reach) + BINS / 2).astype(np.int32)
        self.counts += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)

    def widen(self, reach: float) -> None:
        """Double the reach, or set the first one."""
        if not self.reach:
            self.reach = reach
            return
        self.reach *= 2
        pairs = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts = np.zeros(BINS, np.int64)
        self.counts[BINS // 4 : BINS // 4 + BINS // 2] = pairs

    @property
    def middles(self) -> Array:
        """The numbers in the middle of the bins."""
        return np.asarray((np.arange(BINS) + 0.5 - BINS / 2) * (2 * self.reach / BINS))


def range_of(observed: Observed, method: str, percentile: float) -> tuple[float, float]:
    """The range that bytes are to cover: all, all but the farthest, or with the least squared error."""
    low, high = observed.low, observed.high
    if method == "max" or observed.counts is None or not observed.counts.any():
        return low, high
    if method == "percentile":
        sums = observed.counts.cumsum()
        left = (100 - percentile) / 100 * sums[-1]
        edges = (np.arange(BINS + 1) - BINS / 2) * (2 * observed.reach / BINS)
        first = int(np.searchsorted(sums, left, "right"))
        last = int(np.searchsorted(sums, sums[-1] - left, "left"))
        return max(low, float(edges[first])), min(high, float(edges[last + 1]))
    used = np.flatnonzero(observed.counts)
    middles, counts = observed.middles[used], observed.counts[used]
    best, least = (low, high), math.inf
    for part in np.linspace(1, 0.2, CANDIDATES):
        scale = scale_of(low * part, high * part)
        error = float(((scale.restored(middles) - middles) ** 2 * counts).sum())
        if error < least:
            best, least = (low * part, high * part), error
    return best


def scale_of(low: float, high: float) -> Scale:
    """The scale and zero point that cover a range and 0: the zero point is 0 where nothing is negative.

    >>> scale_of(0.0, 127.5)
    Scale(step=0.5, zero_point=0)
    >>> scale_of(-1.0, 1.0).zero_point
    128
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high == 0:
        return Scale(1.0, 0)  # nothing but 0 was seen
    step = min(max((high - low) / 255, LEAST), MOST)
    return Scale(step, min(255, round(-low / step)))
