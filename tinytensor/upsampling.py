"""Images in another size: the nearest pixel, or a mean of its neighbours."""

import math
from typing import Any

from tinytensor import windows
from tinytensor.errors import ArgumentError
from tinytensor.functions import tensor
from tinytensor.kernels.boundary import real_number
from tinytensor.primitives.resizing import resize
from tinytensor.tensors import Tensor

__all__ = ["upsample"]

MODES = ("nearest", "bilinear")


def upsample(
    x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool = False,
    channels_last: bool = False,
) -> Tensor:  # fmt: skip
    """Images resized, as PyTorch's Upsample does it.

    An output pixel i lies at s = i · n / size in the image; with a `scale_factor`, at i / scale_factor.
    "nearest" takes the pixel ⌊s⌋. "bilinear" takes s = (i + ½) · n / size - ½, at least 0, or with
    `align_corners` s = i · (n - 1) / (size - 1), and gives (1 - f) · x[⌊s⌋] + f · x[⌊s⌋ + 1] with
    f = s - ⌊s⌋, along the width, then along the height; f is rounded once from float64.

    Args:
        x: (batch, channels, height, width).
        size: of the output, a number or (height, width).
        scale_factor: instead of a size: its quotient by that of x, a number or (height, width); the size is
            rounded down.
        mode: "nearest" or "bilinear".
        align_corners: whether the outermost pixels of both images coincide; only for "bilinear".
        channels_last: whether x and y are (batch, height, width, channels).

    Raises:
        ShapeError: x has other axes or no pixels.
        ArgumentError: not one of size and scale_factor, or another argument lies outside what is described.

    >>> import tinytensor as tt
    >>> tt.upsample([[[[1, 2]]]], scale_factor=2).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    >>> tt.upsample([[[[1, 2]]]], size=(1, 4), mode="bilinear").tolist()
    [[[[1.0, 1.25, 1.75, 2.0]]]]
    """
    t, last = tensor(x), windows.flag("upsample: channels_last", channels_last)
    corners = windows.flag("upsample: align_corners", align_corners)
    sizes, factors = target("upsample", size, scale_factor, mode, corners)
    windows.expect_images("upsample", t.shape, 2, last)
    lengths = windows.spatial_shape(t.shape, last)
    windows.expect_pixels("upsample", lengths)
    wanted = sizes or upsampled_lengths(lengths, factors)
    a = t._array if mode == "nearest" else t._floating()
    given: Any = {"sizes": wanted, "factors": factors, "mode": mode, "corners": corners}
    return Tensor._wrap(resize(a, **given, channels_last=last))


def upsampled_lengths(lengths: tuple[int, ...], factors: tuple[float, ...]) -> tuple[int, ...]:
    """The size that scale factors give."""
    found = tuple(math.floor(n * factor) for n, factor in zip(lengths, factors, strict=True))
    if min(found) < 1:
        raise ArgumentError(f"upsample: scale_factor: {factors} leaves nothing of {windows.by(lengths)}")
    return found


def target(
    who: str, size: Any, scale_factor: Any, mode: Any, corners: bool
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The size or the scale factors that are wanted, checked; the other is empty."""
    if not isinstance(mode, str) or mode not in MODES:
        raise ArgumentError(f"{who}: mode: expected one of {', '.join(MODES)}, got {mode!r:.80}")
    if corners and mode == "nearest":
        raise ArgumentError(f'{who}: align_corners: expected False for mode="nearest", got True')
    if (size is None) == (scale_factor is None):
        raise ArgumentError(
            f"{who}: expected either size or scale_factor, got {'neither' if size is None else 'both'}"
        )
    if size is not None:
        return windows.per_axis(f"{who}: size", size, 2), ()
    several = scale_factor if isinstance(scale_factor, list | tuple) else (scale_factor,) * 2
    factors = tuple(real_number(f"{who}: scale_factor", each) for each in several)
    if len(factors) != 2 or not all(0 < each < math.inf for each in factors):
        raise ArgumentError(
            f"{who}: scale_factor: expected a positive number or (height, width), got {scale_factor!r:.80}"
        )
    return (), factors
