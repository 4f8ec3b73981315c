"""Quantised ONNX models: what ONNX Runtime's `quantize_static` writes, within one step of a byte of it."""

import itertools
import logging

import numpy as np
import pytest

import tinytensor as tt

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
quantization = pytest.importorskip("onnxruntime.quantization", reason="ONNX Runtime cannot quantise here")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper

F = np.float32
RNG = np.random.default_rng(7)
FORMATS = [quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator]
U, S = quantization.QuantType.QUInt8, quantization.QuantType.QInt8
ON_BYTES = {
    "Quantize", "QuantizedLinear", "QuantizedConv2d", "QuantizedAdd", "QuantizedAvgPool2d", "Lookup",
    "QuantizedGlobalAvgPool2d", "MaxPool2d", "Flatten", "Dequantize", "FromInt8", "ToInt8",
}  # fmt: skip


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(
        op, inputs.split(), outputs.split(), outputs.split()[0], domain=domain, **attributes
    )


def model(nodes, shape, dtype=F, opset=17, y="y", ydtype=F, **weights):
    kinds = [helper.np_dtype_to_tensor_dtype(np.dtype(each)) for each in (dtype, ydtype)]
    made = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kinds[0], ("n", *shape))],
        [helper.make_tensor_value_info(y, kinds[1], None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(made, ir_version=8, opset_imports=opsets)


def theirs(made, x):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def drawn(*shape):
    return RNG.standard_normal(shape).astype(F) / F(np.sqrt(np.prod(shape[1:])))


def dense():
    nodes = [
        node("Gemm", "x w1 b1", "a1", transB=1), node("Relu", "a1", "h1"),
        node("MatMul", "h1 w2", "m2"), node("Add", "m2 b2", "a2"), node("Sigmoid", "a2", "h2"),
        node("Gemm", "h2 w3 b3", "y", transB=1),
    ]  # fmt: skip
    return model(
        nodes, (20,), w1=drawn(30, 20), b1=drawn(30), w2=drawn(30, 30), b2=drawn(30), w3=drawn(7, 30),
        b3=drawn(7),
    )  # fmt: skip


def residual():
    """Means of 3 numbers, which are never half a step: there ONNX Runtime's rounding errors decide."""
    nodes = [
        node("Conv", "x w1 b1", "a1", pads=[1, 1, 1, 1]), node("Relu", "a1", "h1"),
        node("Conv", "h1 w2 b2", "a2", pads=[1, 1, 1, 1]), node("Add", "h1 a2", "s"), node("Relu", "s", "h2"),
        node("MaxPool", "h2", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p w3 b3", "a3", pads=[1, 1, 1, 1], strides=[2, 2], group=8),
        node("LeakyRelu", "a3", "h3", alpha=0.1),
        node("AveragePool", "h3", "q", kernel_shape=[1, 3]),
        node("GlobalAveragePool", "q", "g"), node("Flatten", "g", "f"),
        node("Gemm", "f w4 b4", "y", transB=1),
    ]  # fmt: skip
    return model(
        nodes, (3, 12, 12), w1=drawn(8, 3, 3, 3), b1=drawn(8), w2=drawn(8, 8, 3, 3), b2=drawn(8),
        w3=drawn(16, 1, 3, 3), b3=drawn(16), w4=drawn(5, 16), b4=drawn(5),
    )  # fmt: skip


def joined():
    nodes = [
        node("Conv", "x w1 b1", "a1"), node("Relu", "a1", "h1"), node("Conv", "x w2 b2", "a2"),
        node("Clip", "a2 zero six", "h2"), node("Concat", "h1 h2", "c", axis=1), node("Flatten", "c", "f"),
        node("Gemm", "f w3 b3", "y", transB=1),
    ]  # fmt: skip
    return model(
        nodes, (3, 6, 6), w1=drawn(4, 3, 1, 1), b1=drawn(4), w2=drawn(4, 3, 1, 1), b2=drawn(4),
        w3=drawn(5, 288), b3=drawn(5), zero=F(0), six=F(6),
    )  # fmt: skip


class Samples(quantization.CalibrationDataReader):
    def __init__(self, shape):
        self.left = [RNG.standard_normal((8, *shape)).astype(F) for _ in range(4)]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


def quantised(made, folder, **options):
    shape = [each.dim_value for each in made.graph.input[0].type.tensor_type.shape.dim][1:]
    logging.disable(logging.WARNING)  # that the model was not preprocessed
    try:
        quantization.quantize_static(made, folder / "q.onnx", Samples(shape), **options)
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(folder / "q.onnx"), shape


def step_of(made):
    """What one step of the output's byte is worth."""
    constants = {each.name: numpy_helper.to_array(each) for each in made.graph.initializer}
    last = next(n for n in made.graph.node if n.output[0] == made.graph.output[0].name)
    assert last.op_type == "DequantizeLinear"
    return float(constants[last.input[1]])


def kinds(model):
    return [type(each).__name__ for each in getattr(model, "layers", model)]


@pytest.mark.parametrize("net", [dense, residual, joined])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("per_channel", "reduce_range", "kinds_of"),
    list(itertools.product([False, True], [False, True], [(U, U), (U, S), (S, S)])),
)
def test_static(tmp_path, net, form, per_channel, reduce_range, kinds_of):
    options = {"activation_type": kinds_of[0], "weight_type": kinds_of[1]}
    made, shape = quantised(
        net(), tmp_path, quant_format=form, per_channel=per_channel, reduce_range=reduce_range, **options
    )
    x = RNG.standard_normal((40, *shape)).astype(F)
    ours = tt.from_onnx(made)
    difference = np.abs(np.asarray(ours(x)) - theirs(made, x)).max() / step_of(made)
    assert difference < 1.01
    if kinds_of[1] is S or reduce_range:
        assert set(kinds(ours)) - {"Operator", "Constant"} <= ON_BYTES
        names = {each.operation for each in getattr(ours, "layers", ours) if isinstance(each, tt.Operator)}
        assert names <= {"Concat"}


@pytest.mark.parametrize("net", [dense, residual, joined])
@pytest.mark.parametrize("form", FORMATS)
def test_the_export_of_what_was_read(tmp_path, net, form):
    made, shape = quantised(net(), tmp_path, quant_format=form, per_channel=True)
    ours = tt.from_onnx(made)
    x = RNG.standard_normal((20, *shape)).astype(F)
    written, y = tt.to_onnx(ours, shape=shape), np.asarray(ours(x))
    assert {each.op_type for each in written.graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    assert np.abs(theirs(written, x) - y).max() < 1.01 * step_of(made)
    again = tt.from_onnx(written)
    assert np.array_equal(again(x), y)
    assert kinds(again) == kinds(ours)


def quantize(x, scale, zero, dtype):
    limits = np.iinfo(dtype)
    return np.clip(np.rint(x / F(scale)) + zero, limits.min, limits.max).astype(dtype)


def numbers(q, scale, zero):
    return (q.astype(F) - F(zero)) * F(scale)


CONSTANTS = {"s": F(0.05), "t": F(0.03)}


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["Sigmoid", "Tanh", "HardSwish", "Elu", "Relu", "Softplus", "Erf"])
def test_a_function_of_one_byte_is_exact(dtype, op):
    nodes = [node("DequantizeLinear", "x s z", "n"), node(op, "n", "m"), node("QuantizeLinear", "m t w", "y")]
    made = model(
        nodes, (256,), dtype, ydtype=dtype, z=dtype(3), w=dtype(-5 if dtype is np.int8 else 9), **CONSTANTS
    )
    x = np.arange(256, dtype=np.uint8).view(dtype)[None]
    ours = tt.from_onnx(made)
    assert "Lookup" in kinds(ours)
    y = ours(x)
    assert y.dtype == dtype
    assert np.abs(np.asarray(y).astype(int) - theirs(made, x)).max() <= 1


def test_several_steps_on_one_byte_are_one_table():
    """x · clip(x + 3, 0, 6) / 6, taken apart, reads its byte twice."""
    nodes = [
        node("DequantizeLinear", "x s z", "n"), node("Add", "n three", "a"), node("Clip", "a zero six", "c"),
        node("Mul", "n c", "m"), node("Div", "m six", "d"), node("QuantizeLinear", "d t z", "y"),
    ]  # fmt: skip
    constants = {"three": F(3), "zero": F(0), "six": F(6), "z": np.uint8(120)}
    made = model(nodes, (256,), np.uint8, ydtype=np.uint8, **constants, **CONSTANTS)
    x = np.arange(256, dtype=np.uint8)[None]
    ours = tt.from_onnx(made)
    assert kinds(ours) == ["Lookup"]
    n = numbers(x, 0.05, 120)
    expected = quantize(n * np.clip(n + 3, 0, 6) / 6, 0.03, 120, np.uint8)
    assert np.array_equal(ours(x), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_integers_at_the_edges_keep_their_dtype(dtype):
    weight = RNG.integers(-127, 128, (6, 4)).astype(np.int8)
    nodes = [
        node("DequantizeLinear", "x s z", "n"), node("DequantizeLinear", "w ws wz", "k"),
        node("MatMul", "n k", "m"), node("QuantizeLinear", "m t z", "y"),
    ]  # fmt: skip
    zero = dtype(100 if dtype is np.uint8 else -20)
    made = model(nodes, (6,), dtype, ydtype=dtype, z=zero, w=weight, ws=F(0.01), wz=np.int8(0), **CONSTANTS)
    x = RNG.integers(0, 256, (9, 6)).astype(np.uint8).view(dtype)
    ours = tt.from_onnx(made)
    assert "QuantizedLinear" in kinds(ours)
    sums = (x.astype(np.int64) - int(zero)) @ weight.astype(np.int64)
    factor = F(float(F(0.05)) * float(F(0.01)) / float(F(0.03)))
    limits = np.iinfo(dtype)
    expected = np.clip(np.rint(sums.astype(F) * factor) + int(zero), limits.min, limits.max).astype(dtype)
    y = ours(x)
    assert y.dtype == dtype
    assert np.array_equal(y, expected)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 6.0), (-100.0, 2.0)])
def test_bounds_after_a_product(low, high):
    weight = RNG.integers(-127, 128, (4, 6)).astype(np.int8)
    nodes = [
        node("DequantizeLinear", "x s z", "n"), node("DequantizeLinear", "w ws", "k", axis=0),
        node("Gemm", "n k", "m", transB=1), node("Clip", "m low high", "c"),
        node("QuantizeLinear", "c t z", "y"),
    ]  # fmt: skip
    scales = np.linspace(0.01, 0.05, 4).astype(F)
    made = model(
        nodes, (6,), np.uint8, ydtype=np.uint8, z=np.uint8(128), w=weight, ws=scales, low=F(low),
        high=F(high), **CONSTANTS,
    )  # fmt: skip
    x = RNG.integers(0, 256, (50, 6)).astype(np.uint8)
    ours = tt.from_onnx(made)
    assert kinds(ours) == ["QuantizedLinear"]
    assert np.abs(np.asarray(ours(x)).astype(int) - theirs(made, x)).max() <= 1


def test_a_bias_of_floats_is_rounded_to_the_unit_of_sums():
    weight, bias = RNG.integers(-127, 128, (4, 6)).astype(np.int8), drawn(4)
    nodes = [
        node("DequantizeLinear", "x s z", "n"), node("DequantizeLinear", "w ws", "k"),
        node("Gemm", "n k b", "m", transB=1), node("QuantizeLinear", "m t z", "y"),
    ]  # fmt: skip
    made = model(
        nodes, (6,), np.uint8, ydtype=np.uint8, z=np.uint8(128), w=weight, ws=F(0.01), b=bias, **CONSTANTS
    )
    (layer,) = tt.from_onnx(made).layers
    unit = float(F(0.05)) * float(F(0.01))
    assert np.array_equal(layer.bias, np.rint(bias.astype(float) / unit).astype(np.int32))


def test_products_that_are_read_as_numbers():
    weight = RNG.integers(-127, 128, (4, 6)).astype(np.int8)
    nodes = [
        node("DequantizeLinear", "x s z", "n"), node("DequantizeLinear", "w ws", "k"),
        node("Gemm", "n k", "m", transB=1), node("Softmax", "m", "y"),
    ]  # fmt: skip
    made = model(nodes, (6,), np.uint8, z=np.uint8(128), w=weight, ws=F(0.001), **CONSTANTS)
    x = RNG.integers(0, 256, (5, 6)).astype(np.uint8)
    ours = tt.from_onnx(made)
    assert kinds(ours) == ["QuantizedLinear", "Softmax"]
    sums = (x.astype(np.int64) - 128) @ weight.T.astype(np.int64)
    z = sums * (float(F(0.05)) * float(F(0.001)))
    powers = np.exp(z - z.max(1, keepdims=True))
    # z is rounded twice and at most 6 · 128 · 127 units; e^z passes the rounding on, softmax adds a few
    bound = (2 * np.abs(z).max() + 8) * 2.0**-23
    assert np.abs(np.asarray(ours(x)) - powers / powers.sum(1, keepdims=True)).max() <= bound


def test_weights_that_do_not_fit_are_computed_in_float32(tmp_path):
    made, shape = quantised(
        dense(), tmp_path, quant_format=FORMATS[0], activation_type=U, weight_type=U,
    )  # fmt: skip
    for each in made.graph.initializer:
        if each.data_type == TensorProto.UINT8 and len(each.dims) == 0 and "w3" in each.name:
            each.CopyFrom(numpy_helper.from_array(np.uint8(3), each.name))
    ours = tt.from_onnx(made)
    assert "Linear" in kinds(ours)
    x = RNG.standard_normal((30, *shape)).astype(F)
    assert np.abs(np.asarray(ours(x)) - theirs(made, x)).max() < 1.01 * step_of(made)


@pytest.mark.parametrize("opset", [10, 13, 19, 21, 23, 25])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_every_opset(opset, dtype):
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]
    made = model(nodes, (40,), opset=opset, z=dtype(7), **CONSTANTS)
    x = (RNG.standard_normal((3, 40)) * 8).astype(F)
    expected = numbers(quantize(x, 0.05, 7, dtype), 0.05, 7)
    assert np.array_equal(tt.from_onnx(made)(x), expected)


def test_scales_of_an_axis_and_of_blocks_run_as_onnx_defines_them():
    scales, zeros = np.linspace(0.1, 0.3, 6).astype(F), np.arange(6, dtype=np.uint8)
    x = (RNG.standard_normal((3, 6)) * 9).astype(F)
    nodes = [node("QuantizeLinear", "x s z", "q", axis=1), node("DequantizeLinear", "q s z", "y", axis=-1)]
    found = tt.from_onnx(model(nodes, (6,), s=scales, z=zeros))(x)
    q = np.clip(np.rint(x / scales) + zeros, 0, 255)
    assert np.array_equal(found, (q - zeros).astype(F) * scales)
    nodes = [node("DequantizeLinear", "x s", "y", axis=1, block_size=2)]
    blocks = np.linspace(0.1, 0.3, 9).astype(F).reshape(3, 3)
    whole = RNG.integers(-128, 128, (3, 6)).astype(np.int8)
    found = tt.from_onnx(model(nodes, (6,), np.int8, 21, s=blocks))(whole)
    assert np.array_equal(found, whole.astype(F) * np.repeat(blocks, 2, 1))


def test_sixteen_bits_and_int32():
    x = (RNG.standard_normal((3, 6)) * 900).astype(F)
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]
    for dtype in (np.int16, np.uint16):
        found = tt.from_onnx(model(nodes, (6,), opset=21, z=dtype(30), s=F(0.5)))(x)
        assert np.array_equal(found, numbers(quantize(x, 0.5, 30, dtype), 0.5, 30))
    found = tt.from_onnx(model([node("DequantizeLinear", "x s", "y")], (6,), np.int32, s=F(0.5)))
    assert found(np.array([[1, -7, 1 << 20]], np.int32)).tolist() == [[0.5, -3.5, float(1 << 19)]]


@pytest.mark.parametrize(
    ("kind", "said"),
    [(TensorProto.INT4, "elements of type 22"), (TensorProto.FLOAT8E4M3FN, "elements of type 17")],
)
def test_few_bits_are_refused(kind, said):
    made = model([node("DequantizeLinear", "w s", "y")], (2,), opset=21, s=F(1))
    made.graph.initializer.append(helper.make_tensor("w", kind, [2], [1, 2]))
    with pytest.raises(tt.UnsupportedOp, match=said):
        tt.from_onnx(made)


def test_a_type_of_few_bits_that_is_asked_for_is_refused():
    nodes = [node("QuantizeLinear", "x s", "y", output_dtype=TensorProto.INT4)]
    with pytest.raises(tt.UnsupportedOp, match="type 22 of ONNX; those of 8 or 16 bits would help"):
        tt.from_onnx(model(nodes, (2,), opset=21, s=F(1)))


def test_scales_that_are_computed_run_as_onnx_defines_them(tmp_path):
    """Dynamic quantisation: scales of this batch."""
    logging.disable(logging.WARNING)
    quantization.quantize_dynamic(dense(), tmp_path / "q.onnx")
    logging.disable(logging.NOTSET)
    made = onnx.load(tmp_path / "q.onnx")
    assert {"DynamicQuantizeLinear", "MatMulInteger"} <= {each.op_type for each in made.graph.node}
    x = RNG.standard_normal((9, 20)).astype(F)
    expected = theirs(made, x)
    # A value at a tie of one of three quantisations may go either way: a step of 1/255 of the range
    assert np.abs(np.asarray(tt.from_onnx(made)(x)) - expected).max() <= 4 * np.ptp(expected) / 255


def test_constant_operands_of_a_sum():
    bias = RNG.integers(0, 256, 6).astype(np.uint8)
    nodes = [
        node("DequantizeLinear", "x s z", "n"), node("DequantizeLinear", "b t z", "k"),
        node("Add", "n k", "a"), node("QuantizeLinear", "a r z", "y"),
    ]  # fmt: skip
    made = model(nodes, (6,), np.uint8, ydtype=np.uint8, b=bias, z=np.uint8(100), r=F(0.08), **CONSTANTS)
    x = RNG.integers(0, 256, (40, 6)).astype(np.uint8)
    ours = tt.from_onnx(made)
    assert "QuantizedAdd" in kinds(ours)
    assert np.abs(np.asarray(ours(x)).astype(int) - theirs(made, x)).max() <= 1


def of_microsoft(op, inputs, **attributes):
    return [node(op, inputs, "y", "com.microsoft", **attributes)]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        (of_microsoft("QLinearAdd", "x s z x t z r z"), (6,)),
        (of_microsoft("QLinearMul", "x s z x t z r z"), (6,)),
        (of_microsoft("QLinearSigmoid", "x s z t z"), (6,)),
        (of_microsoft("QLinearLeakyRelu", "x s z t z", alpha=0.3), (6,)),
        (of_microsoft("QLinearSoftmax", "x s z t z", opset=13, axis=-1), (6,)),
        (of_microsoft("QLinearConcat", "r z x s z x t z", axis=1), (6,)),
        (of_microsoft("QLinearAveragePool", "x s z t z", kernel_shape=[2, 2], pads=[1, 0, 1, 0]), (2, 4, 4)),
        (of_microsoft("QLinearGlobalAveragePool", "x s z t z"), (2, 4, 4)),
        (of_microsoft("QGemm", "x s z w t v b r z", transB=1), (6,)),
        (of_microsoft("QGemm", "x s z w t v", transB=1), (6,)),
    ],
    ids=lambda each: each[0].op_type if isinstance(each, list) else "",
)
def test_operations_of_microsoft(nodes, shape, dtype):
    zero = dtype(110 if dtype is np.uint8 else -18)
    weight = RNG.integers(-127, 128, (4, 6)).astype(np.int8)
    bias = RNG.integers(-900, 900, 4).astype(np.int32)
    to = F if len(nodes[0].input) == 6 else dtype
    made = model(
        nodes, shape, dtype, ydtype=to, z=zero, r=F(0.2), w=weight, v=np.int8(0), b=bias, **CONSTANTS,
    )  # fmt: skip
    x = RNG.integers(0, 256, (20, *shape)).astype(np.uint8).view(dtype)
    found, expected = np.asarray(tt.from_onnx(made)(x)), theirs(made, x)
    assert found.dtype == expected.dtype
    # A byte may go either way at a tie; numbers are sums of 6 products of at most 255 · 127, rounded twice
    bound = 1 if to is dtype else 6 * 255 * 127 * 0.05 * 0.03 * 2.0**-22
    assert np.abs(found.astype(float) - expected).max() <= bound


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (of_microsoft("QLinearAdd", "x s z x t z r"), "a result without a zero point"),
        (of_microsoft("QLinearGlobalAveragePool", "x s z t z", channels_last=1), "channels last"),
        (of_microsoft("QLinearConcat", "r z x s z x", axis=1), "operands without a scale"),
        (of_microsoft("QAttention", "x s z"), "does not compute com.microsoft.QAttention"),
    ],
)
def test_what_is_refused(nodes, said):
    made = model(nodes, (6,), np.uint8, ydtype=np.uint8, z=np.uint8(1), r=F(0.2), **CONSTANTS)
    with pytest.raises(tt.UnsupportedOp, match=said):
        tt.from_onnx(made)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (of_microsoft("QLinearAdd", "x s z"), "expected 7 to 8 inputs"),
        (of_microsoft("QLinearSigmoid", "x s z t z", alpha=1.0), "has no attribute 'alpha'"),
        (of_microsoft("QLinearConcat", "r z x s z"), "the attribute axis is missing"),
    ],
)
def test_what_is_malformed(nodes, said):
    made = model(nodes, (6,), np.uint8, ydtype=np.uint8, z=np.uint8(1), r=F(0.2), **CONSTANTS)
    with pytest.raises(tt.ModelFormatError, match=said):
        tt.from_onnx(made)


def test_a_weight_that_many_nodes_share_stays_within_the_budget():
    """500 products by one matrix of 4 MB are not 500 matrices."""
    weight = np.ones((2048, 2048), np.int8)
    nodes = [node("DequantizeLinear", "w ws", "k")]
    for i in range(500):
        nodes += [
            node("DequantizeLinear", f"{'q' if i else 'x'}{i or ''} s z", f"n{i}"),
            node("MatMul", f"n{i} k", f"m{i}"), node("QuantizeLinear", f"m{i} s z", f"q{i + 1}"),
        ]  # fmt: skip
    made = model(
        nodes, (2048,), np.uint8, y="q500", ydtype=np.uint8, w=weight, ws=F(1), z=np.uint8(0), s=F(1)
    )
    ours = tt.from_onnx(made)
    size = sum(each.size * each.dtype.itemsize for each in ours.parameters().values())
    assert size <= (16 << 20) + 10 * weight.nbytes


@pytest.mark.parametrize(
    ("bounds", "operations"),
    [
        ({}, []),
        ({"low": 100}, ["Relu"]),
        ({"low": 110}, ["Clip"]),
        ({"high": 200}, ["Clip"]),
        ({"low": 100, "high": 200}, ["Clip"]),
    ],
)
def test_bounds_of_bytes_are_written(bounds, operations):
    layer = tt.QuantizedLinear(
        [[100, -100]],
        weight_scale=[1.0],
        input_scale=1.0,
        output_scale=100.0,
        output_zero_point=100,
        **bounds,
    )
    model = tt.Sequential(tt.Quantize(1.0, 0), layer, tt.Dequantize(1.0, 0))
    proto = tt.to_onnx(model, shape=(2,))
    assert [each.op_type for each in proto.graph.node if each.op_type in ("Relu", "Clip")] == operations
    x = np.array([[0, 90], [5, 0], [0, 5], [0, 0], [150, 0]], F)
    assert theirs(proto, x).tolist() == np.asarray(model(x)).tolist()
