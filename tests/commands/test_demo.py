"""`tinytensor demo`; the page itself is tested in tests/serve/."""

import socket
import sys

import pytest

import tinytensor as tt
from tinytensor import cli
from tinytensor.commands.demo import shown

pytest.importorskip("uvicorn")


def test_a_port_that_is_taken_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert cli.main(["demo", "--no-browser", "--port", str(taken.getsockname()[1])]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinytensor demo: port ")
    assert "--port 0 takes a free one" in err
    assert err.count("\n") == 1


def test_the_last_port_is_65535(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tt.Sequential(tt.Linear(784, 3, seed=0)).save("m.npz")
    for port, said in (("65535", "expected a model that gives (n, 10)"), ("65536", "is not in the range")):
        assert cli.main(["demo", "--no-browser", "--port", port, "m.npz"]) == 2
        assert said in capsys.readouterr().err


def test_without_uvicorn_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert cli.main(["demo"]) == 2
    assert 'pip install "tinytensor-nn[demo]"' in capsys.readouterr().err


def test_a_model_that_does_not_take_digits(capsys, tmp_path):
    tt.Sequential(tt.Linear(784, 3, seed=0)).save(tmp_path / "m.npz")
    assert cli.main(["demo", "--no-browser", str(tmp_path / "m.npz")]) == 2
    assert "expected a model that gives (n, 10)" in capsys.readouterr().err


def test_the_users_models_come_first(tmp_path):
    tt.Sequential(tt.Linear(784, 10, seed=0)).save(tmp_path / "m.npz")
    assert list(shown((str(tmp_path / "m.npz"),))) == ["m.npz", *tt.models.__all__]
