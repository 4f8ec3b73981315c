"""A profile shows what predict executes."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import tinytensor as tt
from tests.test_plan import CHAPTER, same_bits, samples
from tinytensor.inference import profile as profiling
from tinytensor.inference.profile import Profile, ProfileRow


@pytest.mark.parametrize("n", [1, 100])
def test_a_row_for_each_step(n):
    profile = CHAPTER.profile(samples(np.random.default_rng(0), n, 784), seconds=0)
    names = [row.name.split("(")[0] for row in profile.rows]
    assert names == ["0 Linear", "1 Sigmoid", "2 Linear", "3 Sigmoid", "4 Linear", "5 Softmax"]
    assert sum(profile.shares) == pytest.approx(1)
    assert all(row.seconds >= 0 for row in profile.rows)
    assert profile.seconds > 0
    assert profile.samples == n
    first = profile.rows[0]
    assert first.operations == 2 * n * 784 * 50
    assert first.bytes == 4 * (784 * 50 + 50 + n * 784 + n * 50)
    assert first.gflops > 0
    assert profile.rows[1].gflops == 0


def test_it_prints_as_a_table():
    lines = str(CHAPTER.profile(np.zeros((40, 784), np.float32), seconds=0)).splitlines()
    assert lines[0].split() == ["step", "µs", "share", "GFLOP/s", "bytes"]
    assert lines[-1].startswith("40 samples")
    assert "100.0%" in lines[-1]
    assert len(lines) == 6 + 4


def test_reading_and_rescaling_are_one():
    model = tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255), *CHAPTER)
    images = np.zeros((40, 28, 28), np.uint8)
    profile = model.profile(images, seconds=0)
    assert profile.rows[0].name.startswith("1 Rescale")
    assert len(profile.rows) == 7
    assert profile.rows[0].seconds == 0  # a table of 256 numbers, which the tile reads
    same_bits(model.predict(images), model(images, fused=False))


def test_a_table_of_bytes_is_the_time_of_the_last_layer_in_it():
    weight = np.ones((5, 784), np.int8)
    product = tt.QuantizedLinear(weight, weight_scale=np.full(5, 0.1), input_scale=0.1, output_scale=9.0)
    model = tt.Sequential(tt.Flatten(), tt.Rescale(0.5), tt.Quantize(0.7), product)
    rows = model.profile(np.zeros((40, 28, 28), np.uint8), seconds=0).rows
    names = [row.name.split("(")[0] for row in rows]
    assert names == ["1 Rescale", "2 Quantize", "3 QuantizedLinear"]
    assert [row.seconds > 0 for row in rows] == [False, True, True]


def test_layers_of_ones_own_and_samples_that_do_not_fit_the_driver():
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.Lambda(lambda x: x * 2), tt.Linear(5, 2, seed=1))
    names = [row.name for row in model.profile(np.zeros((3, 6)), seconds=0).rows]
    assert len(names) == 3
    assert names[1].startswith("1 Lambda")
    integers = tt.Tensor(np.zeros((3, 6)), dtype="int64")
    assert len(model.profile(integers, seconds=0).rows) == 3
    with pytest.raises(tt.ShapeError, match=r"Sequential\[0\]"):
        model.profile(np.zeros((3, 7)))


def test_no_samples():
    assert CHAPTER.profile(np.zeros((0, 784)), seconds=0).samples == 0


def test_several_inputs():
    wires = [(["a"], ["h"]), (["h", "b"], ["y"])]
    graph = tt.Graph(["a", "b"], ["y"], [tt.Linear(4, 3, seed=0), tt.Operator("Add")], wires)
    a, b = np.ones((5, 4), np.float32), np.ones((5, 3), np.float32)
    for given in ((a, b), {"b": b, "a": a}):
        profile = graph.profile(given, seconds=0)
        assert profile.samples == 5
        assert profile.rows[0].operations == 2 * 5 * 4 * 3
    with pytest.raises(tt.ArgumentError, match="expected 2 inputs"):
        graph.profile((a, b, b))


@pytest.mark.parametrize("seconds", [0, 1000])
def test_seconds_are_those_of_one_pass(monkeypatch, seconds):
    monkeypatch.setattr(profiling, "time", SimpleNamespace(perf_counter=itertools.count(1).__next__))
    assert CHAPTER.profile(np.zeros((40, 784), np.float32), seconds=seconds).seconds == pytest.approx(1)
    mixed = tt.Sequential(tt.Linear(6, 5, seed=0), tt.Lambda(np.flip), tt.Linear(5, 2, seed=1))
    for x in (np.zeros((3, 6), np.float32), tt.Tensor(np.zeros((3, 6)), dtype="int64")):
        assert [row.seconds for row in mixed.profile(x, seconds=seconds).rows] == [1, 1, 1]
    (row,) = tt.Lambda(np.flip).profile(np.zeros((3, 6)), seconds=seconds).rows
    assert (row.seconds, row.name) == (1, "Lambda(flip)")


def test_bytes_of_layers_that_run_by_themselves():
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.Linear(5, 2, bias=False, seed=1))
    rows = model.profile(tt.Tensor(np.zeros((3, 6)), dtype="int64"), seconds=0).rows
    first = 4 * (6 * 5 + 5) + 8 * 3 * 6 + 8 * 3 * 5  # weights of float32, values of int64 and float64
    assert [row.bytes for row in rows] == [first, 4 * 5 * 2 + 8 * 3 * 5 + 8 * 3 * 2]


def test_shares_and_speeds():
    found = Profile((ProfileRow("a", 1.5, 6_000_000_000, 10), ProfileRow("b", 0.5, 0, 20)), 1000)
    assert [row.gflops for row in found.rows] == [4, 0]
    assert ProfileRow("c", 0.0, 5, 0).gflops == 0
    assert found.shares == (0.75, 0.25)
    assert Profile((ProfileRow("c", 0.0, 5, 0),), 1).shares == (0,)
    assert found.cells == [
        ("step", "µs", "share", "GFLOP/s", "bytes"),
        ("a", "1500000.0", "75.0%", "4.0", "10"),
        ("b", "500000.0", "25.0%", "·", "20"),
        ("1,000 samples", "2000000.0", "100.0%", "3.0", "30"),
    ]


@pytest.mark.parametrize(
    ("layer", "multiply_adds"),
    [
        (tt.Conv2d(2, 3, (2, 3), seed=0), (3 * 3 * 2) * (2 * 2 * 3)),  # outputs, terms of each
        (tt.ConvTranspose2d(2, 3, 2, 2, seed=0), (2 * 4 * 4) * (3 * 2 * 2)),  # inputs, terms
    ],
)
def test_operations_of_convolutions(layer, multiply_adds):
    (row,) = tt.Sequential(layer).profile(np.zeros((5, 2, 4, 4), np.float32), seconds=0).rows
    assert row.operations == 2 * 5 * multiply_adds
