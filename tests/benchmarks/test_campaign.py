"""The campaign: counts, the report, and that a check that is wrong or dies is noticed."""

import json
import os
import sys

import pytest

from benchmarks.campaign import __main__ as command
from benchmarks.campaign import checks
from benchmarks.campaign.equivalents import EQUIVALENT
from benchmarks.campaign.fault_list import FAULTS
from benchmarks.campaign.faults import ROOT
from benchmarks.campaign.mutant_tests import TESTS
from benchmarks.campaign.mutants import change, counts, report
from benchmarks.campaign.outcome import Check, Count, Outcome, markdown
from benchmarks.campaign.pythons import lowest, outcomes
from benchmarks.campaign.scripts import answer, counted


def test_counts_add_up_and_go_through_json():
    outcome = Outcome(left_out=["x: no y"])
    count = outcome.count("some")
    for right in (True, False, True):
        count.add(right, "first")
    count.add(False, "second")
    count.refused += 3
    assert (count.tried, count.right, count.refused, count.wrong, count.note) == (7, 2, 3, 2, "first")
    assert outcome.wrong == 2
    again = Outcome.from_json(json.loads(json.dumps(outcome.to_json())))
    assert again == outcome
    report = markdown(
        {"CPU": "a"},
        {"n": outcome.to_json() | {"form": "quick", "seconds": 1, "commit": "c"}},
        {"n": "Title"},
    )
    assert "| some | 7 | 2 | 3 | 2 | first |" in report
    assert "Not tried here: x: no y." in report


class Stream:
    """A process's stand-in: what `child` would write."""

    def __init__(self, outcome):
        self.outcome = outcome

    def __call__(self, name, form):
        return self.outcome.to_json() | {"form": form, "seconds": 0.0, "commit": "c"}


@pytest.mark.parametrize("wrong", [0, 1])
def test_the_status_says_whether_anything_is_wrong(tmp_path, monkeypatch, capsys, wrong):
    monkeypatch.setattr(command, "run", Stream(Outcome([Count("a", right=3, wrong=wrong)])))
    assert command.main(["--quick", "--only", "bounds", "--out", str(tmp_path)]) == wrong
    found = json.loads((tmp_path / "campaign.json").read_text())["checks"]
    assert found["bounds"]["counts"][0]["wrong"] == wrong
    assert command.main(["--only", "rows", "--out", str(tmp_path)]) == wrong
    assert json.loads((tmp_path / "campaign.json").read_text())["checks"].keys() == {"bounds", "rows"}


def test_a_check_that_dies_is_wrong(monkeypatch):
    python = f"import os; os.execv({sys.executable!r}, ['python', '-c', 'import os; os.abort()'])"
    monkeypatch.setattr(command.sys, "executable", "/bin/false" if os.path.exists("/bin/false") else python)
    outcome = Outcome.from_json(command.run("bounds", "quick"))
    assert outcome.wrong == 1
    assert "status 1" in outcome.counts[0].note


def test_a_script_that_fails_is_wrong():
    count = Count("script")
    counted(count, answer("raise SystemExit(3)"))
    assert (count.wrong, count.note[:8]) == (1, "status 3")
    counted(count, answer('print(\'{"right": 2, "wrong": 0}\')'))
    assert (count.right, count.wrong) == (2, 1)


def test_every_planted_fault_can_be_planted():
    assert len(FAULTS) == 60
    assert len(set(FAULTS)) == 60
    for i, fault in enumerate(FAULTS):
        text = (ROOT / "tinytensor" / fault.file).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1, i
        assert all((ROOT / each).is_file() for each in fault.tests), i


def test_the_table_of_mutants_names_what_is_there():
    for module, tests in TESTS.items():
        assert (ROOT / "tinytensor" / module).is_file()
        assert all((ROOT / each).exists() for each in tests.split())


def test_what_is_equivalent_stands_in_its_module():
    for module, changes in EQUIVALENT.items():
        lines = (ROOT / "tinytensor" / module).read_text(encoding="utf-8")
        assert all(each.partition(" → ")[0] in lines for each in changes), module


def test_survivors_are_equivalent_or_not_caught():
    (same, why), *_ = EQUIVALENT["io/archive.py"].items()
    old, _, new = same.partition(" → ")
    diffs = {
        "a": f"--- \n+++ \n@@ -1 +1 @@\n     x\n-    {old}\n+    {new}\n",
        "b": "--- \n+++ \n@@ -1 @@\n-@cache\n",
    }
    assert [change(each) for each in diffs.values()] == [same, "@cache → (nothing)"]
    found = {"io/archive.py": {"mutants": 9, "tried": 5, "survived": diffs}}
    assert counts("io/archive.py", found["io/archive.py"]) == [9, 5, 1, 3, 1]
    text = report(found)
    assert "1 modules; 3 of 4 mutants that are not equivalent are caught (75.0%)." in text
    assert f"| io/archive.py | `{same}` | {why} |" in text
    assert "| io/archive.py | `@cache → (nothing)` |  |" in text


def test_the_table_of_checks():
    assert all(isinstance(each, Check) and each.name == name for name, each in checks.CHECKS.items())


def test_the_lowest_versions_are_those_of_the_package_and_of_every_extra_that_tests_need():
    pins = lowest()
    named = dict(each.split("==") for each in pins)
    assert {"numpy", "numba", "safetensors", "pytest", "onnx", "zarr"} <= named.keys()
    assert named["numpy"] == "2.0"
    assert any(each.startswith("dask[array,dataframe,distributed]==") for each in pins)


def test_the_counts_of_a_run_of_pytest():
    line = "1 failed, 7720 passed, 358 skipped, 2 errors in 769.51s (0:12:49)"
    assert outcomes(line) == {"failed": 1, "passed": 7720, "skipped": 358, "error": 2}
    assert outcomes("no tests ran in 0.01s") == {}
