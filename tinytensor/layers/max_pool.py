"""`MaxPool1d` and `MaxPool2d`: the largest value of every window."""

from typing import Any, final

from tinytensor import windows
from tinytensor.layers.layer import Layer
from tinytensor.pooling import max_pool1d, max_pool2d
from tinytensor.tensors import Tensor

__all__ = ["MaxPool1d", "MaxPool2d"]


class MaxPool(Layer):
    """What both have in common."""

    _axes: int

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        channels_last: bool = False,
    ):
        who = type(self).__name__
        given = windows.kept_pooling(who, kernel_size, stride, padding, dilation, self._axes)
        self.kernel_size, self.stride, self.padding, self.dilation = given
        self.ceil_mode = windows.flag(f"{who}: ceil_mode", ceil_mode)
        self.channels_last = windows.flag(f"{who}: channels_last", channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """max_pool1d or max_pool2d, of x and the arguments."""
        given = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return (max_pool1d if self._axes == 1 else max_pool2d)(x, *given, self.channels_last)


@final
class MaxPool2d(MaxPool):
    """y[n, c, i, j] = the largest x of the window at i · stride - padding, j · stride - padding.

    (batch, channels, height, width) → (batch, channels, …); what each argument means and what is raised is
    described at `tt.max_pool2d`.

    >>> import tinytensor as tt
    >>> tt.MaxPool2d(2)([[[[1, 2, 3, 4], [5, 6, 7, 8]]]]).tolist()
    [[[[6.0, 8.0]]]]
    >>> tt.MaxPool2d(3, stride=2, padding=1)
    MaxPool2d(kernel_size=3, stride=2, padding=1)
    """

    _axes = 2


@final
class MaxPool1d(MaxPool):
    """y[n, c, t] = the largest x of the window at t · stride - padding; as `MaxPool2d` with one axis.

    >>> import tinytensor as tt
    >>> tt.MaxPool1d(2)([[[1, 2, 3, 4]]]).tolist()
    [[[2.0, 4.0]]]
    """

    _axes = 1
