"""`ChannelsLast` and `ChannelsFirst`: images from one order of their axes to the other."""

from typing import final

from tinytensor.functions import channels_first, channels_last
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["ChannelsFirst", "ChannelsLast"]


@final
class ChannelsLast(Layer):
    """(batch, channels, …) → (batch, …, channels).

    >>> import tinytensor as tt
    >>> tt.ChannelsLast()(tt.zeros((10, 3, 28, 32))).shape
    (10, 28, 32, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """channels_last(x)."""
        return channels_last(x)


@final
class ChannelsFirst(Layer):
    """(batch, …, channels) → (batch, channels, …).

    >>> import tinytensor as tt
    >>> tt.ChannelsFirst()(tt.zeros((10, 28, 32, 3))).shape
    (10, 3, 28, 32)
    """

    def forward(self, x: Tensor) -> Tensor:
        """channels_first(x)."""
        return channels_first(x)
