"""Comparing runs of made-up times: drift is not ours, noise is no news, the rest is said and ends with 1."""

import math

import pytest

from benchmarks import command
from benchmarks.case import Result
from benchmarks.compare import FLOOR, changes, regressions, table
from benchmarks.record import Run, save


def run(ours, theirs=(2.0, 2.0, 2.0), failed=None, label="batch 1"):
    def result(peer, values, failed=None):
        return Result("mnist", "a network", label, 1, peer, {}, values=list(values), failed=failed)

    host = {"cpu": "a CPU", "features": [], "cores": 2, "cores_usable": 2, "caches": {}, "memory_gb": 1.0,
            "load_average": [], "system": "", "python": ""}  # fmt: skip
    made = Run("", [], False, "0", "abc", "", host, {}, {}, {}, {})
    made.results = [result("tinytensor", ours, failed), result("NumPy", theirs)]
    return made


def factor(value):
    return [value * each for each in (1.0, 1.0, 1.0)]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (run(factor(1.0)), ""),
        (run(factor(1 + 0.9 * FLOOR)), ""),
        (run(factor(1.5)), "slower"),
        (run(factor(0.5)), "faster"),
        (run(factor(3.0), [6.0, 6.0, 6.0]), ""),  # the machine is three times as slow
        (run(factor(1.0), [1.0, 1.0, 1.0]), "slower"),  # the machine is twice as fast, and we are not
        (run([0.5, 1.4, 2.4]), ""),  # as slow in the middle, but anything
        (run([], failed="crashed"), "fails now"),
    ],
    ids=["same", "below the floor", "slower", "faster", "drift", "hidden by drift", "noise", "fails"],
)
def test_a_change_has_its_verdict(new, expected):
    (change,) = changes(run(factor(1.0)), new)
    assert change.verdict == expected
    assert bool(regressions([change])) is (expected in ("slower", "fails now"))


def test_the_factor_is_without_the_machines_own():
    (change,) = changes(run(factor(1.0)), run(factor(3.0), [4.0, 4.0, 4.0]))
    assert (change.factor, change.drift) == (1.5, 2)


def test_noise_of_both_runs_adds_up():
    wide = [0.8, 1.0, 1.2]
    (change,) = changes(run(wide), run(wide))
    assert change.noise == pytest.approx(math.hypot(0.2, 0.2))


def test_cases_that_one_run_lacks_are_passed_over():
    assert changes(run(factor(1.0)), run(factor(1.0), label="batch 2")) == []
    assert changes(run([], failed="crashed"), run(factor(1.0))) == []


def test_the_table_names_what_changed_and_counts_the_rest():
    old, new = run(factor(1.0)), run(factor(1.5))
    rows = table(old, new, changes(old, new)).rows
    assert rows[0] == ["mnist: a network, batch 1, 1 thread", "1.50", "1.00", "±10%", "slower"]
    assert rows[1][0] == "0 of 1 cases are within the noise"


@pytest.mark.parametrize(("new", "status"), [(1.0, 0), (1.5, 1), (0.5, 0)])
def test_the_status_tells(new, status, tmp_path, capsys):
    save(run(factor(1.0)), tmp_path / "old")
    save(run(factor(new)), tmp_path / "new")
    assert command.main(["compare", str(tmp_path / "old"), str(tmp_path / "new")]) == status
    assert ("slower" in capsys.readouterr().out) is bool(status)
