"""Every adapter of every peer agrees with the reference; absent peers say why."""

import numpy as np
import pytest

import tinytensor as tt
from benchmarks.case import Case, Effort
from benchmarks.interleave import measured
from benchmarks.networks import CHAPTER, NORMED
from benchmarks.peers import PEERS, absent
from benchmarks.suites import elementwise, latency, matmul, mnist

SHORT = Effort(rounds=1, at_least=1e-4)


def product(dtype):
    return Case("matmul", dtype, "a product", 1, {"m": 7, "k": 30, "n": 5, "dtype": dtype}, 1)


def function(name):
    return Case("elementwise", "elements", name, 1, {"function": name, "size": 1000}, 1)


PLAN = [
    (
        mnist.SUITE,
        [
            mnist.case("mnist", mnist.SMALL, "uint8", 7, 1),
            mnist.case("mnist", CHAPTER, "digits", 10, 1),
            mnist.case("mnist", CHAPTER, "dense", 1, 1),
        ],
    ),
    (mnist.SUITE, [mnist.case("mnist", network, "digits", 3, 1) for network in NORMED]),
    (matmul.SUITE, [product("float32"), product("float64")]),
    (elementwise.SUITE, list(map(function, elementwise.FUNCTIONS))),
]


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_agrees_with_float64(name):
    peer = PEERS[name]
    if absent(peer) or peer.slow:
        pytest.skip(absent(peer) or "compiles for half a minute")
    found = list(measured(PLAN, [peer], SHORT, lambda case, name: None))
    expected = sum(suite.takes(peer, case) for suite, cases in PLAN for case in cases)
    assert [r.failed for r in found] == [None] * expected
    assert all(len(r.values) == SHORT.rounds and r.facts["error"] >= 0 for r in found)


def test_tinytensor_takes_part_in_everything():
    ours = PEERS["tinytensor"]
    assert all(suite.takes(ours, case) for suite, cases in PLAN for case in cases)
    assert not ours.slow


def test_every_activation_is_measured():
    assert set(elementwise.FUNCTIONS) == set(tt.activations.names()) - {"identity"}


def test_percentiles_of_made_up_times(monkeypatch):
    """A hundred calls of 1, 2, …, 100 ms on a clock of our own."""
    clock = iter(np.cumsum(range(101)) * 10**6)
    monkeypatch.setattr(latency.time, "perf_counter_ns", lambda: int(next(clock)))
    found = latency.distribution([lambda: None], 5.0)
    # The clock begins at 0 and a call ends at its sum; 1 + … + 100 = 5,050 ms is past 5 s.
    assert found["value"] == pytest.approx(0.0505)
    assert found["p95"] == pytest.approx(0.09505)
    assert found["p99"] == pytest.approx(0.09901)
    assert found["calls_per_second"] == 100 / 5


def test_a_wrong_product_is_found():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 40)), rng.standard_normal((40, 3))
    assert matmul.residual(a, b, a @ b) < 1
    with pytest.raises(ArithmeticError, match="wrong answer"):
        matmul.residual(a, b, (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float64))
    with pytest.raises(ArithmeticError, match="shape"):
        matmul.residual(a, b, (a @ b).T)


def test_errors_in_ulp_are_exact():
    x = np.array([1.0, 2.0, 3.0], np.float32)
    assert elementwise.ulp("relu", x, x) == 0
    assert elementwise.ulp("relu", x, np.nextafter(x, np.float32(9))) == 1
    with pytest.raises(ArithmeticError, match="wrong answer"):
        elementwise.ulp("relu", x, -x)


def test_latency_counts_every_caller():
    seen = []
    found = latency.distribution([lambda: seen.append(0), lambda: seen.append(1)], 0.02)
    assert set(seen) == {0, 1}
    assert 0 < found["value"] <= found["p95"] <= found["p99"]
    # The two calls before the clock starts are not counted.
    assert found["calls_per_second"] == pytest.approx((len(seen) - 2) / 0.02)
