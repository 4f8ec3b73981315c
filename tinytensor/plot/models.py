"""A network as a diagram, and a profile as bars."""

import math
from typing import Any

from tinytensor.errors import ArgumentError, require
from tinytensor.plot.style import BLUE, GREY, figure, tidy

__all__ = ["network", "profile"]

ACROSS = 8  # boxes beside each other


def network(model: Any, shape: int | tuple[int, ...] | None = None) -> Any:
    """The layers of a model as boxes, each as high as its output is long, with shapes and parameters.

    Args:
        model: a Sequential.
        shape: of one sample; only needed where the first layer takes samples of any shape.

    Raises:
        ArgumentError: the model has no layers.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> figure = tt.plot.network(tt.models.mnist_mlp(), shape=(28, 28))
    >>> [text.get_text() for text in figure.axes[0].texts][:2]
    ['Flatten', '784']
    """
    rows = model.summary(shape).rows
    if not rows:
        raise ArgumentError("network: expected a model with layers")
    down = -(-len(rows) // ACROSS)
    drawn = figure(1.25 * min(len(rows), ACROSS) + 0.3, 2.8 * down)
    axis = drawn.subplots()
    axis.set(xlim=(-0.6, min(len(rows), ACROSS) - 0.4), ylim=(-2.0 * (down - 1) - 1.0, 0.95))
    axis.axis("off")
    largest = max([math.prod(row.shape) for row in rows if row.shape] or [1])
    for number, row in enumerate(rows):
        x, y = number % ACROSS, -2.0 * (number // ACROSS)
        length = math.prod(row.shape) if row.shape else 1
        height = 0.25 + 0.85 * math.log(1 + length) / math.log(1 + largest)
        box(axis, x, y, height, row)
        if number + 1 < len(rows) and x + 1 < ACROSS:
            axis.annotate("", (x + 0.68, y), (x + 0.32, y), arrowprops={"arrowstyle": "->", "color": GREY})
    return drawn


def box(axis: Any, x: float, y: float, height: float, row: Any) -> None:
    """One layer."""
    patches = require("matplotlib.patches", extra="viz")
    colour = BLUE if row.parameters else "#d0d7de"
    axis.add_patch(
        patches.FancyBboxPatch(
            (x - 0.22, y - height / 2), 0.44, height, boxstyle="round,pad=0.02", color=colour, alpha=0.85
        )
    )
    kind = row.layer.partition("(")[0]
    size = "?" if row.shape is None else " × ".join(map(str, row.shape)) or "1"
    axis.text(x, y + 0.72, kind, ha="center", va="bottom", fontsize=9)
    axis.text(x, y - 0.66, size, ha="center", va="top", fontsize=9, family="monospace")
    if row.parameters:
        axis.text(x, y - 0.82, f"{row.parameters:,}", ha="center", va="top", fontsize=7, color="#57606a")


def profile(found: Any) -> Any:
    """What `model.profile(x)` found, as bars: the time of each step and its share.

    Raises:
        ArgumentError: there are no steps.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> model = tt.Sequential(tt.Linear(784, 50, seed=0), tt.sigmoid)
    >>> figure = tt.plot.profile(model.profile(tt.ones((100, 784)), seconds=0))
    >>> len(figure.axes[0].patches)
    2
    """
    if not found.rows:
        raise ArgumentError("profile: expected steps, got none")
    drawn = figure(7.5, 0.8 + 0.4 * len(found.rows))
    axis = drawn.subplots()
    micro = [row.seconds * 1e6 for row in found.rows]
    bars = axis.barh([row.name for row in found.rows], micro, color=BLUE)
    said = [f"{value:,.1f} µs, {part:.0%}" for value, part in zip(micro, found.shares, strict=True)]
    axis.bar_label(bars, said, padding=4, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.25)
    axis.set(xlabel="µs", title=f"{found.samples:,} samples, one thread")
    axis.tick_params(labelsize=8)
    tidy(axis)
    return drawn
