"""`Upsample`: images in another size."""

from typing import Any, final

from tinytensor import windows
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor
from tinytensor.upsampling import target, upsample

__all__ = ["Upsample"]


@final
class Upsample(Layer):
    """Images resized by nearest-neighbour or bilinear interpolation; see `tt.upsample`.

    (batch, channels, height, width) → (batch, channels, *size).

    Args:
        size: of the output, a number or (height, width).
        scale_factor: instead of a size: its quotient by that of x.
        mode: "nearest" or "bilinear".
        align_corners: whether the outermost pixels of both images coincide; only for "bilinear".
        channels_last: whether x and y are (batch, height, width, channels).

    >>> import tinytensor as tt
    >>> tt.Upsample(scale_factor=2)([[[[1, 2]]]]).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool = False,
        channels_last: bool = False,
    ):
        corners = windows.flag("Upsample: align_corners", align_corners)
        sizes, factors = target("Upsample", size, scale_factor, mode, corners)
        self.size = windows.simplest(sizes) if sizes else None
        self.scale_factor = windows.simplest(factors) if factors else None
        self.mode, self.align_corners = mode, corners
        self.channels_last = windows.flag("Upsample: channels_last", channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """upsample(x, …)."""
        given = (self.size, self.scale_factor, self.mode, self.align_corners, self.channels_last)
        return upsample(x, *given)
