"""Threads that live in compiled code: every range is done once, by whoever comes, whatever happens around."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.kernels import jobs
from tinytensor import threads, workers
from tinytensor.kernels.declare import Kernel
from tinytensor.kernels.mailbox import ALIVE, ASLEEP, GENERATION, MAILBOX, SLOT, SLOTS, SPIN, STARTED

SIGNATURE = "void(i64, i64, i64, i64, i64, i64, i64, i64)"


def job(name):
    return Kernel(f"jobs.{name}", SIGNATURE, lambda: getattr(jobs, name), cached=False)


ADD, MEET, RAISE, HOLD, SCRATCHES, ORDER = map(
    job, ("add_places", "meet", "raise_at", "hold", "meet_with_scratch", "note_order")
)


@pytest.fixture(autouse=True)
def team(monkeypatch):
    """Threads of its own for each test, which end with it."""
    fresh = threads.Team()
    monkeypatch.setattr(threads, "team", fresh)
    yield fresh
    fresh.stop()
    assert field(fresh, ALIVE) == 0


def field(team, place):
    return int(team.box.view(np.int64)[place])


def run(kernel, y, count, size, helpers, table=0):
    return workers.run(kernel.address, table, 0, 0, y, 8, count, size, helpers + 1, 64)


def test_the_mailbox_has_room():
    assert MAILBOX == SLOTS + SLOT * (threads.MOST - 1)
    assert threads.Team().box.size == 8 * MAILBOX
    assert threads.Team().box.ctypes.data % 64 == 0


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1001])
@pytest.mark.parametrize("size", [1, 3, 100, 2000])
@pytest.mark.parametrize("helpers", [0, 1, 2, 7])
def test_every_place_is_done_once(count, size, helpers, team):
    y = np.zeros(count + 1, np.int64)
    for _ in range(3):
        assert run(ADD, y, count, size, helpers)
    assert y.tolist() == [3 * i for i in range(count)] + [0]
    assert field(team, STARTED) == field(team, ALIVE) == min(helpers, -(-count // size) - 1)


def test_every_second_job_goes_through_its_ranges_backwards():
    orders = []
    for _ in range(4):
        y = np.zeros(5, np.int64)
        assert run(ORDER, y, 11, 3, 0)
        orders.append(y.tolist())
    assert orders == [[4, 0, 3, 6, 9], [4, 9, 6, 3, 0]] * 2


def test_helpers_really_help():
    y = np.zeros(1, np.int64)
    assert run(MEET, y, 4, 1, 3, table=4)  # would wait for ever on three threads
    assert y[0] == 4


def test_most_threads_and_their_end(team):
    y = np.zeros(5000, np.int64)
    assert run(ADD, y, 5000, 1, threads.MOST - 1)
    assert np.array_equal(y, np.arange(5000))
    assert field(team, ALIVE) == threads.MOST - 1
    team.stop()
    assert field(team, ALIVE) == 0
    assert not run(ADD, y, 5000, 1, 3)  # after the end a caller works alone


def asleep(team):
    return sum(field(team, SLOTS + SLOT * i + ASLEEP) for i in range(field(team, STARTED)))


def wait_until(condition):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < 60
        time.sleep(0.001)


def test_helpers_fall_asleep_and_wake(team):
    y = np.zeros(1, np.int64)
    for turn in range(1, 4):
        y[:] = 0
        assert run(MEET, y, 4, 1, 3, table=4)
        assert y[0] == 4
        wait_until(lambda: asleep(team) == 3)
        assert field(team, GENERATION) == turn
    assert field(team, STARTED) == 3


def test_a_helper_that_would_sleep_at_once_takes_part_in_the_job_it_was_started_for(team):
    team.box.view(np.int64)[SPIN] = 0
    y, done = np.zeros(1, np.int64), []
    caller = threading.Thread(target=lambda: done.append(run(MEET, y, 2, 1, 1, table=2)))
    caller.start()
    try:
        wait_until(lambda: not caller.is_alive())  # for ever, if the helper sleeps
    finally:
        y[0] = 2
        caller.join()
    assert done == [True]


def test_only_as_many_help_as_are_wanted(team):
    y = np.zeros(1000, np.int64)
    run(ADD, y, 1000, 1, 5)
    wait_until(lambda: asleep(team) == 5)
    run(ADD, y, 1000, 500, 5)  # two ranges need one helper
    wait_until(lambda: asleep(team) == 5)
    assert np.array_equal(y, 2 * np.arange(1000))


def test_helpers_that_are_awake_and_not_wanted_do_nothing(team):
    team.box.view(np.int64)[SPIN] = 1 << 40  # all stay awake
    y = np.zeros(1, np.int64)
    assert run(MEET, y, 6, 1, 5, table=6)
    y[:] = 0
    waiting = threading.Thread(target=run, args=(MEET, y, 3, 1, 1), kwargs={"table": 3})
    waiting.start()
    wait_until(lambda: y[0] == 2)  # the caller and one helper
    time.sleep(0.2)  # the others have looked by now
    begun = int(y[0])
    y[0] = 3  # lets them go
    waiting.join()
    team.box.view(np.int64)[SPIN] = 0
    assert begun == 2


def test_each_thread_has_scratch_memory_of_its_own():
    for helpers in (1, 2, 5):
        y = np.zeros(2 + helpers, np.int64)
        assert run(SCRATCHES, y, 1 + helpers, 1, helpers, table=1 + helpers)
        found = np.sort(y[1:])
        assert np.diff(found).tolist() == [64] * helpers
        assert found[0] % 64 == 0


def test_what_raises_is_reported_and_the_rest_is_done():
    y = np.zeros(100, np.int64)
    assert not run(RAISE, y, 100, 1, 2, table=50)
    assert y.sum() == 99
    assert run(RAISE, y, 100, 1, 2, table=100)
    assert y.sum() == 199


def test_another_call_finds_the_threads_busy(team):
    y = np.zeros(2, np.int64)
    holding = threading.Thread(target=run, args=(HOLD, y, 1, 1, 1))
    holding.start()
    try:
        wait_until(lambda: y[0] == 1)
        assert not team.taken.acquire(blocking=False)
        assert not run(ADD, np.zeros(9, np.int64), 9, 1, 1)
    finally:
        y[1] = 1
        holding.join()
    assert run(ADD, np.zeros(9, np.int64), 9, 1, 1)
    assert team.taken.acquire(blocking=False)
    assert not run(ADD, np.zeros(9, np.int64), 9, 1, 1)
    team.taken.release()


def test_many_callers_at_once():
    def call(i):
        y = np.zeros(300, np.int64)
        done = run(ADD, y, 300, 7, i % 4)
        return not y.any() if not done else np.array_equal(y, np.arange(300))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(400)))


def test_scratch_memory_is_lent_and_taken_back():
    workers.idle.clear()
    small = workers.borrow(100)
    assert small.size >= 100
    assert small.ctypes.data % 4096 == 0
    workers.give_back(small)
    assert workers.borrow(50) is small
    workers.give_back(small)
    large = workers.borrow(10_000)
    assert large.size >= 10_000
    assert workers.idle == []
    workers.give_back(large)
    assert workers.borrow(0) is large


class Stop(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
def test_an_interrupt_at_any_instruction_loses_nothing(team):
    def stop(*_):
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    rng, stopped, y = np.random.default_rng(0), 0, np.zeros(300, np.int64)
    run(ADD, y, 300, 3, 2)
    try:
        for _ in range(2000):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 3e-4))
                while True:
                    run(ADD, y, 300, 3, 2)
            except Stop:
                stopped += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert stopped == 2000
    assert team.taken.acquire(blocking=False)
    team.taken.release()
    assert field(team, ALIVE) == field(team, STARTED) == 2
    y[:] = 0
    assert run(MEET, y, 3, 1, 2, table=3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_has_threads_of_its_own():
    y = np.zeros(2, np.int64)
    held = threading.Thread(target=run, args=(HOLD, y, 1, 1, 1))
    held.start()
    wait_until(lambda: y[0] == 1)
    child = os.fork()
    if child == 0:  # the mailbox of the parent stays taken for ever, and nobody is there to help
        z = np.zeros(1, np.int64)
        os._exit(0 if run(MEET, z, 3, 1, 2, table=3) and z[0] == 3 else 1)
    y[1] = 1
    held.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run(ADD, np.zeros(9, np.int64), 9, 1, 1)


def process(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


FORK_WHILE_COMPILING = """
import os, threading
import numba.core.compiler_lock
from tinytensor.kernels import declare
lock = getattr(*{lock})
begun, may_end = threading.Event(), threading.Event()

def compiles():
    with lock:
        begun.set()
        may_end.wait()

threading.Thread(target=compiles, daemon=True).start()
begun.wait()
threading.Timer(0.1, may_end.set).start()
child = os.fork()
if child == 0:
    threading.Timer(10, os._exit, (1,)).start()
    thread = threading.Thread(target=lock.__enter__)  # any other thread of the child
    thread.start()
    thread.join()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("lock", ["(numba.core.compiler_lock, 'global_compiler_lock')", "(declare, 'lock')"])
def test_a_fork_waits_for_a_compilation(lock):
    done = process(FORK_WHILE_COMPILING.format(lock=lock), PYTHONWARNINGS="ignore")
    assert done.stdout == "0\n", done.stderr


FORK_WHILE_PLANNING = """
import os, threading
from tinytensor.inference import revision
from tinytensor.kernels import declare

taken, forking = threading.Event(), threading.Event()

def plans():
    with revision.lock:
        taken.set()
        forking.wait()
        with declare.lock:
            pass

threading.Thread(target=plans, daemon=True).start()
taken.wait()
threading.Timer(0.1, forking.set).start()  # while the fork waits for the first of the two locks
threading.Timer(20, os._exit, (2,)).start()
child = os.fork()
if child == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_waits_for_a_plan_that_loads_kernels():
    done = process(FORK_WHILE_PLANNING, PYTHONWARNINGS="ignore")
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


def test_without_a_thread_a_caller_works_alone():
    code = """
import ctypes
from tinytensor.kernels import load
refuse = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)(lambda function, argument: -1)
load.ADDRESSES["PyThread_start_new_thread"] = ctypes.cast(refuse, ctypes.c_void_p).value
import numpy as np
from tests.test_workers import ADD, ALIVE, STARTED, field, run
from tinytensor import threads
y = np.zeros(1000, np.int64)
for _ in range(3):
    assert run(ADD, y, 1000, 10, 5)
assert np.array_equal(y, 3 * np.arange(1000))
print(field(threads.team, STARTED), field(threads.team, ALIVE))
"""
    done = process(code)
    assert done.stdout == "0 0\n", done.stderr


WORK = """
import atexit, time
import numpy as np
from tests.test_workers import ADD, ALIVE, field, run
from tinytensor import threads
atexit.register(lambda: print(field(threads.team, ALIVE)))  # runs after what is registered later
run(ADD, np.zeros(1000, np.int64), 1000, 1, 63)
"""


@pytest.mark.parametrize("then", ["", "time.sleep(0.2)"])  # while helpers spin, and while they sleep
def test_threads_end_with_the_process(then):
    done = process(WORK + then)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n", "", 0)
