"""The machine code of a product with one column; its bits are tested in `test_matmul`."""

import re

import pytest

from tests.kernels.test_tile import MACHINES, machine_of
from tinytensor.kernels import native
from tinytensor.kernels.specs import Matvec

SQUARES = 4  # in the code: two side by side, one, and one of the rows that are left over


def assembly(name, dtype, lanes):
    machine = machine_of(name)
    return machine.emit_assembly(native.compile_module(Matvec(dtype, lanes).build(), machine))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_rows_are_put_in_their_places_as_they_are_loaded(dtype):
    lanes = 16 if dtype == "float32" else 8
    text = assembly("AVX-512", dtype, lanes)
    loads = re.findall(r"vinsertf(?:128|32x4|64x2)\s+\$\d, [^%]*\(", text)
    assert len(loads) == SQUARES * 3 * lanes * lanes * (4 if dtype == "float32" else 8) // 64


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_fma_for_each_k_of_a_square_on_every_cpu(name, dtype):
    _, _, lanes, fma, register = MACHINES[name]
    if dtype == "float64":
        lanes, register = lanes // 2, register.replace("4s", "2d")
    text = assembly(name, dtype, lanes)
    fmas = [line for line in text.splitlines() if fma in line and register in line]
    assert len(fmas) == SQUARES * 2 * lanes  # each square has a loop, and a step for the terms left over
    assert not re.search(r"^\s+(call|bl)\s", text, re.MULTILINE)
