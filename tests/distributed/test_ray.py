"""Prediction with Ray Data: on a local Ray, and the class by itself."""

import os

import numpy as np
import pytest

import tinytensor as tt
from tests.distributed.layers import Counted, Poisoned, Two
from tests.test_documents import ROOT, blocks

IMAGES = tt.datasets.mnist("sample")[0]
MODEL = tt.models.mnist_mlp()
Predictor = tt.distributed.ray.Predictor


def test_columns_in_and_columns_out():
    x = np.array([[-1.0, 2.0]], np.float32)
    relu = tt.Sequential(tt.relu)
    both = Predictor(relu, "x", output="y", threads=1)({"id": np.array([7]), "x": x})
    assert {name: each.tolist() for name, each in both.items()} == {
        "id": [7],
        "x": x.tolist(),
        "y": [[0.0, 2.0]],
    }
    assert list(Predictor(relu, threads=1, keep=False)({"x": x})) == ["output"]
    ragged = np.empty(1, object)  # as Ray gives what it takes for arrays of several shapes
    ragged[0] = x[0]
    assert Predictor(relu, threads=1)({"x": ragged})["output"].tolist() == [[0.0, 2.0]]


def test_several_inputs_and_outputs():
    a, b = np.ones((2, 3), np.float32), np.full((2, 3), 2, np.float32)
    found = Predictor(Two(), threads=1, keep=False)({"b": b, "a": a})
    assert found["output_0"].tolist() == [[3.0] * 3] * 2
    assert found["output_1"].tolist() == [6.0, 6.0]


def test_a_model_in_a_file(tmp_path):
    MODEL.save(tmp_path / "m.safetensors")
    found = Predictor(str(tmp_path / "m.safetensors"), threads=1)({"x": IMAGES})["output"]
    assert found.tobytes() == MODEL.predict(IMAGES).tobytes()


def test_columns_that_do_not_fit():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(tt.ArgumentError, match="Predictor: no column 'z'; there are a, b"):
        Predictor(tt.Sequential(tt.relu), "z", threads=1)({"a": x, "b": x})
    with pytest.raises(tt.ArgumentError, match="expected columns=… with one of a, b, none was named"):
        Predictor(tt.Sequential(tt.relu), threads=1)({"a": x, "b": x})
    with pytest.raises(tt.PartitionError, match="a batch of 2 rows: ValueError: found a number above 0"):
        Predictor(Poisoned(0.5), threads=1)({"a": x})
    with pytest.raises(tt.ArgumentError, match="Predictor: threads"):
        Predictor(tt.Sequential(tt.relu), threads=0)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(tt.MissingExtra, match=r"tinytensor-nn\[ray\]"):
        Predictor(MODEL)


class Threads(Predictor):
    """Beside the outputs, how many threads worked on them, and where."""

    def __call__(self, batch):
        found = super().__call__(batch)
        count = len(found["output"])
        return {**found, "threads": np.full(count, self.threads), "process": np.full(count, os.getpid())}


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.getcwd())
        ray.init(
            num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
            object_store_memory=100_000_000, _node_ip_address="127.0.0.1",
        )  # fmt: skip
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # Ray's own, of which there are many
@pytest.mark.parametrize(("actors", "cpus"), [(2, 1), (1, 2)])
def test_a_local_ray(ray, tmp_path, actors, cpus):
    file = tmp_path / "unpickled"
    model = tt.Sequential(*MODEL, Counted(file))
    data = ray.data.from_items(
        [{"id": i, "image": image} for i, image in enumerate(IMAGES)], override_num_blocks=7
    )
    done = data.map_batches(
        Threads,
        fn_constructor_args=[model, "image"],
        batch_size=100,
        num_cpus=cpus,
        compute=ray.data.ActorPoolStrategy(size=actors),
    ).take_all()
    assert sorted(row["id"] for row in done) == list(range(len(IMAGES)))
    expected = model.predict(IMAGES)
    assert all(row["output"].tobytes() == expected[row["id"]].tobytes() for row in done)
    assert {row["threads"] for row in done} == {cpus}
    loads = file.read_text().split()
    assert all(loads.count(str(process)) == 1 for process in {row["process"] for row in done})


@pytest.mark.filterwarnings("ignore")
def test_the_code_of_the_page(ray, capsys):
    ((_, code, output),) = [
        each for each in blocks(ROOT / "docs" / "scaling.md", "py") if "ray.data" in each[1]
    ]
    exec(code, {})
    assert capsys.readouterr().out == output
