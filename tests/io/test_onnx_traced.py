"""Layers of a user's as ONNX: ONNX Runtime computes what their forward does."""

import math

import numpy as np
import pytest

import tinytensor as tt
from tests.custom import Residual, squareplus
from tests.io.test_onnx_writer import run
from tests.io.traceable import CASES, Gate, TwoWays, bound, samples
from tests.naive import within

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.mark.parametrize("name", CASES)
def test_what_a_user_writes(name):
    model, shape = CASES[name]
    x = samples(name)
    proto = tt.to_onnx(model, shape=shape)
    y = np.asarray(model(x))
    for count in (5, 1):
        (theirs,) = run(proto, x[:count])
        assert theirs.dtype == y.dtype
        within(y[:count], theirs, bound(model, x))
    within(tt.from_onnx(proto)(x), y, bound(model, x))


def test_constants_keep_the_names_of_parameters():
    model = tt.Sequential(("gate", Gate(6)), tt.PReLU([0.5] * 6), tt.BatchNorm(6), tt.LayerNorm(6))
    proto = tt.to_onnx(model)
    others = [each for each in proto.graph.initializer if each.name not in model.state_dict()]
    assert [list(each.dims) for each in others] == [[]]  # the 1 of the user's function
    stored = {each.name: each for each in proto.graph.initializer}
    onnx = pytest.importorskip("onnx")
    for name, array in model.state_dict().items():
        assert np.array_equal(onnx.numpy_helper.to_array(stored[name]).ravel(), array.ravel())


def test_a_concatenation_is_one_node():
    model, shape = CASES["concatenate"]
    nodes = tt.to_onnx(model, shape=shape).graph.node
    assert [each.attribute[0].i for each in nodes if each.op_type == "Concat"] == [1]
    assert not [each for each in nodes if each.op_type == "Gather"]


def test_several_inputs_and_outputs():
    model, rng = TwoWays(6), np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 6)).astype(np.float32)
    with pytest.raises(tt.ArgumentError, match=r"a shape for each of a, b: shape=\[\(…\), …\]"):
        tt.to_onnx(model)
    proto = tt.to_onnx(model, shape=[(6,), (6,)])
    assert [each.name for each in proto.graph.input] == ["a", "b"]
    for mine, theirs in zip(model.predict((a, b)), run(proto, a, b), strict=True):
        within(mine, theirs, 64 * np.finfo(np.float32).eps * 16)


def test_lengths_that_do_not_matter_vary():
    """28 rows are tried because the last layer needs them; 29 give the same file."""
    model = tt.Sequential(
        tt.Conv2d(1, 2, 3, padding=1, seed=0), tt.MaxPool2d(4), tt.Flatten(), tt.Linear(98, 3)
    )
    dims = tt.to_onnx(model).graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_value for each in dims] == [0, 1, 0, 0]
    assert dims[0].dim_param == "batch"


@pytest.mark.parametrize(
    "model",
    [tt.Sequential(tt.Conv2d(1, 2, 3, seed=0), tt.Flatten(), tt.Linear(2 * 9, 3)),
     tt.Sequential(tt.Conv2d(1, 2, 3, 2, "same", seed=0), tt.relu)],
)  # fmt: skip
def test_lengths_that_matter_have_to_be_said(model):
    with pytest.raises(tt.ShapeError, match=r"depends on the lengths of a sample; say them: shape=") as error:
        tt.to_onnx(model)
    said = eval(str(error.value).rsplit("shape=", 1)[1])
    x = np.zeros((2, *said), np.float32)
    assert run(tt.to_onnx(model, shape=said), x)[0].shape == model(x).shape


def read_values(x):
    return x * float(x.sum())


def test_what_is_not_traced_is_refused_with_its_line():
    line = read_values.__code__.co_firstlineno + 1
    model = tt.Sequential(tt.relu, tt.Lambda(read_values))
    with pytest.raises(
        tt.UnsupportedOp, match=rf"1: Lambda.*not traceable.*test_onnx_traced.py, line {line}"
    ):
        tt.to_onnx(model)
    with pytest.raises(tt.UnsupportedOp, match=rf"not traceable.*test_onnx_traced.py, line {line}"):
        tt.to_onnx(tt.Lambda(read_values))
    with pytest.raises(tt.UnsupportedOp, match=r"Residual.*sum over the batch"):
        tt.to_onnx(Residual(tt.Lambda(read_values)), shape=(3,))


@tt.activation
def halved_until_small(x):
    while x > 1:
        x = x / 2
    return x


@tt.activation
def fractional(x):
    return math.fmod(x, 1.0)


@pytest.mark.parametrize(
    ("function", "reason"),
    [(halved_until_small, "more than 64 branches, or a loop"), (fractional, "fractional: .*counterpart")],
)
def test_functions_that_are_no_expression(function, reason):
    with pytest.raises(tt.UnsupportedOp, match=reason):
        tt.to_onnx(tt.Sequential(function))


def test_an_activation_inside_another_one_is_its_expression():
    @tt.activation
    def nested(x, k=2.0):
        return squareplus(x, k) - tt.gelu(x) if x < 1 else np.clip(x, 0, k) + np.where(x > 1.5, x, -x)

    x = np.linspace(-3, 3, 41, dtype=np.float32).reshape(-1, 1)
    (theirs,) = run(tt.to_onnx(tt.Sequential(nested(k=3.0)), shape=(1,)), x)
    within(nested(x, k=3.0), theirs, 64 * np.finfo(np.float32).eps * 4)


def test_small_values_of_activations_inside_another_one():
    @tt.activation
    def both(x):
        return tt.mish(x) + 2 * tt.swish(x)

    x = np.linspace(-80, 3, 84, dtype=np.float32).reshape(-1, 1)
    (theirs,) = run(tt.to_onnx(tt.Sequential(both()), shape=(1,)), x)
    y = np.asarray(both(x))
    within(y, theirs, 64 * np.finfo(np.float32).eps * np.abs(y))
