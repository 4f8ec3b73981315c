"""Activations as curves."""

from typing import Any

import numpy as np

from tinytensor import activations as known
from tinytensor.errors import ArgumentError
from tinytensor.plot.style import BLUE, GREY, figure, tidy

__all__ = ["activation", "activations"]

POINTS = 1001
COLUMNS = 4


def activation(f: Any, low: float = -5.0, high: float = 5.0) -> Any:
    """The curve y = f(x) over low … high.

    Args:
        f: a name, as "gelu"; a function; or a layer. Of softmax the curve is that of (0, x).
        low: where x begins.
        high: where x ends.

    Raises:
        ArgumentError: no activation has that name, or low is not below high.
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> figure = tt.plot.activation("gelu")
    >>> figure.axes[0].get_title()
    'gelu'
    """
    if not low < high:
        raise ArgumentError(f"activation: expected low < high, got {low} and {high}")
    drawn = figure(4.5, 3.2)
    curve(drawn.subplots(), f, np.linspace(low, high, POINTS, dtype=np.float32))
    return drawn


def activations() -> Any:
    """Every activation over −5 … 5 on one sheet.

    Raises:
        MissingExtra: matplotlib is not installed.

    >>> import tinytensor as tt
    >>> len(tt.plot.activations().axes) == len(tt.activations.names())
    True
    """
    names = sorted(known.names(), key=lambda name: name.endswith("softmax"))
    rows = -(-len(names) // COLUMNS)
    drawn = figure(9, 2.1 * rows)
    axes = drawn.subplots(rows, COLUMNS, sharex=True, squeeze=False).flat
    x = np.linspace(-5, 5, POINTS, dtype=np.float32)
    for axis, name in zip(axes, names, strict=False):
        curve(axis, name, x)
    for axis in list(axes)[len(names) :]:
        axis.remove()
    return drawn


def curve(axis: Any, f: Any, x: Any) -> None:
    """One curve on its axes."""
    function = known.get(f) if isinstance(f, str) else f
    name = f if isinstance(f, str) else getattr(f, "name", None) or getattr(f, "__name__", repr(f))
    if str(name).lower().endswith("softmax") or type(function).__name__.endswith("Softmax"):
        y = np.asarray(function(np.stack([np.zeros_like(x), x], axis=1)))[:, 1]
        name = f"{name} of (0, x)"
    else:
        y = np.asarray(function(x)).astype(float)
    jumps = np.flatnonzero(np.abs(np.diff(y)) > 0.5)  # no line through the jump of a step
    y[jumps] = np.nan
    axis.axhline(0, color=GREY, linewidth=0.6)
    axis.axvline(0, color=GREY, linewidth=0.6)
    axis.plot(x, y, color=BLUE, linewidth=1.8)
    axis.set_title(str(name), fontsize=11, family="monospace")
    axis.tick_params(labelsize=8, colors="#57606a")
    tidy(axis)
