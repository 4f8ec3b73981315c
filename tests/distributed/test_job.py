"""Inputs of any size, scored by a cluster: every input and output, and every way to be cut off."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from benchmarks.scale_faults import servers
from tests.distributed.layers import Hungry, Poisoned, Slow
from tinytensor import cli
from tinytensor.distributed.cluster import connected

dask = pytest.importorskip("dask")
pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
zarr = pytest.importorskip("zarr")
parquet = pytest.importorskip("pyarrow.parquet")
arrow = pytest.importorskip("pyarrow")

IMAGES = tt.datasets.mnist("sample")[0]
ROWS = IMAGES.reshape(1000, 784)
MODEL = tt.models.mnist_mlp()
EXPECTED = MODEL.predict(IMAGES)
score = tt.distributed.score
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def save_zarr(path, rows=ROWS, chunk=64):
    zarr.create_array(path, shape=rows.shape, dtype=rows.dtype, chunks=(chunk, *rows.shape[1:]))[:] = rows


def save_stack(path):
    os.mkdir(path)
    for number in range(11):
        np.save(f"{path}/{number}.npy", ROWS[number * 91 : (number + 1) * 91])


def save_parquet(path, rows=ROWS):
    columns = {f"p{i}": rows[:, i] for i in range(784)}
    parquet.write_table(arrow.table({"label": ["x"] * len(rows), **columns}), path, row_group_size=90)


def save_folder(path):
    os.mkdir(path)
    for number in range(3):
        save_parquet(f"{path}/part.{number}.parquet", ROWS[number * 400 : (number + 1) * 400])


INPUTS = {
    "x.npy": lambda path: np.save(path, IMAGES),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(ROWS)),
    "x.zarr": save_zarr,
    "images.zarr": lambda path: save_zarr(path, IMAGES, 100),
    "x": save_stack,
    "x.parquet": save_parquet,
    "folder.parquet": save_folder,
}


def outputs(path):
    """What a file of any kind holds."""
    if path.endswith(".npy"):
        return np.load(path)
    if path.endswith(".zarr"):
        return zarr.open_array(path, mode="r")[:]
    return dask.array.from_npy_stack(path).compute(scheduler="sync")


@pytest.mark.parametrize("name", INPUTS)
def test_every_input(cluster, name):
    INPUTS[name](name)
    drop = ["label"] if "parquet" in name else []
    done = score(MODEL, name, "y.npy", cluster.scheduler_address, rows=130, drop=drop)
    assert done.rows == 1000
    assert done.partitions >= 1000 / 130
    assert np.load("y.npy").tobytes() == EXPECTED.tobytes()
    assert sorted(os.listdir()) == sorted([name, "y.npy"])


@pytest.mark.parametrize("name", ["y.npy", "y.zarr", "y"])
def test_every_output(cluster, name):
    np.save("x.npy", IMAGES)
    assert score(MODEL, "x.npy", name, cluster.scheduler_address, rows=130) == (1000, 8, 0)
    assert outputs(name).tobytes() == EXPECTED.tobytes()
    with pytest.raises(tt.ArgumentError, match=r"y.*: exists already; --force replaces it"):
        score(MODEL, "x.npy", name, cluster.scheduler_address)
    score(MODEL, "x.npy", name, cluster.scheduler_address, force=True)
    assert outputs(name).tobytes() == EXPECTED.tobytes()


@pytest.mark.parametrize("classes", [10, 1])
def test_parquet_has_classes_and_scores(cluster, classes):
    model = MODEL if classes == 10 else tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255), tt.Linear(784, 1))
    np.save("x.npy", IMAGES)
    score(model, "x.npy", "y.parquet", cluster.scheduler_address, rows=300)
    table = arrow.concat_tables(parquet.read_table(f"y.parquet/part.{i}.parquet") for i in range(4))
    expected = model.predict(IMAGES)
    assert table["row"].to_pylist() == list(range(1000))
    if classes == 1:
        assert np.array_equal(table["output"].to_numpy(), expected[:, 0])
    else:
        assert np.array_equal(table["class"].to_numpy(), expected.argmax(1))
        assert np.array_equal(table["score"].to_numpy(), expected.max(1))


def test_pixels_are_rescaled_for_a_model_that_does_not(cluster):
    model = tt.Sequential(tt.Linear(784, 3, seed=0))
    np.save("x.npy", IMAGES)
    score(model, "x.npy", "y.npy", cluster.scheduler_address, rows=300, batch_size=7)
    assert np.load("y.npy").tobytes() == model.predict(ROWS.astype(np.float32) / np.float32(255)).tobytes()


def finish_later(model, scheduler, **options):
    """Start a job in a thread; what it raises ends in the list."""
    raised = []

    def run():
        try:
            score(model, "x.npy", "y.npy", scheduler, **options)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.01)


def done_parts():
    folder = Path("y.npy.unfinished/done")
    try:
        return {each.name: each.stat().st_mtime_ns for each in folder.iterdir()}
    except FileNotFoundError:  # not begun, or finished meanwhile
        return {}


def test_a_worker_is_killed_while_it_computes(client):
    np.save("x.npy", IMAGES)
    model = tt.Sequential(Slow(0.1), *MODEL)
    thread, raised = finish_later(model, client.scheduler.address, rows=50)
    wait_for(lambda: len(done_parts()) >= 2)
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    thread.join()
    assert not raised
    assert np.load("y.npy").tobytes() == EXPECTED.tobytes()
    client.wait_for_workers(2, timeout=60)


def test_a_poison_partition_is_named_and_the_job_resumed(cluster):
    x = np.ones((100, 3), np.float32)
    x[57] = 9
    np.save("x.npy", x)
    with pytest.raises(
        tt.PartitionError, match=r"^partition 5, rows 50 to 59: ValueError: found a number above 5"
    ):
        score(Poisoned(5.0), "x.npy", "y.npy", cluster.scheduler_address, rows=10)
    before = done_parts()
    assert "5" not in before
    assert not Path("y.npy").exists()
    with pytest.raises(
        tt.ArgumentError, match=r"y\.npy\.unfinished: is what is left of another job.* other model;"
    ):
        score(Poisoned(50.0), "x.npy", "y.npy", cluster.scheduler_address, rows=10)
    with pytest.raises(tt.ArgumentError, match="other rows; remove it"):
        score(Poisoned(5.0), "x.npy", "y.npy", cluster.scheduler_address, rows=20)
    x[57] = 1
    stamp = os.stat("x.npy")
    np.save("x.npy", x)
    with pytest.raises(tt.ArgumentError, match="other input; remove it"):
        score(Poisoned(5.0), "x.npy", "y.npy", cluster.scheduler_address, rows=10)
    os.utime("x.npy", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    done = score(Poisoned(5.0), "x.npy", "y.npy", cluster.scheduler_address, rows=10)
    assert done[:2] == (100, 10)
    assert len(before) <= done.resumed < 10  # partitions that were on their way end after the error
    assert (np.load("y.npy") == 1).all()


def test_a_damaged_file_is_named(cluster):
    save_zarr("x.zarr", chunk=100)
    chunk = Path("x.zarr/c/3/0")
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(tt.PartitionError, match=r"^partition 3, rows 300 to 399: "):
        score(MODEL, "x.zarr", "y.npy", cluster.scheduler_address, rows=100)


def test_a_worker_that_needs_more_memory_than_its_limit():
    x = np.ones((60, 3), np.float32)
    x[45] = 9
    np.save("x.npy", x)
    settings = {"distributed.scheduler.allowed-failures": 0}
    with dask.config.set(settings), distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=60,
        memory_limit="700MB",
    ) as cluster:  # fmt: skip
        with pytest.raises(
            tt.PartitionError, match=r"partition 4, rows 40 to 49(:| or ).*the workers .* died.*--rows"
        ):
            score(Hungry(5.0), "x.npy", "y.npy", cluster.scheduler_address, rows=10)
        assert set(done_parts()) <= {"0", "1", "2", "3", "5"}


def test_the_scheduler_is_lost_and_the_job_resumed(cluster):
    np.save("x.npy", IMAGES)
    model = tt.Sequential(Slow(0.1), *MODEL)
    with servers(Path.cwd(), workers=1) as (started, address):
        thread, raised = finish_later(model, address, rows=50)
        wait_for(lambda: len(done_parts()) >= 3)
        started[0].kill()
        thread.join()
    assert isinstance(raised[0], tt.ArgumentError)
    assert "the Dask scheduler was lost; what was written is kept" in str(raised[0])
    before = done_parts()
    assert 3 <= len(before) < 20
    seen = dict(before)

    def note():
        while thread.is_alive():
            seen.update(done_parts())
            time.sleep(0.005)

    thread, raised = finish_later(model, cluster.scheduler_address, rows=50)
    note()
    assert not raised
    assert {name: seen[name] for name in before} == before  # not written again
    assert np.load("y.npy").tobytes() == EXPECTED.tobytes()


@pytest.mark.parametrize("method", ["submit", "nthreads"])
def test_the_scheduler_is_lost_while_partitions_are_handed_out(monkeypatch, method):
    np.save("x.npy", IMAGES)
    called = getattr(distributed.Client, method)
    with servers(Path.cwd(), workers=1) as (started, address):

        def lose(client, *arguments, **options):
            started[0].kill()
            wait_for(lambda: client.status != "running")
            return called(client, *arguments, **options)

        monkeypatch.setattr(distributed.Client, method, lose)
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "5s"}),
            pytest.raises(tt.ArgumentError, match="the Dask scheduler was lost; what was written is kept"),
        ):
            score(MODEL, "x.npy", "y.npy", address, rows=50)


def test_a_lost_worker_of_our_own_has_time_to_start_again():
    """With Dask's 15 seconds, the second of two losses so far apart left a job without its workers."""
    with connected("local[1]"):
        assert dask.utils.parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout")) > 3600


def test_nobody_answers():
    np.save("x.npy", IMAGES)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(tt.ArgumentError, match="no Dask scheduler answers"),
    ):
        score(MODEL, "x.npy", "y.npy", "tcp://127.0.0.1:9")


def run(capsys, *arguments, status=0):
    assert cli.main(["predict", *arguments]) == status
    return capsys.readouterr()


def test_the_command_with_workers_of_its_own(capsys, monkeypatch):
    save_parquet("x.parquet")
    monkeypatch.setattr("tinytensor.commands.predict.on_a_terminal", lambda: True)
    given = [
        "--dask",
        "local[1]",
        "mnist_mlp",
        "x.parquet",
        "-o",
        "y.npy",
        "--drop",
        "label",
        "--rows",
        "200",
    ]
    out = run(capsys, *given).out
    assert "predicting" in out
    assert "1000/1000" in out
    assert "1,000 samples in 6 partitions → y.npy in " in out
    assert np.load("y.npy").tobytes() == EXPECTED.tobytes()


def test_the_command_with_a_cluster(capsys, cluster):
    np.save("x.npy", IMAGES)
    out = run(capsys, "--dask", cluster.scheduler_address, "mnist_mlp", "x.npy", "-o", "y", "--json").out
    assert json.loads(out)["partitions"] == 1
    assert outputs("y").tobytes() == EXPECTED.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dask", "local", "x.npy"], "--dask: expected one INPUT and -o OUT, got 1 and no -o"),
        (["--dask", "local", "x.npy", "x.npy", "-o", "y.npy"], "got 2 and -o y.npy"),
        (
            ["--dask", "local", "x.npy", "-o", "y.npy", "--invert"],
            "expected one INPUT and -o OUT, not --invert",
        ),
        (["--dask", "local", "x.npy", "-o", "y.npy", "--size", "28,28"], "not --size"),
        (["--dask", "here", "x.npy", "-o", "y.npy"], "expected the address of a Dask scheduler"),
        (["--dask", "local", "x.npy", "-o", "y.csv"], "y.csv: expected a name that ends in .npy, .zarr"),
        (["--dask", "local", "x.csv", "-o", "y.npy"], "x.csv: there is no such file or folder"),
        (["--dask", "local", ".", "-o", "y.npy"], ".: expected .npy, .parquet, a Zarr array"),
        (["x.npy", "-o", "y.npy", "--rows", "3"], "--rows: expected with --dask only"),
    ],
)
def test_arguments_that_do_not_fit(capsys, arguments, message):
    os.mkdir("empty")
    np.save("x.npy", IMAGES)
    arguments = ["empty" if each == "." else each for each in arguments]
    assert message.replace(".: ", "empty: ") in run(capsys, "mnist_mlp", *arguments, status=2).err
    assert not Path("y.npy").exists()


def test_partitions_of_different_lengths_and_zarr(cluster):
    save_stack("x")
    score(MODEL, "x", "y.zarr", cluster.scheduler_address)
    assert outputs("y.zarr").tobytes() == EXPECTED.tobytes()
    np.save("x/3.npy", ROWS[:90])
    with pytest.raises(tt.ArgumentError, match="the partitions of the input differ in length"):
        score(MODEL, "x", "z.zarr", cluster.scheduler_address)


CRASHING = """
import sys
import tinytensor as tt
from benchmarks.scale_faults import servers
from tests.distributed.layers import Slow
if __name__ == "__main__":
    model = tt.Sequential(Slow(0.1), *tt.models.mnist_mlp())
    tt.distributed.score(model, "x.npy", "y.npy", "local[2]", rows=50)
"""


def test_the_client_is_killed_and_the_job_resumed(cluster):
    """Its workers end by themselves."""
    psutil = pytest.importorskip("psutil")
    np.save("x.npy", IMAGES)
    Path("job.py").write_text(CRASHING)
    process = subprocess.Popen([sys.executable, "job.py"], env={**os.environ, "PYTHONPATH": str(ROOT)})
    wait_for(lambda: len(done_parts()) >= 3)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert workers
    assert not psutil.wait_procs(workers, timeout=60)[1]
    before = done_parts()
    model = tt.Sequential(Slow(0.1), *MODEL)
    done = score(model, "x.npy", "y.npy", cluster.scheduler_address, rows=50)
    assert 3 <= len(before) == done.resumed < done.partitions == 20
    assert np.load("y.npy").tobytes() == EXPECTED.tobytes()
