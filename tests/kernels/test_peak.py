"""The loop that measures a CPU's fastest multiply-adds: they and nothing else are its steps."""

import re

import pytest

from tests.kernels.test_tile import MACHINES, machine_of
from tinytensor.kernels import native
from tinytensor.kernels.peak import Peak


@pytest.mark.parametrize("name", MACHINES)
def test_every_sum_stays_in_a_register(name):
    machine, (*_, lanes, fma, _) = machine_of(name), MACHINES[name]
    sums = (16 if name == "AVX2" else 32) - 1
    text = machine.emit_assembly(native.compile_module(Peak(lanes, sums).build(), machine))
    (loop,) = re.finditer(r"^(\.LBB\w+):.*?\s\1$", text, re.M | re.S)
    assert loop[0].count(fma) == sums
    assert not re.search(r"\b[re]?sp\b", loop[0])


def test_one_sum_more_would_be_kept_in_memory():
    machine = machine_of("AVX2")
    text = machine.emit_assembly(native.compile_module(Peak(8, 16).build(), machine))
    assert "rsp" in text
