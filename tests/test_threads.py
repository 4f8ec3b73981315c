"""How many threads: affinity, and quotas of control groups, nested ones included."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import threads
from tinytensor.kernels.mailbox import SPIN


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Mounted control groups; writes files there, and says to which groups this process belongs."""
    root, own = tmp_path / "cgroup", tmp_path / "own"
    root.mkdir()
    monkeypatch.setattr(threads, "GROUPS", root)
    monkeypatch.setattr(threads, "OWN_GROUPS", own)

    def write(path, text):
        file = root / path if path else own
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


def test_no_groups_and_no_quota(groups):
    assert threads.quotas() == []
    groups("cpu.max", "max 100000\n")
    assert threads.quotas() == []
    groups("", "0::/\n")
    assert threads.quotas() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("150000 100000", [2]),
        ("100000 100000", [1]),
        ("1000 100000", [1]),
        ("-1 100000", []),
        ("0 0", []),
        ("x", []),
    ],
)
def test_a_quota_of_the_root(groups, text, expected):
    groups("cpu.max", text)
    assert threads.quotas() == expected


def test_the_tightest_of_nested_groups_counts(groups, monkeypatch):
    groups("", "0::/system/service/worker\n")
    groups("system/cpu.max", "800000 100000\n")
    groups("system/service/cpu.max", "300000 100000\n")
    groups("system/service/worker/cpu.max", "max 100000\n")
    groups("other/cpu.max", "100000 100000\n")
    assert sorted(threads.quotas()) == [3, 8]
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert threads.available_cpus() == 3
    groups("system/service/worker/cpu.max", "50000 100000\n")
    assert threads.available_cpus() == 1


def test_groups_of_version_1(groups):
    groups("", "5:memory:/a\n3:cpu,cpuacct:/a/b\n")
    groups("cpu/cpu.cfs_quota_us", "-1\n")
    groups("cpu/cpu.cfs_period_us", "100000\n")
    groups("cpu/a/cpu.cfs_quota_us", "200000\n")
    groups("cpu/a/cpu.cfs_period_us", "100000\n")
    groups("cpu/a/b/cpu.cfs_quota_us", "400000\n")
    groups("cpu/a/b/cpu.cfs_period_us", "100000\n")
    assert sorted(threads.quotas()) == [2, 4]


def test_in_a_container_the_root_is_the_group(groups):
    groups("", "0::/docker/abc\n")  # the path on the host, which is not mounted here
    groups("cpu.max", "200000 100000\n")
    assert threads.quotas() == [2]
    groups("", "0::/../outside\n")
    assert threads.quotas() == [2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("1", 1), ("3", 3), (" 2 ", 2), ("2,4", 2), ("64", 4), ("0", 4), ("-1", 4), ("many", 4), ("", 4),
     ("9" * 99, 4)],
)  # fmt: skip
def test_openmps_number_is_respected_where_ours_is_not_set(monkeypatch, given, expected):
    monkeypatch.delenv("TINYTENSOR_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "available_cpus", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    threads.default_threads.cache_clear()
    try:
        assert threads.default_threads() == expected
        threads.default_threads.cache_clear()
        monkeypatch.setenv("TINYTENSOR_NUM_THREADS", "7")
        assert threads.default_threads() == 7
    finally:
        threads.default_threads.cache_clear()


@pytest.mark.parametrize(("given", "turns"), [("0", 0), ("1", threads.TURNS), ("", threads.TURNS)])
def test_helpers_sleep_at_once_where_spinning_is_forbidden(monkeypatch, given, turns):
    monkeypatch.setenv("TINYTENSOR_SPIN", given)
    threads.check_environment()
    assert threads.Team().box.view(np.int64)[SPIN] == turns


def test_what_is_neither_0_nor_1_is_refused(monkeypatch):
    monkeypatch.setenv("TINYTENSOR_SPIN", "no")
    with pytest.raises(tt.ArgumentError, match=r"\$TINYTENSOR_SPIN: expected 0 or 1, got 'no'"):
        threads.check_environment()


@pytest.mark.parametrize("given", ["1", " 2 ", str(threads.MOST)])
def test_as_many_threads_as_the_environment_says(monkeypatch, given):
    monkeypatch.setenv("TINYTENSOR_NUM_THREADS", given)
    threads.default_threads.cache_clear()
    try:
        assert threads.default_threads() == int(given)
    finally:
        threads.default_threads.cache_clear()


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "two", str(threads.MOST + 1)])
def test_no_number_of_threads_in_the_environment(monkeypatch, given):
    monkeypatch.setenv("TINYTENSOR_NUM_THREADS", given)
    threads.default_threads.cache_clear()
    try:
        with pytest.raises(tt.ArgumentError, match="expected a number from 1 to 512"):
            threads.default_threads()
    finally:
        threads.default_threads.cache_clear()
