"""`tinytensor quantize`."""

import json

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import cli


@pytest.fixture
def files(tmp_path):
    images, _ = tt.datasets.mnist("sample")
    np.save(tmp_path / "x.npy", images[:200])
    return str(tmp_path / "x.npy"), str(tmp_path / "out.safetensors")


def test_a_model_becomes_one_on_bytes(files, capsys):
    samples, target = files
    assert cli.main(["quantize", "mnist_mlp", target, "--samples", samples]) == 0
    out = capsys.readouterr().out
    assert "QuantizedLinear" in out
    assert "bytes instead of 181,440" in out
    assert out.splitlines()[-1].startswith(f"mnist_mlp → {target}: ")
    images = np.load(samples)
    expected = tt.quantize(tt.models.mnist_mlp(), images)
    assert np.array_equal(tt.load(target).predict(images), expected.predict(images))


def test_options_and_json(files, capsys):
    samples, target = files
    words = ["--keep", "2", "--keep", "4", "--calibration", "mse", "--agreement", "0.5", "--json"]
    assert cli.main(["quantize", "mnist_mlp", target, "--samples", samples, *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kept"] == ["2", "4"]
    assert [row["name"] for row in found["rows"] if row["layer"] == "Linear"] == ["2", "4"]
    assert found["samples"] == 200


def test_an_existing_file_is_replaced_only_with_force(files, capsys, tmp_path):
    samples, target = files
    (tmp_path / "out.safetensors").write_bytes(b"mine")
    assert cli.main(["quantize", "mnist_mlp", target, "--samples", samples]) == 2
    assert "exists already; --force replaces it" in capsys.readouterr().err
    assert (tmp_path / "out.safetensors").read_bytes() == b"mine"
    assert cli.main(["quantize", "mnist_mlp", target, "--samples", samples, "--force"]) == 0
    assert isinstance(tt.load(target)[0], tt.Quantize)


def test_mistakes(files, capsys):
    samples, target = files
    for words, said in (
        (["--samples", samples, "--keep", "none"], "no layer is named 'none'"),
        (["--samples", samples, "--calibration", "min"], "expected one of max, percentile, mse"),
        (["--samples", "nowhere.npy"], "nowhere.npy"),
        ([], "--samples"),
    ):
        assert cli.main(["quantize", "mnist_mlp", target, *words]) == 2
        assert said in capsys.readouterr().err


def test_predict_gives_pixels_to_a_quantised_model(files, capsys):
    samples, target = files
    cli.main(["quantize", "mnist_mlp", target, "--samples", samples])
    capsys.readouterr()
    assert cli.main(["predict", target, samples, "--json"]) == 0
    answers = [json.loads(line)["class"] for line in capsys.readouterr().out.splitlines()]
    assert answers == tt.load(target).predict(np.load(samples)).argmax(axis=1).tolist()
    assert cli.main(["verify", target, "mnist_mlp.none", samples]) == 2
