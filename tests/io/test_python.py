"""Models as Python files: they need NumPy alone and compute the same."""

import runpy
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tests.io.traceable import CASES, TwoWays, bound, samples
from tests.models import activations, sequentials
from tests.naive import gamma, within
from tests.rounding import error_bound
from tinytensor.io.python.library import FUNCTIONS
from tinytensor.operators.table import OPERATORS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("python")


def program(model, path, shape=None):
    """The `predict` of the file that a model is saved to."""
    tt.io.save(model, path, shape)
    return runpy.run_path(str(path))["predict"]


@settings(max_examples=60)
@given(sequentials(functions=activations), st.sampled_from([np.float32, np.float64]), st.integers(0, 9))
def test_any_model(folder, model, dtype, seed):
    x = np.random.default_rng(seed).standard_normal((4, 6)).astype(dtype)
    theirs = program(model, folder / "any.py")(x)
    ours = model(x).numpy()
    assert theirs.dtype == ours.dtype
    within(ours, theirs, 2 * error_bound(model, x))


def test_it_runs_without_tinytensor(folder):
    model = tt.Sequential(
        tt.Flatten(), tt.Rescale(1 / 255), ("hidden", tt.Linear(6, 4, seed=0)), tt.gelu,
        tt.Sequential(tt.Linear(4, 3, seed=1)), tt.softmax,
    )  # fmt: skip
    model.save(folder / "alone.py")
    x = np.random.default_rng(0).integers(0, 256, (5, 2, 3)).astype(np.uint8)
    np.save(folder / "x.npy", x)

    def run(*arguments):
        command = [sys.executable, "-I", folder / "alone.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)

    assert run("x.npy", "y.npy").stderr == ""
    within(model(x), np.load(folder / "y.npy"), 2 * error_bound(model, x.astype(np.float32)))
    assert run("x.npy").stdout.startswith("[[")
    assert "usage: python" in run().stderr
    code = "import runpy, sys; runpy.run_path('alone.py'); print({m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=folder)
    assert "numpy" in done.stdout
    assert not {"tinytensor", "numba", "safetensors"} & set(
        done.stdout.strip("{}\n").replace("'", "").split(", ")
    )


def test_the_text_can_be_read(folder):
    model = tt.Sequential(("hidden", tt.Linear(6, 4, seed=0)), tt.relu, tt.Linear(4, 3, bias=False, seed=1))
    model.save(folder / "text.py")
    text = (folder / "text.py").read_text()
    body = text[text.index("def predict") : text.index("W = {")].splitlines()
    assert body[2:-2] == [
        '    with np.errstate(all="ignore"):',
        "        (x,) = map(samples, inputs)",
        "        x = x @ W['hidden.weight'].T + W['hidden.bias']  # hidden",
        "        x = relu(x)  # 1",
        "        x = x @ W['2.weight'].T  # 2",
        "        return x",
    ]
    assert "def sigmoid" not in text
    assert "Linear(in_features=6, out_features=4)" in text


@pytest.mark.parametrize("model", [tt.Linear(3, 2, seed=0), tt.tanh, tt.Sequential(), tt.Dropout()], ids=repr)
def test_the_smallest_models(folder, model):
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    within(model(x), program(model, folder / "small.py")(x), 2 * error_bound(model, x))


@pytest.mark.parametrize("name", sorted(set(tt.activations.names()) | {"softsign", "celu", "clip"}))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_activations_end(folder, name, dtype):
    function = getattr(tt, name) if name in tt.activations.names() else getattr(
        __import__("tinytensor.operators.activations", fromlist=[name]), name)  # fmt: skip
    x = np.array([[-np.inf, np.inf, np.nan], [-1e4, 1e4, -0.0], [-90, 90, 0]], dtype)
    theirs, ours = program(function, folder / "ends.py")(x), function(x).numpy()
    finite = np.isfinite(ours)
    assert np.array_equal(np.isnan(theirs), np.isnan(ours))
    assert np.array_equal(theirs[~finite], ours[~finite], equal_nan=True)
    # a rounding of x under an exponential
    bound = 16 * np.finfo(dtype).eps * (1 + np.abs(ours[finite])) + np.finfo(dtype).tiny
    within(ours[finite], theirs[finite], bound)


def test_images_and_channels(folder):
    three = np.array([0.5, 1, 2], np.float32)
    model = tt.Sequential(
        tt.BatchNorm(three, three, three, three), tt.PReLU(three),
        tt.BatchNorm(*np.ones((4, 5), np.float32), axis=-1),
        tt.LayerNorm(np.ones((3, 5), np.float32), eps=0.1), tt.Softmax(1),
        tt.Reshape((5, -1)), tt.LogSoftmax(),
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32)
    predict = program(model, folder / "channels.py", (3, 5))
    within(model(x), predict(x), 2 * error_bound(model, x))
    assert predict(x[:0]).shape == (0, 5, 3)


def test_lists_are_float32_as_for_a_model(folder):
    predict = program(tt.Sequential(tt.Linear(2, 1, seed=0)), folder / "lists.py")
    assert predict([[1.0, 2.0]]).dtype == np.float32
    assert predict(np.ones((1, 2))).dtype == np.float64


def test_a_graph_inside_a_model(folder):
    inner = tt.Graph(
        ["a b"], ["y"],
        [tt.Constant(np.array([2.0], np.float32)), tt.Operator("Mul"), tt.Operator("Dropout"),
         tt.Sequential(tt.relu, tt.Sequential(tt.Linear(3, 3, seed=0))), tt.Operator("Add")],
        [([], ["two"]), (["a b", "two"], ["m"]), (["m"], ["d", "mask"]), (["d"], ["h"]),
         (["h", "a b"], ["y"])],
    )  # fmt: skip
    model = tt.Sequential(tt.Linear(3, 3, seed=1), inner, tt.Operator("Cast", {"to": "int64"}), tt.relu)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32) * 8
    theirs, ours = program(model, folder / "inner.py")(x), model(x).numpy()
    assert theirs.dtype == ours.dtype
    within(ours, theirs, 1)  # a rounding error may decide where a cast to integers falls
    front, back = program(inner, folder / "front.py")(x), inner(x).numpy()
    # a dozen roundings of values that are below eight times the largest input
    assert np.allclose(front, back, rtol=2.0**-20, atol=2.0**-20 * np.abs(x).max() * 8)


def test_every_operation_is_there():
    assert OPERATORS.keys() <= FUNCTIONS.keys()


def test_what_is_not_traced_is_refused(folder):
    (folder / "own.py").write_text("old")
    with pytest.raises(tt.UnsupportedOp, match=r"1: Lambda.*not traceable: .*test_python.py, line"):
        tt.Sequential(tt.relu, tt.Lambda(lambda x: np.sin(x.numpy()))).save(folder / "own.py")
    assert (folder / "own.py").read_text() == "old"


def test_other_formats_take_no_shape(folder):
    with pytest.raises(tt.ArgumentError, match="shape: a file of tinytensor holds samples of any shape"):
        tt.relu.save(folder / "m.safetensors", shape=(3,))


@pytest.mark.parametrize(
    "name", ["a\nraise SystemExit", 'a"""\nraise SystemExit\n"""', "a\\", "a\x85b\u2028c\x0c", "#'\"é\ud800"]
)
def test_no_name_becomes_code(folder, name):
    layer = tt.Linear(2, 2, seed=0)
    x = np.ones((1, 2), np.float32)
    wired = tt.Graph([name], [name + "y"], [layer], [([name], [name + "y"])])
    for model in (tt.Sequential((name, layer)), wired):
        within(program(model, folder / "names.py")(x), layer(x), 2 * error_bound(layer, x))


@pytest.mark.parametrize("last", [False, True])
def test_layers_of_images(folder, last):
    """The sums are those of the taps in another order: within twice γ of the number of terms."""
    layers = [
        tt.Conv2d(4, 6, 3, (2, 1), ((1, 0), (2, 1)), groups=2, channels_last=last, seed=0),
        tt.Conv2d(4, 6, (2, 3), 2, "same", dilation=(1, 2), channels_last=last, seed=1, bias=False),
        tt.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2, channels_last=last, seed=2),
        tt.MaxPool2d(3, 2, 1, ceil_mode=True, channels_last=last),
        tt.MaxPool2d(5, 4, 2, ceil_mode=True, channels_last=last),
        tt.MaxPool2d(2, 1, "same", dilation=2, channels_last=last),
        tt.AvgPool2d(3, 2, 1, True, channels_last=last),
        tt.AvgPool2d(3, 2, 1, count_include_pad=False, channels_last=last),
        tt.GlobalAvgPool2d(channels_last=last),
        tt.GlobalMaxPool2d(keepdims=True, channels_last=last),
    ]
    x = np.random.default_rng(0).standard_normal((2, 9, 7, 4) if last else (2, 4, 9, 7)).astype(np.float32)
    for layer in layers:
        run = program(tt.Sequential(layer), folder / "images.py", x.shape[1:])
        terms = np.abs(x).max() * max([1.0, *(np.abs(p.numpy()).sum() for p in layer.parameters().values())])
        within(run(x), layer(x), 2 * gamma(50, np.float32) * terms)


@pytest.mark.parametrize(
    "layer", [tt.Conv1d(3, 2, 3, 2, 1, seed=0), tt.MaxPool1d(3, 2), tt.AvgPool1d(2)], ids=repr
)
def test_layers_of_sequences(folder, layer):
    x = np.random.default_rng(0).standard_normal((2, 3, 9)).astype(np.float32)
    run = program(tt.Sequential(layer), folder / "sequences.py", (3, 9))
    terms = np.abs(x).max() * max([1.0, *(np.abs(p.numpy()).sum() for p in layer.parameters().values())])
    within(run(x), layer(x), 2 * gamma(10, np.float32) * terms)


def test_a_product_with_factors(folder):
    w, b = np.arange(6, dtype=np.float32).reshape(3, 2), np.float32([8, -4])
    layers = [tt.Constant(w), tt.Constant(b), tt.Operator("Gemm", {"alpha": 0.25, "beta": 0.5})]
    wires = [([], ["w"]), ([], ["b"]), (["x", "w", "b"], ["y"])]
    model = tt.Graph(["x"], ["y"], layers, wires, signature=[["float32", [None, 3]]])
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = program(model, folder / "gemm.py", (3,))(x)
    assert found.tolist() == np.asarray(model(x)).tolist() == (x @ w / 4 + b / 2).tolist()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_what_a_user_writes(folder, name, dtype):
    model, shape = CASES[name]
    x = (samples(name) * (3 if dtype == np.int64 else 1)).astype(dtype)
    x = abs(x) % 6 if name == "embedding" else x
    predict = program(model, folder / "user.py", shape)
    for count in (5, 1):
        theirs, y = predict(x[:count]), np.asarray(model(x[:count]))
        assert theirs.dtype == y.dtype
        within(y, theirs, bound(model, x))


def test_several_inputs_and_outputs(folder):
    model, rng = TwoWays(6), np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 6)).astype(np.float32)
    found = program(model, folder / "two.py", [(6,), (6,)])(a, b)
    for mine, theirs in zip(model.predict((a, b)), found, strict=True):
        within(mine, theirs, 64 * np.finfo(np.float32).eps * 16)
