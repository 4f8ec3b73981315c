"""A cluster of Dask for the tests of this folder: a scheduler and two worker processes on this machine."""

import pytest

from tinytensor.distributed.cluster import LOST_WORKER_TIMEOUT


@pytest.fixture(scope="session")
def cluster():
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    with (
        dask.config.set(LOST_WORKER_TIMEOUT),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster):
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client
