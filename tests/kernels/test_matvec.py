"""The machine code of a product with one column, or a few; its bits are tested in `test_matmul`."""

import re

import pytest

from tests.kernels.test_tile import MACHINES, machine_of
from tinytensor.kernels import native
from tinytensor.kernels.specs import Matvec

# squares in the code: two side by side, where columns are few, one, and one of the rows that are left over
SQUARES = {1: 4, 2: 4, 3: 2, 8: 2}


def assembly(name, dtype, lanes, columns=1):
    machine = machine_of(name)
    return machine.emit_assembly(native.compile_module(Matvec(dtype, lanes, columns).build(), machine))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_rows_are_put_in_their_places_as_they_are_loaded(dtype):
    lanes = 16 if dtype == "float32" else 8
    text = assembly("AVX-512", dtype, lanes)
    loads = re.findall(r"vinsertf(?:128|32x4|64x2)\s+\$\d, [^%]*\(", text)
    parts = 64 // 16  # of a row in a square; for the terms that are left over, one
    assert len(loads) == SQUARES[1] * (parts + 1) * lanes * 3 // 4


@pytest.mark.parametrize("columns", SQUARES)
@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_fma_for_each_k_of_a_square_on_every_cpu(name, dtype, columns):
    _, _, lanes, fma, register = MACHINES[name]
    if dtype == "float64":
        lanes, register = lanes // 2, register.replace("4s", "2d")
    text = assembly(name, dtype, lanes, columns)
    fmas = [line for line in text.splitlines() if fma in line and register in line]
    chunk = 4 if dtype == "float32" else 2
    # each square has a loop, one for 16 bytes of each row if that is less, and a step for fewer
    steps = lanes + chunk + chunk * (lanes > chunk)
    assert len(fmas) == SQUARES[columns] * columns * steps
    assert not re.search(r"^\s+(call|bl)\s", text, re.MULTILINE)
