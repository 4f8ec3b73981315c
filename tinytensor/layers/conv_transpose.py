"""`ConvTranspose2d`: every pixel of an image paints a small window of the output."""

from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

from tinytensor import windows
from tinytensor.images import conv_transpose2d
from tinytensor.layers import drawn
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["ConvTranspose2d"]


@final
class ConvTranspose2d(Layer):
    """y[n, o, i · stride + ky · dilation - padding, …] = bias[o] + Σ x[n, c, i, j] · weight[c, o, ky, kx].

    (batch, in_channels, height, width) → (batch, out_channels, …). `weight` has the shape (in_channels,
    out_channels / groups, kernel height, kernel width), `bias` (out_channels,) or is None. The order of the
    sum and what each argument means is described at `tt.conv_transpose2d`; the order of the arguments is
    PyTorch's.

    Raises:
        ShapeError: weight, bias or an input has another shape, or the padding cuts off the whole output.
        DtypeError: another dtype.
        ArgumentError: an argument lies outside what is described there.

    >>> import tinytensor as tt
    >>> tt.ConvTranspose2d(1, 1, 2, stride=2, weight=[[[[1, 2], [3, 4]]]])([[[[1, 10]]]]).tolist()
    [[[[1.0, 2.0, 10.0, 20.0], [3.0, 4.0, 30.0, 40.0]]]]
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: Any = True,
        dilation: Any = 1,
        channels_last: bool = False,
        *,
        weight: Any = None,
        initializer: str = "xavier_uniform",
        seed: "int | np.random.Generator | None" = None,
        dtype: DTypeLike | None = None,
    ):
        who = "ConvTranspose2d"
        outs, ins, *kernel = windows.weight_shape(who, in_channels, out_channels, kernel_size, groups, 2)
        self.groups = in_channels // ins
        self.stride, self.padding, self.dilation = windows.kept(
            who, kernel_size, stride, padding, dilation, 2
        )
        window = windows.window(who, kernel_size, stride, padding, dilation, 2)
        extra = windows.per_axis(f"{who}: output_padding", output_padding, 2, least=0)
        windows.refuse_extra(who, extra, window)
        self.output_padding = windows.simplest(extra)
        self.channels_last = windows.flag(f"{who}: channels_last", channels_last)
        shape = (in_channels, outs // self.groups, *kernel)
        self.weight = drawn.weight(who, shape, weight, initializer, seed, dtype)
        self.bias = drawn.bias(who, bias, outs, self.weight.dtype)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments without weight and bias."""
        in_channels, out_channels, *kernel = self.weight.shape
        return {
            "in_channels": in_channels,
            "out_channels": out_channels * self.groups,
            "kernel_size": windows.simplest(tuple(kernel)),
            "stride": self.stride,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "groups": self.groups,
            "bias": self.bias is not None,
            "dilation": self.dilation,
            "channels_last": self.channels_last,
        }

    def forward(self, x: Tensor) -> Tensor:
        """conv_transpose2d(x, weight, bias, …)."""
        return conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.dilation,
            self.groups, self.channels_last,
        )  # fmt: skip

    def __repr__(self) -> str:
        return drawn.text(self, self.weight)
