"""`tinytensor explain`."""

import json

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import cli

IMAGES, _ = tt.datasets.mnist("sample")


def test_a_packaged_model(capsys):
    assert cli.main(["explain", "mnist_cnn", "--shape", "28,28"]) == 0
    assert capsys.readouterr().out == f"{tt.models.mnist_cnn().explain(shape=(28, 28))}\n"


@pytest.mark.parametrize("images", [IMAGES[0], IMAGES[:3]], ids=["one", "several"])
def test_the_first_sample_of_a_file(tmp_path, capsys, images):
    np.save(tmp_path / "x.npy", images)
    assert cli.main(["explain", "mnist_mlp", str(tmp_path / "x.npy")]) == 0
    assert capsys.readouterr().out == f"{tt.models.mnist_mlp().explain(IMAGES[:1])}\n"


def test_a_table_with_a_label(tmp_path, capsys):
    tt.Sequential(tt.Linear(2, 1, weight=[[1, 2]])).save(tmp_path / "m.npz")
    (tmp_path / "x.csv").write_text("a,b,label\n3,4,9\n")
    assert cli.main(["explain", str(tmp_path / "m.npz"), str(tmp_path / "x.csv"), "--drop", "label"]) == 0
    assert "11; from 11 to 11" in capsys.readouterr().out


def test_json(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.array([[np.nan, 1.0]], np.float32))
    tt.Sequential(tt.Linear(2, 1, seed=0)).save(tmp_path / "m.npz")
    assert cli.main(["explain", str(tmp_path / "m.npz"), str(tmp_path / "x.npy"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["multiply_adds"] == 2
    assert found["rows"][0]["formula"] == "y = W⁽¹⁾ x + b⁽¹⁾"
    assert found["rows"][0]["values"]["min"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnist_mlp", "x.npy", "--shape", "784"], "expected INPUT or --shape, not both"),
        (["mnist_mlp", "x.npy"], "x.npy: "),
        (["mnist_mlp", "nowhere.npy"], "nowhere.npy: No such file"),
        (["mnist_cnn"], "the shape of a sample is unknown; give INPUT or --shape, as in --shape 28,28"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_mistakes(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.ones((2, 3), np.float32))
    assert cli.main(["explain", *arguments]) == 2
    assert message in capsys.readouterr().err
