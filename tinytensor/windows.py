"""Windows that slide over the spatial axes of images: their arguments, checked, and the shapes they give.

Nothing here reads a pixel: `Window` holds the arguments of a convolution or a pooling as one number or one
pair for each spatial axis, and the shape rules go from shapes to a shape, or to the error that says why there
is none.
"""

from typing import Any, NamedTuple

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.kernels.boundary import index, length

__all__ = [
    "Pads", "Window", "convolution_shape", "expect_images", "joined_shape", "pads_of", "per_axis",
    "pooled_shape", "spatial_shape", "transposed_shape", "window",
]  # fmt: skip

Pads = tuple[tuple[int, int], ...]
Shape = tuple[int, ...]
AXES = {1: ("length",), 2: ("height", "width")}


class Window(NamedTuple):
    """What slides over the spatial axes; the padding is a pair for each of them, or "same"."""

    kernel: Shape
    stride: Shape
    padding: Pads | str
    dilation: Shape
    ceil_mode: bool = False

    @property
    def spans(self) -> Shape:
        """How far a window reaches along each axis: dilation · (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def pads(self, lengths: Shape) -> Pads:
        """The padding before and after each axis for an image of those lengths."""
        if not isinstance(self.padding, str):
            return self.padding
        found = []
        for n, span, stride in zip(lengths, self.spans, self.stride, strict=True):
            total = max((-(-n // stride) - 1) * stride + span - n, 0)
            found.append((total // 2, total - total // 2))
        return tuple(found)


def window(
    who: str, kernel: Any, stride: Any, padding: Any, dilation: Any, axes: int, ceil_mode: bool = False
) -> Window:
    """The arguments of a window over so many spatial axes, checked.

    >>> window("max_pool2d", 3, (1, 2), ((0, 1), 2), 1, 2)
    Window(kernel=(3, 3), stride=(1, 2), padding=((0, 1), (2, 2)), dilation=(1, 1), ceil_mode=False)
    """
    kernels, strides, dilations = (
        per_axis(f"{who}: {name}", value, axes)
        for name, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation))
    )
    ceil = flag(f"{who}: ceil_mode", ceil_mode)
    return Window(kernels, strides, pads_of(f"{who}: padding", padding, axes), dilations, ceil)


def per_axis(who: str, value: Any, axes: int, least: int = 1) -> Shape:
    """An integer, or one for each spatial axis, as a tuple with one for each.

    Raises:
        ArgumentError: anything else, or an integer below `least`.

    >>> per_axis("conv2d: stride", 2, 2)
    (2, 2)
    """
    try:
        several = tuple(map(index, value)) if isinstance(value, list | tuple) else (index(value),) * axes
    except TypeError:
        several = ()
    if len(several) != axes or min(several) < least:
        expected = "a positive integer" if least == 1 else f"an integer from {least} on"
        names = ", ".join(AXES[axes])
        comma = "," if axes == 1 else ""
        raise ArgumentError(f"{who}: expected {expected} or ({names}{comma}), got {value!r:.80}")
    return several


def pads_of(who: str, value: Any, axes: int, least: int = 0) -> Pads | str:
    """A padding as a pair for each spatial axis; "valid" is none, "same" depends on the image and stays.

    Raises:
        ArgumentError: anything else.

    >>> pads_of("conv2d: padding", (1, (0, 2)), 2)
    ((1, 1), (0, 2))
    """
    if isinstance(value, str) and value in ("same", "valid") and least == 0:
        return "same" if value == "same" else ((0, 0),) * axes
    each_axis = value if isinstance(value, list | tuple) else (value,) * axes
    try:
        pairs = tuple(pair(each) for each in each_axis)
    except (TypeError, ValueError):
        pairs = ()
    if len(pairs) != axes or any(min(each) < least for each in pairs):
        words = ' "same", "valid",' if least == 0 else ""
        pairs_of = ", ".join("(before, after)" for _ in range(axes))
        comma = "," if axes == 1 else ""
        raise ArgumentError(
            f"{who}: expected{words} an integer{' from 0 on' * (least == 0)}, "
            f"({', '.join(AXES[axes])}{comma}) or ({pairs_of}{comma}), got {value!r:.80}"
        )
    return pairs


def pair(value: Any) -> tuple[int, int]:
    """A padding on both sides of an axis, from one number or two."""
    if isinstance(value, list | tuple):
        before, after = map(index, value)
        return before, after
    return index(value), index(value)


# Arguments as a layer keeps them


def weight_shape(who: str, in_channels: Any, out_channels: Any, kernel: Any, groups: Any, axes: int) -> Shape:
    """(out_channels, in_channels / groups, *kernel), checked."""
    ins, outs, count = (
        length(f"{who}: {name}", value)
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups))
    )
    if ins % count or outs % count:
        raise ArgumentError(
            f"{who}: groups: expected a divisor of {ins} input and {outs} output channels, got {count}"
        )
    return outs, ins // count, *per_axis(f"{who}: kernel_size", kernel, axes)


def kept(who: str, kernel: Any, stride: Any, padding: Any, dilation: Any, axes: int) -> tuple[Any, Any, Any]:
    """Stride, padding and dilation of a convolution in their simplest form, checked."""
    checked = window(who, kernel, stride, padding, dilation, axes)
    return simplest(checked.stride), simplest_pads(checked.padding), simplest(checked.dilation)


def kept_pooling(
    who: str, kernel: Any, stride: Any, padding: Any, dilation: Any, axes: int
) -> tuple[Any, Any, Any, Any]:
    """Kernel, stride, padding and dilation of a pooling in their simplest form, checked; no stride stays."""
    steps, pads, dilation = kept(who, kernel, kernel if stride is None else stride, padding, dilation, axes)
    return simplest(per_axis(who, kernel, axes)), None if stride is None else steps, pads, dilation


def simplest(several: tuple[Any, ...]) -> Any:
    """One number if all are the same, else the tuple."""
    return several[0] if len(set(several)) == 1 else several


def simplest_pads(pads: Pads | str) -> Any:
    """A padding as one number, one for each axis, or a pair for each: the first that says it."""
    if isinstance(pads, str) or any(before != after for before, after in pads):
        return pads
    return simplest(tuple(before for before, _ in pads))


def refuse_extra(who: str, extra: Shape, window: Window) -> None:
    """Raise if a transposed convolution is given what has no meaning for it."""
    if window.padding == "same":
        raise ArgumentError(f'{who}: padding: "same" is not defined here; give the numbers that are cut off')
    if any(more >= max(s, d) for more, s, d in zip(extra, window.stride, window.dilation, strict=True)):
        raise ArgumentError(
            f"{who}: output_padding: expected less than the stride {simplest(window.stride)} or the "
            f"dilation {simplest(window.dilation)}, got {simplest(extra)}"
        )


# Images


def expect_images(who: str, shape: Shape, axes: int, channels_last: bool) -> None:
    """Raise unless a shape is that of a batch of images with so many spatial axes."""
    if len(shape) == axes + 2:
        return
    hint, grey = "", "..., None" if channels_last else ":, None"
    if len(shape) == axes + 1:
        hint = f"; did you forget an axis? x[None] is a batch of one, x[{grey}] a batch with one channel"
    elif len(shape) == axes:
        batch = "x[None, ..., None]" if channels_last else "x[None, None]"
        hint = f"; did you forget the axes of batch and channels? {batch} is a batch of one"
    raise ShapeError(f"{who}: expected ({', '.join(layout(axes, channels_last))}), got {shape}{hint}")


def layout(axes: int, channels_last: bool, channels: str = "channels") -> tuple[str, ...]:
    """The names of the axes of a batch of images."""
    return ("batch", *AXES[axes], channels) if channels_last else ("batch", channels, *AXES[axes])


def spatial_shape(shape: Shape, channels_last: bool) -> Shape:
    """The lengths of the spatial axes."""
    return shape[1:-1] if channels_last else shape[2:]


def joined_shape(batch: int, channels: int, lengths: Shape, channels_last: bool) -> Shape:
    """The shape of a batch of images."""
    return (batch, *lengths, channels) if channels_last else (batch, channels, *lengths)


def expect_channels(who: str, shape: Shape, channels: int, channels_last: bool) -> None:
    """Raise unless images have so many channels."""
    got = shape[-1] if channels_last else shape[1]
    if got == channels:
        return
    expected = ", ".join(layout(len(shape) - 2, channels_last, str(channels)))
    hint = ""
    if (shape[1] if channels_last else shape[-1]) == channels:
        wanted = "last" if channels_last else "first"
        hint = f"; did you mean tt.channels_{wanted}(x), or channels_last={not channels_last}?"
    raise ShapeError(f"{who}: expected ({expected}), got {shape}: {got} channels{hint}")


def expect_pixels(who: str, lengths: Shape) -> None:
    """Raise if images have no pixels."""
    if 0 in lengths:
        raise ShapeError(f"{who}: expected images with at least one pixel, got {by(lengths)}")


# Shape rules


def window_lengths(who: str, lengths: Shape, window: Window) -> Shape:
    """How many positions a window has along each axis: ⌊(n + padding - span) / stride⌋ + 1.

    With `ceil_mode` the division rounds up, but a last window that would start in the padding after the
    image is left out, as in PyTorch.
    """
    expect_pixels(who, lengths)
    pads = window.pads(lengths)
    found = []
    for n, span, stride, (before, after) in zip(lengths, window.spans, window.stride, pads, strict=True):
        room = n + before + after - span
        if room < 0:
            raise ShapeError(too_large(who, lengths, window, pads))
        count = room // stride + 1
        if window.ceil_mode and room % stride and count * stride < n + before:
            count += 1
        found.append(count)
    return tuple(found)


def too_large(who: str, lengths: Shape, window: Window, pads: Pads) -> str:
    """The error for a window that does not fit an image, and the padding with which it would."""
    kernel = f"a kernel of {by(window.kernel)}"
    if set(window.dilation) != {1}:
        kernel += f" with dilation {by(window.dilation)}, which spans {by(window.spans)},"
    padded = tuple(n + before + after for n, (before, after) in zip(lengths, pads, strict=True))
    image = by(lengths) if padded == lengths else f"{by(lengths)}, {by(padded)} with its padding"
    least = max(
        max(before, after, -(-(span - n) // 2))
        for n, span, (before, after) in zip(lengths, window.spans, pads, strict=True)
    )
    return f"{who}: {kernel} is larger than the image of {image}; padding={least} makes it fit"


def by(lengths: Shape) -> str:
    """5×5."""
    return "×".join(map(str, lengths))


def convolution_shape(
    who: str, x: Shape, weight: Shape, bias: Shape | None, groups: int, window: Window, channels_last: bool
) -> Shape:
    """The shape of a convolution's output: images (n, c, …), weight (out, c / groups, …), bias (out,).

    Raises:
        ShapeError: they do not fit, or the kernel is larger than the padded image.

    >>> two = window("conv2d", (3, 3), 2, 1, 1, 2)
    >>> convolution_shape("conv2d", (10, 3, 28, 28), (8, 3, 3, 3), None, 1, two, False)
    (10, 8, 14, 14)
    """
    expect_images(who, x, len(window.kernel), channels_last)
    if weight[0] % groups:
        raise ShapeError(f"{who}: expected out_channels that {groups} groups divide, got {weight[0]}")
    expect_bias(who, bias, weight[0])
    expect_channels(who, x, weight[1] * groups, channels_last)
    lengths = window_lengths(who, spatial_shape(x, channels_last), window)
    return joined_shape(x[0], weight[0], lengths, channels_last)


def expect_bias(who: str, bias: Shape | None, channels: int) -> None:
    """Raise unless there is no bias, or a number for each channel."""
    if bias is not None and bias != (channels,):
        raise ShapeError(f"{who}: bias: expected shape ({channels},), got {bias}")


def transposed_shape(
    who: str, x: Shape, weight: Shape, bias: Shape | None, groups: int, window: Window, extra: Shape,
    channels_last: bool,
) -> Shape:  # fmt: skip
    """The shape of a transposed convolution's output: (n - 1) · stride + span - padding + extra.

    Raises:
        ShapeError: they do not fit, or nothing would be left of the output.

    >>> two = window("conv_transpose2d", (2, 2), 2, 0, 1, 2)
    >>> transposed_shape("conv_transpose2d", (10, 3, 14, 14), (3, 8, 2, 2), None, 1, two, (0, 0), False)
    (10, 8, 28, 28)
    """
    expect_images(who, x, len(window.kernel), channels_last)
    if weight[0] % groups:
        raise ShapeError(f"{who}: expected in_channels that {groups} groups divide, got {weight[0]}")
    expect_channels(who, x, weight[0], channels_last)
    expect_bias(who, bias, weight[1] * groups)
    expect_pixels(who, lengths := spatial_shape(x, channels_last))
    found = tuple(
        (n - 1) * stride + span - before - after + more
        for n, stride, span, (before, after), more in zip(
            lengths, window.stride, window.spans, window.pads(lengths), extra, strict=True
        )
    )
    if min(found) < 1:
        raise ShapeError(
            f"{who}: the padding {window.padding} cuts off all of the output, which would be {by(found)}; "
            "use a smaller padding"
        )
    return joined_shape(x[0], weight[1] * groups, found, channels_last)


def pooled_shape(who: str, x: Shape, window: Window, channels_last: bool) -> Shape:
    """The shape that pooling gives; the channels stay.

    Raises:
        ShapeError: no images, a kernel larger than the padded image, or padding that holds a whole window.

    >>> pooled_shape("max_pool2d", (10, 3, 28, 28), window("max_pool2d", 2, 2, 0, 1, 2), False)
    (10, 3, 14, 14)
    """
    expect_images(who, x, len(window.kernel), channels_last)
    lengths = window_lengths(who, spatial_shape(x, channels_last), window)
    pads = window.pads(spatial_shape(x, channels_last))
    if any(max(sides) >= span for sides, span in zip(pads, window.spans, strict=True)):
        most = min(span - 1 for span in window.spans)
        raise ShapeError(
            f"{who}: with a padding of {max(map(max, pads))} a window of {by(window.spans)} would hold "
            f"padding only; a padding of {most} is the most"
        )
    return joined_shape(x[0], x[-1] if channels_last else x[1], lengths, channels_last)


def flag(who: str, value: Any) -> bool:
    """True or False."""
    if value is not True and value is not False:
        raise DtypeError(f"{who}: expected True or False, got {value!r:.80}")
    return bool(value)
