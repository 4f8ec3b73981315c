"""Pooling: the largest or the mean element of a window, channel by channel.

Max goes through the window in ascending ky, kx and keeps what it has unless the next is greater or NaN, so
any NaN in the window gives NaN. The mean is a sum in ascending ky, kx in float64, divided by the number of
taps and rounded once. Padding takes no part; it is counted by the mean only with `counts_padding`.

To lower: `pool_instruction(kind, axes_of(image, window), image, dtype)` for images with channels last.
"""

from typing import Any

import numpy as np

from tinytensor.kernels.boundary import UINT8, Array
from tinytensor.kernels.bytes_lanes import bytes_max_instruction
from tinytensor.kernels.convolution import NO_PADDING, image_of
from tinytensor.kernels.image_instructions import ImageInstruction
from tinytensor.kernels.images import Pair, run_images
from tinytensor.kernels.lanes import lane_instruction
from tinytensor.kernels.windows import Axis, Image, WindowSpec, axes_of

__all__ = ["pool", "pool_instruction"]


def pool_instruction(
    kind: str, axes: tuple[Axis, Axis], image: Image, dtype: np.dtype[Any], counts_padding: bool = False
) -> ImageInstruction:
    """Pooling of images with channels last; kind is "max" or "average"; of bytes "max" only."""
    if dtype == UINT8:
        return bytes_max_instruction(axes, image)
    return lane_instruction(kind, axes, image, dtype, [], counts_padding=counts_padding)


def pool(
    x: Array, kind: str, size: Pair, stride: Pair, padding: tuple[Pair, Pair] = NO_PADDING,
    dilation: Pair = (1, 1), *, counts_padding: bool = False, outputs: Pair | None = None,
    channels_last: bool = False,
) -> Array:  # fmt: skip
    """y[n, c, y, x] = max or mean of x[n, c, y·stride + ky·dilation - top, …] over ky, kx.

    x (n, channels, height, width), or (n, height, width, channels) with `channels_last`, and y alike; float32
    or float64. `outputs`: rows and columns of the result, if they are more than fit, as with PyTorch's
    ceil_mode. A window without a tap gives -inf, or NaN as a mean; of uint8, which has no mean, 0. Arguments
    are checked by the caller.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> pool(x, "max", (2, 2), (2, 2)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    >>> pool(x, "average", (2, 2), (2, 2)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    image = image_of(x, channels_last)
    read = image._replace(channels_last=True)
    axes = axes_of(image, WindowSpec(size, stride, padding, dilation), outputs)
    made = pool_instruction(kind, axes, read, x.dtype, counts_padding)
    work = made.height * made.width * made.channels * size[0] * size[1]
    return run_images(made, image, read, x, x.dtype, work)
