"""Models in files: one module a format, each between a foreign file and (configuration, state dict)."""

from tinytensor.io import book
from tinytensor.io.formats import load, save

__all__ = ["book", "load", "save"]
