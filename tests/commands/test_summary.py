"""`tinytensor summary`."""

import json

import tinytensor as tt
from tinytensor import cli
from tinytensor.commands import summary, tables


def test_a_packaged_model(capsys):
    assert cli.main(["summary", "mnist_mlp", "--shape", "28,28"]) == 0
    assert capsys.readouterr().out == f"{tt.models.mnist_mlp().summary((28, 28))}\n"


def test_a_file(tmp_path, capsys):
    tt.Sequential(tt.Linear(3, 2, seed=0)).save(tmp_path / "m.npz")
    assert cli.main(["summary", str(tmp_path / "m.npz")]) == 0
    assert "Linear(in_features=3, out_features=2)" in capsys.readouterr().out


def test_json(capsys):
    assert cli.main(["summary", "mnist_mlp", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = tt.models.mnist_mlp().summary()
    assert found["parameters"] == expected.parameters
    assert [row["shape"] for row in found["rows"]] == [list(row.shape) for row in expected.rows]


def test_on_a_terminal_it_is_a_table_without_what_a_terminal_obeys(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(summary, "on_a_terminal", lambda: True)
    monkeypatch.setattr(tables, "on_a_terminal", lambda: True)
    tt.Sequential(("\x1b[31m[bold]", tt.Linear(3, 2, seed=0))).save(tmp_path / "m.npz")
    assert cli.main(["summary", str(tmp_path / "m.npz")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[31m[bold]" in out
    assert "total" in out


def test_a_name_that_is_not_there(capsys):
    assert cli.main(["summary", "mnist_mpl"]) == 2
    assert "did you mean mnist_mlp?" in capsys.readouterr().err
