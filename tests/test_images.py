"""Functions and layers of images against plain loops, bit by bit, in both layouts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests import naive
from tests.strategies import float_dtypes, generators
from tinytensor.padding import padded_shape
from tinytensor.primitives.lookup import row_numbers


def last(x):
    """The same images with channels last."""
    return np.ascontiguousarray(np.moveaxis(np.asarray(x), 1, -1))


def pairs(padding):
    """(height, width) as ((top, bottom), (left, right))."""
    return tuple(each if isinstance(each, tuple) else (each, each) for each in padding)


@st.composite
def geometries(draw, pooling=False):
    """Kernel, stride, padding, dilation and the size of an image on which they give something."""
    kernel, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in range(2)) for most in (4, 3, 2))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    most = [span // 2 if pooling else 3 for span in spans]
    padding = tuple((draw(st.integers(0, m)), draw(st.integers(0, m))) for m in most)
    least = [max(1, span - sum(pads)) for span, pads in zip(spans, padding, strict=True)]
    return kernel, stride, padding, dilation, tuple(draw(st.integers(n, n + 5)) for n in least)


@given(
    geometries(),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    generators,
    float_dtypes,
)
def test_convolutions(geometry, groups, each, per_group, biased, rng, dtype):
    kernel, stride, padding, dilation, size = geometry
    x = rng.standard_normal((2, groups * each, *size)).astype(dtype)
    weight = rng.standard_normal((groups * per_group, each, *kernel)).astype(dtype)
    bias = rng.standard_normal(groups * per_group).astype(dtype) if biased else None
    layer = tt.Conv2d(
        groups * each, groups * per_group, kernel, stride, padding, dilation, groups, bias, weight=weight
    )
    expected = naive.convolve(x, weight, bias, stride, padding, dilation, groups)
    naive.same(layer(x).numpy(), expected)
    layer.channels_last = True
    naive.same(layer(last(x)).numpy(), last(expected))


@given(geometries(), st.booleans(), generators, float_dtypes)
def test_convolutions_of_one_axis(geometry, channels_last, rng, dtype):
    (_, k), (_, stride), (_, padding), (_, dilation), (_, n) = geometry
    x, weight = rng.standard_normal((2, 3, n)).astype(dtype), rng.standard_normal((4, 3, k)).astype(dtype)
    layer = tt.Conv1d(3, 4, k, stride, (padding,), dilation, channels_last=channels_last, weight=weight)
    y = layer(last(x) if channels_last else x).numpy()
    high = ((1, stride), ((0, 0), padding), (1, dilation), 1)
    expected = naive.convolve(x[:, :, None], weight[:, :, None], None, *high)[:, :, 0]
    naive.same(y, last(expected) if channels_last else expected)


@given(geometries(), st.sampled_from([1, 2]), st.booleans(), generators, float_dtypes)
def test_transposed_convolutions(geometry, groups, channels_last, rng, dtype):
    kernel, stride, _, dilation, size = geometry
    size = tuple(min(n, 4) for n in size)
    padding = ((kernel[0] // 2, 0), (0, kernel[1] // 2))
    more = tuple(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True))
    x = rng.standard_normal((2, 2 * groups, *size)).astype(dtype)
    weight = rng.standard_normal((2 * groups, 3, *kernel)).astype(dtype)
    bias = rng.standard_normal(3 * groups).astype(dtype)
    layer = tt.ConvTranspose2d(
        2 * groups, 3 * groups, kernel, stride, padding, more, groups, bias, dilation, channels_last,
        weight=weight,
    )  # fmt: skip
    expected = naive.convolve_transposed(x, weight, bias, stride, padding, dilation, groups, more)
    y = layer(last(x) if channels_last else x).numpy()
    naive.same(y, last(expected) if channels_last else expected)


@pytest.mark.parametrize(("n", "kernel", "stride", "pads"), [
    (5, 3, 1, (1, 1)), (5, 2, 1, (0, 1)), (5, 4, 2, (1, 2)), (6, 3, 2, (0, 1)), (5, 1, 2, (0, 0)),
    (49, 10, 2, (4, 5)),
])  # fmt: skip
def test_same_padding_is_that_of_keras(n, kernel, stride, pads):
    x, weight = tt.normal((2, 2, n, n), seed=0), tt.normal((3, 2, kernel, kernel), seed=1)
    y = tt.conv2d(x, weight, stride=stride, padding="same")
    assert y.shape[2:] == (-(-n // stride),) * 2
    naive.same(y.numpy(), tt.conv2d(x, weight, stride=stride, padding=(pads, pads)).numpy())
    naive.same(tt.conv2d(x, weight, padding="valid").numpy(), tt.conv2d(x, weight).numpy())


# Pooling


def largest(values):
    """The first of the largest, or NaN."""
    best = -math.inf
    for value in values:
        if value > best or math.isnan(value):
            best = value
    return best


def mean(values, count=None):
    """The sum from the first to the last, by their number, in float64."""
    total = 0.0
    for value in values:
        total += float(value)
    return total / (len(values) if count is None else count)


@given(geometries(pooling=True), st.booleans(), generators, float_dtypes)
def test_pooling(geometry, channels_last, rng, dtype):
    kernel, stride, padding, dilation, size = geometry
    x = rng.standard_normal((2, 3, *size)).astype(dtype)
    x[rng.random(x.shape) < 0.1] = np.nan
    given_ = last(x) if channels_last else x
    expected = naive.pool(largest, x, kernel, stride, padding, dilation)
    layer = tt.MaxPool2d(kernel, stride, padding, dilation, channels_last=channels_last)
    naive.same(layer(given_).numpy(), last(expected) if channels_last else expected)
    for counted in (True, False) if dilation == (1, 1) else ():
        layer = tt.AvgPool2d(kernel, stride, padding, count_include_pad=counted, channels_last=channels_last)
        count = math.prod(kernel) if counted else None
        expected = naive.pool(
            lambda values, count=count: mean(values, count), x, kernel, stride, padding, dilation
        )
        naive.same(layer(given_).numpy(), last(expected) if channels_last else expected)


def test_pooling_of_one_axis():
    x = tt.normal((2, 3, 11), seed=0)
    high = x.expand_dims(2)
    for one, two in ((tt.max_pool1d, tt.max_pool2d), (tt.avg_pool1d, tt.avg_pool2d)):
        expected = two(high, (1, 3), (1, 2), (0, 1)).squeeze(2).numpy()
        naive.same(one(x, 3, 2, 1).numpy(), expected)
        naive.same(one(last(x), 3, 2, 1, channels_last=True).numpy(), last(expected))
    naive.same(tt.MaxPool1d(3, 2, 1)(x).numpy(), tt.max_pool1d(x, 3, 2, 1).numpy())
    naive.same(tt.AvgPool1d(3, 2, 1)(x).numpy(), tt.avg_pool1d(x, 3, 2, 1).numpy())


def test_ceil_mode_counts_a_last_window_that_starts_in_the_image():
    x = tt.arange(5).reshape(1, 1, 1, 5)
    assert tt.max_pool2d(x, (1, 2), ceil_mode=True).tolist() == [[[[1.0, 3.0, 4.0]]]]
    assert tt.avg_pool2d(x, (1, 2), ceil_mode=True).tolist() == [[[[0.5, 2.5, 4.0]]]]
    # with padding 1 a third window would start in the padding after the image
    assert tt.max_pool2d(x[..., :4], (1, 3), (1, 3), (0, 1), ceil_mode=True).shape[-1] == 2


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), generators, float_dtypes)
def test_adaptive_and_global_pooling(h, w, oh, ow, rng, dtype):
    x = rng.standard_normal((2, 3, h, w)).astype(dtype)
    expected = np.empty((2, 3, oh, ow), dtype)
    for n, c, i, j in np.ndindex(*expected.shape):
        rows, columns = range(i * h // oh, -(-(i + 1) * h // oh)), range(j * w // ow, -(-(j + 1) * w // ow))
        expected[n, c, i, j] = mean([x[n, c, a, b] for a in rows for b in columns])
    naive.same(tt.AdaptiveAvgPool2d((oh, ow))(x).numpy(), expected)
    naive.same(tt.AdaptiveAvgPool2d((oh, ow), channels_last=True)(last(x)).numpy(), last(expected))
    whole = tt.adaptive_avg_pool2d(x, 1).numpy()
    naive.same(tt.GlobalAvgPool2d(keepdims=True)(x).numpy(), whole)
    naive.same(tt.GlobalAvgPool2d(channels_last=True)(last(x)).numpy(), whole[..., 0, 0])
    naive.same(tt.GlobalMaxPool2d()(x).numpy(), x.max((2, 3)))
    assert tt.AdaptiveAvgPool2d((None, 1))(x).shape == (2, 3, h, 1)


# Padding, layout, size, rows of a table


@given(
    st.sampled_from(["constant", "reflect", "edge"]),
    st.tuples(*[st.integers(-2, 3)] * 4),
    st.booleans(),
    generators,
)
def test_padding(mode, sides, channels_last, rng):
    x = rng.standard_normal((2, 3, 6, 7)).astype(np.float32)
    padding = (sides[:2], sides[2:])
    kept = x[..., max(-sides[0], 0) : 6 - max(-sides[1], 0), max(-sides[2], 0) : 7 - max(-sides[3], 0)]
    more = ((0, 0), (0, 0), *(tuple(max(each, 0) for each in pair) for pair in padding))
    expected = np.pad(kept, more, constant_values=2) if mode == "constant" else np.pad(kept, more, mode)
    layer = tt.Pad(padding, mode, 2.0, channels_last)
    y = layer(last(x) if channels_last else x).numpy()
    naive.same(y, last(expected) if channels_last else expected)


def test_padding_keeps_bytes():
    x = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
    naive.same(tt.pad(tt.Tensor(x, np.uint8), 1).numpy(), np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))))


def test_the_order_of_the_axes():
    x = tt.normal((2, 3, 4, 5), seed=0)
    naive.same(tt.ChannelsLast()(x).numpy(), last(x))
    naive.same(tt.ChannelsFirst()(tt.channels_last(x)).numpy(), x.numpy())
    assert tt.ChannelsLast()(x).numpy().base is not None


def weights(n, count, corners):
    """For each output pixel along an axis: the pixel below, the one above, and the share of the latter."""
    for i in range(count):
        if corners:
            place = i * (n - 1) / (count - 1) if count > 1 else 0.0
        else:
            place = max((i + 0.5) * (n / count) - 0.5, 0.0)
        below = min(math.floor(place), n - 1)
        yield below, min(below + 1, n - 1), place - below


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    generators,
    float_dtypes,
)
def test_upsampling(h, w, oh, ow, corners, rng, dtype):
    x = rng.standard_normal((2, 2, h, w)).astype(dtype)
    nearest = x[:, :, [i * h // oh for i in range(oh)]][..., [j * w // ow for j in range(ow)]]
    naive.same(tt.Upsample((oh, ow))(x).numpy(), nearest)
    expected = np.empty((2, 2, oh, ow), dtype)
    for i, (above, below, high) in enumerate(weights(h, oh, corners)):
        for j, (left, right, wide) in enumerate(weights(w, ow, corners)):
            f, g = dtype(wide), dtype(high)
            rows = [(dtype(1) - f) * x[:, :, row, left] + f * x[:, :, row, right] for row in (above, below)]
            expected[:, :, i, j] = (dtype(1) - g) * rows[0] + g * rows[1]
    layer = tt.Upsample((oh, ow), mode="bilinear", align_corners=corners)
    naive.same(layer(x).numpy(), expected)
    layer.channels_last = True
    naive.same(layer(last(x)).numpy(), last(expected))


def test_scale_factors():
    x = tt.arange(3).reshape(1, 1, 1, 3)
    assert tt.upsample(x, scale_factor=(1, 2.5)).tolist() == [[[[0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0]]]]
    assert tt.upsample(x, scale_factor=(1, 0.5)).shape == (1, 1, 1, 1)


def test_bilinear_interpolation_of_whole_numbers():
    x = tt.Tensor([[[[0, 1, 2]]]], "int64")
    assert tt.upsample(x, size=(1, 5), mode="bilinear", align_corners=True).tolist() == [
        [[[0, 0.5, 1, 1.5, 2]]]
    ]
    assert tt.upsample(x, size=(1, 6)).dtype == np.int64


def test_embedding():
    layer = tt.Embedding(5, 3, seed=0)
    naive.same(layer([[0, 4], [2, 2]]).numpy(), layer.weight.numpy()[[[0, 4], [2, 2]]])
    naive.same(layer(np.array([1], np.int64)).numpy(), layer.weight.numpy()[[1]])
    naive.same(tt.embedding(tt.Tensor([3], int), layer.weight).numpy(), layer.weight.numpy()[[3]])
    for wrong, error, message in (
        ([5], tt.IndexingError, "from 0 to 4, got 5.0; negative"), ([-1], tt.IndexingError, "got -1"),
        ([0.5], tt.DtypeError, "whole numbers as indices, got 0.5"), ([math.nan], tt.DtypeError, "got nan"),
        ([math.inf], tt.IndexingError, "got inf"), ([True], tt.DtypeError, r"did you mean .astype\(int\)"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            layer(wrong)


def test_indices_beyond_the_whole_numbers_of_float32():
    last = np.array([2**24 - 1], np.float32)
    assert row_numbers(last, 2**24).tolist() == [2**24 - 1]
    with pytest.raises(tt.DtypeError, match="float32 holds whole numbers to 16,777,216"):
        row_numbers(last, 2**24 + 1)
    assert row_numbers(last.astype(np.float64), 2**24 + 1).tolist() == [2**24 - 1]


# What holds for all of them

LAYERS = [
    tt.Conv1d(3, 4, 2, seed=0), tt.Conv1d(2, 2, 3, 2, "same", 2, 2, False, True, dtype="float64"),
    tt.Conv2d(3, 4, 2, seed=0), tt.Conv2d(4, 8, (3, 2), (1, 2), ((1, 0), (0, 2)), 2, 4, False, seed=0),
    tt.Conv2d(3, 3, 2, padding=(1, 0), dtype="float64"), tt.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, seed=0),
    tt.MaxPool1d(2), tt.MaxPool2d((3, 2), 2, 1, 2, True, True), tt.AvgPool1d(3, 1),
    tt.AvgPool2d(3, padding=1, count_include_pad=False), tt.AdaptiveAvgPool2d((2, None)),
    tt.AdaptiveAvgPool2d(1), tt.GlobalAvgPool2d(), tt.GlobalMaxPool2d(True, True),
    tt.Pad(1), tt.Pad(((1, 2), (0, -1)), "edge"), tt.Pad(((2, 2),), value=-1.0), tt.ChannelsLast(),
    tt.ChannelsFirst(), tt.Upsample(5),
    tt.Upsample(scale_factor=(2.0, 1.5), mode="bilinear", align_corners=True),
    tt.Embedding(4, 2, seed=0), tt.Embedding(4, 2, dtype="float64"),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=lambda each: type(each).__name__)
def test_saved_and_loaded(layer, tmp_path):
    tt.Sequential(layer).save(tmp_path / "m.npz")
    again = tt.load(tmp_path / "m.npz")[0]
    assert repr(again) == repr(layer)
    assert again.config() == layer.config()
    for name, tensor in layer.parameters().items():
        naive.same(again.parameters()[name].numpy(), tensor.numpy())
    written = eval(repr(layer), vars(tt))
    assert written.config() == layer.config()


def test_a_file_draws_no_weights():
    from tinytensor.io.config import build

    config = {"in_channels": 1, "out_channels": 1, "kernel_size": 1}
    with pytest.raises(tt.ModelFormatError, match="missing: weight"):
        build({"class": "Conv2d", "config": config}, {})
    with pytest.raises(tt.ModelFormatError, match="no file has seed as arguments"):
        build({"class": "Conv2d", "config": config | {"seed": 1}}, {"weight": np.ones((1, 1, 1, 1))})
    big = config | {"in_channels": 10**9, "out_channels": 10**9}
    with pytest.raises(tt.ModelFormatError, match="weight: expected shape"):
        build({"class": "Conv2d", "config": big}, {"weight": np.ones((1, 1, 1, 1))})


def small_net():
    """Two convolutions, a normalization, two poolings and a classifier."""
    return tt.Sequential(
        tt.Conv2d(1, 6, 3, padding="same", seed=0), tt.BatchNorm(6), tt.relu, tt.MaxPool2d(2),
        tt.Conv2d(6, 8, 3, groups=2, seed=1), tt.relu, tt.AvgPool2d(2), tt.Flatten(),
        tt.Linear(32, 5, seed=2),
        tt.softmax,
    )  # fmt: skip


def test_a_network_of_images():
    model, x = small_net(), tt.normal((7, 1, 12, 12), seed=3)
    y = model.predict(x)
    naive.same(np.asarray(y), np.asarray(model(x)))
    naive.same(np.asarray(model.predict(x, batch_size=3)), np.asarray(y))
    shapes = [row.shape for row in model.summary((1, 12, 12)).rows]
    assert shapes == [(6, 12, 12)] * 3 + [(6, 6, 6)] + [(8, 4, 4)] * 2 + [(8, 2, 2), (32,), (5,), (5,)]
    assert "Conv2d(in_channels=1, out_channels=6, kernel_size=3" in str(model.summary((1, 12, 12)))
    assert list(model.state_dict())[:2] == ["0.weight", "0.bias"]
    assert model.astype("float64").predict(x).dtype == np.float64


def test_batch_norm_of_images_is_a_channels_factor():
    x = tt.normal((2, 3, 4, 5), seed=0)
    layer = tt.BatchNorm([1, 2, 3], [4, 5, 6], [1, 0, -1], [1, 4, 9], eps=0)
    for c in range(3):
        alone = tt.BatchNorm(*([each.numpy()[c]] for each in layer.parameters().values()), eps=0)
        naive.same(layer(x)[:, c].numpy(), alone(x[:, c : c + 1])[:, 0].numpy())


def test_dtypes_promote_as_numpy_promotes_them():
    layer = tt.Conv2d(1, 1, 2, weight=np.ones((1, 1, 2, 2), np.float32))
    for dtype in ("float32", "uint8", "bool", ">f4"):
        y = layer(np.ones((1, 1, 2, 2), dtype))
        assert (y.dtype, y.tolist()) == (np.float32, [[[[4.0]]]])
    assert layer(np.ones((1, 1, 2, 2))).dtype == np.float64
    layer.bias = tt.Tensor([1.0], "float64")
    assert layer(np.ones((1, 1, 2, 2), np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    "layer",
    [
        tt.Conv2d(2, 3, 3, padding=1, seed=0),
        tt.MaxPool2d(2),
        tt.AvgPool2d(2),
        tt.Pad(1),
        tt.Upsample(3),
        tt.GlobalAvgPool2d(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_no_images_give_none(layer):
    assert layer(np.ones((0, 2, 4, 4))).shape == (0, *layer(np.ones((1, 2, 4, 4))).shape[1:])


IMAGE = np.zeros((2, 3, 8, 8), np.float32)
CONV = tt.Conv2d(3, 4, 3, seed=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: CONV(IMAGE[0]), tt.ShapeError,
         r"^conv2d: expected \(batch, channels, height, width\), got \(3, 8, 8\); did you forget an axis\? "
         r"x\[None\] is a batch of one, x\[:, None\] a batch with one channel$"),
        (lambda: CONV(IMAGE[0, 0]), tt.ShapeError, r"axes of batch and channels\? x\[None, None\] is"),
        (lambda: tt.conv2d(IMAGE[0, 0], CONV.weight, channels_last=True), tt.ShapeError,
         r"\(batch, height, width, channels\), got \(8, 8\); .* x\[None, \.\.\., None\] is"),
        (lambda: CONV(IMAGE[:, :2]), tt.ShapeError,
         r"^conv2d: expected \(batch, 3, height, width\), got \(2, 2, 8, 8\): 2 channels$"),
        (lambda: CONV(last(IMAGE)), tt.ShapeError,
         r"8 channels; did you mean tt\.channels_first\(x\), or channels_last=True\?$"),
        (lambda: tt.conv2d(IMAGE, CONV.weight, channels_last=True), tt.ShapeError,
         r"expected \(batch, height, width, 3\), .* tt\.channels_last\(x\), or channels_last=False\?$"),
        (lambda: CONV(IMAGE[..., :2]), tt.ShapeError,
         r"^conv2d: a kernel of 3×3 is larger than the image of 8×2; padding=1 makes it fit$"),
        (lambda: tt.conv2d(IMAGE[..., :2, :2], CONV.weight, dilation=3, padding=1), tt.ShapeError,
         r"a kernel of 3×3 with dilation 3×3, which spans 7×7, is larger than the image of 2×2, 4×4 with its "
         r"padding; padding=3 makes it fit"),
        (lambda: CONV(IMAGE[..., :0]), tt.ShapeError, "expected images with at least one pixel, got 8×0"),
        (lambda: tt.conv2d(IMAGE, IMAGE[0]), tt.ShapeError,
         r"weight: expected \(out, in, kernel height, kernel"),
        (lambda: tt.conv2d(IMAGE, CONV.weight, [1.0]), tt.ShapeError,
         r"bias: expected shape \(4,\), got \(1,\)"),
        (lambda: tt.conv2d(IMAGE, CONV.weight, groups=3), tt.ShapeError, "that 3 groups divide, got 4"),
        (lambda: tt.conv2d(IMAGE, CONV.weight, stride=0), tt.ArgumentError,
         r"stride: expected a positive integer or \(height, width\), got 0"),
        (lambda: tt.Conv2d(3, 4, (3, 3, 3)), tt.ArgumentError, "Conv2d: kernel_size: expected a positive"),
        (lambda: tt.Conv2d(3, 4, 3, padding="full"), tt.ArgumentError,
         r'padding: expected "same", "valid", an integer from 0 on, \(height, width\) or'),
        (lambda: tt.Conv1d(3, 4, 3, padding=(1, 0)), tt.ArgumentError,
         r"\(length,\) or \(\(before, after\),\)"),
        (lambda: tt.Conv2d(3, 4, 3, padding=-1), tt.ArgumentError, "padding"),
        (lambda: tt.Conv2d(3, 4, 3, groups=2), tt.ArgumentError,
         "a divisor of 3 input and 4 output channels, got 2"),
        (lambda: tt.Conv2d(3, 4, 3, channels_last=1), tt.DtypeError,
         "channels_last: expected True or False, got 1"),
        (lambda: tt.Conv2d(3, 4, 3, weight=np.ones((3, 4, 3, 3))), tt.ShapeError,
         "Conv2d: weight: expected shape"),
        (lambda: tt.conv_transpose2d(IMAGE, np.ones((3, 2, 1, 1)), padding=4), tt.ShapeError,
         "cuts off all of the output, which would be 0×0"),
        (lambda: tt.ConvTranspose2d(3, 4, 3, output_padding=1), tt.ArgumentError,
         "less than the stride 1 or"),
        (lambda: tt.ConvTranspose2d(3, 4, 3, padding="same"), tt.ArgumentError, '"same" is not defined here'),
        (lambda: tt.max_pool2d(IMAGE, 9), tt.ShapeError,
         "max_pool2d: a kernel of 9×9 is larger than the image of 8×8"),
        (lambda: tt.max_pool2d(IMAGE, 2, padding=2), tt.ShapeError,
         "with a padding of 2 a window of 2×2 would hold padding only; a padding of 1 is the most"),
        (lambda: tt.max_pool2d(IMAGE[0], 2), tt.ShapeError,
         r"did you forget an axis\? x\[None\] is a batch of one, x\[:, None\] a batch with one channel"),
        (lambda: tt.MaxPool2d(2, ceil_mode=None), tt.DtypeError, "ceil_mode: expected True or False"),
        (lambda: tt.global_avg_pool2d(IMAGE[..., :0]), tt.ShapeError, "at least one pixel"),
        (lambda: tt.global_max_pool2d(IMAGE[:, :0]), tt.ShapeError, r"one channel, got shape \(2, 0,"),
        (lambda: tt.max_pool2d(IMAGE[:, :0], 2), tt.ShapeError, "max_pool2d: .* at least one channel"),
        (lambda: tt.max_pool2d(IMAGE[..., :0], 2, channels_last=True), tt.ShapeError, "at least one channel"),
        (lambda: tt.avg_pool1d(IMAGE[0, :, :0], 2), tt.ShapeError, "avg_pool1d: .* at least one channel"),
        (lambda: tt.AdaptiveAvgPool2d((1, 2, 3)), tt.ArgumentError, "output_size"),
        (lambda: tt.pad(IMAGE, -5), tt.ShapeError, r"\(-5, -5\) cuts off more than all of an axis of 8"),
        (lambda: tt.pad(IMAGE, 8, "reflect"), tt.ShapeError, 'at most 7, or mode="edge"'),
        (lambda: tt.pad(IMAGE, ((-8, 2), 0), "edge"), tt.ShapeError, "pad: an axis of length 8 has no edge"),
        (lambda: tt.pad(IMAGE, ((-8, 2), 0), "reflect"), tt.ShapeError, 'of 0; at most 0, or mode="edge"'),
        (lambda: tt.pad(IMAGE[None], 1), tt.ShapeError, "pad: expected "),
        (lambda: tt.Pad(1, "wrap"), tt.ArgumentError,
         "mode: expected one of constant, reflect, edge, got 'wrap'"),
        (lambda: tt.Upsample(), tt.ArgumentError, "either size or scale_factor, got neither"),
        (lambda: tt.Upsample(2, 2), tt.ArgumentError, "got both"),
        (lambda: tt.Upsample(2, mode="cubic"), tt.ArgumentError, "mode: expected one of nearest, bilinear"),
        (lambda: tt.Upsample(2, align_corners=True), tt.ArgumentError, "align_corners: expected False"),
        (lambda: tt.upsample(IMAGE, scale_factor=0.1), tt.ArgumentError, "leaves nothing of 8×8"),
        (lambda: tt.channels_last([1.0]), tt.ShapeError, "channels_last: expected"),
        (lambda: tt.Sequential(tt.relu, CONV).predict(IMAGE[:, :2]), tt.ShapeError,
         r"^Sequential\[1\] Conv2d\(.*\): conv2d: "),
    ],
)  # fmt: skip
def test_errors_say_who_what_and_how_to_fix_it(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_what_the_errors_advise_works():
    assert CONV(IMAGE[0][None]).shape == (1, 4, 6, 6)
    assert CONV(tt.channels_first(last(IMAGE))).shape == (2, 4, 6, 6)
    assert tt.channels_first(np.ones((2, 3))).shape == (2, 3)
    assert tt.conv2d(last(IMAGE), CONV.weight, channels_last=True).shape == (2, 6, 6, 4)
    assert tt.conv2d(IMAGE[..., :2], CONV.weight, padding=1).shape == (2, 4, 8, 2)
    assert tt.conv2d(IMAGE[..., :2, :2], CONV.weight, dilation=3, padding=3).shape == (2, 4, 2, 2)
    assert tt.max_pool2d(IMAGE, 2, padding=1).shape == (2, 3, 5, 5)
    assert tt.pad(IMAGE, 8, "edge").shape == (2, 3, 24, 24)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_shape_that_padding_gives(channels_last):
    x = np.zeros((2, 5, 6, 3), np.float32)
    pads = ((1, -2), (0, 3))
    found = padded_shape(x.shape, pads, "constant", channels_last)
    assert found == ((2, 4, 9, 3) if channels_last else (2, 5, 5, 6))
    assert tt.pad(x, pads, channels_last=channels_last).shape == found
