"""`tinytensor convert`, from every format to every other."""

import numpy as np
import pytest

import tinytensor as tt
from tests.rounding import error_bound
from tinytensor import cli


def network():
    return tt.Sequential(tt.Linear(6, 5, seed=0), tt.gelu, tt.Linear(5, 4, seed=1), tt.softmax)


@pytest.fixture
def samples(tmp_path):
    x = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    return x


@pytest.mark.parametrize("source", ["safetensors", "npz", "onnx"])
@pytest.mark.parametrize("target", ["safetensors", "npz", "onnx", "py"])
def test_every_pair(tmp_path, samples, capsys, source, target):
    if "onnx" in (source, target):
        pytest.importorskip("onnxruntime")
    paths = [str(tmp_path / f"in.{source}"), str(tmp_path / f"out.{target}")]
    network().save(paths[0])
    assert cli.main(["convert", *paths, "--verify", str(tmp_path / "x.npy")]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{paths[0]} → {paths[1]}: ")
    assert out.count("argmax agrees in 8 of 8 rows") == 2
    assert out.count("verdict: same") + out.count("verdict: close") == 2
    if target != "py":
        assert repr(tt.load(paths[1])) == repr(network())
        x = tt.Tensor(samples)
        difference = np.abs(tt.load(paths[1])(x).numpy() - network()(x).numpy())
        assert (difference <= 2 * error_bound(network(), samples)).all()


def test_a_file_that_computes_something_else_is_status_1(tmp_path, samples, capsys, monkeypatch):
    network().save(tmp_path / "in.npz")
    wrong = tt.Sequential(network()[:2], tt.Linear(5, 4, seed=3), tt.softmax)
    monkeypatch.setattr("tinytensor.commands.convert.written", lambda path: wrong)
    arguments = [str(tmp_path / name) for name in ("in.npz", "out.npz")]
    assert cli.main(["convert", *arguments, "--verify", str(tmp_path / "x.npy")]) == 1
    out = capsys.readouterr().out
    assert (out.count("verdict: same"), out.count("verdict: different")) == (1, 1)


def test_without_samples(tmp_path, capsys):
    network().save(tmp_path / "in.npz")
    assert cli.main(["convert", str(tmp_path / "in.npz"), str(tmp_path / "out.py")]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_shape_that_the_layers_do_not_say(tmp_path, capsys):
    source, target = str(tmp_path / "in.npz"), str(tmp_path / "out.py")
    tt.Sequential(tt.Conv2d(1, 2, 3, seed=0), tt.Flatten(), tt.Linear(18, 3, seed=1)).save(source)
    assert cli.main(["convert", source, target]) == 2
    assert "say them: shape=(…)" in capsys.readouterr().err
    assert cli.main(["convert", source, target, "--shape", "1,5,5"]) == 0


def test_mistakes(tmp_path, capsys):
    network().save(tmp_path / "in.npz")
    (tmp_path / "x.npy").write_bytes(b"none")
    source, target, x = (str(tmp_path / name) for name in ("in.npz", "out.npz", "x.npy"))
    for arguments, said in (
        ([source, target, "--verify", x], f"{x}: 'x.npy': no array of numbers"),
        ([source, str(tmp_path / "out.h5")], "expected a name that ends in .safetensors"),
        ([x, target], "no model"),
        ([str(tmp_path / "nowhere"), target], "no such file"),
    ):
        assert cli.main(["convert", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("tinytensor convert: ")
        assert said in err
        assert err.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()


def test_an_existing_file_is_kept_unless_it_is_to_be_replaced(tmp_path, capsys):
    source, target = str(tmp_path / "in.npz"), tmp_path / "out.npz"
    network().save(source)
    target.write_bytes(b"mine")
    assert cli.main(["convert", source, str(target)]) == 2
    assert f"{target}: exists already; --force replaces it" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
    assert cli.main(["convert", source, str(target), "--force"]) == 0
    assert repr(tt.load(target)) == repr(network())
