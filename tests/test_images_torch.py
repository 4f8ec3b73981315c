"""Layers of images against PyTorch, within the bounds of both sides' roundings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import gamma, within
from tests.strategies import generators

torch = pytest.importorskip("torch")
F = torch.nn.functional


def theirs(function, *arrays, **arguments):
    """PyTorch's result for NumPy's arrays."""
    return function(*(torch.from_numpy(each) for each in arrays), **arguments).numpy()


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)), st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)), st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.sampled_from([1, 2]), generators,
)  # fmt: skip
def test_convolution_and_its_transpose(kernel, stride, padding, dilation, groups, rng):
    x = rng.standard_normal((2, 4, 7, 8)).astype(np.float32)
    weight = rng.standard_normal((6, 4 // groups, *kernel)).astype(np.float32)
    bias = rng.standard_normal(6).astype(np.float32)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y, expected = tt.conv2d(x, weight, bias, **options), theirs(F.conv2d, x, weight, bias, **options)
    size = theirs(F.conv2d, *(np.abs(each, dtype=np.float64) for each in (x, weight, bias)), **options)
    within(y, expected, 2 * gamma(weight[0].size + 1, np.float32) * size)  # each side any order, the bias too

    weight = rng.standard_normal((4, 6 // groups, *kernel)).astype(np.float32)
    options["output_padding"] = tuple(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True))
    y = tt.conv_transpose2d(x, weight, bias, **options)
    expected = theirs(F.conv_transpose2d, x, weight, bias, **options)
    size = theirs(
        F.conv_transpose2d, *(np.abs(each, dtype=np.float64) for each in (x, weight, bias)), **options
    )
    taps = 4 // groups * kernel[0] * kernel[1]
    within(y, expected, 2 * gamma(taps + 1, np.float32) * size)


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.booleans(), st.booleans(), generators,
)  # fmt: skip
def test_pooling(kernel, stride, ceil_mode, counted, rng):
    x = rng.standard_normal((2, 3, 9, 10)).astype(np.float32)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    options = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    within(tt.max_pool2d(x, kernel, **options), theirs(F.max_pool2d, x, kernel_size=kernel, **options), 0)
    options["count_include_pad"] = counted
    y, expected = tt.avg_pool2d(x, kernel, **options), theirs(F.avg_pool2d, x, kernel_size=kernel, **options)
    size = theirs(F.avg_pool2d, np.abs(x), kernel_size=kernel, **options)
    within(y, expected, (gamma(kernel[0] * kernel[1] + 2, np.float32) + gamma(1, np.float32)) * size * 1.001)


@given(st.integers(1, 9), st.integers(1, 9), generators)
def test_adaptive_pooling(oh, ow, rng):
    x = rng.standard_normal((2, 3, 7, 8)).astype(np.float32)
    y, expected = tt.adaptive_avg_pool2d(x, (oh, ow)), theirs(F.adaptive_avg_pool2d, x, output_size=(oh, ow))
    size = theirs(F.adaptive_avg_pool2d, np.abs(x), output_size=(oh, ow))
    within(y, expected, gamma(60, np.float32) * size)  # at most 56 additions and two divisions, and ours


@given(st.integers(1, 20), st.integers(1, 20), st.booleans(), generators)
def test_upsampling(oh, ow, corners, rng):
    x = rng.standard_normal((1, 2, 5, 6))
    within(tt.upsample(x, (oh, ow)), theirs(F.interpolate, x, size=(oh, ow)), 0)
    options = {"size": (oh, ow), "mode": "bilinear", "align_corners": corners}
    # shares differ by the roundings of a position up to 6, each pixel by its own
    bound = 4 * gamma(8, np.float64) * 6 * np.abs(x).max()
    within(tt.upsample(x, **options), theirs(F.interpolate, x, **options), bound)
    y = tt.upsample(x, scale_factor=(2, 3), mode="bilinear", align_corners=corners)
    expected = theirs(F.interpolate, x, scale_factor=(2, 3), mode="bilinear", align_corners=corners)
    within(y, expected, bound)


@pytest.mark.parametrize(
    ("mode", "name"), [("constant", "constant"), ("reflect", "reflect"), ("edge", "replicate")]
)
def test_padding(mode, name):
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 6)).astype(np.float32)
    within(tt.pad(x, ((1, 2), (3, 4)), mode), theirs(F.pad, x, pad=(3, 4, 1, 2), mode=name), 0)
