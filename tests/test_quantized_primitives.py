"""Quantised arithmetic: every rule against plain loops over Python's integers, eager and in programs.

Inputs and outputs end where a page of memory ends, behind which nothing may be read or written.
"""

import ctypes
import itertools
import mmap
import sys

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import Layer, Tensor
from tinytensor.inference import plan
from tinytensor.inference.program import Program
from tinytensor.inference.trace import trace
from tinytensor.primitives.elementwise import cast, divide, multiply, subtract
from tinytensor.primitives.movement import moved
from tinytensor.primitives.quantized import (
    Output,
    lookup,
    quantize,
    quantized_add,
    quantized_average,
    quantized_convolution,
    quantized_linear,
)
from tinytensor.primitives.windows import pool

F = np.float32
OUTPUTS = (Output(), Output(3), Output(128, 128), Output(0, 0, 77), Output(200, 5, 250))


def at_end_of_page(x):
    """A copy whose last byte is the last that this process may touch."""
    size = -(-x.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    room = mmap.mmap(-1, size + mmap.PAGESIZE)
    whole = np.frombuffer(room, np.uint8)
    if sys.platform == "linux":
        behind = ctypes.c_void_p(whole.ctypes.data + size)
        assert ctypes.CDLL(None).mprotect(behind, mmap.PAGESIZE, 0) == 0
    copy = whole[size - x.nbytes : size].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


class Function(Layer):
    """A layer that computes a function of arrays."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return Tensor._wrap(self.function(x._array))

    forward.__module__ = "tinytensor.tests"  # it does no more than call primitives


def compiled(function, x, *, wanted=1, threads=1):
    """The result of programs alone, `wanted` of them."""
    given = Tensor._wrap(x) if x.dtype != np.uint8 else Tensor(x)
    traced = trace(Function(function), [given._array[:2]])
    traced.given = [x.dtype]
    stages = plan.divide(traced)
    assert [type(each) for each in stages] == [Program] * wanted
    values = at_end_of_page(x) if x.flags.c_contiguous else x
    for stage in stages:
        y = at_end_of_page(np.zeros((len(x), *stage.result), stage.dtype))
        stage.apply(values, y, threads)
        values = y
    return values


# The oracle


def rounded(y, output):
    """clip(rint(y) + zero_point, low, high), for a float32; NaN gives low."""
    if output is None:
        return y
    if np.isnan(y):
        return output.low
    y = float(min(max(float(y), -1e6), 1e6))
    return min(max(round(y) + output.zero_point, output.low), output.high)


def products(pairs, bias, multiplier, zero_point, output):
    """The result of (byte, weight) pairs."""
    total = int(bias) + sum((int(x) - zero_point) * int(w) for x, w in pairs)
    return rounded(F(total) * F(multiplier), output)


def linear_oracle(x, weight, bias, multiplier, zero_point, output):
    y = [
        [products(zip(row, w, strict=True), b, m, zero_point, output)
         for w, b, m in zip(weight, bias, multiplier, strict=True)]
        for row in x
    ]  # fmt: skip
    return np.array(y, F if output is None else np.uint8)


def window(x, position, size, stride, padding, dilation):
    """The (tap, channels) of a window that lie in an image (height, width, channels)."""
    for ky, kx in itertools.product(*map(range, size)):
        y = position[0] * stride[0] + ky * dilation[0] - padding[0][0]
        z = position[1] * stride[1] + kx * dilation[1] - padding[1][0]
        if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
            yield (ky, kx), x[y, z]


def outputs_of(length, size, stride, padding, dilation):
    return (length + sum(padding) - dilation * (size - 1) - 1) // stride + 1


def positions(image, size, stride, padding, dilation):
    spans = [
        range(outputs_of(image.shape[axis], size[axis], stride[axis], padding[axis], dilation[axis]))
        for axis in (0, 1)
    ]
    return [len(each) for each in spans], itertools.product(*spans)


def convolution_oracle(x, weight, bias, multiplier, zero_point, output, stride, padding, dilation, groups):
    """Channels last."""
    out, each = len(weight), weight.shape[1]
    size = weight.shape[2:]
    found = []
    for image in x:
        shape, places = positions(image, size, stride, padding, dilation)
        pixels = []
        for position in places:
            taps = list(window(image, position, size, stride, padding, dilation))
            for o in range(out):
                first = o // (out // groups) * each
                pairs = [(c[first + i], weight[o, i, ky, kx]) for (ky, kx), c in taps for i in range(each)]
                pixels.append(products(pairs, bias[o], multiplier[o], zero_point, output))
        found.append(np.reshape(pixels, (*shape, out)))
    return np.array(found, F if output is None else np.uint8)


def draw(seed, outputs, *inputs):
    """Weights, bias and multipliers whose results use the range of bytes, and hit halves."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-128, 128, (outputs, *inputs)).astype(np.int8)
    bias = rng.integers(-30000, 30000, outputs).astype(np.int32)
    spread = 150 * np.sqrt(np.prod(inputs)) * 73 / 128
    multiplier = (rng.random(outputs) * 100 / spread).astype(F)
    multiplier[::3] = F(2.0) ** np.round(np.log2(100 / spread))
    return weight, bias, multiplier


def bytes_of(seed, *shape, density=1.0):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, shape) * (rng.random(shape) < density)).astype(np.uint8)


def as_bytes(x):
    """The first node of a program that reads bytes where they lie."""
    if type(x) is np.ndarray and x.dtype == np.uint8:
        return at_end_of_page(x)
    return quantize(divide(x, F(255)), scale=F(1 / 255), output=Output())


# Elementwise


@pytest.mark.parametrize("output", OUTPUTS)
def test_quantize_rounds_half_to_even_and_clips(output):
    scale = F(0.25)
    edges = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30], F)
    x = np.concatenate([np.arange(-300, 300, 0.5, dtype=F) * scale, edges]).reshape(-1, 1)
    x = np.repeat(x, 3, axis=1)
    expected = np.array([[rounded(F(v) / scale, output) for v in row] for row in x], np.uint8)
    assert np.array_equal(quantize(x, scale=scale, output=output), expected)
    assert np.array_equal(compiled(lambda a: quantize(a, scale=scale, output=output), x), expected)


@pytest.mark.parametrize("scale", [1 / 255, 0.1, 0.0235, 3.7, 2.0**-20, 1e-38, 3e38, 1e-45])
def test_quantize_divides(scale):
    scale = F(scale)
    with np.errstate(all="ignore"):
        halves = ((np.arange(-700, 700) / 2) * np.float64(scale)).astype(F)
        up, down = np.nextafter(halves, F(np.inf)), np.nextafter(halves, F(-np.inf))
        drawn = (np.random.default_rng(24).standard_normal(20000) * 80 * np.float64(scale)).astype(F)
    edges = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 3e38, -3e38, 1e-45, -1e-40], F)
    x = np.concatenate([halves, up, down, drawn, edges])
    x = np.concatenate([x, np.zeros(-len(x) % 50, F)]).reshape(-1, 50)
    output = Output(100, 3, 250)
    with np.errstate(all="ignore"):
        quotient = x / scale
    expected = np.array([rounded(each, output) for each in quotient.ravel()]).reshape(x.shape)
    assert np.array_equal(compiled(lambda a: quantize(a, scale=scale, output=output), x), expected)


@pytest.mark.parametrize("features", [1, 3, 63, 64, 65, 200])
def test_a_table_says_what_a_byte_means(features):
    x = bytes_of(1, 5, features)
    of_bytes = np.random.default_rng(2).integers(0, 256, 256).astype(np.uint8)
    numbers = np.linspace(-1, 1, 256).astype(F)
    expected = [[of_bytes[v] for v in row] for row in x]
    assert compiled(lambda a: lookup(as_bytes(a), of_bytes), x).tolist() == expected
    y = compiled(lambda a: lookup(lookup(as_bytes(a), of_bytes), numbers), x)
    assert y.dtype == F
    assert np.array_equal(y, numbers[of_bytes[x]])


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("features", [1, 17, 100])
def test_two_values_are_added(output, features):
    x = bytes_of(3, 4, features)
    table = np.random.default_rng(4).permutation(256).astype(np.uint8)
    zero_points, multipliers = (7, 200), (0.5, 0.321)
    expected = [
        [rounded((F(a) - F(7)) * F(0.5) + (F(table[a]) - F(200)) * F(0.321), output) for a in row]
        for row in x
    ]

    def add(array):
        first = as_bytes(array)
        second = lookup(first, table)
        return quantized_add(first, second, zero_points=zero_points, multipliers=multipliers, output=output)

    assert compiled(add, x).tolist() == expected
    assert add(x).tolist() == expected


# Products


@pytest.mark.parametrize("zero_point", [0, 3, 255])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [
    (1, 1, 1), (3, 2, 5), (2, 3, 17), (13, 4, 16), (7, 5, 50), (9, 66, 33), (5, 131, 100), (2, 71, 130),
    (33, 64, 5), (45, 50, 40), (70, 129, 16),
])  # fmt: skip
def test_linear_is_the_sum_of_integers(rows, inputs, outputs, zero_point):
    x = bytes_of(5, rows, inputs, density=0.3)
    weight, bias, multiplier = draw(6, outputs, inputs)
    for output in (None, OUTPUTS[rows % len(OUTPUTS)]):
        expected = linear_oracle(x, weight, bias, multiplier, zero_point, output)

        def linear(a, output=output):
            return quantized_linear(
                as_bytes(a), weight, bias, multiplier, zero_point=zero_point, output=output
            )

        assert np.array_equal(linear(x), expected)
        assert np.array_equal(compiled(linear, x), expected)
        assert np.array_equal(compiled(linear, x.astype(F)), expected)


def test_the_largest_products_do_not_overflow():
    x = np.full((2, 4096), 255, np.uint8)
    weight = np.full((16, 4096), -128, np.int8)
    weight[::2] = 127
    bias, multiplier = np.zeros(16, np.int32), np.ones(16, F)
    y = compiled(
        lambda a: quantized_linear(as_bytes(a), weight, bias, multiplier, zero_point=0, output=None), x
    )
    assert (y[:, ::2] == 255 * 127 * 4096).all()
    assert (y[:, 1::2] == -255 * 128 * 4096).all()


def test_every_position_of_a_sequence_is_a_row():
    x = bytes_of(7, 3, 6, 20)
    weight, bias, multiplier = draw(8, 9, 20)
    y = compiled(
        lambda a: quantized_linear(as_bytes(a), weight, bias, multiplier, zero_point=1, output=Output()), x
    )
    expected = linear_oracle(x.reshape(18, 20), weight, bias, multiplier, 1, Output())
    assert np.array_equal(y, expected.reshape(3, 6, 9))


CONVOLUTIONS = [
    # image, outputs, kernel, stride, padding, dilation, groups
    ((5, 6, 1), 3, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((6, 5, 3), 8, (3, 3), (2, 2), ((0, 1), (0, 1)), (1, 1), 1),
    ((4, 4, 4), 17, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((4, 3, 2), 5, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((7, 7, 6), 4, (3, 2), (1, 2), ((1, 0), (2, 1)), (2, 2), 1),
    ((6, 6, 8), 6, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    ((5, 5, 3), 6, (2, 2), (1, 1), ((0, 1), (1, 0)), (1, 1), 3),
    ((9, 4, 1), 33, (5, 4), (2, 1), ((2, 2), (1, 2)), (1, 1), 1),
    ((6, 5, 17), 17, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 17),
    ((6, 5, 40), 40, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 40),
    ((3, 4, 5), 70, (2, 4), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((5, 6, 8), 8, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 8),
    ((4, 7, 16), 16, (2, 4), (1, 2), ((2, 0), (3, 3)), (1, 1), 16),
    ((4, 3, 2), 2, (3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), 2),
    ((6, 7, 20), 20, (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2), 20),
    ((4, 2, 9), 9, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 9),
    ((3, 9, 33), 33, (1, 4), (1, 3), ((0, 0), (0, 2)), (1, 1), 33),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("zero_point", [0, 9])
@pytest.mark.parametrize("last", [True, False])
def test_convolution_leaves_out_taps_in_the_padding(case, zero_point, last):
    shape, outputs, kernel, stride, padding, dilation, groups = case
    x = bytes_of(9, 3, *shape)
    weight, bias, multiplier = draw(10, outputs, shape[2] // groups, *kernel)
    given = x if last else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    for output in (None, Output(5)):
        expected = convolution_oracle(
            x, weight, bias, multiplier, zero_point, output, stride, padding, dilation, groups
        )
        expected = expected if last else expected.transpose(0, 3, 1, 2)

        def convolution(a, output=output):
            return quantized_convolution(
                as_bytes(a), weight, bias, multiplier, zero_point=zero_point, output=output, stride=stride,
                padding=padding, dilation=dilation, groups=groups, channels_last=last,
            )  # fmt: skip

        assert np.array_equal(convolution(given), expected)
        assert np.array_equal(compiled(convolution, given), expected)


POOLS = [
    ((6, 6, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((5, 7, 65), (3, 3), (2, 2), ((1, 1), (1, 1))),
    ((4, 4, 16), (4, 4), (4, 4), ((0, 0), (0, 0))),
    ((5, 3, 130), (2, 3), (1, 1), ((1, 0), (0, 0))),
]


@pytest.mark.parametrize("case", POOLS, ids=str)
@pytest.mark.parametrize("last", [True, False])
def test_the_largest_byte_of_a_window(case, last):
    shape, size, stride, padding = case
    x = bytes_of(11, 3, *shape)
    expected = []
    for image in x:
        grid, places = positions(image, size, stride, padding, (1, 1))
        pixels = [
            np.max([c for _, c in window(image, p, size, stride, padding, (1, 1))], axis=0) for p in places
        ]
        expected.append(np.reshape(pixels, (*grid, shape[2])))
    expected = np.array(expected) if last else np.array(expected).transpose(0, 3, 1, 2)
    given = x if last else np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def largest(a):
        return pool(
            as_bytes(a), kind="max", size=size, stride=stride, padding=padding, dilation=(1, 1),
            counts_padding=False, outputs=None, channels_last=last,
        )  # fmt: skip

    y = compiled(largest, given)
    assert y.dtype == np.uint8
    assert np.array_equal(y, expected)
    assert np.array_equal(largest(given), expected)


@pytest.mark.parametrize("case", POOLS, ids=str)
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("counts_padding", [True, False])
def test_the_mean_of_a_window_is_rounded_once_to_float32(case, last, counts_padding):
    shape, size, stride, padding = case
    x = bytes_of(12, 2, *shape)
    for output, zero_point in ((None, 4), (Output(2), 0)):
        expected = []
        for image in x:
            grid, places = positions(image, size, stride, padding, (1, 1))
            for position in places:
                taps = [c for _, c in window(image, position, size, stride, padding, (1, 1))]
                count = size[0] * size[1] if counts_padding else len(taps)
                for channel in range(shape[2]):
                    total = sum(int(c[channel]) - zero_point for c in taps)
                    expected.append(rounded(F(np.float64(total) / count) * F(0.7), output))
        expected = np.reshape(expected, (2, *grid, shape[2])).astype(F if output is None else np.uint8)
        expected = expected if last else expected.transpose(0, 3, 1, 2)
        given = x if last else np.ascontiguousarray(x.transpose(0, 3, 1, 2))

        def average(a, output=output, zero_point=zero_point):
            return quantized_average(
                as_bytes(a), zero_point=zero_point, multiplier=0.7, output=output, size=size, stride=stride,
                padding=padding, counts_padding=counts_padding, channels_last=last,
            )  # fmt: skip

        assert np.array_equal(average(given), expected)
        assert np.array_equal(compiled(average, given), expected)


# Programs of several


def test_bytes_move_and_meet_numbers_in_one_program():
    x = bytes_of(13, 5, 4, 6, 8)
    weight, bias, multiplier = draw(14, 12, 8, 3, 3)
    second, start, scales = draw(15, 10, 16)
    numbers = ((np.arange(256) - 3) * 0.01).astype(F)

    def net(a):
        b = quantized_convolution(
            as_bytes(a), weight, bias, multiplier, zero_point=0, output=Output(3), stride=(1, 1),
            padding=((1, 1), (1, 1)), channels_last=True,
        )  # fmt: skip
        b = moved(lambda v: v[:, ::2, 1:3, :8].reshape(len(v), -1)[:, ::2], (b,))
        c = lookup(b, numbers)
        d = quantize(multiply(c, F(2)), scale=F(0.02), output=Output(3))
        e = quantized_linear(
            moved(lambda v, w: np.concatenate([v, w], axis=1)[:, 8:24], (b, d)), second, start, scales,
            zero_point=3, output=None,
        )  # fmt: skip
        return moved(lambda v, w: np.concatenate([v, w], axis=1), (e, c))

    expected = net(x)
    y = compiled(net, x)
    assert y.dtype == F
    assert np.array_equal(y, expected)


def test_rows_have_the_same_bits_in_every_batch():
    x = bytes_of(16, 300, 90, density=0.2)
    weight, bias, multiplier = draw(17, 70, 90)

    def net(a):
        return quantized_linear(as_bytes(a), weight, bias, multiplier, zero_point=0, output=Output())

    whole = compiled(net, x)
    for first, count in ((0, 1), (7, 2), (100, 13), (299, 1), (3, 121)):
        assert np.array_equal(compiled(net, x[first : first + count]), whole[first : first + count])
    apart = np.zeros((300, 97), np.uint8)
    apart[:, :90] = x
    assert np.array_equal(compiled(net, apart[:, :90]), whole)


def test_threads_share_the_rows():
    x = bytes_of(18, 4000, 300)
    weight, bias, multiplier = draw(19, 100, 300)

    def net(a):
        return quantized_linear(as_bytes(a), weight, bias, multiplier, zero_point=2, output=Output(1))

    alone = compiled(net, x)
    assert np.array_equal(compiled(net, x, threads=2), alone)
    tt.set_num_threads(2)
    try:
        assert np.array_equal(net(x), alone)
    finally:
        tt.set_num_threads(None)


def test_bytes_that_stand_for_other_bytes_go_through_one_table():
    x = bytes_of(20, 30, 40)
    weight, bias, multiplier = draw(21, 12, 40)

    def net(a):
        numbers = a.astype(F) if type(a) is np.ndarray else a
        b = subtract(divide(numbers, F(255)), F(0.3))
        c = quantize(b, scale=F(0.02), output=Output(15))
        return quantized_linear(c, weight, bias, multiplier, zero_point=15, output=None)

    assert np.array_equal(compiled(net, x), net(x))


def test_an_output_of_bytes_and_numbers_beside_each_other():
    x = bytes_of(22, 50, 33)
    numbers = np.linspace(-1, 1, 256).astype(F)
    table = np.arange(256)[::-1].astype(np.uint8)

    class Two(Layer):
        def forward(self, x):
            first = lookup(as_bytes(x._array), table)
            return Tensor._wrap(lookup(first, numbers)), Tensor._wrap(first)

        forward.__module__ = "tinytensor.tests"

    y, z = Two().predict(x)
    assert y.dtype == F
    assert np.array_equal(y, numbers[table[x]])
    assert z.dtype == np.uint8
    assert np.array_equal(z, table[x])


def test_programs_pass_on_bytes_and_numbers():
    x = bytes_of(23, 20, 9)
    numbers = np.linspace(0, 1, 256).astype(F)

    class Between(Layer):
        """A node that no program computes stands between two programs."""

        def forward(self, x):
            a = as_bytes(x._array)
            b = lookup(a, numbers)
            c = cast(b, dtype=np.dtype(np.float64))
            d = quantize(c, scale=F(0.25), output=Output(1))
            parts = lookup(d, numbers), b, lookup(a, numbers)
            return Tensor._wrap(moved(lambda *each: np.concatenate(each, axis=1), parts))

        forward.__module__ = "tinytensor.tests"

    expected = numbers[x]
    of_bytes = quantize(expected.astype(np.float64), scale=F(0.25), output=Output(1))
    y = Between().predict(x)
    assert np.array_equal(y, np.concatenate([numbers[of_bytes], expected, expected], axis=1))
