"""Layers on bytes: their arithmetic by plain loops, files, errors."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.io.config import build, describe
from tinytensor.primitives.quantized import MOST_TERMS

RNG = np.random.default_rng(16)


def whole(low, high, *shape, dtype=np.int8):
    return RNG.integers(low, high, shape, endpoint=True).astype(dtype)


def octets(*shape):
    return tt.Tensor(whole(0, 255, *shape, dtype=np.uint8), np.uint8)


def linear(out=5, inside=7, **more):
    given = {"weight_scale": RNG.uniform(0.01, 0.02, out), "input_scale": 0.02, "output_scale": 0.5} | more
    return tt.QuantizedLinear(whole(-127, 127, out, inside), whole(-500, 500, out, dtype=np.int32), **given)


def conv(out=6, inside=4, size=(3, 2), **more):
    given = {"weight_scale": RNG.uniform(0.01, 0.02, out), "input_scale": 0.02, "output_scale": 0.5} | more
    weight = whole(-127, 127, out, inside // more.get("groups", 1), *size)
    return tt.QuantizedConv2d(weight, whole(-500, 500, out, dtype=np.int32), **given)


LAYERS = [
    (tt.Quantize(0.1), tt.normal((4, 6), seed=1)),
    (tt.Quantize(0.1, 128, 20, 200), tt.normal((4, 6), seed=1)),
    (tt.Dequantize(0.25, 3), octets(4, 6)),
    (linear(), octets(4, 7)),
    (linear(input_zero_point=200, output_zero_point=100, low=100, high=180), octets(4, 2, 7)),
    (linear(output_scale=None), octets(4, 7)),
    (conv(), octets(2, 4, 6, 5)),
    (conv(stride=2, padding="same", dilation=(1, 2), groups=2, input_zero_point=9), octets(2, 4, 6, 5)),
    (conv(padding=((0, 1), (2, 0)), channels_last=True, output_scale=None), octets(2, 6, 5, 4)),
    (conv(4, 4, groups=4, output_zero_point=5, low=5), octets(2, 4, 6, 5)),
    (conv(2, 4, groups=2), octets(2, 4, 6, 5)),
    (tt.Lookup(whole(0, 255, 256, dtype=np.uint8), "noise"), octets(3, 4)),
    (tt.Lookup.of(tt.tanh, 0.05, 128), octets(3, 4)),
    (tt.QuantizedAvgPool2d(2, input_scale=0.5, output_scale=0.25, output_zero_point=7), octets(2, 3, 4, 5)),
    (
        tt.QuantizedAvgPool2d(3, 2, 1, True, False, True, input_scale=0.5, input_zero_point=3),
        octets(2, 4, 5, 3),
    ),
    (tt.QuantizedGlobalAvgPool2d(True, input_scale=0.5, output_scale=0.5), octets(2, 3, 4, 5)),
    (tt.QuantizedGlobalAvgPool2d(channels_last=True, input_scale=0.5), octets(2, 3, 4, 5)),
]  # fmt: skip
NAMED = pytest.mark.parametrize(("layer", "x"), LAYERS, ids=lambda each: type(each).__name__)


def to_byte(y, output_scale, zero, low, high):
    """One number as the layer says it."""
    return y if output_scale is None else np.uint8(max(low, min(high, int(np.rint(y)) + zero)))


def factor(layer, lane):
    product = float(np.float64(layer.weight_scale.numpy()[lane])) * layer.input_scale
    return np.float32(product / (layer.output_scale or 1.0))


def naive_output(layer, total, lane):
    y = np.float32(total) * factor(layer, lane)
    return to_byte(y, layer.output_scale, layer.output_zero_point, layer.low, layer.high)


@pytest.mark.parametrize("index", [3, 4, 5])
def test_a_product_is_that_of_whole_numbers(index):
    layer, x = LAYERS[index]
    w, b, zero = layer.weight.tolist(), layer.bias.tolist(), layer.input_zero_point
    rows = x.numpy().reshape(-1, 7).tolist()
    expected = [
        [
            naive_output(layer, b[o] + sum((q - zero) * v for q, v in zip(row, w[o], strict=True)), o)
            for o in range(5)
        ]
        for row in rows
    ]
    y = layer(x)
    assert y.dtype == (np.float32 if layer.output_scale is None else np.uint8)
    np.testing.assert_array_equal(y.numpy().reshape(-1, 5), np.array(expected, y.dtype))


def naive_convolution(layer, x):
    """By loops over whole numbers, images with channels first."""
    window = tt.Conv2d(
        x.shape[1], len(layer.weight), layer.weight.shape[2:], layer.stride, layer.padding, layer.dilation,
        layer.groups, weight=layer.weight.numpy().astype(float), bias=layer.bias.numpy().astype(float),
    )  # fmt: skip
    sums = window(tt.Tensor(x.astype(np.float64) - layer.input_zero_point)).numpy()  # exact below 2^53
    y = [
        [naive_output(layer, int(s), o) for s in image[o].ravel()]
        for image in sums
        for o in range(len(image))
    ]
    return np.array(y).reshape(sums.shape)


@pytest.mark.parametrize("index", [6, 7, 8, 9])
def test_a_convolution_is_that_of_whole_numbers(index):
    layer, x = LAYERS[index]
    first = np.moveaxis(x.numpy(), -1, 1) if layer.channels_last else x.numpy()
    expected = naive_convolution(layer, first)
    y = layer(x).numpy()
    np.testing.assert_array_equal(np.moveaxis(y, -1, 1) if layer.channels_last else y, expected)


def test_quantize_rounds_half_to_even_and_saturates():
    layer = tt.Quantize(0.5, 10, 9, 100)
    x = tt.Tensor([0.25, 0.75, -0.25, -0.75, np.nan, np.inf, -np.inf, 1e30])
    assert layer(x).tolist() == [10, 12, 10, 9, 9, 100, 9, 100]
    assert layer(x).dtype == np.uint8


def test_bytes_with_scale_1_stay_what_they_are():
    every = np.arange(256, dtype=np.uint8)[None]
    model = tt.Sequential(tt.Quantize(1.0))
    assert np.array_equal(model.predict(every), every)
    assert model.predict(every).dtype == np.uint8


@given(st.floats(1e-6, 1e6), st.integers(0, 255))
def test_dequantize_then_quantize_is_the_same_byte(scale, zero):
    every = tt.Tensor(np.arange(256), np.uint8)
    there = tt.Dequantize(scale, zero)(every)
    assert there.dtype == np.float32
    assert np.array_equal(tt.Quantize(scale, zero)(there), every)


def test_the_sum_of_two_values():
    add = tt.QuantizedAdd([0.5, 0.25], [3, 10], output_scale=0.3, output_zero_point=20, low=20, high=90)
    a, b = octets(4, 3), octets(4, 3)
    multipliers = [np.float32(0.5 / 0.3), np.float32(0.25 / 0.3)]
    y = (a.numpy().astype(np.float32) - 3) * multipliers[0] + (
        b.numpy().astype(np.float32) - 10
    ) * multipliers[1]
    expected = np.clip(np.rint(y) + 20, 20, 90)
    found = add.forward(a, b)
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("order", ["ab", "ba", "aa"])
def test_a_sum_inside_a_program(order):
    add = tt.QuantizedAdd([0.5, 0.25], [3, 10], output_scale=0.3, output_zero_point=20)
    wires = [(["a"], ["b"]), (list(order), ["y"])]
    model = tt.Graph(["a"], ["y"], [linear(7, 7), add], wires, [("uint8", (None, 7))])
    a = octets(40, 7)
    values = {"a": a, "b": model.layers[0](a)}
    assert np.array_equal(model.predict(a.numpy()), add.forward(*(values[name] for name in order)))


def test_a_mean_is_rounded_once():
    layer, x = LAYERS[13]
    q = x.numpy().astype(int)
    for n, c, i, j in np.ndindex(2, 3, 2, 2):
        mean = Fraction(int(q[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum()), 4)
        expected = int(np.rint(np.float32(float(mean)) * np.float32(2.0))) + 7
        assert layer(x).numpy()[n, c, i, j] == min(expected, 255)


def test_the_largest_byte_of_a_window_is_a_byte():
    x = octets(2, 3, 6, 5)
    for layer in (tt.MaxPool2d(3, 2, 1), tt.GlobalMaxPool2d()):
        y = layer(x)
        assert y.dtype == np.uint8
        assert np.array_equal(y, layer(x.astype(np.float32)))
        model = tt.Sequential(tt.Quantize(1.0), layer)
        assert np.array_equal(model.predict(x.numpy()), y)
        assert all(row.fused for row in model.summary((3, 6, 5)).rows)
    for layer in (tt.Flatten(), tt.Reshape((5, 18)), tt.ChannelsLast(), tt.Dropout(0.5)):
        assert layer(x).dtype == np.uint8


@NAMED
def test_a_layer_is_described_saved_and_read_again(layer, x, tmp_path):
    again = build(json.loads(json.dumps(describe(layer))), layer.state_dict())
    assert repr(again) == repr(layer)
    assert describe(again) == describe(layer)
    model = tt.Sequential(layer)
    model.save(tmp_path / "model.safetensors")
    read = tt.load(tmp_path / "model.safetensors")
    for name, tensor in model.parameters().items():
        assert read.parameters()[name].dtype == tensor.dtype
    assert np.array_equal(read[0](x), layer(x))
    assert repr(layer.astype("float64")) == repr(layer)


@NAMED
def test_a_model_gives_the_bits_of_its_layer_and_explains_it(layer, x):
    model = tt.Sequential(layer) if isinstance(layer, tt.Quantize) else tt.Sequential(tt.Quantize(1.0), layer)
    expected = layer(x).numpy()
    y = model.predict(x.numpy())
    assert y.dtype == expected.dtype
    assert np.array_equal(y, expected)
    assert np.array_equal(model(x.numpy(), fused=False), expected)
    assert np.array_equal(np.concatenate(list(model.predict_batches(x.numpy(), 1))), expected)
    assert type(layer).__name__ in str(model.summary(x.shape[1:]))
    assert len(model.explain(x.numpy()[:1]).rows) >= len(model)


def test_int8_in_and_out_is_part_of_the_program():
    inner = linear(6, 7, input_zero_point=100, output_zero_point=50)
    layers = [tt.FromInt8(), inner, tt.ToInt8()]
    wires = [(["x"], ["a"]), (["a"], ["b"]), (["b"], ["y"])]
    model = tt.Graph(["x"], ["y"], layers, wires, [("int8", (None, 7))])
    x = whole(-128, 127, 300, 7)
    expected = inner(tt.Tensor((x.astype(np.int16) + 128).astype(np.uint8), np.uint8)).numpy()
    expected = (expected.astype(np.int16) - 128).astype(np.int8)
    for threads in (1, 2):
        y = model.predict(x, threads=threads)
        assert y.dtype == np.int8
        assert np.array_equal(y, expected)
    assert np.array_equal(model.predict(x[3:4]), expected[3:4])
    assert np.array_equal(model.predict(x[::-2]), expected[::-2])
    assert np.array_equal(model(x, fused=False), expected)
    assert all(row.fused for row in model.summary(7).rows)
    told = [model.explain(each).rows[0].values for each in (x[:1], tt.Tensor(x[:1], np.int8))]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("layer", "wanted", "dtype"),
    [(tt.FromInt8(), "int8", dtype) for dtype in (np.uint8, np.int16, bool, np.float32)]
    + [(tt.ToInt8(), "uint8", dtype) for dtype in (np.int8, np.int16, bool, np.float32)],
)
def test_bytes_of_the_other_kind_are_refused(layer, wanted, dtype):
    with pytest.raises(
        tt.DtypeError, match=rf"{type(layer).__name__}.*expected {wanted}, got {np.dtype(dtype)}"
    ):
        layer(tt.Tensor([[0, 1]], dtype))


def test_formulas_name_the_zero_points():
    model = tt.Sequential(
        tt.Quantize(0.5, 3),
        tt.QuantizedLinear(
            [[1, 2]], weight_scale=[1.0], input_scale=0.5, input_zero_point=3, output_scale=2.0
        ),
        tt.Lookup.of(tt.tanh, 2.0),
    )
    first, second, third = (row.formula for row in model.explain(shape=2).rows)
    assert first == "u₁ = round(x / 0.5) + 3"
    assert second == "a⁽¹⁾ = round(m⁽¹⁾ · (W⁽¹⁾ (u₁ − 3) + b⁽¹⁾))"
    assert third == "y = c₁[a⁽¹⁾]"


SIDE = {"weight_scale": [1.0], "input_scale": 1.0}


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: tt.Quantize(0.0), tt.ArgumentError, "Quantize: scale: expected a positive, finite"),
        (lambda: tt.Quantize(float("inf")), tt.ArgumentError, "positive, finite"),
        (lambda: tt.Quantize(1e-50), tt.ArgumentError, "positive, finite number in float32"),
        (lambda: tt.Quantize("x"), tt.DtypeError, "expected a real number"),
        (lambda: tt.Quantize(1.0, -5), tt.ArgumentError, "zero_point: expected an integer from 0 to 255"),
        (lambda: tt.Quantize(1.0, 1.5), tt.DtypeError, "zero_point: expected an integer"),
        (lambda: tt.Quantize(1.0, 0, 5, 4), tt.ArgumentError, "low ≤ high"),
        (lambda: tt.Dequantize(-1.0), tt.ArgumentError, "positive, finite"),
        (lambda: tt.QuantizedLinear([[1.5]], **SIDE), tt.DtypeError, "weight: expected int8, got float64"),
        (lambda: tt.QuantizedLinear([[128]], **SIDE), tt.ArgumentError, "from -128 to 127, got 128"),
        (lambda: tt.QuantizedLinear([1], **SIDE), tt.ShapeError, "expected .out, in., got"),
        (lambda: tt.QuantizedLinear([[1]], [1, 2], **SIDE), tt.ShapeError, "bias: expected"),
        (lambda: tt.QuantizedLinear([[1]], weight_scale=[1, 2], input_scale=1), tt.ShapeError, "scale"),
        (lambda: tt.QuantizedLinear([[1]], weight_scale=[0.0], input_scale=1), tt.ArgumentError, "scale"),
        (lambda: tt.QuantizedLinear([[1]], weight_scale=[np.nan], input_scale=1), tt.ArgumentError, "finite"),
        (lambda: tt.QuantizedLinear([[1]], [2**31 - 1], **SIDE), tt.ArgumentError, "output 0 may reach"),
        (lambda: tt.QuantizedLinear(np.ones((1, 1 + MOST_TERMS), np.int8), **SIDE), tt.ArgumentError, "sum"),
        (lambda: tt.QuantizedConv2d([[1]], **SIDE), tt.ShapeError, "expected .out, in, height, width."),
        (lambda: tt.QuantizedConv2d([[[[1]]]], groups=2, **SIDE), tt.ArgumentError, "groups"),
        (lambda: tt.QuantizedConv2d([[[[1]]]], padding=-1, **SIDE), tt.ArgumentError, "padding"),
        (lambda: tt.QuantizedAdd([1.0], output_scale=1.0), tt.ArgumentError, "two scales"),
        (lambda: tt.QuantizedAdd([1.0, 0.0], output_scale=1.0), tt.ArgumentError, "expected a positive"),
        (lambda: tt.QuantizedAdd([1.0, 1.0], [0, 256], output_scale=1.0), tt.ArgumentError, "zero_points"),
        (lambda: tt.Lookup([1, 2]), tt.DtypeError, "table: expected uint8 or float32, got int64"),
        (lambda: tt.Lookup(np.zeros(9, np.uint8)), tt.ShapeError, r"expected shape \(256,\)"),
        (lambda: tt.Lookup.of(lambda x: x.sum(axis=1), 1.0), tt.ArgumentError, "function of every element"),
        (lambda: linear()(tt.ones((1, 7))), tt.DtypeError, "expected uint8, got float32; put tt.Quantize"),
        (lambda: linear()(octets(1, 8)), tt.ShapeError, r"expected \(batch, 7\), got \(1, 8\)"),
        (lambda: conv()(octets(1, 3, 9, 9)), tt.ShapeError, "3 channels"),
        (lambda: conv()(octets(4, 9, 9)), tt.ShapeError, "forget an axis"),
        (lambda: tt.QuantizedGlobalAvgPool2d(input_scale=1.0)(octets(4, 9)), tt.ShapeError, "expected"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_what_is_assigned_is_checked_too():
    layer = linear()
    with pytest.raises(tt.DtypeError, match="weight: expected int8, got float32"):
        layer.weight = tt.ones((5, 7))
    with pytest.raises(tt.ArgumentError, match="input_scale: expected a positive"):
        layer.input_scale = 0.0
    layer.bias = np.full(5, 2**31 - 1)
    with pytest.raises(tt.ArgumentError, match="may reach"):
        layer(octets(1, 7))


def test_a_file_with_a_wrong_scale_is_refused(tmp_path):
    described = describe(linear())
    described["config"]["input_scale"] = -1.0
    with pytest.raises(tt.ModelFormatError, match=r"QuantizedLinear: ArgumentError: .*input_scale"):
        build(described, linear().state_dict())
