"""Pictures of activations, weights, digits, networks (extra `viz`); every function returns the figure.

pyplot is not imported and keeps no reference to the figures. `figure.savefig(path)` writes one; a notebook
shows it.
"""

from tinytensor.plot.arrays import feature_maps, filters, weights
from tinytensor.plot.curves import activation, activations
from tinytensor.plot.images import confusion, digits
from tinytensor.plot.models import network, profile

__all__ = [
    "activation", "activations", "confusion", "digits", "feature_maps", "filters", "network", "profile",
    "weights",
]  # fmt: skip
