"""`tinytensor inspect`."""

import json
import os
import pathlib

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import cli


def shown(capsys, path):
    assert cli.main(["inspect", str(path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    first, blank, *rest = out.splitlines()
    assert blank == ""
    assert first.endswith(f", {os.path.getsize(path):,} bytes")
    return first.removeprefix(f"{path}: ").split(",")[0], "\n".join(rest)


@pytest.mark.parametrize(
    ("name", "kind"), [("m.safetensors", "tinytensor"), ("m.npz", "npz"), ("m.onnx", "ONNX")]
)
def test_models(tmp_path, capsys, name, kind):
    if kind == "ONNX":
        pytest.importorskip("onnx")
    model = tt.Sequential(("hidden", tt.Linear(6, 5, seed=0)), tt.relu, tt.Linear(5, 2, seed=1))
    model.save(tmp_path / name)
    found, text = shown(capsys, tmp_path / name)
    assert found == kind
    assert "Linear(in_features=6, out_features=5)" in text
    assert text.splitlines()[-1].split() == ["total", "40", "47", "188"]


def test_a_graph_and_a_layer(tmp_path, capsys):
    graph = tt.Graph(
        ["x"], ["y"], [tt.Linear(2, 2, seed=0), tt.Operator("Add")], [(["x"], ["h"]), (["h", "x"], ["y"])]
    )
    for model, said in ((graph, "y      Operator("), (tt.Linear(2, 3, seed=0), "Linear(in_features=2")):
        tt.io.save(model, tmp_path / "m.npz")
        assert said in shown(capsys, tmp_path / "m.npz")[1]


def test_keras(capsys):
    pytest.importorskip("h5py")
    path = pathlib.Path(__file__).parents[1] / "io" / "data" / "small.keras"
    kind, text = shown(capsys, path)
    assert kind == "Keras"
    assert "hidden_activation" in text


def test_weights_alone(tmp_path, capsys):
    np.savez(tmp_path / "w.npz", **{"fc1.weight": np.ones((3, 2), np.float32), "fc2.weight": np.ones((1, 3))})
    _, text = shown(capsys, tmp_path / "w.npz")
    lines = text.splitlines()
    assert lines[0].startswith("would not import: holds weights only")
    assert lines[-2:] == [
        "fc1.weight  (3, 2)  float32  24 bytes",
        "fc2.weight  (1, 3)  float64  24 bytes",
    ]


def test_what_would_not_import(tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    helper, F = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Det", ["a"], ["y"], "wave")], "g",
        *([helper.make_tensor_value_info(name, F, [None, 3])] for name in "xy"),
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    kind, text = shown(capsys, tmp_path / "m.onnx")
    assert kind == "ONNX"
    assert text.startswith("would not import: ")
    assert "Det" in text
    assert "wave" in text


def test_what_is_no_model(tmp_path, capsys):
    (tmp_path / "m").write_text("none")
    assert cli.main(["inspect", str(tmp_path / "m")]) == 2
    assert "no model; expected a file of tinytensor" in capsys.readouterr().err


def test_json(tmp_path, capsys):
    tt.Sequential(("hidden", tt.Linear(6, 5, seed=0)), tt.relu).save(tmp_path / "m.npz")
    np.savez(tmp_path / "w.npz", weight=np.ones((3, 2), np.float32))
    assert cli.main(["inspect", "--json", str(tmp_path / "m.npz")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["refused"]) == ("npz", None)
    assert [(row["name"], row["parameters"]) for row in found["layers"]] == [("hidden", 35), ("1", 0)]
    assert cli.main(["inspect", "--json", str(tmp_path / "w.npz")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["refused"].startswith("holds weights only")
    assert found["arrays"] == [{"name": "weight", "shape": [3, 2], "dtype": "float32", "bytes": 24}]
