"""Processes that start anew: what they print is understood, what goes wrong is said."""

import pytest

from benchmarks import fresh
from benchmarks.case import Case, Effort, Failed
from benchmarks.peers import PEERS, absent

SHORT = Effort(rounds=1, at_least=0)


def case(what, unit="s", rows=3):
    return Case("coldstart", "g", "l", 1, {"what": what, "rows": rows}, unit=unit)


@pytest.fixture
def started(request):
    subject = fresh.Fresh(PEERS[request.param], None)
    yield subject
    subject.close()


@pytest.mark.parametrize("started", fresh.SCRIPTS, indirect=True)
def test_every_script_gives_the_right_answer(started):
    if absent(started.peer):
        pytest.skip(absent(started.peer))
    assert started.prepare(case("predict"), SHORT)["rows"] == 3
    assert 0.001 < started.measure(SHORT)["value"] < SHORT.prepare_limit


@pytest.mark.parametrize("started", ["NumPy"], indirect=True)
def test_memory_is_in_bytes(started):
    few, many = case("predict", "B", 1), case("predict", "B", 20_000)
    started.prepare(few, SHORT)
    small = started.measure(SHORT)["value"]
    started.prepare(many, SHORT)
    assert started.measure(SHORT)["value"] - small > 0.9 * 4 * 784 * 20_000, "the input is not in it"


@pytest.mark.parametrize("started", ["NumPy"], indirect=True)
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (("import numpy", "1 / 0"), "crashed: exit status 1: ZeroDivisionError: division by zero"),
        (("import numpy", "y = np.full((3, 10), np.nan)"), "wrong answer"),
        (("import numpy", "import time; time.sleep(600)"), "hung: no answer in 3 s"),
    ],
    ids=["raises", "NaN", "hangs"],
)
def test_a_script_that_fails(started, script, reason, monkeypatch):
    monkeypatch.setitem(fresh.SCRIPTS, "NumPy", script)
    writing = Effort(rounds=1, at_least=0, prepare_limit=60 if "sleep" not in script[1] else 3)
    monkeypatch.setattr(fresh.Worker, "ask", lambda *arguments: None)
    with pytest.raises(Failed, match=reason):
        started.prepare(case("predict"), writing)


def test_install_size():
    numpy, ours = fresh.install_size(PEERS["NumPy"]), fresh.install_size(PEERS["tinytensor"])
    assert 5e6 < numpy < ours, "tinytensor needs NumPy"
