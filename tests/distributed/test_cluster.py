"""Prediction on Dask collections by two worker processes."""

import json
import os
import signal
import time
import urllib.request

import numpy as np
import pytest

import tinytensor as tt
from tests.distributed.layers import Counted, Poisoned, Slow

da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")

IMAGES = np.tile(tt.datasets.mnist("sample")[0], (3, 1, 1))
MODEL = tt.models.mnist_mlp()
EXPECTED = MODEL.predict(IMAGES)


def threads_of_a_prediction():
    """How many threads a prediction on one thread adds; Dask may start one of its own meanwhile, once."""
    found = []
    for _ in range(5):
        before = len(os.listdir("/proc/self/task"))
        MODEL.predict(IMAGES, threads=1)
        found.append(len(os.listdir("/proc/self/task")) - before)
    return min(found)


@pytest.mark.parametrize("rows", [1000, 777, 3000])
def test_bits_do_not_depend_on_the_partition(client, rows):
    y = MODEL.predict(da.from_array(IMAGES, chunks=(rows, -1, -1)))
    assert client.compute(y, sync=True).tobytes() == EXPECTED.tobytes()


def test_the_model_travels_once_to_each_worker(client, tmp_path):
    """Not once a task, of which there are 60."""
    file = tmp_path / "unpickled"
    x = da.ones((60, 3), chunks=(1, 3), dtype=np.float32)
    y = Counted(file).predict(x)
    assert (client.compute(y, sync=True) == 2).all()
    workers = file.read_text().split()
    assert len(workers) == len(set(workers)) <= 2


def test_a_task_works_on_one_thread(client):
    assert set(client.run(threads_of_a_prediction).values()) == {0}


def test_a_poison_block_is_named(client):
    x = da.ones((40, 3), chunks=(10, 3), dtype=np.float32)
    x = da.concatenate([x, x * 2, x], axis=0)
    with pytest.raises(tt.PartitionError, match=r"^block [4-7], rows \d+ to \d+: ValueError: found a number"):
        client.compute(Poisoned(1.5).predict(x), sync=True)


def test_a_worker_is_killed_while_it_computes(client):
    x = da.from_array(IMAGES.reshape(-1, 784), chunks=(100, -1))
    y = tt.Sequential(Slow(0.05), *MODEL).predict(x)
    future = client.compute(y)
    pids = client.run(os.getpid)
    time.sleep(0.3)
    assert not future.done()
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    assert future.result().tobytes() == EXPECTED.tobytes()
    client.wait_for_workers(2, timeout=60)


def test_progress_on_the_dashboard(client):
    """What the dashboard draws: tasks of the name predict, of which some are done and others are not."""
    y = Slow(0.02).predict(da.ones((100, 3), chunks=(1, 3), dtype=np.float32))
    host = client.dashboard_link.split("/status")[0]
    assert host.startswith("http://127.0.0.1:")
    future = client.compute(y)
    seen, counted = [], []
    while not future.done():
        states = client.run_on_scheduler(
            lambda dask_scheduler: (
                dict(dask_scheduler.task_prefixes["predict"].states)
                if "predict" in dask_scheduler.task_prefixes
                else {}
            )
        )
        seen.append((states.get("memory", 0) + states.get("released", 0), sum(states.values())))
        with urllib.request.urlopen(f"{host}/json/counts.json", timeout=10) as answer:
            counted.append(json.load(answer)["processing"])
        time.sleep(0.05)
    assert any(0 < done < total == 100 for done, total in seen), seen
    assert any(counted)


def test_servers_listen_on_this_machine_only(cluster):
    psutil = pytest.importorskip("psutil")
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    places = {
        each.laddr.ip
        for process in processes
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }
    assert places == {"127.0.0.1"}
