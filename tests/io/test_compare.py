"""`tt.verify`: every reference, and figures that are known."""

import copy
import itertools
import json
import os
import pathlib
import threading

import numpy as np
import pytest

import tinytensor as tt
from tests.rounding import error_bound
from tinytensor.io import references
from tinytensor.io.compare import difference

X = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)


def network():
    return tt.Sequential(
        ("hidden", tt.Linear(6, 5, seed=0)), ("act", tt.gelu), tt.Linear(5, 4, seed=1), ("out", tt.softmax)
    )


def bound(model, x=X):
    """How far two programs may be apart."""
    return 2 * error_bound(model, x).max()


def test_a_function_and_what_is_printed():
    report = tt.verify(network(), lambda x: network()(x).numpy(), X)
    assert (report.max_abs, report.max_rel, report.max_ulp) == (0, 0, 0)
    assert (report.agreeing, report.rows) == (8, 8)
    first, header, output, *last = str(report).splitlines()
    assert first == "the largest differences from a function"
    assert header.split() == ["value", "shape", "absolute", "tolerance", "relative", "ULP"]
    assert output.split() == ["output", "(8,", "4)", "0", f"{report.outputs[0].tolerance:.3g}", "0", "0"]
    assert last == ["argmax agrees in 8 of 8 rows", "verdict: same, every output is equal"]
    assert repr(report) == str(report)


def reversed_sums(model):
    """The same model in NumPy, float32, every sum in the opposite order."""

    def predict(x):
        for layer in model:
            if isinstance(layer, tt.Linear):
                weight, bias = layer.weight.numpy(), layer.bias.numpy()
                y = np.zeros((len(x), len(weight)), x.dtype)
                for i in reversed(range(x.shape[1])):
                    y = y + x[:, i : i + 1] * weight[:, i]
                x = y + bias
            else:
                x = layer(x).numpy()
        return x

    return predict


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("widths", [(6, 5, 4), (500, 3), (300, 200, 100, 50, 1), (1, 1)], ids=str)
def test_another_order_of_sums_is_close_and_what_differs_is_different(widths, rows, dtype):
    rng = np.random.default_rng(rows)
    layers = [
        layer
        for i, (k, n) in enumerate(itertools.pairwise(widths))
        for layer in (tt.Linear(k, n, seed=i, dtype=dtype), tt.softplus)
    ]
    model = tt.Sequential(layers[:-1])
    x = rng.standard_normal((rows, widths[0])).astype(dtype)
    report = tt.verify(model, reversed_sums(model), x)
    assert report.verdict in ("same", "close")
    assert 0 < report.outputs[0].tolerance < 1e-4
    less = copy.deepcopy(model)
    less[0].weight = less[0].weight.numpy().astype("float16" if dtype == "float32" else "float32")
    report = tt.verify(model, reversed_sums(less), x)
    assert report.verdict == "different"
    assert str(report).endswith("verdict: different, output is the first value beyond its tolerance")


def test_the_verdict():
    model = network()
    other = copy.deepcopy(model)
    assert tt.verify(model, other, X).verdict == "same"
    other[2].bias = other[2].bias + 1e-7
    close = tt.verify(model, other, X)
    assert close.verdict == "close"
    assert str(close).endswith("verdict: close, every output is within its tolerance")
    other["hidden"].bias = other["hidden"].bias + 1e-4
    different = tt.verify(model, other, X)
    assert different.verdict == "different"
    assert str(different).endswith("verdict: different, hidden is the first value beyond its tolerance")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_on_one_side_is_different(value):
    model = tt.Sequential(tt.Linear.of(np.eye(2)))
    report = tt.verify(model, lambda x: np.where(x > 1, np.float32(value), x), [[0.5, 2.0]])
    assert report.verdict == "different"
    assert tt.verify(model, lambda x: x, np.array([[1.0, value]], np.float32)).outputs[0].shape == (1, 2)


def test_a_reference_in_half_precision():
    model = network()
    halves = {name: array.astype(np.float16) for name, array in model.state_dict().items()}
    model.load_state_dict(halves)
    report = tt.verify(model, lambda x: model(x).numpy().astype(np.float16), X)
    assert report.verdict == "close"
    assert 2.0**-11 / 16 < report.outputs[0].tolerance < 2.0**-4
    assert report.max_ulp == 0  # once ours is rounded to it, too


def test_integers_have_no_tolerance():
    graph = tt.Graph(["x"], ["y"], [tt.Operator("ArgMax", {"axis": 1})], [(["x"], ["y"])])
    report = tt.verify(graph, lambda x: x.argmax(1)[:, None], X)
    assert (report.verdict, report.outputs[0].tolerance) == ("same", 0)
    assert tt.verify(graph, lambda x: x.argmin(1)[:, None], X).verdict == "different"


def test_a_model_that_cannot_be_copied_has_the_tolerance_of_its_size():
    class Locked(tt.Layer):
        def __init__(self):
            self.lock = threading.Lock()

        def forward(self, x):
            return x * 2

    report = tt.verify(tt.Sequential(Locked()), lambda x: x + x, [[1.0, 4.0]])
    assert report.verdict == "same"
    assert report.outputs[0].tolerance == 16 * 2.0**-24 * 8


def test_names_are_escaped():
    model = tt.Sequential(("a\x1b[31m", tt.relu))
    assert "\x1b" not in str(tt.verify(model, model, X))


def test_another_model_layer_by_layer():
    model, other = network(), network()
    other["act"] = tt.GELU("tanh")
    report = tt.verify(model, other, X)
    assert [each.name for each in report.layers] == ["hidden", "act", "2", "out"]
    assert report.layers[0].max_ulp == 0
    assert 0 < report.layers[1].max_abs < 1e-2
    assert report.program == "tinytensor"


@pytest.mark.parametrize(
    ("ours", "theirs", "absolute", "relative", "ulps"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0, 0, 0),
        ([1.0, 2.0], [1.0, 2.0 + 2.0**-22], 2.0**-22, 2.0**-23 / (1 + 2.0**-23), 1),
        ([0.0], [-0.0], 0, 0, 0),
        ([2.0**-149], [-(2.0**-149)], 2.0**-148, 2, 2),
        ([1.0], [0.0], 1, np.inf, 0x3F800000),
        ([np.nan, np.inf], [np.nan, np.inf], 0, 0, 0),
        ([np.nan], [1.0], np.inf, np.inf, 0x7FC00000 - 0x3F800000),
        ([np.inf], [-np.inf], np.inf, np.inf, 2 * 0x7F800000),
    ],
)  # fmt: skip
def test_differences_of_floats(ours, theirs, absolute, relative, ulps):
    found = difference("y", np.array(ours, np.float32), np.array(theirs, np.float32))
    assert (found.max_abs, found.max_rel) == (absolute, relative)
    assert found.max_ulp == ulps


def test_differences_of_other_dtypes():
    assert difference("y", np.array([3, 5]), np.array([3, 9])).max_ulp == 4
    assert difference("y", np.array([True]), np.array([False])).max_abs == 1
    wide = np.array([1.0, 1 + 2.0**-40])
    assert difference("y", wide, wide[::-1]).max_ulp == 2**12
    assert difference("y", wide.astype(np.float32), wide).max_ulp == 0
    opposite = difference("y", np.array([-1.0]), np.array([1.0]))
    assert opposite.max_ulp == 2 * 0x3FF0000000000000
    assert difference("y", np.zeros((0, 3)), np.zeros((0, 3))).max_abs == 0
    assert difference("y", np.zeros((2, 2)), np.array([[0, 0], [0, 5.0]])).at == (1, 1)


def test_a_file_of_tinytensor(tmp_path):
    network().save(tmp_path / "m.safetensors")
    report = tt.verify(network(), tmp_path / "m.safetensors", X)
    assert len(report.layers) == 4
    assert report.max_ulp == 0


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnx.reference"])
def test_onnx(tmp_path, monkeypatch, runtime):
    pytest.importorskip("onnx")
    pytest.importorskip(runtime)
    if runtime == "onnx.reference":
        require = references.require

        def without(name, extra):
            if name == "onnxruntime":
                raise tt.MissingExtra(name)
            return require(name, extra)

        monkeypatch.setattr(references, "require", without)
    network().save(tmp_path / "m.onnx")
    for reference in (tmp_path / "m.onnx", str(tmp_path / "m.onnx"), tt.to_onnx(network())):
        report = tt.verify(network(), reference, X.astype(np.float64))
        assert {"hidden", "act", "2"} <= {each.name for each in report.layers}
        assert report.max_abs <= bound(network())
        assert report.agreeing == 8
        assert ("Runtime" in report.program) == (runtime == "onnxruntime")


def test_a_graph_of_two_inputs_and_outputs():
    pytest.importorskip("onnxruntime")
    graph = tt.Graph(
        ["x", "n"], ["y", "s"],
        [tt.Linear(6, 6, seed=0), tt.Operator("Add"), tt.Operator("Cast", {"to": "float32"}),
         tt.Operator("Mul")],
        [(["x"], ["h"]), (["h", "x"], ["s"]), (["n"], ["f"]), (["s", "f"], ["y"])],
        signature=[["float32", [None, 6]], ["int64", []]],
    )  # fmt: skip
    report = tt.verify(graph, tt.to_onnx(graph), X, np.int64(3))
    assert [each.name for each in report.outputs] == ["output 0", "output 1"]
    assert {"h", "f"} <= {each.name for each in report.layers}
    # |y| is at most 3 (|W| |x| + |b| + |x|), and each side makes about a dozen roundings
    assert report.max_abs <= 24 * 2.0**-24 * 3 * 8 * np.abs(X).max()
    with pytest.raises(tt.DtypeError, match=r"expected 2 inputs \(x, n\), got 1"):
        references.reference_of(tt.to_onnx(graph)).run([X])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch(dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    module = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Linear(5, 3))
    )
    module = module.to(getattr(torch, dtype)).train()
    model = tt.from_torch(module)
    report = tt.verify(model, module, X)
    assert [each.name for each in report.layers] == ["0", "1", "2.0", "2"]
    assert report.max_abs <= bound(model, X.astype(dtype))
    assert module.training
    assert not module[0]._forward_hooks


os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras(tmp_path):
    keras = pytest.importorskip("keras", minversion="3", reason="Keras 3 on PyTorch is not installed")
    layers = keras.layers
    block = keras.Sequential([layers.Dense(4)], name="block")
    theirs = keras.Sequential([layers.Input((6,)), layers.Dense(5, activation="tanh", name="hid"), block])
    for name in ("m.keras", "m.h5"):
        theirs.save(tmp_path / name)
    for reference in (theirs, tmp_path / "m.keras", tmp_path / "m.h5"):
        model = tt.from_keras(theirs)
        report = tt.verify(model, reference, X)
        assert [each.name for each in report.layers] == ["hid_activation", "block"]
        assert report.max_abs <= bound(model)
        assert report.program == f"Keras {keras.__version__}"


def test_a_keras_file_without_keras(monkeypatch):
    pytest.importorskip("h5py")

    def without(name, extra):
        raise tt.MissingExtra(name)

    monkeypatch.setattr(references, "require", without)
    with pytest.raises(tt.MissingExtra, match="only Keras itself can run"):
        tt.verify(network(), pathlib.Path(__file__).parent / "data" / "small.keras", X)


def test_the_file_of_keras_against_what_keras_said():
    pytest.importorskip("h5py")
    folder = pathlib.Path(__file__).parent / "data"
    written = json.loads((folder / "small.json").read_text())
    report = tt.verify(
        tt.load(folder / "small.keras"), lambda x: np.array(written["y"], np.float32), written["x"]
    )
    assert report.max_ulp < 16
    assert report.agreeing == report.rows == 4


def test_sklearn():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X.astype(float))
    model = tt.from_sklearn(scaler)
    report = tt.verify(model, scaler, X.astype(float))
    assert report.max_abs <= bound(model, X.astype(float))
    assert report.program == "scikit-learn"


def test_what_cannot_be_compared(tmp_path):
    with pytest.raises(tt.ShapeError, match=r"the model gives \[\(8, 4\)\], a function \[\(8,\)\]"):
        tt.verify(network(), lambda x: x[:, 0], X)
    with pytest.raises(tt.DtypeError, match="expected a model, a path or a function"):
        tt.verify(network(), 3, X)
    with pytest.raises(tt.DtypeError, match="expected a model, got"):
        tt.verify(lambda x: x, network(), X)
    with pytest.raises(tt.ArgumentError, match=r"expected samples .*: verify\(model, reference, x\)"):
        tt.verify(network(), network())
    with pytest.raises(tt.UnsupportedOp, match="has one input, got 2"):
        tt.verify(network(), network(), X, X)
    (tmp_path / "m").write_text("none")
    with pytest.raises(tt.ModelFormatError):
        tt.verify(network(), tmp_path / "m", X)
