"""The shapes of tiles that are chosen: any of them gives the same bits, and noise does not choose."""

import numpy as np
import pytest

from tests import naive
from tests.kernels.test_driver import Program, numbers
from tests.strategies import FLOATS
from tinytensor.kernels import layer, tune
from tinytensor.kernels.matmul import matmul


@pytest.fixture
def unkept(monkeypatch):
    """No choice is known, and what is kept goes into a dict."""
    kept = {}
    monkeypatch.setattr(tune.kept_files, "read", kept.get)
    monkeypatch.setattr(tune.kept_files, "write", kept.__setitem__)
    tune.page_vectors.cache_clear()
    yield kept
    tune.page_vectors.cache_clear()


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_width_of_a_page_gives_the_same_bits(dtype, monkeypatch):
    rng = np.random.default_rng(0)
    x, weight, bias = numbers(rng, dtype, 70, 33), numbers(rng, dtype, 215, 33), numbers(rng, dtype, 215)
    expected = matmul(x, weight.T, bias)
    for width in range(1, tune.NARROW + 1):
        plan = layer.layout_in_pages(np.dtype(dtype), 215, width)
        monkeypatch.setattr("tests.kernels.test_driver.layout", lambda *_, plan=plan: plan)
        program = Program(dtype, 60, [])
        program.linear(0, 1, weight, bias, lists=True)
        naive.same(program.run(x, 215), expected)


def test_a_choice_is_made_once_and_kept(unkept, monkeypatch):
    dtype, wide = np.dtype(np.float32), tune.NARROW + 1
    chosen = tune.page_vectors(dtype, wide)
    assert chosen in tune.candidates(wide)
    assert [int(value) for key, value in unkept.items() if key.startswith("tuned ")] == [chosen]
    tune.page_vectors.cache_clear()
    monkeypatch.setattr(tune, "fastest", lambda *_: pytest.fail("measured again"))
    assert tune.page_vectors(dtype, wide) == chosen
    assert tune.page_vectors(dtype, wide + 50) == chosen
    assert tune.page_vectors(dtype, 1) == 1


def test_what_is_kept_but_no_candidate_is_measured_anew(unkept, monkeypatch):
    dtype, wide = np.dtype(np.float32), tune.NARROW + 1
    tune.page_vectors(dtype, wide)
    unkept.update({key: b"99" for key in unkept if key.startswith("tuned ")})
    tune.page_vectors.cache_clear()
    monkeypatch.setattr(tune, "fastest", lambda dtype, widths: widths[-1])
    assert tune.page_vectors(dtype, wide) == tune.candidates(wide)[-1]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [4, 3])
def test_what_is_timed_is_a_product(dtype, width):
    arguments, (weights, bias, x, y, *_) = tune.timed_layer(np.dtype(dtype), width, 5)
    assert x.all()  # zeros that were never written are one page of memory
    assert weights.all()
    x[:], weights[:], bias[:] = 1, 2, 3
    tune.linear(*arguments)
    assert (y[:, : len(bias)] == 2 * tune.INPUTS + 3).all()


@pytest.mark.parametrize(("second", "chosen"), [(0.9, 0), (0.85, 1)])
def test_another_width_has_to_be_clearly_faster(second, chosen, monkeypatch):
    widths = (4, 3)
    clock, took = [0.0], {4: 1e-4, 3: second * 1e-4}

    def run(width):
        clock[0] += took[width]

    monkeypatch.setattr(tune.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(tune, "linear", run)
    monkeypatch.setattr(tune, "timed_layer", lambda dtype, width, across: ((width,), None))
    assert tune.fastest(np.dtype(np.float32), widths) == widths[chosen]
