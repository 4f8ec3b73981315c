"""What planted faults in lowering showed to be untested: each program has the bits of layer by layer."""

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import same
from tinytensor.inference.lowering import Lowering
from tinytensor.inference.plan import plan_of
from tinytensor.inference.program import side_by_side
from tinytensor.primitives.definition import Symbol


def agrees(model, x, stages=1):
    """Assert that the model is one program, and gives the bits of layer by layer."""
    y = model.predict(x)
    same(y, model(x, fused=False).numpy())
    form = plan_of(model).form_of([x], [False])
    assert len(form.stages) == stages
    return y


def test_a_byte_of_zero_that_stands_for_another_number_is_not_skipped():
    model = tt.Sequential(tt.Rescale(1 / 255, -0.5), tt.Linear(100, 20, seed=0))
    x = np.random.default_rng(0).integers(0, 256, (50, 100), np.uint8)
    x[:, 30:] = 0  # many zeros, as in digits
    agrees(model, x)


def test_bytes_that_two_operations_read():
    class Twice(tt.Layer):
        def forward(self, x):
            return x * 0.5 + x

    agrees(tt.Sequential(Twice(), tt.Linear(30, 5, seed=0)), np.arange(90, dtype=np.uint8).reshape(3, 30))


@pytest.mark.parametrize("shape", [(5, 3, 4), (5, 1, 1), (1, 3, 4), (5, 3, 1), (3, 4)])
def test_a_constant_of_every_shape_beside_images_whose_channels_lie_last(shape):
    constant = tt.Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))

    class Shifted(tt.Layer):
        def __init__(self):
            self.constant = constant

        def forward(self, x):
            return x + self.constant

    model = tt.Sequential(tt.Conv2d(2, 5, 3, seed=0), Shifted(), tt.relu)
    agrees(model, np.random.default_rng(1).standard_normal((4, 2, 5, 6), np.float32))


@pytest.mark.parametrize("rows", [1, 3, 16, 17, 40])
def test_a_layer_norm_of_sequences(rows):
    model = tt.Sequential(tt.LayerNorm(7), tt.Linear(7, 4, seed=0), tt.tanh)
    agrees(model, np.random.default_rng(0).standard_normal((rows, 6, 7), np.float32))


@pytest.mark.parametrize("rows", [1, 3, 16, 17, 40])
def test_a_layer_norm_of_large_means_and_small_deviations(rows):
    model = tt.Sequential(tt.LayerNorm(7), tt.relu)
    x = 4096 + np.random.default_rng(0).standard_normal((rows, 7), np.float32) / 64
    y = agrees(model, x)
    assert np.unique(y).size > rows  # what is left of the mean is no noise


@pytest.mark.parametrize("rows", [1, 3, 16, 17, 40])
def test_sums_and_means_of_sequences(rows):
    class Mean(tt.Layer):
        def forward(self, x):
            return x.mean(-1) + x.sum(-1)

    agrees(tt.Sequential(Mean(), tt.relu), np.random.default_rng(0).standard_normal((rows, 6, 7), np.float32))


def test_rows_with_gaps_between_them_that_become_sequences():
    model = tt.Sequential(tt.Reshape((4, 3)), tt.Linear(3, 2, seed=0))
    wide = np.random.default_rng(0).standard_normal((20, 15), np.float32)
    agrees(model, wide[:, :12])


def test_parts_that_are_joined_in_another_order():
    class Joined(tt.Layer):
        def forward(self, x):
            return tt.concatenate([x[:, ::-2], x[:, 1::3], x[:, :2]], 1)

    agrees(tt.Sequential(Joined(), tt.relu), np.random.default_rng(0).standard_normal((9, 10), np.float32))


def test_softmax_reads_from_a_buffer_with_room_for_vectors_beyond_the_last_row():
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.softmax)
    x = np.ones((3, 6), np.float32)
    agrees(model, x)
    (stage,) = plan_of(model).form_of([x], [False]).stages
    program = stage if hasattr(stage, "nodes") else stage.program
    lowered = Lowering(program.nodes, program.inputs, program.outputs, None)
    assert [each.overread for each in lowered.buffers if each.number is None] == [True]


def test_what_a_table_of_bytes_folds_counts_for_its_last_operation():
    model = tt.Sequential(tt.Rescale(0.5, 1.0), tt.LayerNorm(7))
    x = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)
    agrees(model, x)
    (stage,) = plan_of(model).form_of([x], [False]).stages
    names = [node.primitive.name for node in stage.nodes]
    assert names[:2] == ["multiply", "add"]
    assert list(stage.owners) == list(range(1, len(names)))


@pytest.mark.parametrize(("features", "rows"), [(1, 120), (784, 60), (5000, 12), (100_000, 1)])
def test_blocks_are_as_large_as_the_cache_allows(features, rows):
    model = tt.Sequential(tt.Rescale(0.5), tt.tanh, tt.Rescale(2.0), tt.softmax)
    x = np.zeros((2, features), np.float32)
    agrees(model, x)
    (stage,) = plan_of(model).form_of([x], [False]).stages
    assert stage.block == rows


def test_values_that_lie_side_by_side_are_as_long_as_their_bytes():
    floats, octets = (Symbol(None, i, (2, 2 + 2 * i), np.dtype(d)) for i, d in enumerate(("f4", "u1")))
    assert side_by_side([floats], np.dtype("f4")) == (2, 2)
    assert side_by_side([floats, octets], np.dtype("f4")) == (4 + 2,)
    assert side_by_side([floats, octets], np.dtype("u1")) == (16 + 8,)


def test_a_program_of_several_outputs():
    layers = [tt.Linear(4, 3, seed=0), tt.Quantize(0.1, 128), tt.tanh]
    wires = [(["x"], ["a"]), (["a"], ["b"]), (["a"], ["c"])]
    model = tt.Graph(["x"], ["a", "b", "c"], layers, wires)
    x = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    a = layers[0](x)
    form = plan_of(model).form_of([x], [False])
    assert [len(stage.outputs) for stage in form.stages] == [3]
    for outputs in (form.run([x], 1), model.predict(x)):
        for found, expected in zip(outputs, (a, layers[1](a), layers[2](a)), strict=True):
            same(found, expected.numpy())
