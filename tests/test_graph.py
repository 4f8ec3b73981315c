"""Graph: wiring, what it refuses, files."""

import numpy as np
import pytest

import tinytensor as tt


def residual():
    return tt.Graph(
        ["x"],
        ["y", "h"],
        [tt.Linear(3, 3, seed=0), tt.relu, tt.Operator("Add"), tt.Constant(np.array([1])),
         tt.Operator("ArgMax")],
        [(["x"], ["a"]), (["a"], ["h"]), (["h", "x"], ["y"]), ([], ["n"]), (["y"], ["unused"])],
    )  # fmt: skip


def test_values_go_where_the_wires_say():
    graph = residual()
    x = np.array([[1.0, -2.0, 3.0]], np.float32)
    y, h = graph(x)
    expected = tt.relu(graph.layers[0](x))
    assert np.array_equal(h, expected)
    assert np.array_equal(y, expected + x)
    assert list(graph.values(tt.Tensor(x))) == ["x", "a", "h", "y", "n", "unused"]


def test_integers_stay_integers():
    double = tt.Graph(["n"], ["m"], [tt.Operator("Add")], [(["n", "n"], ["m"])])
    assert double(np.array([1, 2])).dtype == np.int64


def test_an_argument_may_be_left_out():
    graph = tt.Graph(["x", "high"], ["y"], [tt.Operator("Clip")], [(["x", "", "high"], ["y"])])
    assert graph([1.0, 9.0], 5.0).tolist() == [1.0, 5.0]


@pytest.mark.parametrize(
    ("inputs", "outputs", "wires", "said"),
    [
        (["x"], ["y"], [(["z"], ["y"])], "reads 'z'"),
        (["x"], ["y"], [(["x"], ["x"])], "expected a new name, got 'x'"),
        (["x", "x"], ["y"], [(["x"], ["y"])], "expected a new name"),
        (["x"], ["z"], [(["x"], ["y"])], "outputs"),
        (["x"], [], [(["x"], ["y"])], "outputs"),
        (["x"], ["y"], [], "wires for 1 layers, got 0"),
    ],
)
def test_wires_that_do_not_fit(inputs, outputs, wires, said):
    with pytest.raises(tt.ArgumentError, match=said):
        tt.Graph(inputs, outputs, [tt.relu], wires)


def test_errors_say_where():
    with pytest.raises(tt.ShapeError, match=r"Graph a = Linear\(in_features=3, out_features=3\): expected"):
        residual()([[1.0, 2.0]])
    with pytest.raises(tt.ShapeError, match="expected 1 arguments"):
        residual()(1.0, 2.0)
    with pytest.raises(tt.ArgumentError, match="expected one of Abs"):
        tt.Operator("LSTM")
    with pytest.raises(tt.ArgumentError, match="no attribute axes"):
        tt.Operator("ArgMax", {"axes": 1})


@pytest.mark.parametrize("name", ["m.safetensors", "m.npz"])
def test_it_is_a_layer_like_others(tmp_path, name):
    model = tt.Sequential(tt.Rescale(2.0), residual())[1:]
    model.save(tmp_path / name)
    again = tt.load(tmp_path / name)
    assert repr(again) == repr(model)
    assert list(again.state_dict()) == ["0.layers.0.weight", "0.layers.0.bias", "0.layers.3.value"]
    x = np.ones((2, 3))
    assert all(np.array_equal(a, b) for a, b in zip(again[0](x), model[0](x), strict=True))
    assert again[0].layers[3].value.dtype == np.int64


def test_its_repr_is_its_code():
    graph = residual()
    again = eval(repr(graph), {name: getattr(tt, name) for name in dir(tt)})
    assert repr(again) == repr(graph)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input_names": "x"}, "input_names: expected a list"),
        ({"input_names": np.True_}, "input_names: expected a list"),
        ({"output_names": [1]}, "output_names: expected names"),
        ({"layers": tt.relu}, "layers: expected a list"),
        ({"wires": [(["x"], ["y"], [])]}, "wires: expected"),
        ({"wires": [(np.True_, ["y"])]}, "wires: expected a list"),
        ({"signature": [("no dtype", None)]}, "signature: expected"),
        ({"signature": [-1]}, "signature: expected"),
    ],
)
def test_arguments_of_another_form_are_refused(change, words):
    good = {"input_names": ["x"], "output_names": ["y"], "layers": [tt.relu], "wires": [(["x"], ["y"])]}
    with pytest.raises(tt.ArgumentError, match=words):
        tt.Graph(**good | change)


def test_a_signature_is_kept():
    signature = [("float32", (None, 3)), ("int64", None)]
    wires = [(["x", "i"], ["y"])]
    graph = tt.Graph(["x", "i"], ["y"], [tt.Operator("Add")], wires, signature=signature)
    assert list(graph.signature) == signature
