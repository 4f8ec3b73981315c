"""A worker runs only while it answers, and none stays stopped, whatever ends the run."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.workers import ROOT, Worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are stopped on Linux only")


def state(pid):
    """R runs, S sleeps, T is stopped, Z or nothing has ended; see proc_pid_stat(5)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def becomes(pid, states):
    """Whether the process is in one of the states within ten seconds."""
    end = time.monotonic() + 10
    while state(pid) not in states and time.monotonic() < end:
        time.sleep(0.01)
    return state(pid) in states


@pytest.fixture
def worker():
    made = Worker(None, 1, [])
    yield made
    made.close()


def test_a_worker_is_stopped_between_answers(worker):
    assert worker.ask(60, state, "self") == "R"
    assert becomes(worker.process.pid, "T")
    assert worker.ask(60, state, "self") == "R"
    assert becomes(worker.process.pid, "T")


def test_the_others_are_stopped_while_one_works(worker):
    other = Worker(None, 1, [])
    try:
        other.ask(60, os.getpid)
        assert becomes(other.process.pid, "T")
        assert worker.ask(60, state, other.process.pid) == "T"
    finally:
        other.close()


def test_a_worker_that_raised_is_stopped_and_goes_on(worker):
    with contextlib.suppress(Exception):
        worker.ask(60, os.stat, "no such file")
    assert becomes(worker.process.pid, "T")
    assert worker.ask(60, int, "3") == 3


def test_a_stopped_worker_is_ended(worker):
    pid = worker.ask(60, os.getpid)
    worker.close()
    assert state(pid) == ""


def test_an_interrupted_question_leaves_nothing_stopped(worker):
    pid = worker.ask(60, os.getpid)
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            worker.ask(60, time.sleep, 0.5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    worker.close()
    assert state(pid) == ""


KILLED = """
import os, signal
from benchmarks.workers import Worker
worker = Worker(None, 1, [])
print(worker.ask(60, os.getpid), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_stopped_worker_ends_with_a_parent_that_was_killed():
    run = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, timeout=120)
    assert run.returncode == -signal.SIGKILL
    assert becomes(int(run.stdout), ("", "Z"))
