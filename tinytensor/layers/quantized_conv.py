"""`QuantizedConv2d`: a convolution of images of bytes."""

from typing import Any, final

from tinytensor import windows
from tinytensor.kernels.boundary import length
from tinytensor.layers.quantized import Summing, bytes_of, expect_exact, multiplier, output_of
from tinytensor.primitives.quantized import quantized_convolution
from tinytensor.tensors import Tensor

__all__ = ["QuantizedConv2d"]


@final
class QuantizedConv2d(Summing):
    """y = (bias + Σ (x - input_zero_point) · weight) · multiplier over the windows that `Conv2d` has.

    uint8 (batch, in_channels, height, width) → (batch, out_channels, …), or with channels_last (batch,
    height, width, channels). The sum is an exact int32; taps in the padding are left out. Multiplier and
    result are those of `QuantizedLinear`.

    Args:
        weight: int8 (out_channels, in_channels / groups, kernel height, kernel width).
        bias: int32 (out_channels,), in units of input_scale · weight_scale; zeros by default.
        weight_scale: what one step of a weight is worth, for each output channel.
        input_scale: what one step of x is worth.
        input_zero_point: the byte of x that stands for 0.
        output_scale: what one step of the result is worth; None for a result of float32.
        output_zero_point: the byte of the result that stands for 0.
        low: the smallest byte of the result.
        high: the largest.
        stride: as in `Conv2d`, and so are the others.

    Raises:
        ShapeError: weight, bias, weight_scale or an input do not fit, or the kernel is larger than the image.
        DtypeError: another dtype.
        ArgumentError: a scale that is not positive and finite, a byte outside 0 to 255, a sum that may not
            fit an int32, or a window that `Conv2d` would refuse.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> layer = tt.QuantizedConv2d(
    ...     np.array([[[[1, 2]]]], np.int8), weight_scale=[0.5], input_scale=1.0, output_scale=0.25
    ... )
    >>> layer(tt.Tensor([[[[1, 2, 200]]]], np.uint8)).tolist()
    [[[[10, 255]]]]
    """

    def __init__(
        self,
        weight: Any,
        bias: Any = None,
        *,
        weight_scale: Any,
        input_scale: float,
        input_zero_point: int = 0,
        output_scale: float | None = None,
        output_zero_point: int = 0,
        low: int = 0,
        high: int = 255,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        channels_last: bool = False,
    ):
        self._set_weight(weight, bias, weight_scale, "out, in, height, width")
        shape = self.weight.shape
        self.groups = length("QuantizedConv2d: groups", groups)
        windows.weight_shape("QuantizedConv2d", shape[1] * self.groups, shape[0], shape[2:], self.groups, 2)
        self.stride, self.padding, self.dilation = windows.kept(
            "QuantizedConv2d", shape[2:], stride, padding, dilation, 2
        )
        self.channels_last = windows.flag("QuantizedConv2d: channels_last", channels_last)
        self._set_scales(input_scale, input_zero_point, output_scale, output_zero_point, low, high)
        expect_exact("QuantizedConv2d", self.weight.numpy(), self.bias.numpy(), self.input_zero_point)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of bytes."""
        (bytes_,) = bytes_of(self, x)
        who, last = repr(self), self.channels_last
        weight, bias, output = self.weight._array, self.bias._array, output_of(self)
        window = windows.window(who, weight.shape[2:], self.stride, self.padding, self.dilation, 2)
        windows.convolution_shape(who, x.shape, weight.shape, bias.shape, self.groups, window, last)
        expect_exact("QuantizedConv2d", weight, bias, self.input_zero_point)
        return Tensor._wrap(
            quantized_convolution(
                bytes_,
                weight,
                bias,
                multiplier(self.input_scale, self.weight_scale._array, self.output_scale),
                zero_point=self.input_zero_point,
                output=output,
                stride=window.stride,
                padding=window.pads(windows.spatial_shape(x.shape, last)),
                dilation=window.dilation,
                groups=self.groups,
                channels_last=last,
            )
        )
