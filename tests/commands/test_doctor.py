"""`tinytensor doctor` and `tinytensor warmup`."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import cli, warm
from tinytensor.kernels import peak
from tinytensor.kernels._jit import kernels


def test_doctor_reports_and_tests(capsys, monkeypatch):
    monkeypatch.setattr(peak, "TRIES", 3)
    assert cli.main(["doctor"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["tinytensor"] == tt.__version__
    assert "GFLOP/s" in lines["speed"]
    assert "kernels in" in lines["cache"]
    assert lines["self-test"].startswith("passed")


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


def test_warmup_compiles_what_is_declared(capsys, monkeypatch):
    few = [
        (kernel, signature) for kernel, signature in warm.declared() if kernel.kernel_name == "softmax_rows"
    ]
    assert len(few) == 2
    monkeypatch.setattr(warm, "declared", lambda: few)
    assert cli.main(["warmup"]) == 0
    assert capsys.readouterr().out.startswith("2 kernels in ")
    assert tt.warmup(progress=True) == 2
    assert all(signature.args in kernel.overloads for kernel, signature in few)


def test_everything_is_declared():
    declared = {kernel.kernel_name for kernel, _ in warm.declared()}
    assert declared >= {"gemm", "run_program", "loop_activations_gelu_tanh", "loop_activations_relu"}
    assert declared == set(kernels)


@pytest.mark.parametrize("name", ["doctor", "warmup"])
def test_help(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    assert "usage: tinytensor" in capsys.readouterr().out
