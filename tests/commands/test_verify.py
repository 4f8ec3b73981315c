"""`tinytensor verify`."""

import json

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import cli


@pytest.fixture
def files(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        tt.Sequential(tt.Linear(6, 5, seed=seed), tt.softmax).save(tmp_path / f"{name}.npz")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32))
    return lambda *names: [str(tmp_path / name) for name in names]


def test_the_same(files, capsys):
    assert cli.main(["verify", *files("a.npz", "b.npz", "x.npy")]) == 0
    assert "verdict: same" in capsys.readouterr().out


def test_something_different_is_status_1(files, capsys):
    assert cli.main(["verify", *files("a.npz", "c.npz", "x.npy"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "different"
    assert found["rows"] == 8


def test_no_samples(files, capsys):
    assert cli.main(["verify", *files("a.npz", "b.npz", "nowhere.npy")]) == 2
    assert "nowhere.npy: No such file" in capsys.readouterr().err
