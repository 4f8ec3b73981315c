"""The table of the plan's promises, from made-up times."""

import numpy as np
import pytest

from benchmarks import plan
from benchmarks.case import Result
from benchmarks.figures import by_case


def result(case, peer, seconds, failed=None):
    return Result(
        case.suite, case.group, case.label, case.threads, peer, {}, values=[seconds] * 5, failed=failed
    )


def test_a_promise_is_judged_against_the_fastest_peer_that_did_not_fail():
    promise = plan.PROMISES[2]
    results = []
    for case in promise.cases:
        results += [result(case, "tinytensor", 1.0), result(case, "NumPy", 3.0), result(case, "JAX", 1.5)]
        results.append(result(case, "PyTorch", 0.1, failed="lost"))
    rows = plan.kept(promise, by_case(results))
    assert len(rows) == 6
    for what, promised, measured, verdict in rows:
        assert what.endswith("against JAX")
        assert (promised, measured, verdict) == ("≥ 1.7", "1.50", "missed")


@pytest.mark.parametrize(
    ("figure", "most", "verdict"), [(1.0, True, "kept"), (1.1, True, "missed"), (1.1, False, "kept")]
)
def test_verdicts(figure, most, verdict):
    assert plan.row("what", figure, 1.05, most)[-1] == verdict
    assert plan.row("what", figure, 1.05, most, noisy=True)[-1] == f"{verdict}, noisy"


def test_networks_that_differ_in_one_thing_only():
    x = plan.inputs("dense", 50)
    own = plan.with_activation(plan.swish_of_ones_own).predict(x)
    assert np.array_equal(own, plan.with_activation(plan.tt.swish).predict(x))
    plain, made = plan.without_skipping(), plan.model(plan.CHAPTER, raw=False)
    assert np.array_equal(plain[0].weight.numpy().ravel()[1:], made[0].weight.numpy().ravel()[1:])


def test_memory_of_a_memory_map():
    (row,) = plan.memory(20_000) or [["", "", "0", "kept"]]
    assert float(row[2]) < 100
