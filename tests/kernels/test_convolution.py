"""Convolution: every output has the bits of the plain loop, in either layout, whatever the shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from tests.strategies import FLOATS
from tinytensor.kernels import convolution
from tinytensor.kernels.convolution import convolve, convolve_transposed
from tinytensor.threads import set_num_threads

PLAIN = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)


def last(x):
    """The same images with channels last."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def check(x, weight, bias, stride, padding, dilation, groups):
    """Both layouts have the bits of the oracle."""
    expected = naive.convolve(x, weight, bias, stride, padding, dilation, groups)
    arguments = weight, bias, stride, padding, dilation, groups
    naive.same(convolve(x, *arguments), expected)
    naive.same(convolve(last(x), *arguments, channels_last=True), last(expected))


def operands(rng, dtype, n, channels, size, outputs, kernel, groups=1):
    """Images, weights and a bias."""
    x = rng.standard_normal((n, channels, *size)).astype(dtype)
    weight = rng.standard_normal((outputs, channels // groups, *kernel)).astype(dtype)
    return x, weight, rng.standard_normal(outputs).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("outputs", [1, 2, 7, 16, 17, 30, 33, 64, 100])
def test_every_number_of_outputs(dtype, outputs):
    rng = np.random.default_rng(outputs)
    check(*operands(rng, dtype, 2, 3, (6, 7), outputs, (3, 3)), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("outputs", [4, 16, 32, 64, 80, 128])
@pytest.mark.parametrize("size", [(2, 3), (9, 8), (16, 17)])
def test_a_long_sum_goes_through_some_taps_at_a_time(monkeypatch, dtype, outputs, size):
    monkeypatch.setattr(convolution, "WEIGHT_BYTES", 2048)
    rng = np.random.default_rng(outputs)
    check(*operands(rng, dtype, 2, 7, size, outputs, (3, 3)), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    arguments = operands(rng, dtype, 2, 14, size, outputs, (1, 3), 2)
    check(*arguments, (1, 2), ((1, 1), (1, 1)), (1, 1), 2)


@st.composite
def cases(draw):
    """Geometries with at least one output."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    kernel, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in range(2)) for most in (4, 3, 3))
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    smallest = [max(1, dilation[i] * (kernel[i] - 1) + 1 - sum(padding[i])) for i in (0, 1)]
    size = tuple(draw(st.integers(least, least + 6)) for least in smallest)
    channels = groups * draw(st.integers(1, 4))
    outputs = groups * draw(st.integers(1, 5))
    return draw(st.integers(1, 3)), channels, size, outputs, kernel, groups, stride, padding, dilation


@given(cases(), st.sampled_from(FLOATS), st.booleans(), st.integers(0, 99))
def test_every_geometry(case, dtype, has_bias, seed):
    *shapes, groups, stride, padding, dilation = case
    x, weight, bias = operands(np.random.default_rng(seed), dtype, *shapes, groups)
    check(x, weight, bias if has_bias else None, stride, padding, dilation, groups)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [2, 3, 4, 5, 8, 16, 19, 32, 70])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise(dtype, channels, stride):
    rng = np.random.default_rng(channels)
    x, weight, bias = operands(rng, dtype, 2, channels, (7, 5), channels, (3, 3), channels)
    check(x, weight, bias, (stride, stride), ((1, 1), (0, 1)), (1, 1), channels)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [2, 3, 5, 8, 9, 16, 33, 40])
@pytest.mark.parametrize("each", [2, 3, 4, 8, 16])
def test_depthwise_with_a_multiplier(dtype, channels, each):
    rng = np.random.default_rng(channels)
    x, weight, bias = operands(rng, dtype, 2, channels, (4, 5), channels * each, (3, 3), channels)
    check(x, weight, bias, (1, 1), ((1, 1), (1, 1)), (1, 1), channels)
    check(x, weight, bias, (2, 1), ((0, 1), (1, 0)), (1, 1), channels)


@pytest.mark.parametrize("dtype", FLOATS)
def test_padding_is_skipped_where_weights_are_infinite(dtype):
    x = np.ones((1, 2, 3, 3), dtype)
    weight = np.full((3, 2, 3, 3), np.inf, dtype)
    for groups in (1, 2):
        y = convolve(x, weight[:2, : 2 // groups], None, (1, 1), ((1, 1), (1, 1)), (1, 1), groups)
        naive.same(y, np.full((1, 2, 3, 3), np.inf, dtype))


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("dtype", FLOATS)
def test_values_that_are_no_numbers(dtype, groups):
    rng = np.random.default_rng(4)
    x = rng.integers(-3, 4, (2, 4, 5, 6)).astype(dtype)  # sums of these are exact
    x[0, 1, 2, 3], x[1, 2, 0, 0], x[1, 3, 4, 5] = np.nan, np.inf, -np.inf
    weight = rng.integers(-3, 4, (4, 4 // groups, 3, 3)).astype(dtype)
    with np.errstate(invalid="ignore"):
        expected = np.zeros((2, 4, 5, 6), dtype)
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        for o, c, ky, kx in np.ndindex(*weight.shape):
            source = padded[:, o + c if groups == 4 else c, ky : ky + 5, kx : kx + 6]
            expected[:, o] += source * weight[o, c, ky, kx]
    naive.same(convolve(x, weight, None, (1, 1), ((1, 1), (1, 1)), (1, 1), groups), expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_no_result_is_a_negative_zero(groups):
    x, weight = np.full((1, 2, 2, 2), -0.0), np.ones((2, 2 // groups, 1, 1))
    naive.same(convolve(x, weight, np.full(2, -0.0), *PLAIN[:3], groups), np.zeros((1, 2, 2, 2)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_bytes_stand_for_the_numbers_of_a_table(dtype):
    rng = np.random.default_rng(5)
    table = rng.standard_normal(256).astype(dtype)
    for channels in (1, 3):
        _, weight, bias = operands(rng, dtype, 1, channels, (1, 1), 20, (3, 3))
        x = rng.integers(0, 256, (3, channels, 6, 6)).astype(np.uint8)
        expected = naive.convolve(table[x], weight, bias, (2, 2), ((1, 0), (0, 1)), (1, 1), 1)
        given_ = weight, bias, (2, 2), ((1, 0), (0, 1))
        naive.same(convolve(x, *given_, table=table), expected)
        naive.same(convolve(last(x), *given_, table=table, channels_last=True), last(expected))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
def test_transposed(dtype, groups, stride, dilation):
    rng = np.random.default_rng(6)
    x = rng.standard_normal((2, 4, 3, 5)).astype(dtype)
    weight = rng.standard_normal((4, 3, 3, 2)).astype(dtype)
    bias = rng.standard_normal(3 * groups).astype(dtype)
    padding, more = ((1, 0), (0, 1)), (0, stride[1] - 1)
    y = convolve_transposed(x, weight, bias, stride, padding, dilation, groups, more)
    expected = naive.convolve_transposed(x, weight, bias, stride, padding, dilation, groups, more)
    naive.same(y, expected)
    lasts = convolve_transposed(
        last(x), weight, bias, stride, padding, dilation, groups, more, channels_last=True
    )
    naive.same(lasts, last(expected))


def test_a_result_depends_neither_on_the_batch_nor_on_threads():
    rng = np.random.default_rng(7)
    x, weight, bias = operands(rng, np.float32, 37, 8, (16, 16), 40, (3, 3))
    arguments = weight, bias, (1, 1), ((1, 1), (1, 1))
    whole = convolve(x, *arguments)
    naive.same(np.concatenate([convolve(each[None], *arguments) for each in x]), whole)
    set_num_threads(1)
    try:
        naive.same(convolve(x, *arguments), whole)
    finally:
        set_num_threads(None)


@pytest.mark.parametrize("groups", [1, 24])
def test_threads_share_one_image(groups):
    x, weight, bias = operands(np.random.default_rng(9), np.float32, 1, 24, (70, 71), 24, (5, 5), groups)
    arguments = weight, bias, (1, 1), ((2, 2), (2, 2)), (1, 1), groups
    found = []
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            found.append(convolve(x, *arguments))
            naive.same(convolve(last(x), *arguments, channels_last=True), last(found[0]))
    finally:
        set_num_threads(None)
    naive.same(*found)


def test_no_images():
    x, weight, bias = operands(np.random.default_rng(8), np.float32, 0, 3, (5, 5), 4, (3, 3))
    assert convolve(x, weight, bias).shape == (0, 4, 3, 3)


@pytest.mark.parametrize("width", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("padding", [0, 1, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_pixels_side_by_side_in_a_vector(width, padding, dilation):
    if width + 2 * padding < 1 + 2 * dilation:
        return
    rng = np.random.default_rng(width)
    x, weight, bias = operands(rng, np.float32, 2, 4, (5, width), 4, (3, 3), 4)
    rows = max(padding, 1), 2
    check(x, weight, bias, (1, 1), (rows, (padding, padding)), (1, dilation), 4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("height", [1, 2, 3, 6, 16, 17, 40])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 1), (5, 2), (4, 4)])
def test_depthwise_tiles_go_down_an_image(dtype, height, kernel):
    channels = 2 * 64 // np.dtype(dtype).itemsize  # whole vectors on every CPU
    rng = np.random.default_rng(height)
    for stride in ((1, 1), (2, 1), (3, 2)):
        for padding in (((0, 0), (0, 0)), ((1, 2), (1, 0)), ((4, 5), (1, 1))):
            if height + sum(padding[0]) < kernel[0] or 4 + sum(padding[1]) < kernel[1]:
                continue
            x, weight, bias = operands(rng, dtype, 2, channels, (height, 4), channels, kernel, channels)
            check(x, weight, bias, stride, padding, (1, 1), channels)


@pytest.mark.parametrize("channels", [4, 8])
def test_depthwise_tiles_of_several_pixels_go_down_an_image(channels):
    x, weight, bias = operands(
        np.random.default_rng(3), np.float32, 2, channels, (9, 11), channels, (3, 3), channels
    )
    check(x, weight, bias, (2, 1), ((0, 1), (1, 1)), (1, 1), channels)
