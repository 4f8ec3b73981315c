"""Models of digits that take raw pixels."""

from typing import Any

import tinytensor as tt

__all__ = ["of_raw_pixels"]


def of_raw_pixels(model: Any) -> Any:
    """The model as it is if it rescales its input, else behind what makes rows in [0, 1] of raw pixels.

    >>> of_raw_pixels(tt.Sequential(tt.Linear(784, 10)))
    Sequential(
        Flatten(),
        Rescale(scale=0.00392156862745098),
        Linear(in_features=784, out_features=10),
    )
    """
    layers = model if isinstance(model, tt.Sequential) else tt.Sequential(model)
    if any(isinstance(layer, tt.Rescale) for layer in layers):
        return layers
    return tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255)) + layers
