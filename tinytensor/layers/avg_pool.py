"""`AvgPool1d`, `AvgPool2d` and `AdaptiveAvgPool2d`: the mean of every window."""

from typing import Any, final

from tinytensor import pooling, windows
from tinytensor.layers.layer import Layer
from tinytensor.pooling import adaptive_avg_pool2d, avg_pool1d, avg_pool2d
from tinytensor.tensors import Tensor

__all__ = ["AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d"]


class AvgPool(Layer):
    """What both have in common."""

    _axes: int

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        channels_last: bool = False,
    ):
        who = type(self).__name__
        given = windows.kept_pooling(who, kernel_size, stride, padding, 1, self._axes)
        self.kernel_size, self.stride, self.padding, _ = given
        self.ceil_mode = windows.flag(f"{who}: ceil_mode", ceil_mode)
        self.count_include_pad = windows.flag(f"{who}: count_include_pad", count_include_pad)
        self.channels_last = windows.flag(f"{who}: channels_last", channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """avg_pool1d or avg_pool2d, of x and the arguments."""
        given = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return (avg_pool1d if self._axes == 1 else avg_pool2d)(x, *given, self.channels_last)


@final
class AvgPool2d(AvgPool):
    """y[n, c, i, j] = the mean of x in the window at i · stride - padding, j · stride - padding.

    (batch, channels, height, width) → (batch, channels, …); what each argument means and what is raised is
    described at `tt.avg_pool2d`.

    >>> import tinytensor as tt
    >>> tt.AvgPool2d(2)([[[[1, 2, 3, 4], [5, 6, 7, 8]]]]).tolist()
    [[[[3.5, 5.5]]]]
    """

    _axes = 2


@final
class AvgPool1d(AvgPool):
    """y[n, c, t] = the mean of x in the window at t · stride - padding; as `AvgPool2d` with one axis.

    >>> import tinytensor as tt
    >>> tt.AvgPool1d(2)([[[1, 2, 3, 4]]]).tolist()
    [[[1.5, 3.5]]]
    """

    _axes = 1


@final
class AdaptiveAvgPool2d(Layer):
    """y[n, c, i, j] = the mean of one of output_size parts of x, whatever the size of x.

    (batch, channels, height, width) → (batch, channels, *output_size); see `tt.adaptive_avg_pool2d`.

    >>> import tinytensor as tt
    >>> tt.AdaptiveAvgPool2d((1, 2))([[[[1, 2, 3, 4], [5, 6, 7, 8]]]]).tolist()
    [[[[3.5, 5.5]]]]
    """

    def __init__(self, output_size: Any, channels_last: bool = False):
        sizes = pooling.output_sizes(output_size)
        self.output_size = sizes[0] if sizes[0] == sizes[1] else sizes
        self.channels_last = windows.flag("AdaptiveAvgPool2d: channels_last", channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """adaptive_avg_pool2d(x, …)."""
        return adaptive_avg_pool2d(x, self.output_size, self.channels_last)
