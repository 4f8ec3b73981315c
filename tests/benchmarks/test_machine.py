"""Whose figures these are, and with which libraries."""

import os

import pytest

from benchmarks import machine, report
from benchmarks.case import Result
from benchmarks.record import Run
from benchmarks.workers import Worker


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (
            {"model name": "AMD EPYC", "vendor_id": "AuthenticAMD", "cpu family": "26", "model": "2"},
            "AMD EPYC (vendor_id AuthenticAMD, cpu family 26, model 2)",
        ),
        ({"model name": "A CPU"}, "A CPU"),
    ],
    ids=["x86", "name only"],
)
def test_a_cpu_whose_name_says_little_has_its_model(info, expected):
    assert machine.cpu(info) == expected


def test_a_peers_process_has_the_kernel_that_suits_the_cpu(monkeypatch):
    pytest.importorskip("threadpoolctl")
    worker = Worker(None, 1, [])
    try:
        free = worker.ask(60, machine.blas)
    finally:
        worker.close()
    forced = {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_L2_SIZE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    for name, value in forced.items():
        monkeypatch.setenv(name, value)
    worker = Worker(None, 1, [])
    try:
        assert worker.ask(60, machine.blas) == free
        assert [worker.ask(60, os.getenv, name) for name in forced] == [None] * 3
    finally:
        worker.close()


def run_with(**blas):
    made = Run("", [], False, "0", "abc", "", {}, {}, {}, {}, {})
    made.results = [
        Result("s", "g", "l", 1, peer, {}, values=[1.0], blas=text) for peer, text in blas.items()
    ]
    return made


def test_the_report_names_each_process_kernel():
    assert report.kernels(run_with(A="openblas 1, kernel Zen")) == "all: openblas 1, kernel Zen"
    assert report.kernels(run_with(A="one", B="two", C="one")) == "A, C: one; B: two"
    assert report.kernels(run_with(A="")) == ""
