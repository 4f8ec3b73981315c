"""`QuantizedAvgPool2d` and `QuantizedGlobalAvgPool2d`: means of bytes."""

from typing import Any, final

import numpy as np

from tinytensor import windows
from tinytensor.kernels.boundary import Array
from tinytensor.layers.quantized import Rounding, bytes_of, multiplier, output_of
from tinytensor.primitives.movement import moved
from tinytensor.primitives.quantized import quantized_average
from tinytensor.tensors import Tensor
from tinytensor.windows import Window

__all__ = ["QuantizedAvgPool2d", "QuantizedGlobalAvgPool2d"]


@final
class QuantizedAvgPool2d(Rounding):
    """y = mean of (x - input_zero_point) over the windows of `AvgPool2d` · input_scale / output_scale.

    uint8 images → uint8, clip(rint(y) + output_zero_point, low, high), or without an output_scale float32.
    The mean is rounded once to float32. Padding, where it counts, counts as input_zero_point.

    Args:
        kernel_size: as in `AvgPool2d`, and so are the others without a word here.
        input_scale: what one step of x is worth.
        input_zero_point: the byte of x that stands for 0.
        output_scale: what one step of the result is worth; None for a result of float32.
        output_zero_point: the byte of the result that stands for 0.
        low: the smallest byte of the result.
        high: the largest.

    Raises:
        ShapeError: x has other axes, or the window is larger than the image.
        DtypeError: x is not uint8.
        ArgumentError: a scale that is not positive and finite, a byte outside 0 to 255, or a window that
            `AvgPool2d` would refuse.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> pool = tt.QuantizedAvgPool2d(2, input_scale=1.0, output_scale=0.5)
    >>> pool(tt.Tensor([[[[1, 2, 3, 4], [5, 6, 7, 8]]]], np.uint8)).tolist()
    [[[[7, 11]]]]
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        channels_last: bool = False,
        *,
        input_scale: float,
        input_zero_point: int = 0,
        output_scale: float | None = None,
        output_zero_point: int = 0,
        low: int = 0,
        high: int = 255,
    ):
        who = "QuantizedAvgPool2d"
        given = windows.kept_pooling(who, kernel_size, stride, padding, 1, 2)
        self.kernel_size, self.stride, self.padding, _ = given
        self.ceil_mode = windows.flag(f"{who}: ceil_mode", ceil_mode)
        self.count_include_pad = windows.flag(f"{who}: count_include_pad", count_include_pad)
        self.channels_last = windows.flag(f"{who}: channels_last", channels_last)
        self._set_scales(input_scale, input_zero_point, output_scale, output_zero_point, low, high)

    def forward(self, x: Tensor) -> Tensor:
        """The means of windows."""
        (bytes_,) = bytes_of(self, x)
        stride = self.kernel_size if self.stride is None else self.stride
        window = windows.window(repr(self), self.kernel_size, stride, self.padding, 1, 2, self.ceil_mode)
        return Tensor._wrap(average(self, bytes_, window, self.count_include_pad))


@final
class QuantizedGlobalAvgPool2d(Rounding):
    """y[n, c] = the mean of x[n, c, i, j] - input_zero_point over all pixels · input_scale / output_scale.

    As `QuantizedAvgPool2d` with one window; (batch, channels), or with keepdims (batch, channels, 1, 1).

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> tt.QuantizedGlobalAvgPool2d(input_scale=0.5)(tt.Tensor([[[[1, 2], [3, 4]]]], np.uint8)).tolist()
    [[1.25]]
    """

    def __init__(
        self,
        keepdims: bool = False,
        channels_last: bool = False,
        *,
        input_scale: float,
        input_zero_point: int = 0,
        output_scale: float | None = None,
        output_zero_point: int = 0,
        low: int = 0,
        high: int = 255,
    ):
        self.keepdims = windows.flag("QuantizedGlobalAvgPool2d: keepdims", keepdims)
        self.channels_last = windows.flag("QuantizedGlobalAvgPool2d: channels_last", channels_last)
        self._set_scales(input_scale, input_zero_point, output_scale, output_zero_point, low, high)

    def forward(self, x: Tensor) -> Tensor:
        """The means of images."""
        (bytes_,) = bytes_of(self, x)
        who, last = repr(self), self.channels_last
        windows.expect_images(who, x.shape, 2, last)
        pixels = windows.spatial_shape(x.shape, last)
        windows.expect_pixels(who, pixels)
        y = average(self, bytes_, windows.window(who, pixels, 1, 0, 1, 2), True)
        return Tensor._wrap(y if self.keepdims else moved(np.squeeze, (y,), (1, 2) if last else (2, 3)))


def average(layer: Any, x: Array, window: Window, counts_padding: bool) -> Any:
    """The means of windows of bytes."""
    shape = windows.pooled_shape(repr(layer), x.shape, window, layer.channels_last)
    return quantized_average(
        x,
        zero_point=layer.input_zero_point,
        multiplier=float(multiplier(layer.input_scale, 1.0, layer.output_scale)),
        output=output_of(layer),
        size=window.kernel,
        stride=window.stride,
        padding=window.pads(windows.spatial_shape(x.shape, layer.channels_last)),
        dilation=window.dilation,
        counts_padding=counts_padding,
        outputs=windows.spatial_shape(shape, layer.channels_last),
        channels_last=layer.channels_last,
    )
