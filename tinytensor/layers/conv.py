"""`Conv1d` and `Conv2d`: a small window of weights, at every position of an image."""

from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

from tinytensor import windows
from tinytensor.images import conv1d, conv2d
from tinytensor.layers import drawn
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Conv1d", "Conv2d"]


class Convolution(Layer):
    """What both have in common."""

    _axes: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: Any = True,
        channels_last: bool = False,
        *,
        weight: Any = None,
        initializer: str = "xavier_uniform",
        seed: "int | np.random.Generator | None" = None,
        dtype: DTypeLike | None = None,
    ):
        who = type(self).__name__
        shape = windows.weight_shape(who, in_channels, out_channels, kernel_size, groups, self._axes)
        self.groups = in_channels // shape[1]
        kept = windows.kept(who, kernel_size, stride, padding, dilation, self._axes)
        self.stride, self.padding, self.dilation = kept
        self.channels_last = windows.flag(f"{who}: channels_last", channels_last)
        self.weight = drawn.weight(who, shape, weight, initializer, seed, dtype)
        self.bias = drawn.bias(who, bias, shape[0], self.weight.dtype)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments without weight and bias."""
        out_channels, in_channels, *kernel = self.weight.shape
        return {
            "in_channels": in_channels * self.groups,
            "out_channels": out_channels,
            "kernel_size": windows.simplest(tuple(kernel)),
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "bias": self.bias is not None,
            "channels_last": self.channels_last,
        }

    def forward(self, x: Tensor) -> Tensor:
        """conv1d or conv2d, of x, weight, bias and the others."""
        window = (self.stride, self.padding, self.dilation, self.groups, self.channels_last)
        return (conv1d if self._axes == 1 else conv2d)(x, self.weight, self.bias, *window)

    def __repr__(self) -> str:
        return drawn.text(self, self.weight)


@final
class Conv2d(Convolution):
    """y[n, o, i, j] = bias[o] + Σ x[n, c, i · stride + ky · dilation - padding, …] · weight[o, c, ky, kx].

    (batch, in_channels, height, width) → (batch, out_channels, …). `weight` has the shape (out_channels,
    in_channels / groups, kernel height, kernel width), `bias` (out_channels,) or is None. The order of the
    sum and what each argument means is described at `tt.conv2d`.

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: a number or (height, width).
        stride: a number or (height, width).
        padding: a number, (height, width), ((top, bottom), (left, right)), "same" or "valid".
        dilation: a number or (height, width).
        groups: with in_channels of them, the convolution is depthwise, and out_channels / in_channels the
            multiplier.
        bias: whether there is one (zeros at first), or its values.
        channels_last: whether x and y are (batch, height, width, channels); the weight is the same.
        weight: its values, instead of drawing them.
        initializer: how to draw the weight, by name (`tt.initializers.names()`).
        seed: the same seed draws the same weight.
        dtype: float32 or float64; the weight's own, if that is given.

    Raises:
        ShapeError: weight, bias or an input has another shape, or the kernel is larger than the image.
        DtypeError: another dtype.
        ArgumentError: an argument lies outside what is described here.

    Source: Saitō, Deep Learning from Scratch, section 7.4.

    >>> import tinytensor as tt
    >>> tt.Conv2d(1, 1, 2, weight=[[[[1, 2], [3, 4]]]], bias=[0.5])([[[[1, 0, 1], [0, 1, 0]]]]).tolist()
    [[[[5.5, 5.5]]]]
    >>> tt.Conv2d(3, 16, 3, padding=1)
    Conv2d(in_channels=3, out_channels=16, kernel_size=3, padding=1)
    """

    _axes = 2


@final
class Conv1d(Convolution):
    """y[n, o, t] = bias[o] + Σ_k Σ_c x[n, c, t · stride + k · dilation - padding] · weight[o, c, k].

    As `Conv2d`, with one spatial axis: (batch, in_channels, length) → (batch, out_channels, …), `weight` is
    (out_channels, in_channels / groups, kernel_size), with channels_last x is (batch, length, in_channels).

    >>> import tinytensor as tt
    >>> tt.Conv1d(1, 1, 2, padding=((1, 0),), weight=[[[1, 10]]])([[[1, 2, 3]]]).tolist()
    [[[10.0, 21.0, 32.0]]]
    """

    _axes = 1
