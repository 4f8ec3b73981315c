"""`Pad`: rows and columns around an image."""

from typing import Any, final

from tinytensor import padding as padded
from tinytensor import windows
from tinytensor.kernels.boundary import real_number
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Pad"]


@final
class Pad(Layer):
    """Images with a border added: "constant", "reflect" or "edge"; see `tt.pad`.

    Args:
        padding: a number, or ((top, bottom), (left, right)); a negative one cuts off.
        mode: what is put there.
        value: the constant.
        channels_last: whether x and y are (batch, height, width, channels).

    >>> import tinytensor as tt
    >>> tt.Pad(((1, 0), (0, 1)))([[[[1, 2]]]]).tolist()
    [[[[0.0, 0.0, 0.0], [1.0, 2.0, 0.0]]]]
    """

    def __init__(self, padding: Any, mode: str = "constant", value: float = 0.0, channels_last: bool = False):
        axes = len(padding) if isinstance(padding, list | tuple) else 2
        self.padding = windows.simplest_pads(padded.pads_of(padding, axes))
        self.mode, self.value = padded.mode_of(mode), real_number("Pad: value", value)
        self.channels_last = windows.flag("Pad: channels_last", channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """pad(x, …)."""
        return padded.pad(x, self.padding, self.mode, self.value, self.channels_last)
