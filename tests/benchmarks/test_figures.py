"""Figures on made-up times, whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.case import Result
from benchmarks.figures import FIGURES, by_case, fastest, geometric_mean, ratio, seconds, short, verdict

TIMES = st.lists(st.floats(1e-7, 1e3), min_size=1, max_size=30)


def result(peer, values, label="batch 1", **more):
    return Result("mnist", "a network", label, 1, peer, {}, values=values, **more)


def test_median_and_spread():
    one = result("NumPy", [5.0, 1.0, 2.0, 3.0, 4.0])
    assert one.median == 3
    assert one.spread == pytest.approx(2 / 3)  # from 2 to 4


def test_a_ratio_is_taken_pair_by_pair():
    # The machine is ten times as slow in the second round: for both, so the ratio does not see it.
    found = ratio([1.0, 10.0, 1.0], [2.0, 20.0, 2.0])
    assert (found.median, found.low, found.high, found.noisy) == (2, 2, 2, False)


def test_the_quartiles_of_a_ratio():
    # Ratios 1, 2, 3, 4, 5 in another order: quartiles 2 and 4, neither their mean nor their ends.
    found = ratio([1.0, 2.0, 1.0, 1.0, 4.0], [5.0, 2.0, 3.0, 2.0, 16.0])
    assert (found.low, found.median, found.high) == (2, 3, 4)


def test_a_median_is_no_mean():
    assert result("NumPy", [1.0, 2.0, 30.0]).median == 2
    assert ratio([1.0] * 3, [1.0, 2.0, 30.0]).median == 2


def test_the_fastest_peer_is_so_by_its_median():
    wild, calm = result("wild", [4.0, 4.0, 30.0]), result("calm", [5.0, 5.0, 5.0])
    assert fastest({"wild": wild, "calm": calm}) == "wild"


def test_a_ratio_of_unequal_rounds_passes_over_what_is_missing():
    assert ratio([1.0, 1.0], [3.0]).median == 3


@given(TIMES)
def test_a_side_against_itself_is_1(times):
    found = ratio(times, times)
    assert found.low == found.median == found.high == 1


@given(TIMES, st.floats(0.01, 100), st.randoms())
def test_drift_of_the_machine_cancels(times, factor, random):
    drift = np.exp([random.uniform(-2, 2) for _ in times])
    found = ratio(times * drift, factor * np.asarray(times) * drift)
    # Four roundings, of two products and a quotient each, and interpolation of the quartiles.
    np.testing.assert_allclose([found.low, found.median, found.high], factor, rtol=8 * 2.0**-52)


def test_what_swings_is_noisy():
    assert ratio([1.0] * 4, [1.0, 2.0, 1.0, 2.0]).noisy
    assert not ratio([1.0] * 4, [1.0, 1.1, 1.0, 1.1]).noisy


def test_geometric_mean():
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1)


def test_the_fastest_other_peer_is_none_of_ours_and_none_that_failed():
    peers = {
        "tinytensor": result("tinytensor", [1.0]),
        "NumPy": result("NumPy", [3.0]),
        "JAX": result("JAX", [2.0]),
        "PyTorch": result("PyTorch", [0.1], failed="wrong answer"),
    }
    assert fastest(peers) == "JAX"
    assert fastest({"tinytensor": peers["tinytensor"]}) is None


def test_results_are_grouped_by_case():
    one, other, elsewhere = (
        result("A", [1.0]),
        result("B", [1.0]),
        result("A", [1.0], label="batch 10"),
    )
    assert list(by_case([one, other, elsewhere]).values()) == [{"A": one, "B": other}, {"A": elsewhere}]


def run_of(*others):
    ours = [result("tinytensor", [1.0] * 4, label=f"batch {i}") for i in range(len(others))]
    theirs = [result("NumPy", list(values), label=f"batch {i}") for i, values in enumerate(others)]
    return ours + theirs


QUIET, WILD = (2.0, 2.0, 2.0, 2.0), (1.0, 5.0, 1.0, 5.0)


@pytest.mark.parametrize(
    ("noisy", "judged", "said"),
    [(0, True, "quiet"), (2, True, "some noise"), (3, False, "too noisy to judge")],
)
def test_the_verdict_counts_noisy_ratios(noisy, judged, said):
    found, why = verdict(run_of(*[WILD] * noisy, *[QUIET] * (10 - noisy)))
    assert found is judged
    assert said in why
    assert f"{noisy} of 10" in why


def test_a_verdict_without_peers():
    assert verdict([result("tinytensor", [1.0])]) == (True, "nothing to compare with")


def test_figures():
    one = result("A", [2e-3], facts={"rows": 100, "flop": 4e6, "error": 1.5e-7})
    assert FIGURES["rows/s"](one) == "50,000"
    assert FIGURES["µs/row"](one) == "20.0"
    assert FIGURES["GFLOP/s"](one) == "2.00"
    assert FIGURES["max error"](one) == "1.5e-07"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (99.96, "100.0"), (-3.14159, "-3.14"), (float("inf"), "inf"), (123456.7, "123,457")],
)
def test_three_digits_that_matter(number, text):
    assert short(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(1.5, "1.50 s"), (0.0123, "12.3 ms"), (4.56e-5, "45.6 µs"), (1e-9, "0.00100 µs")]
)
def test_times_have_a_unit_that_fits(number, text):
    assert seconds(number) == text
