"""Models as ONNX: ONNX Runtime computes the same, and so do we when we read them back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.models import activations, sequentials
from tests.naive import gamma, within
from tests.rounding import error_bound

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


def run(proto, *inputs):
    """The outputs of ONNX Runtime, of a model that the checker of onnx has passed."""
    onnx.checker.check_model(proto, full_check=True)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def agree(model, x, **arguments):
    """Within twice the bound of rounding: each side is within it of the exact value."""
    proto = tt.to_onnx(model, **arguments)
    (theirs,) = run(proto, x)
    bound = 2 * error_bound(model, x)
    within(model(x), theirs, bound)
    within(tt.from_onnx(proto)(x), theirs, bound)
    return proto


def dtypes(model):
    return {each.dtype.name for each in model.parameters().values()}


@given(sequentials(functions=activations).filter(lambda m: dtypes(m) <= {"float32"}), st.integers(0, 9))
def test_any_model_in_float32(model, seed):
    agree(model, np.random.default_rng(seed).standard_normal((4, 6)).astype(np.float32))


def test_dropout_leaves_nothing_in_the_file():
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.Dropout(0.25), tt.Linear(5, 3, seed=1))
    proto = agree(model, np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32))
    assert [node.op_type for node in proto.graph.node] == ["Gemm", "Gemm"]


@pytest.mark.parametrize("first", ["float32", "float64"])
def test_two_dtypes(first):
    second = "float64" if first == "float32" else "float32"
    model = tt.Sequential(
        tt.Linear(6, 5, seed=0, dtype=first), tt.tanh, tt.Linear(5, 3, seed=1, dtype=second), tt.softmax
    )
    agree(model, np.random.default_rng(0).standard_normal((4, 6)).astype(first))


@pytest.mark.parametrize("shape", [(6,), (2, 6), (3, 2, 6), ()])
def test_samples_of_any_shape(shape):
    x = np.random.default_rng(0).standard_normal((4, *shape, 6)).astype(np.float32)
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.relu, tt.Rescale(0.5, np.arange(5, dtype=np.float32)))
    agree(model, x, shape=(*shape, 6))
    flat = tt.Sequential(tt.Flatten(), tt.Linear(math.prod(shape) * 6, 3, seed=1))
    proto = agree(flat, x, shape=(*shape, 6))
    assert [node.op_type for node in proto.graph.node] == ["Flatten", "Gemm"]


def test_layers_of_channels():
    x = np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32)
    three = np.array([0.5, 1, 2], np.float32)
    model = tt.Sequential(
        tt.BatchNorm(three, three, three, three), tt.PReLU(three),
        tt.PReLU(np.full((3, 5), 0.25, np.float32)), tt.BatchNorm(*np.ones((4, 5), np.float32), axis=-1),
        tt.LayerNorm(np.ones((3, 5), np.float32), eps=0.1), tt.Softmax(1),
    )  # fmt: skip
    agree(model, x, shape=(3, 5))


def test_names_of_values_are_names_of_layers():
    model = tt.Sequential(tt.Linear(3, 2, seed=0), ("act", tt.relu), tt.Sequential(tt.Linear(2, 2, seed=1)))
    proto = tt.to_onnx(model)
    assert [node.output[0] for node in proto.graph.node] == ["0", "act", "output"]
    assert {each.name for each in proto.graph.initializer} == {"0.weight", "0.bias", "2.0.weight", "2.0.bias"}
    assert [node.op_type for node in proto.graph.node] == ["Gemm", "Relu", "Gemm"]
    again = tt.from_onnx(proto)
    assert repr(again) == repr(model[:2] + model[2])


def test_layers_keep_their_names_beside_a_position_of_two_digits():
    model = tt.Sequential(*((f"layer{i}", tt.LeakyReLU(i / 16)) for i in range(11)), tt.LeakyReLU(0.5))
    again = tt.from_onnx(tt.to_onnx(model, shape=(3,)))
    assert repr(again) == repr(model)


def test_a_file(tmp_path):
    model = tt.Sequential(tt.Linear(6, 4, seed=0), tt.GELU("tanh"), tt.Linear(4, 2, seed=1))
    model.save(tmp_path / "m.onnx")
    again = tt.load(tmp_path / "m.onnx")
    assert repr(again) == repr(model)
    assert all(np.array_equal(a, model.state_dict()[k]) for k, a in again.state_dict().items())
    old = (tmp_path / "m.onnx").read_bytes()
    with pytest.raises(tt.UnsupportedOp):
        tt.Sequential(tt.Lambda(lambda x: np.sin(x.numpy()))).save(tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == old


def residual(x_shape):
    return tt.Graph(
        ["x", "n"],
        ["y", "best", "x"],
        [tt.Linear(6, 6, seed=0), tt.Sequential(tt.Rescale(0.5), tt.relu), tt.Operator("Add"),
         tt.Operator("Cast", {"to": "float32"}), tt.Operator("Mul"),
         tt.Operator("Softmax", {"axis": 1, "flatten": 1}),
         tt.Operator("ArgMax", {"axis": -1, "keepdims": 0})],
        [(["x"], ["a"]), (["a"], ["b"]), (["b", "x"], ["c"]), (["n"], ["f"]), (["c", "f"], ["d"]),
         (["d"], ["y"]), (["y"], ["best"])],
        signature=[["float32", [None, *x_shape]], ["int64", []]],
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(6,), (2, 6)])
def test_a_graph(shape):
    x = np.random.default_rng(0).standard_normal((4, *shape)).astype(np.float32)
    graph, n = residual(shape), np.array(2)
    proto = tt.to_onnx(graph)
    theirs = run(proto, x, n)
    ours, again = graph(x, n), tt.from_onnx(proto)(x, n)
    u = np.finfo(np.float32).eps / 2
    for a, b, c in zip(theirs, ours, again, strict=True):
        # scores below 32 in absolute value, off by some units of roundoff, under an exponential
        assert np.allclose(a, b, rtol=32 * 32 * u, atol=2.0**-126)
        assert np.array_equal(b, c)
        assert a.dtype == b.dtype == c.dtype


def test_a_graph_needs_to_know_the_shape_of_its_inputs():
    graph = tt.Graph(["x"], ["y"], [tt.Linear(2, 2, seed=0)], [(["x"], ["y"])], signature=[["float32", None]])
    with pytest.raises(tt.ArgumentError, match="shape"):
        tt.to_onnx(graph)
    assert run(tt.to_onnx(graph, shape=(2,)), np.ones((3, 2), np.float32))[0].shape == (3, 2)


def images(last):
    return [
        tt.Conv2d(4, 6, 3, (2, 1), ((1, 0), (2, 1)), groups=2, channels_last=last, seed=0),
        tt.Conv2d(4, 6, (2, 3), 2, "same", channels_last=last, seed=1, bias=False),
        tt.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2, channels_last=last, seed=2),
        tt.MaxPool2d(3, 2, 1, dilation=2, channels_last=last),
        tt.MaxPool2d(2, 1, "same", channels_last=last),
        tt.AvgPool2d(3, 2, 1, channels_last=last),
        tt.AvgPool2d(2, count_include_pad=False, ceil_mode=True, channels_last=last),
        tt.GlobalAvgPool2d(channels_last=last),
        tt.GlobalMaxPool2d(keepdims=True, channels_last=last),
        tt.Pad(((1, 2), (0, 3)), value=0.5, channels_last=last),
        tt.Pad(2, "reflect", channels_last=last),
        tt.Pad(1, "edge", channels_last=last),
        tt.Upsample(scale_factor=2, channels_last=last),
        tt.Upsample((5, 11), channels_last=last),
        tt.Upsample(scale_factor=(2, 3), mode="bilinear", channels_last=last),
        tt.Upsample((13, 14), mode="bilinear", align_corners=True, channels_last=last),
        tt.BatchNorm(*(np.arange(1, 5, dtype=np.float32) + i for i in range(4)), axis=-1 if last else 1),
        tt.ChannelsFirst() if last else tt.ChannelsLast(),
    ]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("position", range(18))
def test_layers_of_images(position, last):
    """The three sum in different orders: within twice γ of the number of terms."""
    layer, shape = images(last)[position], (9, 7, 4) if last else (4, 9, 7)
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    proto = tt.to_onnx(tt.Sequential(layer), shape=shape)
    (theirs,) = run(proto, x)
    y = layer(x).numpy()
    weights = [np.abs(each.numpy()).sum() for each in layer.parameters().values()]
    bound = 2 * gamma(50, np.float32) * (np.abs(x).max() + 1) * max([1.0, *weights])
    assert theirs.shape == y.shape
    within(y, theirs, bound)
    within(tt.from_onnx(proto)(x), theirs, bound)


def test_a_network_of_images_without_a_shape():
    layers = [
        tt.Conv2d(1, 4, 3, padding=1, channels_last=True, seed=0), tt.relu,
        tt.MaxPool2d(2, channels_last=True), tt.Flatten(), tt.Linear(4 * 9, 3, seed=1),
    ]  # fmt: skip
    model = tt.Sequential(*layers)
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 1)).astype(np.float32)
    proto = tt.to_onnx(model)
    (theirs,) = run(proto, x)
    terms = np.prod([np.abs(each.numpy()).sum() for each in model.parameters().values() if each.ndim > 1])
    within(model(x), theirs, 2 * gamma(60, np.float32) * np.abs(x).max() * terms)
    again = tt.from_onnx(proto)
    assert [type(each) for each in again.children().values()] == [type(e) for e in model.children().values()]
    assert np.array_equal(again(x).numpy(), model(x).numpy())
