"""Prediction on Dask collections, with the schedulers of one machine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.distributed.layers import Counted, Poisoned, Two

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
dask = pytest.importorskip("dask")
pandas = pytest.importorskip("pandas")

IMAGES = tt.datasets.mnist("sample")[0][:300]
ROWS = IMAGES.reshape(len(IMAGES), 784)
MODEL = tt.models.mnist_mlp()
EXPECTED = MODEL.predict(IMAGES)


def poisonous(block, block_info=None):
    """Ones, and a two in row 5 of all."""
    first, last = block_info[0]["array-location"][0]
    found = np.ones_like(block)
    found[(np.arange(first, last) == 5).nonzero()] = 2
    return found


def test_nothing_is_computed_before_it_is_asked_for():
    def fail(block):
        raise AssertionError("computed")

    x = da.ones((10, 28, 28), chunks=(4, 14, 28), dtype=np.uint8).map_blocks(
        fail, meta=np.empty((0, 0, 0), "u1")
    )
    y = MODEL.predict(x)
    assert isinstance(y, da.Array)
    assert (y.shape, y.dtype, y.chunks) == ((10, 10), np.float32, ((4, 4, 2), (10,)))
    assert (y._meta.shape, y._meta.dtype) == ((0, 0), np.float32)
    with pytest.raises(AssertionError, match="computed"):
        y.compute(scheduler="sync")


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.booleans())
def test_bits_do_not_depend_on_the_blocks(sizes, flat):
    samples = (ROWS if flat else IMAGES)[: sum(sizes)]
    x = da.from_array(samples, chunks=(tuple(sizes), *((-1,) * (samples.ndim - 1))))
    y = MODEL.predict(x)
    assert y.chunks == (tuple(sizes), (10,))
    assert y.compute(scheduler="sync").tobytes() == EXPECTED[: sum(sizes)].tobytes()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_bits_do_not_depend_on_the_scheduler(scheduler):
    y = MODEL.predict(da.from_array(IMAGES, chunks=(77, 28, 10)))
    with dask.config.set(scheduler=scheduler, num_workers=2):
        assert y.compute().tobytes() == EXPECTED.tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_the_dtype_is_known_before(dtype):
    x = ROWS[:9].astype(dtype)
    y = MODEL.predict(da.from_array(x, chunks=4))
    expected = MODEL.predict(x)
    assert y.dtype == expected.dtype
    assert y.compute(scheduler="sync").tobytes() == expected.tobytes()


def test_several_inputs_and_outputs():
    a, b = np.arange(12, dtype=np.float32).reshape(6, 2), np.ones((6, 2), np.float32)
    x, y = da.from_array(a, chunks=(4, 1)), da.from_array(b, chunks=(4, 2))
    sums, products = Two().predict((x, y))
    assert (sums.shape, products.shape) == ((6, 2), (6,))
    expected = Two().predict((a, b))
    assert all(
        np.array_equal(one, other) for one, other in zip(dask.compute(sums, products), expected, strict=True)
    )
    assert np.array_equal(Two().predict({"b": y, "a": x})[0].compute(), expected[0])
    with pytest.raises(
        tt.ShapeError, match=r"same blocks of samples of each input, got \[\(4, 2\), \(3, 3\)\]"
    ):
        Two().predict((x, y.rechunk((3, 2))))


def test_blocks_of_unknown_length():
    x = da.from_array(ROWS, chunks=(100, -1))
    some = x[x[:, 400] > 100]
    y = MODEL.predict(some)
    assert np.isnan(y.shape[0])
    assert y.compute(scheduler="sync").tobytes() == EXPECTED[ROWS[:, 400] > 100].tobytes()


def test_a_layer_that_cannot_be_traced():
    y = Poisoned(3.0).predict(da.ones((5, 7), chunks=(2, 7), dtype=np.float32))
    assert (y.shape, y.dtype) == ((5, 7), np.float32)
    assert (y.compute() == 1).all()


def test_a_later_change_of_the_model_is_not_seen():
    model = tt.Sequential(tt.Linear(2, 1, bias=False))
    model[0].weight = [[1.0, 2.0]]
    y = model.predict(da.ones((3, 2), chunks=(1, 2), dtype=np.float32))
    model[0].weight = [[5.0, 5.0]]
    assert y.compute().tolist() == [[3.0]] * 3


def test_a_class_of_the_main_program_travels():
    namespace = {"tt": tt, "__name__": "__main__"}
    exec("class Local(tt.Layer):\n    def forward(self, x):\n        return x * 3.0", namespace)
    y = namespace["Local"]().predict(da.ones((4, 2), chunks=(2, 2), dtype=np.float32))
    assert (y.compute(scheduler="processes", num_workers=1) == 3).all()


def test_the_model_travels_once_to_each_process(tmp_path):
    file = tmp_path / "unpickled"
    y = Counted(file).predict(da.ones((40, 3), chunks=(1, 3), dtype=np.float32))
    assert (y.compute(scheduler="threads") == 2).all()
    assert len(file.read_text().split()) == 1
    file.unlink()
    assert (y.compute(scheduler="processes", num_workers=2) == 2).all()
    # one process unpickles it from the graph, this one its answer, then each process the file
    assert 1 <= len(file.read_text().split()) <= 4


def test_the_graph_holds_the_model_once():
    cloudpickle = pytest.importorskip("cloudpickle")
    model = tt.Sequential(tt.Linear(784, 512), tt.relu, tt.Linear(512, 10))
    size = 4 * 784 * 512
    small, large = (
        len(cloudpickle.dumps(dict(model.predict(da.ones((n, 784), chunks=(1, 784))).__dask_graph__())))
        for n in (2, 50)
    )
    assert size < small < large < 1.2 * size


@pytest.mark.parametrize("sample", [(784,), (28, 28)], ids=str)
def test_a_block_is_made_and_predicted_by_one_task(sample):
    x = da.ones((10, *sample), chunks=(2, *sample), dtype="float32") * 2
    y = tt.models.mnist_mlp().predict(x)
    (fused,) = dask.optimize(y)
    assert len(dict(fused.__dask_graph__())) == 5 + 1  # and the model
    assert y.chunks == ((2,) * 5, (10,))


def test_an_error_names_the_block_and_its_rows():
    x = da.zeros((9, 3), chunks=(4, 3), dtype=np.float32).map_blocks(poisonous, dtype=np.float32)
    with pytest.raises(
        tt.PartitionError, match=r"^block 1, rows 4 to 7: ValueError: found a number above 1\.5"
    ):
        Poisoned(1.5).predict(x).compute()
    unknown = x[x[:, 0] > 0]
    with pytest.raises(tt.PartitionError, match=r"^block 1: ValueError: found a number above 1\.5"):
        Poisoned(1.5).predict(unknown).compute()


def test_samples_that_do_not_fit_are_refused_before_anything_is_computed():
    with pytest.raises(tt.ShapeError, match=r"expected \(batch, 784\)"):
        MODEL.predict(da.ones((10, 783), chunks=5))
    x = da.from_array(ROWS, chunks=100)
    unknown = x[:, x.any(axis=0)]
    with pytest.raises(tt.ShapeError, match="known shape"):
        MODEL.predict(unknown)
    with pytest.raises(tt.DtypeError, match="expected a Dask array or DataFrame, got Delayed"):
        MODEL.predict(dask.delayed(ROWS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out": np.empty((5, 10), np.float32)}, "out and progress"),
        ({"progress": True}, "out and progress"),
        ({"threads": 0}, "threads"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(tt.ArgumentError, match=message):
        MODEL.predict(da.ones((5, 784), chunks=5), **arguments)


def test_frames():
    frame = pandas.DataFrame(ROWS, index=np.arange(len(ROWS)) * 10)
    y = MODEL.predict(dd.from_pandas(frame, npartitions=4))
    assert list(y.columns) == [f"y{i}" for i in range(10)]
    assert set(y.dtypes) == {np.dtype(np.float32)}
    assert y.npartitions == 4
    found = y.compute(scheduler="sync")
    assert (found.index == frame.index).all()
    assert found.to_numpy().tobytes() == EXPECTED.tobytes()
    assert y.compute(scheduler="processes", num_workers=1).equals(found)


def test_frames_that_do_not_fit():
    frame = dd.from_pandas(pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), npartitions=1)
    with pytest.raises(tt.DtypeError, match="column 'b': expected numbers, got"):
        tt.Sequential(tt.relu).predict(frame)
    with pytest.raises(tt.ShapeError, match=r"for a DataFrame, got \('n', 1, 2\)"):
        tt.Sequential(tt.Reshape((1, 2))).predict(frame[["a", "a"]])
    numbers = dd.from_pandas(pandas.DataFrame({"a": [1.0, 2.0, 9.0, 1.0]}, index=[3, 4, 7, 8]), npartitions=2)
    with pytest.raises(
        tt.PartitionError, match=r"^partition 1, index 7 to 8: ValueError: found a number above"
    ):
        Poisoned(5.0).predict(numbers).compute()


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's, of pandas
def test_zarr_npy_stacks_and_parquet(tmp_path):
    zarr = pytest.importorskip("zarr")
    stored = zarr.create_array(str(tmp_path / "x.zarr"), shape=ROWS.shape, dtype=ROWS.dtype, chunks=(64, 784))
    stored[:] = ROWS
    y = MODEL.predict(da.from_zarr(str(tmp_path / "x.zarr")))
    y.to_zarr(str(tmp_path / "y.zarr"))
    assert zarr.open_array(str(tmp_path / "y.zarr"))[:].tobytes() == EXPECTED.tobytes()
    da.to_npy_stack(str(tmp_path / "x"), da.from_array(ROWS, chunks=(90, -1)))
    da.to_npy_stack(str(tmp_path / "y"), MODEL.predict(da.from_npy_stack(str(tmp_path / "x"))))
    assert (
        np.concatenate([np.load(tmp_path / "y" / f"{i}.npy") for i in range(4)]).tobytes()
        == EXPECTED.tobytes()
    )
    frame = pandas.DataFrame(ROWS, columns=[f"p{i}" for i in range(784)])
    dd.from_pandas(frame, npartitions=3).to_parquet(str(tmp_path / "x.parquet"))
    MODEL.predict(dd.read_parquet(str(tmp_path / "x.parquet"))).to_parquet(str(tmp_path / "y.parquet"))
    assert pandas.read_parquet(tmp_path / "y.parquet").to_numpy().tobytes() == EXPECTED.tobytes()


def test_without_dask_the_extra_is_named(monkeypatch):
    x = da.ones((5, 784), chunks=5)
    monkeypatch.setitem(__import__("sys").modules, "dask.array", None)
    with pytest.raises(tt.MissingExtra, match=r"tinytensor-nn\[dask\]"):
        MODEL.predict(x)
