"""`tinytensor doctor` and `tinytensor warmup`."""

import itertools
import json

import numpy as np
import pytest

import tinytensor as tt
from tests.strategies import FLOATS
from tinytensor import cli, warm
from tinytensor.kernels import declare, peak
from tinytensor.kernels.bytes_lanes import common_bytes_tiles
from tinytensor.kernels.bytes_layer import bytes_layout, common_bytes_parts, dot_fields
from tinytensor.kernels.convolution import tiles_of
from tinytensor.kernels.cpu import dot
from tinytensor.kernels.layer import common_parts, layout, layout_of_few, parts_of
from tinytensor.kernels.matrix_unit import has_matrix_unit


def test_doctor_reports_and_tests(capsys, monkeypatch):
    monkeypatch.setattr(peak, "TRIES", 3)
    assert cli.main(["doctor"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["tinytensor"] == tt.__version__
    assert "GFLOP/s" in lines["speed"]
    assert "compiled kernels in" in lines["cache"]
    assert lines["self-test"].startswith("passed")


def test_doctor_as_json(capsys, monkeypatch):
    monkeypatch.setattr(peak, "TRIES", 1)
    assert cli.main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tinytensor"] == tt.__version__
    assert found["self-test"].startswith("passed")


def test_a_failed_self_test_is_an_error(capsys, monkeypatch):
    monkeypatch.setattr(peak, "TRIES", 1)
    monkeypatch.setattr(tt.Sequential, "predict", lambda *_, **__: np.zeros((3000, 10), np.float32))
    assert cli.main(["doctor"]) == 2
    assert "self-test: fused and layer by layer differ" in capsys.readouterr().err


def test_the_micro_kernel_and_the_peak_are_measured(monkeypatch):
    monkeypatch.setattr(peak, "TRIES", 3)
    fastest, tile = peak.measure()
    assert fastest > 0
    assert tile > 0


def test_warmup_makes_what_is_listed(capsys, monkeypatch):
    made = []
    monkeypatch.setattr(
        warm, "jobs", lambda: [("one", lambda: made.append(1)), ("two", lambda: made.append(2))]
    )
    assert cli.main(["warmup"]) == 0
    assert capsys.readouterr().out.startswith("2 kernels in ")
    assert cli.main(["warmup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kernels"] == 2
    assert tt.warmup(progress=True) == 2
    assert made == 3 * [1, 2]


def test_warmup_says_that_nothing_is_kept(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(warm, "jobs", lambda: [("one", lambda: None)])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYTENSOR_CACHE", str(tmp_path / "file"))
    assert cli.main(["warmup"]) == 0
    assert "not kept: " in capsys.readouterr().out


def test_every_kernel_is_listed():
    names = [name for name, _ in warm.jobs()]
    assert {*names} >= {
        "driver.run_program", "linear.linear", "product.product_range", "loop_activations_gelu_tanh",
        "loop_activations_relu", "pair_arithmetic_add",
    }  # fmt: skip
    assert {each.name for each in declare.kernels.values()} <= {*names}


def test_any_width_of_a_layer_uses_tiles_that_are_listed():
    listed = common_parts()
    for dtype in FLOATS:
        for outputs in (*range(1, 700), 1000, 4097):
            for tails in (True, False):
                plan = layout(np.dtype(dtype), outputs, tails)
                assert {part.spec for part in parts_of(plan, plan.dtype, tails)} <= listed
            for rows, wide in itertools.product((*range(1, 14), 31), (False, True)):
                plan = layout_of_few(np.dtype(dtype), outputs, rows, wide)
                assert {part.spec for part in parts_of(plan, plan.dtype, False)} <= listed


def test_any_width_of_a_quantised_layer_uses_tiles_that_are_listed():
    listed, of_windows = common_bytes_parts(), common_bytes_tiles()
    for outputs in (*range(1, 700), 1000, 4097):
        for output in ("uint8", "float32"):
            plan = bytes_layout(outputs, not has_matrix_unit())
            specs = {part.spec for part in parts_of(plan, "group", not dot().signed, **dot_fields(output))}
            assert specs <= listed
            assert {*tiles_of(bytes_layout(outputs, False), False, **dot_fields(output))[1]} <= of_windows


@pytest.mark.parametrize("name", ["doctor", "warmup"])
def test_help(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert "Usage: tinytensor" in capsys.readouterr().out
