"""What formats ask of a pooling, whose primitive says how many windows there are."""

from typing import Any

import numpy as np

from tinytensor.primitives.definition import Node

__all__ = ["covers_all", "has_partial_windows"]


def lengths_of(node: Node) -> tuple[int, ...]:
    """Height and width of the images."""
    sample = node.operands[0].sample
    lengths: tuple[int, ...] = sample[:2] if node.parameters["channels_last"] else sample[1:]
    return lengths


def covers_all(node: Node) -> bool:
    """Whether its one window is the whole image."""
    parameters: dict[str, Any] = node.parameters
    whole = tuple(parameters["size"]) == lengths_of(node) and tuple(parameters["outputs"]) == (1, 1)
    return whole and not np.any(parameters["padding"]) and max(parameters["dilation"]) == 1


def has_partial_windows(node: Node) -> bool:
    """Whether a last window that is partly outside counts, as with `ceil_mode`."""
    p = node.parameters
    columns = zip(lengths_of(node), p["size"], p["stride"], p["dilation"], p["padding"], strict=True)
    counts = [(n + sum(pads) - (d * (k - 1) + 1)) // s + 1 for n, k, s, d, pads in columns]
    return counts != list(p["outputs"])
