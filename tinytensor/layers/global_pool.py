"""`GlobalAvgPool2d` and `GlobalMaxPool2d`: one number for each channel of an image."""

from typing import final

from tinytensor import windows
from tinytensor.layers.layer import Layer
from tinytensor.pooling import global_avg_pool2d, global_max_pool2d
from tinytensor.tensors import Tensor

__all__ = ["GlobalAvgPool2d", "GlobalMaxPool2d"]


@final
class GlobalAvgPool2d(Layer):
    """y[n, c] = the mean of x[n, c, i, j] over all pixels; with keepdims (batch, channels, 1, 1).

    >>> import tinytensor as tt
    >>> tt.GlobalAvgPool2d()([[[[1, 2], [3, 4]]]]).tolist()
    [[2.5]]
    """

    def __init__(self, keepdims: bool = False, channels_last: bool = False):
        self.keepdims = windows.flag("GlobalAvgPool2d: keepdims", keepdims)
        self.channels_last = windows.flag("GlobalAvgPool2d: channels_last", channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """global_avg_pool2d(x, …)."""
        return global_avg_pool2d(x, self.keepdims, self.channels_last)


@final
class GlobalMaxPool2d(Layer):
    """y[n, c] = the largest x[n, c, i, j] of all pixels; with keepdims (batch, channels, 1, 1).

    >>> import tinytensor as tt
    >>> tt.GlobalMaxPool2d()([[[[1, 2], [3, 4]]]]).tolist()
    [[4.0]]
    """

    def __init__(self, keepdims: bool = False, channels_last: bool = False):
        self.keepdims = windows.flag("GlobalMaxPool2d: keepdims", keepdims)
        self.channels_last = windows.flag("GlobalMaxPool2d: channels_last", channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """global_max_pool2d(x, …)."""
        return global_max_pool2d(x, self.keepdims, self.channels_last)
