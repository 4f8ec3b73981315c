"""An explanation says what predict computes, with the values that the layers have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.custom import Branches, Residual, squareplus
from tests.models import FEATURES, sequentials

IMAGES, _ = tt.datasets.mnist("sample")
CHAPTER = tt.Sequential(
    tt.Linear(784, 50, seed=0), tt.sigmoid, tt.Linear(50, 100, seed=1), tt.sigmoid,
    tt.Linear(100, 10, seed=2), tt.softmax,
)  # fmt: skip


def formulas(model, x=None, shape=None):
    return [row.formula for row in model.explain(x, shape=shape).rows]


def test_the_chapters_network():
    rows = CHAPTER.explain().rows
    assert [row.formula for row in rows] == [
        "a⁽¹⁾ = W⁽¹⁾ x + b⁽¹⁾",
        "z⁽¹⁾ = sigmoid(a⁽¹⁾)",
        "a⁽²⁾ = W⁽²⁾ z⁽¹⁾ + b⁽²⁾",
        "z⁽²⁾ = sigmoid(a⁽²⁾)",
        "a⁽³⁾ = W⁽³⁾ z⁽²⁾ + b⁽³⁾",
        "y = softmax(a⁽³⁾)",
    ]
    assert rows[0].where == "W⁽¹⁾: 50×784, b⁽¹⁾: 50"
    assert [row.shape for row in rows] == [(50,), (50,), (100,), (100,), (10,), (10,)]
    assert [row.multiply_adds for row in rows] == [784 * 50, 0, 50 * 100, 0, 100 * 10, 0]
    assert CHAPTER.explain().multiply_adds == CHAPTER.summary().multiply_adds
    assert rows[0].bytes == 4 * (784 * 50 + 50 + 784 + 50)
    assert [row.computed_by for row in rows] == [f"program 1, instruction {i}" for i in range(1, 7)]
    assert [row.values for row in rows] == [None] * 6


@pytest.mark.parametrize("model", [tt.models.mnist_mlp(), tt.models.mnist_cnn()], ids=["mlp", "cnn"])
@pytest.mark.parametrize("batch", [False, True])
def test_values_are_those_of_the_layers(model, batch):
    x = IMAGES[:1] if batch else IMAGES[0]
    last = {row.layer: row.values for row in model.explain(x).rows}  # of several steps the last
    for name, y in model.outputs(IMAGES[:1]).items():
        flat = y.numpy().ravel()
        found = last[name]
        assert found.first == tuple(map(float, flat[:5]))
        assert (found.size, found.min, found.max) == (flat.size, flat.min(), flat.max())
        assert found.zeros == np.mean(flat == 0)


def test_layers_of_images():
    model = tt.Sequential(
        tt.Conv2d(1, 4, 3, stride=2, padding=1), tt.BatchNorm(4), tt.relu, tt.MaxPool2d(2),
        tt.ConvTranspose2d(4, 2, 2),
    )  # fmt: skip
    rows = model.explain(shape=(1, 12, 12)).rows
    assert [row.formula for row in rows] == [
        "a⁽¹⁾ = W⁽¹⁾ ∗ x + b⁽¹⁾",
        "u₁ = γ · (a⁽¹⁾ − μ) / √(σ² + 1e-05) + β",
        "u₂ = relu(u₁)",
        "u₃ = max of u₂ over windows of 2×2",
        "y = W⁽²⁾ ∗ᵀ u₃ + b⁽²⁾",
    ]
    assert rows[0].where == "W⁽¹⁾: 4×1×3×3, b⁽¹⁾: 4, stride 2×2, padding (1, 1) and (1, 1)"
    assert rows[1].where == "γ, β, μ, σ²: 4"
    assert rows[0].multiply_adds == 4 * 6 * 6 * 3 * 3


def test_sums_of_branches_and_layers_inside():
    inner = tt.Sequential(tt.Linear(4, 4, bias=False), tt.LayerNorm(4), squareplus)
    model = tt.Sequential(tt.Linear(4, 4), Residual(inner), tt.PReLU([0.5]))
    rows = model.explain().rows
    assert [row.formula for row in rows] == [
        "a⁽¹⁾ = W⁽¹⁾ x + b⁽¹⁾",
        "a⁽²⁾ = W⁽²⁾ a⁽¹⁾",
        "u₁ = (a⁽²⁾ − mean a⁽²⁾) / √(var a⁽²⁾ + 1e-05)",
        "u₂ = u₁ · c₁",
        "u₃ = u₂ + c₂",
        "u₄ = squareplus(u₃, 4)",
        "u₅ = a⁽¹⁾ + u₄",
        "y = u₅ where u₅ ≥ 0, else 0.5 · u₅",
    ]
    assert rows[1].layer == "1.inner.0"
    assert rows[6].layer == "1"
    assert rows[3].where == "c₁: 4"


def test_joined_branches_and_matrices():
    model = tt.Sequential(Branches([tt.Linear(2, 3), tt.Linear(2, 3)]), tt.Lambda(lambda x: x @ tt.eye(6)))
    assert formulas(model, shape=2)[-2:] == ["u₁ = concatenate(a⁽¹⁾, a⁽²⁾)", "y = u₁ W⁽³⁾"]
    model = tt.Sequential(tt.Lambda(lambda x: x @ tt.eye(2)), tt.tanh, tt.Linear(2, 3, bias=False), tt.tanh)
    assert formulas(model, shape=2) == [
        "a⁽¹⁾ = x W⁽¹⁾", "z⁽¹⁾ = tanh(a⁽¹⁾)", "a⁽²⁾ = W⁽²⁾ z⁽¹⁾", "y = tanh(a⁽²⁾)"
    ]  # fmt: skip


class Chosen(tt.Layer):
    def forward(self, x):
        return tt.where(x > 0, x, -x).sum(axis=1, keepdims=True) - 1


def test_other_operations():
    rows = tt.Sequential(Chosen()).explain(shape=3).rows
    assert [row.formula for row in rows] == [
        "u₁ = x > 0",
        "u₂ = −x",
        "u₃ = x where u₁, else u₂",
        "u₄ = u₃.sum(1, keepdims=True)",
        "y = u₄ − 1",
    ]
    assert rows[0].computed_by == "part of the step that reads it"


class Power(tt.Layer):
    def forward(self, x):
        return x**2


def test_what_runs_in_python_and_why():
    (row,) = tt.Sequential(Power()).explain(shape=3).rows
    assert (row.formula, row.computed_by) == ("y = x ** 2", "Python: there is no instruction for power")
    model = tt.Sequential(tt.Linear(3, 2), tt.Lambda(lambda x: x.numpy() * 2), tt.relu)
    linear, called, _ = model.explain(np.ones(3)).rows
    assert linear.computed_by.startswith("program 1")
    assert called.formula == "u₁ = Lambda(a⁽¹⁾)"
    assert called.computed_by.startswith("Python: forward reads the array of its input, by .numpy()")
    assert (called.multiply_adds, called.bytes) == (None, None)
    assert called.values.size == 2


class Outer(tt.Layer):
    def forward(self, x):
        return tt.Tensor(x.numpy()[..., None] * [1, 2, 3])


def test_a_model_that_cannot_be_traced():
    (row,) = Outer().explain([1, 2]).rows
    assert row.formula == "y = Outer(x)"
    assert row.shape == (2, 3)
    assert row.computed_by.startswith("Python: ")
    assert row.values.size == 6


def test_bytes_are_read_through_a_table():
    model = tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255), tt.Linear(784, 3, seed=0))
    places = [row.computed_by for row in model.explain(IMAGES[0]).rows]
    assert places[0].endswith("another view of the same elements")
    assert places[1].endswith("part of the table of what each byte stands for")
    assert places[-1] == "program 1, instruction 1"


def test_it_prints_every_step():
    model = tt.Sequential(("hidden", tt.Linear(2, 1, weight=[[1, 2]])), tt.relu)
    assert str(model.explain([1.0, -2.0])).splitlines() == [
        "hidden Linear(in_features=2, out_features=1)",
        "    a⁽¹⁾ = W⁽¹⁾ x + b⁽¹⁾    W⁽¹⁾: 1×2, b⁽¹⁾: 1",
        "        (batch, 1); program 1, instruction 1; 2 multiply-adds; 24 bytes",
        "        -3; from -3 to -3; 0.0% zeros",
        "1 ReLU()",
        "    y = relu(a⁽¹⁾)    relu(x) = max(0, x)",
        "        (batch, 1); program 1, no instruction: part of the tiles of the product before",
        "        0; from 0 to 0; 100.0% zeros",
        "2 multiply-adds for one sample",
    ]
    assert repr(model.explain()) == str(model.explain())


def test_names_are_escaped():
    text = str(tt.Sequential(("a\x1b[0m\nb", tt.Linear(2, 1))).explain())
    assert "\x1b" not in text
    assert text.startswith("a\\x1b[0m\\nb Linear")


def test_several_inputs_and_outputs():
    graph = tt.Graph(
        input_names=["p", "q"],
        output_names=["h", "s"],
        layers=[tt.Linear(2, 3, seed=0), tt.Operator("Add")],
        wires=[(["p"], ["h"]), (["h", "q"], ["s"])],
    )
    x = {"p": np.ones((1, 2), np.float32), "q": np.ones((1, 3), np.float32)}
    assert formulas(graph, x) == ["y₁ = W⁽¹⁾ x₁ + b⁽¹⁾", "y₂ = y₁ + x₂"]


def test_a_batch_of_several_is_refused():
    with pytest.raises(tt.ArgumentError, match=r"a batch of 3; explain\(x\[:1\]\)"):
        CHAPTER.explain(np.ones((3, 784)))
    assert CHAPTER.explain(np.ones((3, 784))[:1]).rows[-1].values.size == 10


def test_a_shape_that_is_unknown():
    with pytest.raises(tt.ArgumentError, match=r"unknown; give a sample, or its shape as in explain\(shape="):
        tt.Sequential(tt.relu).explain()
    assert formulas(tt.Sequential(tt.relu), shape=(28, 28)) == ["y = relu(x)"]
    with pytest.raises(tt.ArgumentError, match="not both"):
        CHAPTER.explain(np.ones(784), shape=784)


@pytest.mark.parametrize("x", [np.ones(3), np.ones((1, 3))], ids=["sample", "batch"])
def test_what_does_not_fit(x):
    with pytest.raises(tt.ShapeError, match=r"expected \(batch, 784\), got \(1, 3\)"):
        CHAPTER.explain(x)
    with pytest.raises(tt.ShapeError, match=r"expected \(batch, 784\)"):
        CHAPTER.explain(shape=3)


def test_no_numbers_and_nan():
    row = tt.Sequential(tt.relu).explain(np.full(2, np.nan)).rows[0]
    assert np.isnan(row.values.min)
    assert np.isnan(row.values.max)
    empty = tt.Sequential(tt.relu).explain(np.zeros((1, 0))).rows
    assert [each.values.first for each in empty] == [()] * len(empty)


@given(sequentials(), st.integers(0, 2**31))
def test_any_model_ends_with_what_predict_gives(model, seed):
    x = np.random.default_rng(seed).standard_normal((1, FEATURES)).astype(np.float32)
    explanation = model.explain(x)
    assert len(str(explanation).splitlines()) > 3 * len(explanation.rows)
    assert explanation.multiply_adds == model.summary(FEATURES).multiply_adds
    if explanation.rows:
        y = model.predict(x)
        assert explanation.rows[-1].shape == y.shape[1:]
        np.testing.assert_array_equal(explanation.rows[-1].values.first, y.ravel()[:5])


def test_what_activations_compute():
    (elu,) = tt.Sequential(tt.ELU(0.5)).explain([1.0]).rows
    assert (elu.formula, elu.where) == (
        "y = elu(x, 0.5)",
        "elu(x, alpha) = x if x ≥ 0 else alpha · (e^x - 1)",
    )
    (softmax,) = tt.Sequential(tt.softmax).explain([1.0]).rows
    assert softmax.where == "softmax(x)ⱼ = e^xⱼ / Σₖ e^xₖ"


def test_operations_of_onnx():
    assert formulas(tt.Operator("Sin"), [[1.0]]) == ["y = Sin(x)"]
    (size,) = tt.Operator("Size").explain([[1.0, 2.0]]).rows
    assert (size.shape, size.values.first) == ((), (2.0,))


def test_more_axes_than_there_may_be_are_refused_by_the_layer():
    with pytest.raises(tt.ShapeError, match="conv2d: expected"):
        tt.Conv2d(1, 1, 1).explain(np.ones((1,) * 64))
