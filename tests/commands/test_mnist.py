import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import tinytensor as tt
from tests.datasets.idx_files import idx_bytes
from tests.datasets.web import dead
from tinytensor import cli
from tinytensor.datasets import published

LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 7], np.uint8)
READ_AS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2])


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYTENSOR_DATA", raising=False)
    monkeypatch.setattr(published, "cache_folder", lambda: tmp_path / "no cache")
    monkeypatch.setattr(published, "MIRRORS", (dead(),))
    monkeypatch.setattr("tinytensor.commands.mnist.TIMED_SECONDS", 0.01)


@pytest.fixture
def data(tmp_path):
    """A test set whose images show one dot each, which says what they are."""
    images = np.zeros((len(READ_AS), 28, 28), np.uint8)
    images[np.arange(len(READ_AS)), 5, 5 + READ_AS] = 255
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS))
    return str(tmp_path)


@pytest.fixture(params=["raw pixels", "from 0 to 1"])
def model(request, tmp_path):
    """A model that reads the dots of `data`."""
    weight = np.zeros((10, 784), np.float32)
    weight[np.arange(10), 5 * 28 + 5 + np.arange(10)] = 1
    linear = tt.Linear(784, 10, weight=weight, bias=False)
    raw = tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255), linear)
    path = str(tmp_path / "model.safetensors")
    (raw if request.param == "raw pixels" else tt.Sequential(linear)).save(path)
    return path


def run(capsys, *arguments):
    status = cli.main(["mnist", *arguments])
    return status, *capsys.readouterr()


def test_the_report(capsys, data, model):
    status, out, err = run(capsys, "--data", data, "--model", model)
    assert (status, err) == (0, "")
    assert "12 of the test set" in out
    assert "83.33%: 10 right, 2 misread" in out
    assert re.search(r"[\d,]+ digits a second; for the timing alone, the 12 were repeated [\d,]+ times", out)
    rows = re.findall(r"^ +(?:digit )?(\d)  ((?: +(?:\d+|·)){10})$", out, re.MULTILINE)
    table = [[0 if n == "·" else int(n) for n in row.split()] for _, row in rows]
    assert np.array_equal(table, np.eye(10) + count(7, 1) + count(7, 2))
    assert "7 read as 1 " in out
    assert "7 read as 2" in out
    assert out.count("▒") == 2  # one pixel of a pair is ink


def count(label, read_as):
    table = np.zeros((10, 10))
    table[label, read_as] = 1
    return table


def test_json(capsys, data, model):
    status, out, err = run(capsys, "--data", data, "--model", model, "--json", "--batch-size", "5")
    assert (status, err) == (0, "")
    figures = json.loads(out)
    assert figures.pop("digits_per_second") > 0
    assert figures.pop("timed_passes") > 0
    assert figures == {
        "split": "test",
        "digits": 12,
        "correct": 10,
        "accuracy": 1 - 2 / 12,
        "confusion": (np.eye(10) + count(7, 1) + count(7, 2)).tolist(),
        "misread": [{"index": 10, "label": 7, "predicted": 1}, {"index": 11, "label": 7, "predicted": 2}],
    }


def test_limit(capsys, data, model):
    _, out, _ = run(capsys, "--data", data, "--model", model, "--limit", "11", "--json")
    assert json.loads(out)["digits"] == 11
    _, out, _ = run(capsys, "--data", data, "--model", model, "--limit", "5000", "--json")
    assert json.loads(out)["digits"] == 12
    _, out, _ = run(capsys, "--data", data, "--model", model, "--limit", "10")
    assert "100.00%: 10 right, 0 misread" in out
    assert "read as" in out.splitlines()[4]
    assert len(out.splitlines()) == 15


@pytest.mark.parametrize(("name", "correct"), [("mlp", 986), ("cnn", 996)])
def test_packaged_models_by_name(capsys, name, correct):
    status, out, err = run(capsys, "--split", "sample", "--json", "--model", name)
    assert (status, err) == (0, "")
    assert json.loads(out)["correct"] == correct


def test_without_data_and_network_the_sample_stands_in_and_it_says_so(capsys):
    status, out, err = run(capsys)
    assert status == 0
    assert "1,000 of the sample that comes with tinytensor" in out
    assert re.search(r"for the timing alone, the 1,000 were repeated [\d,]+ times", out)
    assert err.count("\n") == 1
    assert "could not be downloaded" in err
    assert "running on the embedded sample" in err


def test_without_pooch_the_sample_stands_in_too(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    status, out, _ = run(capsys, "--json")
    assert (status, json.loads(out)["split"]) == (0, "sample")


def test_a_test_set_that_was_asked_for_is_not_replaced(capsys):
    status, out, err = run(capsys, "--split", "test")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "--data" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "nowhere: expected a folder with MNIST's IDX files, but there is no such"),
        (["--model", "nowhere"], "nowhere: no such file; expected one, or a model that comes"),
        (["--model", __file__], "no model; expected a file of"),
        (["--split", "sample", "--data", "x"], "the sample comes with the package"),
    ],
    ids=["no folder", "no file", "no model", "both"],
)
def test_mistakes(capsys, arguments, message):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("tinytensor mnist: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize("argument", ["--limit", "--batch-size"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x", "", "²"])
def test_counts(capsys, argument, value):
    assert cli.main(["mnist", f"{argument}={value}"]) == 2
    assert f"'{argument}': expected a whole number from 1, got {value!r}" in capsys.readouterr().err


def test_models_that_do_not_fit(capsys, tmp_path):
    path = str(tmp_path / "model.safetensors")
    tt.Sequential(tt.Linear(100, 10, seed=0)).save(path)
    status, _, err = run(capsys, "--split", "sample", "--model", path)
    assert (status, err.count("\n")) == (2, 1)
    assert "expected (batch, 100), got (1000, 784)" in err
    tt.Sequential(tt.Linear(784, 11, seed=0)).save(path)
    status, _, err = run(capsys, "--split", "sample", "--model", path)
    assert status == 2
    assert err == f"tinytensor mnist: {path}: expected a model that gives (n, 10), got (1000, 11)\n"


def on_a_terminal(*arguments, **environment):
    """The output of the command on a terminal of 80 columns."""
    ours, theirs = pytest.importorskip("pty").openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tinytensor", "mnist", *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment},
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 1 << 16):
            parts.append(part)
    except OSError:  # Linux reports the end of a terminal as an error
        pass
    os.close(ours)
    assert process.wait() == 0
    return b"".join(parts).decode()


def test_a_progress_bar_on_a_terminal():
    out = on_a_terminal("--split", "sample", "--batch-size", "100")
    assert "100%" in out
    assert "━" in out
    assert "accuracy" in out
