"""The tile, in every shape: one fma for each input in order, and nothing beside it is read or written."""

import ctypes
import itertools
import re

import numpy as np
import pytest

from tests import naive
from tests.strategies import FLOATS
from tinytensor.kernels import native, record
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.layer import TALLEST, layout
from tinytensor.kernels.specs import RAGGED, Tile, tail_width
from tinytensor.kernels.tile import AHEAD

GUARD = 64
FUNCTION = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 7)


def ends(lanes):
    """Every end of a tile, with how many outputs may be left over."""
    yield 0, (0,)
    yield RAGGED, (1, lanes - 1)
    width = 1
    while 2 * width <= lanes:
        yield width, range(width // 2 + 1, width + 1)
        width *= 2


def shapes(dtype):
    """Tiles of every kind, one row and several, within the registers and somewhat beyond them."""
    lanes = vectors().width(np.dtype(dtype).itemsize)
    name = np.dtype(dtype).name
    for (rows, across), (end, lefts) in zip(
        itertools.cycle(((1, 1), (6, 3), (TALLEST, 1), (5, 4), (1, 6))), ends(lanes), strict=False
    ):
        for left in lefts:
            yield Tile(name, lanes, rows, across, 1, end), left
    yield Tile(name, lanes, 7, 2, 1, 2), 2
    yield Tile(name, lanes, 1, 2, 4), 0


def run(tile, x, w, tails, init, left, places=None, table=None):
    """A tile's rows, between numbers that must not change, and the numbers around them."""
    rows, outputs = tile.rows, init.shape[1]
    dtype = np.dtype(tile.dtype)
    inputs = x.shape[1]
    pages = np.ascontiguousarray(w.reshape(inputs, tile.pages, -1).transpose(1, 0, 2))
    out = np.full((rows, outputs + GUARD), 77, dtype)
    product = np.zeros(record.PRODUCT, np.int64)
    product[record.WEIGHT_STRIDE] = pages.strides[1]
    product[record.PAGE_BYTES] = pages.strides[0]
    product[record.TAIL] = tails.ctypes.data
    product[[record.LEFT, record.X_STRIDE, record.OUT_STRIDE]] = left, x.strides[0], out.strides[0]
    product[record.INIT_STRIDE] = init.strides[0]
    product[record.TABLE] = 0 if table is None else table.ctypes.data
    count = inputs if places is None else len(places)
    listed = np.full(count + AHEAD, 65535, np.uint16)  # weights of the places behind the list are asked for
    listed[:count] = np.arange(inputs) if places is None else places
    FUNCTION(native.address(tile))(
        product.ctypes.data, x.ctypes.data, pages.ctypes.data, init.ctypes.data, out.ctypes.data,
        listed.ctypes.data, count,
    )  # fmt: skip
    assert (out[:, outputs:] == 77).all(), f"{tile.name} writes beyond its {outputs} outputs"
    return out[:, :outputs]


def operands(tile, left, inputs, rng):
    """Weights in vectors and tails, and what the sums start from; NaN where nothing may be read."""
    dtype, lanes = np.dtype(tile.dtype), tile.lanes
    across = tile.pages * tile.vectors
    whole = across * lanes if tile.end != RAGGED else (across - 1) * lanes + left
    outputs = whole + (left if tile.end > 0 else 0)
    weight = rng.standard_normal((inputs, outputs)).astype(dtype)
    w = np.full((inputs, across * lanes), np.nan, dtype)
    w[:, :whole] = weight[:, :whole]
    tails = np.zeros((inputs, max(tile.end, 1)), dtype)
    tails[:, : outputs - whole] = weight[:, whole:]
    return weight, w, tails, rng.standard_normal((tile.rows, outputs)).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_shape_has_the_bits_of_the_plain_loop(dtype):
    rng = np.random.default_rng(0)
    for tile, left in shapes(dtype):
        for inputs in (1, 2, 7):
            weight, w, tails, init = operands(tile, left, inputs, rng)
            x = rng.standard_normal((tile.rows, inputs + 3)).astype(dtype)[:, :inputs]
            expected = init
            for i in range(inputs):
                expected = naive.fma(x[:, i, None], weight[i], expected)
            naive.same(run(tile, x, w, tails, init, left), expected + 0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_list_leaves_out_what_is_not_in_it(dtype):
    rng = np.random.default_rng(1)
    for tile, left in shapes(dtype):
        listed = tile._replace(listed=True)
        weight, w, tails, init = operands(tile, left, 9, rng)
        x = rng.standard_normal((tile.rows, 9)).astype(dtype)
        places = [1, 4, 8]
        expected = init
        for i in places:
            expected = naive.fma(x[:, i, None], weight[i], expected)
        naive.same(run(listed, x, w, tails, init, left, places), expected + 0)


@pytest.mark.parametrize("listed", [False, True])
def test_bytes_stand_for_the_numbers_of_a_table(listed):
    rng = np.random.default_rng(2)
    table = rng.standard_normal(256).astype(np.float32)
    for tile, left in shapes(np.float32):
        weight, w, tails, init = operands(tile, left, 5, rng)
        x = rng.integers(0, 256, (tile.rows, 5)).astype(np.uint8)
        expected = init
        for i in range(5):
            expected = naive.fma(table[x[:, i, None]], weight[i], expected)
        of_bytes = tile._replace(bytes_in=True, listed=listed)
        naive.same(run(of_bytes, x, w, tails, init, left, range(5), table), expected + 0)


def test_a_sum_that_underflows_is_no_negative_zero():
    tile = Tile("float32", vectors().width(4), 1, 1)
    tiny = np.finfo(np.float32).tiny
    w, tails = np.full((1, tile.lanes), tiny), np.zeros((1, 1), np.float32)
    init = np.full((1, tile.lanes), -0.0, np.float32)
    naive.same(run(tile, np.full((1, 1), -tiny), w, tails, init, 0), np.zeros_like(init))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_layout_divides_every_number_of_outputs(dtype):
    lanes = vectors().width(np.dtype(dtype).itemsize)
    for outputs in range(1, 40 * lanes):
        for tails in (True, False):
            plan = layout(np.dtype(dtype), outputs, tails)
            last = outputs - (plan.pages - 1) * plan.page_outputs
            across, left = divmod(last, lanes)
            assert plan.last == across + (plan.end == RAGGED)
            assert 1 <= plan.last <= plan.vectors
            assert (plan.end == 0) == (left == 0)
            assert plan.end <= 0 or left <= plan.end <= lanes // 2
            tile = Tile(plan.dtype, lanes, plan.rows, plan.last, 1, plan.end)
            assert tile.registers(vectors().registers >= 32) <= vectors().registers


def test_left_over_outputs_share_a_vector_if_they_are_few():
    assert [tail_width(left, 16) for left in (0, 1, 2, 3, 4, 5, 8, 9, 15)] == [
        0, 1, 2, 4, 4, 8, 8, RAGGED, RAGGED,
    ]  # fmt: skip


MACHINES = {
    "AVX-512": ("x86_64-linux-gnu", "skylake-avx512", 16, "vfmadd", "zmm"),
    "AVX2": ("x86_64-linux-gnu", "haswell", 8, "vfmadd", "ymm"),
    "NEON": ("aarch64-linux-gnu", "cortex-a76", 4, "fmla", ".4s"),
}


def machine_of(name):
    triple, cpu, *_ = MACHINES[name]
    try:
        return native.target_machine(triple, cpu)
    except RuntimeError:
        pytest.skip(f"this build of LLVM makes no code for {triple}")


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("kind", [{}, {"listed": True}, {"bytes_in": True}, {"taps": True}], ids=str)
def test_no_tile_that_fits_the_registers_keeps_sums_in_memory(name, kind):
    machine, (*_, lanes, fma, _) = machine_of(name), MACHINES[name]
    registers = 16 if name == "AVX2" else 32
    for across, end in itertools.product((1, 2, 3, 4, 6), (0, 2, RAGGED)):
        tiles = [Tile("float32", lanes, rows, across, 1, end, **kind) for rows in range(1, 11)]
        tile = [each for each in tiles if each.registers(registers == 32) <= registers][-1]
        text = machine.emit_assembly(native.compile_module(tile.build(), machine))
        loops = [each[0] for each in re.finditer(r"^(\.LBB\w+):.*?\s\1$", text, re.M | re.S)]
        steps = max(loops, key=lambda each: each.count(fma)).splitlines()
        sums = [i for i, each in enumerate(steps) if fma in each]
        assert len(sums) >= tile.sums, tile.name
        steps = steps[sums[0] : sums[-1] + 1]  # without what is done once, before the sums and after them
        assert not [each for each in steps if "sp" in each and re.search(r"[xyz]mm|\bq\d", each)], tile.name


@pytest.mark.parametrize("name", MACHINES)
def test_a_step_is_loads_and_fmas_on_every_cpu(name):
    machine, (*_, lanes, fma, register) = machine_of(name), MACHINES[name]
    tile = Tile("float32", lanes, 4, 3)
    text = machine.emit_assembly(native.compile_module(tile.build(), machine))
    fmas = [line for line in text.splitlines() if fma in line and register in line]
    assert len(fmas) == tile.sums == 12
    assert "Spill" not in text
    assert not re.search(r"^\s+(call|bl)", text, re.MULTILINE)
