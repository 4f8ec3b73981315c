"""Streams, memory maps, `out=`, threads, processes: predict for what does not fit into one array."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tests.test_plan import CHAPTER, same_bits, samples
from tinytensor.inference import program as program_module

X = samples(np.random.default_rng(0), 3000, 784, 0.5)
EXPECTED = CHAPTER(X, fused=False).numpy()


def test_a_stream_of_batches():
    batches = (X[start : start + 700] for start in range(0, len(X), 700))
    same_bits(CHAPTER.predict(batches), EXPECTED)
    same_bits(np.concatenate(list(CHAPTER.predict_batches(np.array_split(X, 7)))), EXPECTED)
    same_bits(np.concatenate(list(CHAPTER.predict_batches(X, batch_size=999, threads=2))), EXPECTED)
    same_bits(CHAPTER.predict(iter([X[:10].tolist(), tt.Tensor(X[10:20])])), EXPECTED[:20])


def test_predict_batches_asks_for_a_batch_when_it_is_wanted():
    asked = []

    def batches():
        for start in range(0, 300, 100):
            asked.append(start)
            yield X[start : start + 100]

    outputs = CHAPTER.predict_batches(batches())
    assert asked == []
    same_bits(next(outputs), EXPECTED[:100])
    assert asked == [0]


def test_out_is_written_and_returned():
    for out in (
        np.empty((3000, 10), np.float32),
        np.empty((10, 3000), np.float32).T,
        np.empty((6000, 10), "f4")[::2],
    ):
        assert CHAPTER.predict(X, out=out) is out
        same_bits(out, EXPECTED)
        out[:] = 0
        assert CHAPTER.predict(X, batch_size=777, out=out) is out
        same_bits(out, EXPECTED)
        out[:] = 0
        written = CHAPTER.predict(iter([X[:1000], X[1000:2500]]), out=out)
        assert np.shares_memory(written, out)
        same_bits(written, EXPECTED[:2500])
        assert not out[2500:].any()


def test_memory_maps(tmp_path):
    X.tofile(tmp_path / "x")
    x = np.memmap(tmp_path / "x", np.float32, "r", shape=X.shape)
    out = np.memmap(tmp_path / "y", np.float32, "w+", shape=EXPECTED.shape)
    assert CHAPTER.predict(x, out=out) is out
    same_bits(out, EXPECTED)


def test_an_out_that_does_not_fit_is_left_alone():
    small, double = np.zeros((2999, 10), np.float32), np.zeros((3000, 10))
    read_only = np.zeros((3000, 10), np.float32)
    read_only.flags.writeable = False
    for out, error, said in (
        (small, tt.ShapeError, r"expected shape \(3000, 10\), got \(2999, 10\)"),
        (double, tt.DtypeError, "expected float32, got float64"),
        (read_only, tt.ArgumentError, "read-only"),
        ([], tt.DtypeError, "expected an array, got list"),
    ):
        with pytest.raises(error, match=said):
            CHAPTER.predict(X, out=out)
        assert not np.any(out)
    x = X.copy()
    with pytest.raises(tt.ArgumentError, match="shares memory"):
        CHAPTER.predict(x, out=x[:, :10])
    same_bits(x, X)


def test_a_stream_that_breaks_leaves_what_was_written():
    def batches():
        yield X[:1000]
        raise RuntimeError("the disk is gone")

    out = np.zeros((3000, 10), np.float32)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        CHAPTER.predict(batches(), out=out)
    same_bits(out[:1000], EXPECTED[:1000])
    assert not out[1000:].any()


def test_a_stream_longer_than_out_or_empty_is_an_error():
    out = np.zeros((1500, 10), np.float32)
    with pytest.raises(tt.ShapeError, match="room for more than 1500"):
        CHAPTER.predict(iter([X[:1000], X[1000:2000]]), out=out)
    same_bits(out[:1000], EXPECTED[:1000])
    with pytest.raises(tt.ArgumentError, match="at least one batch"):
        CHAPTER.predict(iter([]))


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2", True, 513])
def test_bad_numbers_of_threads(bad):
    with pytest.raises(tt.ArgumentError, match="threads"):
        CHAPTER.predict(X[:2], threads=bad)
    with pytest.raises(tt.ArgumentError, match="set_num_threads"):
        tt.set_num_threads(bad)


def test_set_num_threads():
    before = tt.get_num_threads()
    tt.set_num_threads(3)
    try:
        assert tt.get_num_threads() == 3
        same_bits(CHAPTER.predict(X), EXPECTED)
    finally:
        tt.set_num_threads(None)
    assert tt.get_num_threads() == before


@pytest.mark.parametrize(("given", "said"), [("2", "2"), ("0", "ArgumentError"), ("many", "ArgumentError")])
def test_the_environment_sets_the_number_of_threads(given, said):
    code = """
import tinytensor as tt
try:
    print(tt.get_num_threads())
except tt.ArgumentError as error:
    print(repr(error))
"""
    env = os.environ | {"TINYTENSOR_NUM_THREADS": given}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert printed.stdout.startswith(said)


def test_an_error_on_any_thread_is_raised():
    @tt.activation
    def picky(x):
        if x > 3:
            raise ValueError("too large")
        return x

    model = tt.Sequential(tt.Linear.of(np.eye(100, dtype=np.float32)), picky)
    x = np.ones((5000, 100), np.float32)
    same_bits(model.predict(x, threads=2), x)
    x[4321, 50] = 4
    for threads in (1, 2, 5):
        with pytest.raises(ValueError, match="too large"):
            model.predict(x, threads=threads)
    same_bits(model.predict(x[:4321], threads=2), x[:4321])


def test_long_work_is_done_in_pieces(monkeypatch):
    monkeypatch.setattr(program_module, "PIECE", 784 * 50 * 1000)
    same_bits(copy.deepcopy(CHAPTER).predict(X, threads=2), EXPECTED)


def test_threads_that_slept_wake_up():
    for pause in (0.0, 0.05, 0.2):
        time.sleep(pause)
        same_bits(CHAPTER.predict(X[:300], threads=3), EXPECTED[:300])


def test_a_process_ends_while_threads_spin():
    code = """
import numpy as np, tinytensor as tt
model = tt.Sequential(tt.Linear(100, 100, seed=0))
model.predict(np.ones((5000, 100), np.float32), threads=4)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_many_threads_call_the_same_and_other_models():
    models = [copy.deepcopy(CHAPTER), CHAPTER, tt.Sequential(*CHAPTER)]
    with ThreadPoolExecutor(8) as pool:
        futures = [
            pool.submit(models[i % 3].predict, X[: 100 * (i % 30 + 1)], threads=i % 3 + 1) for i in range(60)
        ]
        for i, future in enumerate(futures):
            same_bits(future.result(), EXPECTED[: 100 * (i % 30 + 1)])


def predict_in_child(model, connection):
    connection.send(model.predict(X, threads=2))
    connection.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_another_process_after_use(method):
    same_bits(CHAPTER.predict(X, threads=2), EXPECTED)
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    child = context.Process(target=predict_in_child, args=(CHAPTER, theirs))
    child.start()
    assert ours.poll(60)
    same_bits(ours.recv(), EXPECTED)
    child.join(60)
    assert child.exitcode == 0


def test_a_pickled_or_copied_model_makes_its_own_plan():
    CHAPTER.predict(X[:1])
    for other in (pickle.loads(pickle.dumps(CHAPTER)), copy.copy(CHAPTER), copy.deepcopy(CHAPTER)):
        assert other._plan is None
        same_bits(other.predict(X), EXPECTED)


@pytest.mark.parametrize("bad", [0, -1, 2.5, True])
def test_bad_sizes_of_batches(bad):
    with pytest.raises(tt.ArgumentError, match="predict_batches: batch_size"):
        CHAPTER.predict_batches(X, batch_size=bad)


class Pair(tt.Layer):
    """The sum and the difference of two inputs."""

    def forward(self, a, b):
        return a + b, a - b


@pytest.mark.parametrize("size", [None, 3, 100])
def test_two_inputs_and_two_outputs_in_one_batch_and_in_several(size):
    a, b = X[:10], X[10:20]
    for found, expected in zip(Pair().predict((a, b), batch_size=size), (a + b, a - b), strict=True):
        same_bits(found, expected)


class Counted(tt.Layer):
    """Notes how many samples it sees at once, those of traces among them."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return x * 2


@pytest.mark.parametrize("sample", [(4,), (2, 3, 3)], ids=str)
@pytest.mark.parametrize("stream", [False, True])
def test_no_more_samples_at_once_than_asked_for(sample, stream):
    x = np.random.default_rng(0).standard_normal((17, *sample)).astype(np.float32)
    layer = Counted()
    y = layer.predict(iter([x[:10], x[10:]]) if stream else x, batch_size=4)
    same_bits(y, x * 2)
    assert not {7, 10, 17} & set(layer.seen)
    assert 4 in layer.seen


@pytest.mark.parametrize("path", ["images.npy", Path("images.npy")])
def test_a_path_is_no_samples(path):
    with pytest.raises(tt.DtypeError, match=r"got the path 'images\.npy'; load it, as np\.load\(path\)"):
        tt.Sequential(tt.relu).predict(path)
