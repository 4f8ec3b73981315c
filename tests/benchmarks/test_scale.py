"""The model of a cluster, on paper and simulated, and the report of what was measured."""

import math
from dataclasses import replace

import pytest

from benchmarks.cluster_model import CASES, Job, on_paper, simulated, turning_point

scale = pytest.importorskip("benchmarks.scale", exc_type=ImportError)

SMALL = Job(
    rows=1e6, partition_rows=1e4, machines=4, workers=2, row_seconds=1e-5, row_bytes=100.0, link=1e6,
    store=3e6, slow_machines=0.0,
)  # fmt: skip


def test_one_worker_does_one_thing_after_the_other():
    job = replace(SMALL, machines=1, workers=1, store=1e9)
    tasks = 100
    each = job.task_seconds + 1e4 * 100 / 1e6 + 1e4 * 1e-5
    # the start is drawn from 1 to 1.2 times what it is on paper; sums of 300 terms round by less than 1e-9
    assert job.start + tasks * each - 1e-9 <= simulated(job) <= 1.2 * job.start + tasks * each + 1e-9


@pytest.mark.parametrize("slow", [0.0, 0.5])
@pytest.mark.parametrize("store", [1e5, 3e6, 1e9])
def test_the_simulation_takes_at_least_what_bounds_it(slow, store):
    job = replace(SMALL, store=store, slow_machines=slow)
    parts = on_paper(job)
    assert simulated(job) >= max(parts["compute"], parts["storage"], parts["scheduler"])


def test_the_turning_point_is_where_both_parts_are_equal():
    job = replace(SMALL, row_seconds=turning_point(SMALL))
    parts = on_paper(job)
    assert math.isclose(parts["compute"], parts["storage"])
    assert len(CASES) > 5


def test_the_report():
    times = {"local": [1.0, 1.0], "one worker": [1.05, 1.05], "two workers": [0.525, 0.525]}
    figures = {
        "efficiency": {"net": {"tasks": 10, "seconds": times, "CPU seconds": times}},
        "starts": {"cold": [5.0], "warm": [0.1], "task": 0.001},
        "memory": {
            "rows": 10, "partitions": 2, "seconds": 1.0, "wrong": 0, "bytes before": 10**8,
            "most bytes of a worker": 2 * 10**8, "bound": 3 * 10**8,
        },
        "faults": {
            "jobs": 1, "workers killed": 1, "schedulers killed": 2, "clients killed": 3, "resumed": 4,
            "rows": 5, "wrong": 0,
        },
    }  # fmt: skip
    lines = list(scale.report(figures))
    assert "| net | 1.000 | 1.05 [1.05, 1.05] | 1.05 [1.05, 1.05] | 2.00 [2.00, 2.00] |" in lines
    assert any("5 rows, 0 wrong" in line for line in lines)
