"""Models in files: one module a format, each between a foreign file and (configuration, state dict)."""

from tinytensor.io import book
from tinytensor.io.formats import load, save
from tinytensor.io.weights import load_weights, read_state

__all__ = ["book", "load", "load_weights", "read_state", "save"]
