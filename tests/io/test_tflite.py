"""TensorFlow Lite files: its reference arithmetic in plain loops, and LiteRT where that is installed."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt

tflite = pytest.importorskip("tflite", reason="tflite is not installed")

from tests.io.tflite_files import File, small  # noqa: E402

F = np.float32
SHARED = Path(__file__).parents[3] / "shared" / "data" / "mlperf_tiny"
NETS = {
    "ad01": "ad01_int8", "kws_ref_model": "kws_ref_model", "pretrainedResnet": "pretrainedResnet_quant",
    "str_ww_ref_model": "str_ww_ref_model", "vww_96": "vww_96_int8",
}  # fmt: skip
EPS = 2.0**-23


def loaded(tmp_path, content):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    return tt.load(path)


def interpreters():
    """By name, which kernels LiteRT computes with."""
    return {"XNNPACK": "BUILTIN", "built in": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}


def litert(content, samples, kernels="BUILTIN_REF"):
    """What LiteRT computes, sample by sample; the first axis of what it gives is that of samples."""
    found = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    kind = getattr(found.OpResolverType, kernels)
    runner = found.Interpreter(model_content=content, experimental_op_resolver_type=kind, num_threads=1)
    runner.allocate_tensors()
    place, end = runner.get_input_details()[0]["index"], runner.get_output_details()[0]["index"]
    results = []
    for sample in samples:
        runner.set_tensor(place, sample[None])
        runner.invoke()
        results.append(runner.get_tensor(end)[0].copy())
    return np.array(results)


# The reference: gemmlowp's fixed-point arithmetic


def fixed_point(factor):
    """A factor as a 31-bit multiplier and a power of two: QuantizeMultiplier."""
    fraction, exponent = math.frexp(factor)
    whole = round(fraction * 2**31)
    return (whole // 2, exponent + 1) if whole == 2**31 else (whole, exponent)


def multiplied(x, factor):
    """MultiplyByQuantizedMultiplier: a doubling high product, then a shift; both round halves away from 0."""
    whole, exponent = fixed_point(factor)
    product = (x << max(exponent, 0)) * whole
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    high = abs(product + nudge) // 2**31 * (1 if product + nudge >= 0 else -1)
    shift = max(-exponent, 0)
    remainder, threshold = high & ((1 << shift) - 1), ((1 << shift) - 1 >> 1) + (high < 0)
    return (high >> shift) + (remainder > threshold)


def byte(x):
    return min(max(x, -128), 127)


def reference_linear(x, weight, bias, x_scale, x_zero, scales, y_scale, y_zero):
    rows = []
    for sample in x.astype(int).tolist():
        row = []
        for weights, b, scale in zip(
            weight.astype(int).tolist(), bias.tolist(), scales.tolist(), strict=True
        ):
            total = b + sum((q - x_zero) * w for q, w in zip(sample, weights, strict=True))
            row.append(byte(multiplied(total, float(x_scale) * scale / float(y_scale)) + y_zero))
        rows.append(row)
    return np.array(rows)


def linear_file(rng, inputs=24, outputs=10, per_channel=True, x_zero=-9, y_zero=4):
    scales = rng.uniform(0.001, 0.02, outputs if per_channel else 1).astype(F)
    weight = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    bias = rng.integers(-4000, 4000, outputs).astype(np.int32)
    x_scale, y_scale = F(0.037), F(0.21)
    file = File()
    x = file.tensor((1, inputs), "int8", x_scale, x_zero)
    w, b = file.constant(weight, scales), file.constant(bias, scales * x_scale)
    y = file.tensor((1, outputs), "int8", y_scale, y_zero)
    file.add("FULLY_CONNECTED", [x, w, b], y, "FullyConnectedOptions")
    return file.content([x], [y]), (
        weight,
        bias,
        x_scale,
        x_zero,
        np.broadcast_to(scales, outputs),
        y_scale,
        y_zero,
    )


@pytest.mark.parametrize("per_channel", [False, True])
def test_products_are_within_a_step_of_the_reference(tmp_path, per_channel):
    rng = np.random.default_rng(3)
    content, parameters = linear_file(rng, per_channel=per_channel)
    x = rng.integers(-128, 128, (300, 24)).astype(np.int8)
    y = loaded(tmp_path, content)(x)
    assert y.dtype == np.int8
    expected = reference_linear(x, *parameters)
    difference = np.abs(np.asarray(y).astype(int) - expected)
    assert difference.max() <= 1
    assert -128 < expected.mean() < 127


def test_the_reference_is_that_of_litert():
    rng = np.random.default_rng(3)
    content, parameters = linear_file(rng)
    x = rng.integers(-128, 128, (100, 24)).astype(np.int8)
    assert np.array_equal(litert(content, x), reference_linear(x, *parameters))


# Each operator, quantised and not, beside LiteRT

IMAGE = (1, 6, 5, 4)


def unary(op, kind=None, shape=(1, 12), result=None, y=(0.05, -8), **options):
    def build(file, x, value, constant):
        return file.add(op, [x], value(result or shape, *y), kind, **options)

    return shape, build


def binary(op, kind, other=(1, 12), **options):
    def build(file, x, value, constant):
        second = constant(other) if isinstance(other, tuple) else x
        return file.add(op, [x, second], value((1, 12), 0.09, 3), kind, **options)

    return (1, 12), build


def convolution(op, weight, result, kind, **options):
    def build(file, x, value, constant):
        w = constant(weight, axis=0 if op == "CONV_2D" else 3)
        bias = constant((weight[0 if op == "CONV_2D" else 3],), of=w)
        return file.add(op, [x, w, bias], value(result, 0.05, -7), kind, **options)

    return IMAGE, build


def with_numbers(op, numbers, result, kind=None, shape=IMAGE, **options):
    def build(file, x, value, constant):
        more = [file.constant(np.array(each, np.int32)) for each in numbers]
        return file.add(op, [x, *more], value(result, 0.05, -7) if result else None, kind, **options)

    return shape, build


def concatenation(file, x, value, constant):
    h = file.add("RELU", [x], value((1, 12), 0.05, -7))
    return file.add("CONCATENATION", [x, h], value((1, 24), 0.05, -7), "ConcatenationOptions", Axis=1)


def padded_convolution(file, x, value, constant):
    pads = file.constant(np.array([[0, 0], [1, 1], [2, 0], [0, 0]], np.int32))
    h = file.add("PAD", [x, pads], value((1, 8, 7, 4), 0.05, -7), "PadOptions")
    w = constant((3, 3, 3, 4), axis=0)
    options = {"StrideH": 2, "StrideW": 2, "Padding": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    return file.add(
        "CONV_2D", [h, w, constant((3,), of=w)], value((1, 3, 3, 3), 0.05, 3), "Conv2DOptions", **options
    )


CONV = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
POOL = {"StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}
SAME_QUANTISATION = {"y": (0.05, -7)}
# Sigmoid, tanh, softmax have scales of their own that LiteRT asks for.
OPERATIONS = {
    "ADD": binary("ADD", "AddOptions"),
    "ADD itself": binary("ADD", "AddOptions", None),
    "ADD relu": binary("ADD", "AddOptions", FusedActivationFunction=1),
    "AVERAGE_POOL_2D": unary("AVERAGE_POOL_2D", "Pool2DOptions", IMAGE, (1, 3, 3, 4), (0.05, -7), **POOL),
    "AVERAGE_POOL_2D valid": unary(
        "AVERAGE_POOL_2D", "Pool2DOptions", IMAGE, (1, 3, 2, 4), (0.05, -7), **POOL, Padding=1,
    ),
    "CONCATENATION": ((1, 12), concatenation),
    "CONV_2D": convolution("CONV_2D", (3, 3, 2, 4), (1, 6, 5, 3), "Conv2DOptions", **CONV),
    "CONV_2D valid, strides, relu6": convolution(
        "CONV_2D", (3, 3, 2, 4), (1, 2, 4, 3), "Conv2DOptions", **CONV | {"StrideH": 2}, Padding=1,
        FusedActivationFunction=3,
    ),
    "CONV_2D dilated": convolution(
        "CONV_2D", (3, 2, 2, 4), (1, 4, 3, 3), "Conv2DOptions", StrideH=1, StrideW=1, DilationHFactor=2,
        DilationWFactor=2, Padding=1, FusedActivationFunction=1,
    ),
    "DEPTHWISE_CONV_2D": convolution(
        "DEPTHWISE_CONV_2D", (1, 3, 3, 4), (1, 3, 3, 4), "DepthwiseConv2DOptions", StrideH=2, StrideW=2,
        DepthMultiplier=1, DilationHFactor=1, DilationWFactor=1,
    ),
    "DEPTHWISE_CONV_2D twice": convolution(
        "DEPTHWISE_CONV_2D", (1, 2, 3, 8), (1, 6, 5, 8), "DepthwiseConv2DOptions", StrideH=1, StrideW=1,
        DepthMultiplier=2, DilationHFactor=1, DilationWFactor=1, FusedActivationFunction=1,
    ),
    "EXPAND_DIMS": with_numbers("EXPAND_DIMS", [1], (1, 1, 12), "ExpandDimsOptions", (1, 12)),
    "HARD_SWISH": unary("HARD_SWISH", y=(0.05, -100)),
    "LEAKY_RELU": unary("LEAKY_RELU", "LeakyReluOptions", Alpha=0.1),
    "LOGISTIC": unary("LOGISTIC", y=(1 / 256, -128)),
    "MAX_POOL_2D": unary("MAX_POOL_2D", "Pool2DOptions", IMAGE, (1, 3, 3, 4), (0.05, -7), **POOL),
    "MEAN of pixels": with_numbers("MEAN", [[1, 2]], (1, 4), "ReducerOptions"),
    "MEAN of pixels, kept": with_numbers("MEAN", [[1, 2]], (1, 1, 1, 4), "ReducerOptions", KeepDims=True),
    "MEAN of channels": with_numbers("MEAN", [[3]], (1, 6, 5), "ReducerOptions"),
    "MUL": binary("MUL", "MulOptions"),
    "PAD": with_numbers("PAD", [[[0, 0], [1, 2], [0, 1], [0, 0]]], (1, 9, 6, 4), "PadOptions"),
    "PAD and CONV_2D": (IMAGE, padded_convolution),
    "QUANTIZE": unary("QUANTIZE", "QuantizeOptions", y=(0.021, 11)),
    "RELU": unary("RELU", y=(0.03, -128)),
    "RELU6": unary("RELU6", y=(6 / 255, -128)),
    "RESHAPE": with_numbers("RESHAPE", [[1, 120]], (1, 120), "ReshapeOptions", NewShape=[1, 120]),
    "RESIZE_BILINEAR": with_numbers("RESIZE_BILINEAR", [[9, 8]], (1, 9, 8, 4), "ResizeBilinearOptions"),
    "RESIZE_BILINEAR half pixels": with_numbers(
        "RESIZE_BILINEAR", [[9, 8]], (1, 9, 8, 4), "ResizeBilinearOptions", HalfPixelCenters=True
    ),
    "RESIZE_NEAREST_NEIGHBOR": with_numbers(
        "RESIZE_NEAREST_NEIGHBOR", [[9, 8]], (1, 9, 8, 4), "ResizeNearestNeighborOptions"
    ),
    "SOFTMAX": unary("SOFTMAX", "SoftmaxOptions", y=(1 / 256, -128), Beta=1.0),
    "SQUEEZE": unary("SQUEEZE", "SqueezeOptions", (1, 1, 12), (1, 12), (0.05, -7), SqueezeDims=[1]),
    "SUB": binary("SUB", "SubOptions"),
    "TANH": unary("TANH", y=(1 / 128, 0)),
    "TRANSPOSE": with_numbers("TRANSPOSE", [[0, 3, 1, 2]], (1, 4, 6, 5), "TransposeOptions"),
}  # fmt: skip
FLOAT_ALONE = {
    "ELU": unary("ELU"),
    "EXP": unary("EXP"),
    "GELU": unary("GELU", "GeluOptions", Approximate=False),
    "RELU_N1_TO_1": unary("RELU_N1_TO_1"),
}
UNSIGNED = (
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "LOGISTIC",
    "MAX_POOL_2D",
    "SOFTMAX",
    "PAD",
)


def built(name, dtype, seed=0):
    """The file of one operator, and samples."""
    rng, file = np.random.default_rng(seed), File()
    shape, build = (OPERATIONS | FLOAT_ALONE)[name]
    offset = 128 if dtype == "uint8" else 0
    whole = dtype != "float32"

    def value(lengths, scale, zero):
        return file.tensor(lengths, dtype, *((scale, zero + offset) if whole else ()))

    def constant(lengths, axis=None, of=None):
        if not whole:
            return file.constant(rng.standard_normal(lengths).astype(F))
        if of is not None:  # a bias
            scales = file.tensors[of][2][0]
            return file.constant(rng.integers(-400, 400, lengths).astype(np.int32), scales * F(0.05))
        scale = 0.01 if axis is None or dtype == "uint8" else np.linspace(0.004, 0.01, lengths[axis])
        drawn = rng.integers(-127, 128, lengths).astype(np.int8)
        if dtype == "uint8":
            return file.constant((drawn.astype(int) + 128).astype(np.uint8), scale, 128)
        return file.constant(drawn, scale, 0, axis or 0)

    x = value(shape, 0.05, -7)
    y = build(file, x, value, constant)
    sample = (64, *shape[1:])
    samples = (
        rng.integers(0, 256, sample).astype(np.uint8).view(dtype) if whole else rng.standard_normal(sample)
    )
    return file.content([x], [y]), samples.astype(dtype)


@pytest.mark.parametrize("kernels", interpreters().values(), ids=interpreters())
@pytest.mark.parametrize("name", OPERATIONS)
def test_operators_of_int8(tmp_path, name, kernels):
    content, x = built(name, "int8")
    theirs = litert(content, x, kernels)
    y = np.asarray(loaded(tmp_path, content)(x))
    assert y.dtype == np.int8
    assert y.shape == theirs.shape
    assert np.abs(y.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("name", UNSIGNED)
def test_operators_of_uint8(tmp_path, name):
    content, x = built(name, "uint8")
    y = np.asarray(loaded(tmp_path, content)(x))
    assert y.dtype == np.uint8
    assert np.abs(y.astype(int) - litert(content, x)).max() <= 1


@pytest.mark.parametrize("name", [each for each in (*OPERATIONS, *FLOAT_ALONE) if each != "QUANTIZE"])
def test_operators_of_float32(tmp_path, name):
    content, x = built(name, "float32")
    theirs = litert(content, x, "BUILTIN" if name == "ELU" else "BUILTIN_REF")
    y = np.asarray(loaded(tmp_path, content)(x))
    assert y.dtype == F
    assert y.shape == theirs.shape
    # at most 36 products, each within 25, and functions that are at most a few roundings off on either side
    assert np.abs(y - theirs).max() <= 36 * 25 * EPS + 8 * EPS * np.abs(theirs).max()


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_a_small_network(tmp_path, dtype):
    content, rng = small(dtype), np.random.default_rng(1)
    whole = rng.integers(0, 256, (50, 5, 4, 2)).astype(np.uint8)
    x = rng.standard_normal((50, 5, 4, 2)).astype(F) if dtype == "float32" else whole.view(dtype)
    ours = loaded(tmp_path, content)
    y = np.asarray(ours(x))
    if dtype != "float32":
        names = {type(each).__name__ for each in ours.layers}
        assert {"QuantizedConv2d", "QuantizedGlobalAvgPool2d", "QuantizedLinear"} <= names
    for count in (1, 7):  # the bits of a sample do not depend on the batch
        assert np.array_equal(ours(x[:count]), y[:count])
    theirs = litert(content, x)
    bound = 1 if dtype != "float32" else 64 * EPS * np.abs(theirs).max()
    assert np.abs(y.astype(float) - theirs).max() <= bound


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_predict_takes_the_bytes_of_the_file(tmp_path, dtype):
    ours, rng = loaded(tmp_path, small(dtype)), np.random.default_rng(1)
    x = rng.integers(0, 256, (40, 5, 4, 2)).astype(np.uint8).view(dtype)
    y = np.asarray(ours(x))
    assert np.array_equal(np.asarray(ours(x, fused=False)), y)
    for given in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], tt.Tensor(x, dtype)):
        for options in ({}, {"batch_size": 7}, {"threads": 2}):
            found = ours.predict(given, **options)
            assert found.dtype == dtype
            assert np.array_equal(found, y)
    assert np.array_equal(np.concatenate(list(ours.predict_batches(x, 16))), y)
    with pytest.raises(tt.DtypeError, match=f"expected {dtype}, got float32"):
        ours.predict(x.astype(F))


def test_int8_alone_is_a_program(tmp_path):
    """int8 is read and written by the same program that computes with bytes."""
    ours = loaded(tmp_path, small("int8"))
    x = np.zeros((3, 5, 4, 2), np.int8)
    ours.predict(x)
    (form,) = ours._plan.forms.values()
    assert form.only is not None
    assert [each.dtype for each in (form.traced.inputs[0], form.traced.outputs[0])] == [np.int8, np.int8]


def test_weights_of_uint8_that_do_not_fit_int8(tmp_path):
    """A zero point far from the middle: w - zero_point has nine bits, so the product is one of float32."""
    rng, file = np.random.default_rng(0), File()
    weight = rng.integers(0, 256, (5, 12)).astype(np.uint8)
    x = file.tensor((1, 12), "uint8", 0.05, 100)
    w, b = file.constant(weight, 0.01, 20), file.constant(np.zeros(5, np.int32), 0.0005)
    y = file.tensor((1, 5), "uint8", 0.4, 128)
    file.add("FULLY_CONNECTED", [x, w, b], y, "FullyConnectedOptions")
    content = file.content([x], [y])
    ours = loaded(tmp_path, content)
    assert "Linear" in [type(each).__name__ for each in ours.layers]
    samples = rng.integers(0, 256, (60, 12)).astype(np.uint8)
    assert np.abs(np.asarray(ours(samples)).astype(int) - litert(content, samples)).max() <= 1


def test_weights_alone_of_8_bits(tmp_path):
    rng, file = np.random.default_rng(0), File()
    weight = rng.integers(-127, 128, (5, 12)).astype(np.int8)
    x, w = file.tensor((1, 12)), file.constant(weight, 0.01)
    y = file.add("FULLY_CONNECTED", [x, w], file.tensor((1, 5)), "FullyConnectedOptions")
    with pytest.warns(tt.ModelFormatWarning, match="weights of 8 bits beside numbers of float32"):
        ours = loaded(tmp_path, file.content([x], [y]))
    samples = rng.standard_normal((9, 12)).astype(F)
    exact = samples.astype(float) @ (weight.astype(F) * F(0.01)).T.astype(float)
    assert np.abs(np.asarray(ours(samples)) - exact).max() <= 12 * EPS * 12 * 4


@pytest.mark.filterwarnings("ignore:.*weights of 8 bits beside numbers")
@pytest.mark.parametrize("axis", [0, 1])
def test_weights_with_a_scale_for_each_row_or_column(tmp_path, axis):
    weight, scales = np.array([[1, -2, 3], [4, 5, -6]], np.int8), np.array([0.5, 2, 0.25], F)[: 2 + axis]
    file = File()
    x = file.tensor((1, 3))
    w = file.constant(weight, scales, axis=axis)
    content = file.content(
        [x], [file.add("FULLY_CONNECTED", [x, w], file.tensor((1, 2)), "FullyConnectedOptions")]
    )
    scaled = weight * np.expand_dims(scales, 1 - axis)
    rows = np.array([[1, 2, 4], [-1, 0.5, 8]], F)
    assert loaded(tmp_path, content)(rows).tolist() == (rows @ scaled.T).tolist()


def test_float16_weights_are_read(tmp_path):
    file, weight = File(), np.linspace(-1, 1, 24).reshape(4, 6).astype(np.float16)
    x, w = file.tensor((1, 6)), file.constant(weight)
    wide = file.add("DEQUANTIZE", [w], file.tensor((4, 6)), "DequantizeOptions")
    y = file.add("FULLY_CONNECTED", [x, wide], file.tensor((1, 4)), "FullyConnectedOptions")
    (layer,) = loaded(tmp_path, file.content([x], [y]))
    assert np.array_equal(layer.weight, weight.astype(F))


def test_the_shape_that_a_converter_computes_is_not_needed(tmp_path):
    """Keras's Flatten of any batch: SHAPE, STRIDED_SLICE and PACK give the shape of a RESHAPE."""
    file = File()
    x = file.tensor((1, 3, 4))
    lengths = file.add("SHAPE", [x], file.tensor((3,), "int32"), "ShapeOptions")
    y = file.add("RESHAPE", [x, lengths], file.tensor((1, 12)), "ReshapeOptions")
    ours = loaded(tmp_path, file.content([x], [y]))
    assert ours(np.zeros((7, 3, 4), F)).shape == (7, 12)


def test_parts(tmp_path):
    file = File()
    x, axis = file.tensor((1, 12)), file.constant(np.array(1, np.int32))
    a, b = file.add(
        "SPLIT", [axis, x], [file.tensor((1, 6)), file.tensor((1, 6))], "SplitOptions", NumSplits=2
    )
    y = file.add("SUB", [a, b], file.tensor((1, 6)), "SubOptions")
    samples = np.arange(24, dtype=F).reshape(2, 12)
    assert loaded(tmp_path, file.content([x], [y]))(samples).tolist() == [[-6.0] * 6] * 2


# Operators of numbers alone, beside NumPy or functions of ours; eighths add up exactly


def i32(*numbers):
    return np.array(numbers, np.int32)


OTHER = np.array([0.5, -2, 1, 4, -0.25, 8], F)  # a division by a constant is a product, so powers of two
ROW, PIXELS = (1, 6), (1, 3, 4, 2)
BESIDE_NUMPY = {  # shape, constants after the first operand, options, what it computes
    "ABS": (ROW, [], {}, np.abs),
    "ARG_MAX": (PIXELS, [i32(2)], {"kind": "ArgMaxOptions"}, lambda x: x.argmax(2)),
    "CAST": (ROW, [], {"kind": "CastOptions"}, lambda x: x.astype(np.int32)),
    "DIV": (ROW, [OTHER], {"kind": "DivOptions"}, lambda x: x / OTHER),
    "EXPAND_DIMS": (ROW, [i32(1)], {"kind": "ExpandDimsOptions"}, lambda x: x[:, None]),
    "GELU": (ROW, [], {"kind": "GeluOptions", "Approximate": True}, lambda x: tt.gelu(x, approximate="tanh")),
    "LOG": (ROW, [], {}, tt.log),
    "LOG_SOFTMAX": (PIXELS, [], {"kind": "LogSoftmaxOptions"}, tt.log_softmax),
    "MAXIMUM": (ROW, [OTHER], {"kind": "MaximumMinimumOptions"}, lambda x: np.maximum(x, OTHER)),
    "MEAN": (PIXELS, [i32(1)], {"kind": "ReducerOptions"}, lambda x: x.sum(1) / F(3)),
    "MEAN of axes that are no pixels": (
        (1, 3, 4, 2, 2), [i32(1, 2)], {"kind": "ReducerOptions"}, lambda x: x.sum((1, 2)) / F(12),
    ),
    "MINIMUM": (ROW, [OTHER], {"kind": "MaximumMinimumOptions"}, lambda x: np.minimum(x, OTHER)),
    "MIRROR_PAD": (
        ROW, [i32([0, 0], [2, 1])], {"kind": "MirrorPadOptions", "Mode": 0},
        lambda x: np.pad(x, ((0, 0), (2, 1)), "reflect"),
    ),
    "NEG": (ROW, [], {"kind": "NegOptions"}, np.negative),
    "PADV2": (
        ROW, [i32([0, 0], [2, 1]), F(7)], {"kind": "PadV2Options"},
        lambda x: np.pad(x, ((0, 0), (2, 1)), constant_values=7),
    ),
    "PRELU": (ROW, [OTHER], {}, lambda x: np.where(x > 0, x, x * OTHER)),
    "REDUCE_MAX": (PIXELS, [i32(1, 3)], {"kind": "ReducerOptions"}, lambda x: x.max((1, 3))),
    "RSQRT": (ROW, [], {}, lambda x: F(1) / np.sqrt(x)),
    "SLICE": (
        PIXELS, [i32(0, 1, 2, 0), i32(1, -1, 1, 2)], {"kind": "SliceOptions"}, lambda x: x[:, 1:, 2:3],
    ),
    "SOFTMAX": (PIXELS, [], {"kind": "SoftmaxOptions", "Beta": 2.0}, lambda x: tt.softmax(x * F(2))),
    "SQRT": (ROW, [], {}, np.sqrt),
    "SQUARE": (ROW, [], {"kind": "SquareOptions"}, np.square),
    "SQUARED_DIFFERENCE": (
        ROW, [OTHER], {"kind": "SquaredDifferenceOptions"}, lambda x: np.square(x - OTHER),
    ),
    "SUM": (
        PIXELS, [i32(-1, 1)], {"kind": "ReducerOptions", "KeepDims": True},
        lambda x: x.sum((1, 3), keepdims=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE_NUMPY)
def test_operators_beside_numpy(tmp_path, name):
    shape, constants, options, function = BESIDE_NUMPY[name]
    op = name.split()[0]
    x = np.random.default_rng(0).integers(-24, 25, (5, *shape[1:])).astype(F) / 8
    x = np.abs(x) + F(0.125) if op in ("LOG", "RSQRT", "SQRT") else x
    expected = np.asarray(function(x))
    file = File()
    operand = file.tensor(shape)
    result = file.tensor((1, *expected.shape[1:]), expected.dtype.name)
    file.add(op, [operand, *map(file.constant, constants)], result, **options)
    y = np.asarray(loaded(tmp_path, file.content([operand], [result]))(x))
    assert y.dtype == expected.dtype
    assert y.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("number", "function"),
    [
        (0, lambda x: x),
        (1, lambda x: np.maximum(x, F(0))),
        (2, lambda x: np.clip(x, F(-1), F(1))),
        (3, lambda x: np.clip(x, F(0), F(6))),
    ],
)
def test_activations_inside_an_operator(tmp_path, number, function):
    x = np.linspace(-9, 9, 24, dtype=F).reshape(6, 4)
    content = one("ADD", OTHER[:4], kind="AddOptions", FusedActivationFunction=number)
    assert np.asarray(loaded(tmp_path, content)(x)).tolist() == function(x + OTHER[:4]).tolist()


@pytest.mark.parametrize(("dtype", "zero"), [("int8", 0), ("uint8", 128)])
def test_halves_of_a_mean_of_bytes_are_rounded_away_from_the_byte_0(tmp_path, dtype, zero):
    file = File()
    x = file.tensor((1, 1, 2, 1), dtype, 0.5, zero)
    y = file.tensor((1, 1, 1, 1), dtype, 0.5, zero)
    options = POOL | {"FilterHeight": 1}
    content = file.content([x], [file.add("AVERAGE_POOL_2D", [x], y, "Pool2DOptions", **options)])
    pairs = np.array([[-3, -2], [-2, -1], [-1, 0], [0, 1], [1, 2], [2, 3]]) + (100 if dtype == "uint8" else 0)
    samples = pairs.astype(dtype).reshape(6, 1, 2, 1)
    sums = pairs.sum(1)
    expected = np.sign(sums) * ((np.abs(sums) + 1) // 2)
    assert np.asarray(loaded(tmp_path, content)(samples)).ravel().tolist() == expected.tolist()
    assert litert(content, samples).ravel().tolist() == expected.tolist()


def test_a_reshape_that_changes_the_number_of_samples(tmp_path):
    file = File()
    x, shape = file.tensor((None, 4)), file.constant(i32(-1, 2))
    y = file.add("RESHAPE", [x, shape], file.tensor((None, 2)), "ReshapeOptions", NewShape=[-1, 2])
    samples = np.arange(12, dtype=F).reshape(3, 4)
    found = loaded(tmp_path, file.content([x], [y]))(samples)
    assert found.tolist() == samples.reshape(6, 2).tolist()


def test_a_scale_beside_numbers_of_float32_is_not_used(tmp_path):
    file = File()
    x = file.tensor((1, 4), scale=0.5)
    content = file.content([x], [file.add("NEG", [x], file.tensor((1, 4), scale=0.5))])
    assert loaded(tmp_path, content)(np.array([[1.25, 2, 3, 4]], F)).tolist() == [[-1.25, -2, -3, -4]]


# What is refused


def one(op, *inputs, kind=None, samples=1, **options):
    file = File()
    x = file.tensor((samples, 4))
    more = [file.constant(each) for each in inputs]
    y = file.add(op, [x, *more], file.tensor((samples, 4)), kind, **options)
    return file.content([x], [y])


def without_channels():
    file = File()
    x, w = file.tensor((1, 2, 2, 3)), file.constant(np.ones((3, 1, 1, 0), F))
    y = file.add("CONV_2D", [x, w], file.tensor((1, 2, 2, 3)), "Conv2DOptions", **CONV)
    return file.content([x], [y])


def parts(axis, count=2):
    file = File()
    x, place = file.tensor((4, 4)), file.constant(np.array(axis, np.int32))
    results = [file.tensor((2, 4)) for _ in range(count)]
    return file.content([x], file.add("SPLIT", [place, x], results, "SplitOptions", NumSplits=count))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: one("LSTM"), r"operator 0: LSTM: not computed by tinytensor"),
        (lambda: one("MIRROR_PAD", i32([0, 0], [1, 1]), kind="MirrorPadOptions", Mode=1), "repeats the edge"),
        (lambda: one("SLICE", i32(1, 0), i32(-1, 2)), "a choice of samples"),
        (lambda: one("SLICE", i32(0, 0), i32(2, 2), samples=4), "a choice of samples"),
        (lambda: parts(0), "a choice of samples"),
        (lambda: parts(-2), "a choice of samples"),
        (lambda: parts(1, 3), r"3 parts of axis 1 of \(4, 4\); equal ones"),
        (lambda: one("CUSTOM"), r"the custom operator '': not computed"),
        (
            lambda: one("ADD", np.ones(4, F), kind="AddOptions", FusedActivationFunction=5),
            "activation 5; ReLU",
        ),
    ],
)
def test_operators_that_are_refused(tmp_path, content, said):
    with pytest.raises(tt.UnsupportedOp, match=said):
        loaded(tmp_path, content())


def test_types_that_are_refused(tmp_path):
    for dtype, said in (("int16", "quantised values of 16 bits"), ("float16", "float16 that is computed")):
        file = File()
        x = file.tensor((1, 4), dtype, *((0.1, 0) if dtype == "int16" else ()))
        y = file.add("RELU", [x], file.tensor((1, 4), dtype, *((0.1, 0) if dtype == "int16" else ())))
        with pytest.raises(tt.UnsupportedOp, match=said):
            loaded(tmp_path, file.content([x], [y]))


def broken(change):
    file = File()
    x = file.tensor((1, 4))
    y = file.add("RELU", [x], file.tensor((1, 4)))
    return change(file, x, y)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: broken(lambda f, x, y: f.content([x], [])), "outputs are not all defined"),
        (lambda: broken(lambda f, x, y: f.content([x, x], [y])), "the inputs: expected new tensors"),
        (lambda: broken(lambda f, x, y: f.content([99], [y])), "the inputs: expected new tensors"),
        (
            lambda: broken(lambda f, x, y: f.content([], [y])),
            r"operator 0 \(RELU\): reads tensor 0, which is not",
        ),
        (
            lambda: broken(lambda f, x, y: (f.add("RELU", [y], x), f.content([x], [y]))[1]),
            "expected new tensors",
        ),
        (lambda: one("ADD", np.ones(4, F))[:-40], "leave"),
        (lambda: one("SLICE", i32(0, 2), i32(-1, -2)), "places and sizes from 0 on"),
        (lambda: one("SLICE", i32(0, -1), i32(-1, 1)), "places and sizes from 0 on"),
        (lambda: one("SUM", np.ones(65, np.int32), kind="ReducerOptions"), "at most 64 numbers, got 65"),
        (
            lambda: one("FULLY_CONNECTED", np.ones((4, 2, 2), F), kind="FullyConnectedOptions"),
            r"expected weights of 2 axes, got \(4, 2, 2\)",
        ),
        (lambda: one("TRANSPOSE", i32(0, 0)), r"an order of 2 axes, got \[0, 0\]"),
        (lambda: one("TRANSPOSE", np.zeros(64, np.int32)), r"an order of 2 axes, got \[0, 0"),
        (lambda: without_channels(), r"expected positive sizes, got \[0\]"),
    ],
)
def test_what_is_malformed(tmp_path, content, said):
    with pytest.raises(tt.ModelFormatError, match=said):
        loaded(tmp_path, content())


def test_content_that_does_not_fit_its_shape(tmp_path):
    file = File()
    x, w = file.tensor((1, 4)), file.constant(np.ones((2, 4), F))
    shape, *rest = file.tensors[w]
    file.tensors[w] = ((2, 1 << 28), *rest)
    y = file.add("FULLY_CONNECTED", [x, w], file.tensor((1, 2)), "FullyConnectedOptions")
    with pytest.raises(
        tt.ModelFormatError, match=r"float32 \[2, 268435456\] has 2147483648 bytes, the file 32"
    ):
        loaded(tmp_path, file.content([x], [y]))
    assert shape == (2, 4)


def test_one_vector_that_many_tables_point_to(tmp_path):
    """20,000 tensors whose name is one string of 1 MB: 20 GB, if each were followed."""
    file = File()
    x = file.tensor((1, 4))
    y = file.add("RELU", [x], file.tensor((1, 4)))
    shared = {}

    def of_tensor(shape, dtype, scaling, buffer, name):
        shared["name"] = shared.get("name") or file.builder.CreateString("n" * (1 << 20))
        return file.table("Tensor", Shape=file.numbers(shape, np.int32), Name=shared["name"])

    for _ in range(20_000):
        file.tensor((1, 4))
    file.of_tensor = of_tensor
    with pytest.raises(tt.ModelFormatError, match="pointed to again and again"):
        loaded(tmp_path, file.content([x], [y]))


def test_a_weight_that_many_operators_share_stays_within_the_budget(tmp_path):
    file, weight = File(), np.ones((1024, 1024), np.int8)
    h = x = file.tensor((1, 1024), "int8", 1.0, 0)
    w = file.constant(weight, 1.0)
    for _ in range(2000):
        h = file.add(
            "FULLY_CONNECTED", [h, w], file.tensor((1, 1024), "int8", 1.0, 0), "FullyConnectedOptions"
        )
    ours = loaded(tmp_path, file.content([x], [h]))
    size = sum(each.size * each.dtype.itemsize for each in ours.parameters().values())
    assert size <= (16 << 20) + 10 * weight.nbytes


def test_the_package_is_an_extra(tmp_path, monkeypatch):
    import sys

    path = tmp_path / "m.tflite"
    path.write_bytes(small())
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(tt.MissingExtra, match=r"tinytensor-nn\[tflite\]"):
        tt.load(path)


def test_load_of_its_own_takes_paths_alone(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(small())
    assert repr(tt.io.tflite.load(path)) == repr(tt.load(path))
    with pytest.raises(tt.DtypeError, match="expected a path"):
        tt.io.tflite.load(3)
    path.write_bytes(b"nonsense")
    with pytest.raises(tt.ModelFormatError, match=r"m\.tflite: expected TFL3 at byte 4"):
        tt.io.tflite.load(path)


# The networks of MLPerf Tiny


def photographs(count, size):
    """Parts of the two photographs that scikit-learn has, in that size."""
    from sklearn.datasets import load_sample_images

    images, rng, found = load_sample_images().images, np.random.default_rng(0), []
    for i in range(count):
        whole = images[i % 2]
        side = int(rng.integers(size, 420))
        top, left = (int(rng.integers(0, n - side + 1)) for n in whole.shape[:2])
        part = whole[top : top + side, left : left + side].astype(float)
        bounds = np.linspace(0, side, size + 1).astype(int)
        sums = np.add.reduceat(np.add.reduceat(part, bounds[:-1], 0), bounds[:-1], 1)
        found.append(sums / np.outer(np.diff(bounds), np.diff(bounds))[:, :, None])
    return np.array(found)


def samples_of(name, path):
    """Inputs of a network, as its bytes: photographs for images, else the reference's samples with noise."""
    tensor = tflite.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    about = tensor.Tensors(tensor.Inputs(0)).Quantization()
    scale, zero = about.Scale(0), about.ZeroPoint(0)
    with np.load(SHARED / f"{name}_reference.npz") as reference:
        given = reference["x"]
    if name in ("pretrainedResnet", "vww_96"):
        size = given.shape[1]
        numbers = photographs(400 if size < 64 else 60, size) * (1 if scale > 0.5 else 1 / 255)
    else:
        rng = np.random.default_rng(0)
        chosen = given[rng.integers(0, len(given), 300)]
        numbers = chosen * rng.uniform(0.5, 1, (300, *(1,) * (given.ndim - 1)))
        numbers = numbers + rng.normal(0, 0.1 * given.std(), numbers.shape)
    both = np.concatenate([given, numbers.astype(F)])
    return np.clip(np.rint(both / scale) + zero, -128, 127).astype(np.int8)


@pytest.mark.parametrize("name", NETS)
def test_networks_of_mlperf_tiny_agree_with_litert(name):
    path = SHARED / f"{NETS[name]}.tflite"
    if not path.exists():
        pytest.skip("the shared files are not here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = tt.load(path)
    assert not [each for each in ours.layers if isinstance(each, tt.Operator | tt.Linear | tt.Conv2d)]
    x, content = samples_of(name, path), path.read_bytes()
    y = np.asarray(ours(x)).astype(int)
    theirs = {kind: litert(content, x, kernels).astype(int) for kind, kernels in interpreters().items()}
    assert (y.argmax(1) == theirs["XNNPACK"].argmax(1)).mean() >= 0.995
    far = {kind: np.abs(each - theirs["reference"]).mean() for kind, each in theirs.items()}
    assert np.abs(y - theirs["reference"]).mean() <= max(far.values())
