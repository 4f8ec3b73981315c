"""A node of a trace as a layer: the layer computes what the node does."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.inference.trace import trace
from tinytensor.quantization.float_layers import layer_of

IMAGES = np.random.default_rng(0).standard_normal((4, 3, 7, 5)).astype(np.float32)
ROWS = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)


class Function(tt.Layer):
    """A function of samples."""

    def __init__(self, function):
        self.function = function
        self.matrix = tt.uniform((6, 2), seed=2)

    def forward(self, x):
        return self.function(x)


def node_of(layer, x):
    """The only node that a layer is."""
    found = trace(tt.Sequential(layer), [x[:2].copy()])
    assert not found.reasons
    (node,) = found.nodes
    return node


LAYERS = [
    (tt.Linear(6, 2, seed=0), ROWS), (tt.Linear(6, 2, bias=False, seed=0), ROWS),
    (tt.Conv2d(3, 4, (3, 2), 2, 1, seed=0), IMAGES),
    (tt.Conv2d(3, 3, 2, groups=3, bias=False, seed=0), IMAGES),
    (tt.Conv2d(5, 4, 2, dilation=2, channels_last=True, seed=0), IMAGES),
    (tt.MaxPool2d(2), IMAGES), (tt.MaxPool2d((3, 2), 2, 1, 1, True), IMAGES),
    (tt.MaxPool2d(2, 1, dilation=2, channels_last=True), IMAGES),
    (tt.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGES),
    (tt.AvgPool2d((4, 2), 3, ceil_mode=True), IMAGES),
    (tt.Pad(((1, 2), (0, 3)), value=2.0), IMAGES),
    (tt.Pad(1, channels_last=True), IMAGES), (tt.Flatten(), IMAGES), (tt.Reshape((5, -1)), IMAGES),
    (tt.ChannelsLast(), IMAGES), (tt.ChannelsFirst(), IMAGES),
    (tt.Operator("Transpose", {"perm": [0, 2, 1, 3]}), IMAGES),
    (tt.relu, IMAGES), (tt.LeakyReLU(0.2), IMAGES), (tt.ELU(0.5), ROWS), (tt.sigmoid, ROWS),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "x"), LAYERS, ids=lambda each: repr(each).partition("(")[0][:20])
def test_a_layer_of_ours_is_found_again(layer, x):
    found = layer_of(node_of(layer, x))
    assert type(found) is type(layer)
    np.testing.assert_array_equal(found(x).numpy(), layer(x).numpy())


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: x * 2.0, ROWS), (lambda x: x + 2.0, ROWS), (lambda x: x - 2.0, ROWS),
        (lambda x: 2.0 * x, ROWS),
        (lambda x: x.mean(axis=(-1, -2)), IMAGES), (lambda x: x.mean(axis=(1, -2)), IMAGES),
    ],
)  # fmt: skip
def test_arithmetic_with_a_number_and_means_are_layers(function, x):
    found = layer_of(node_of(Function(function), x))
    np.testing.assert_array_equal(found(x).numpy(), function(tt.Tensor(x)).numpy())


def test_a_product_with_a_matrix_is_a_linear_layer():
    layer = Function(None)
    layer.function = lambda x: x @ layer.matrix
    found = layer_of(node_of(layer, ROWS))
    np.testing.assert_array_equal(found(ROWS).numpy(), (tt.Tensor(ROWS) @ layer.matrix).numpy())


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: 2.0 - x, ROWS), (lambda x: x / 2.0, ROWS), (lambda x: x.mean(axis=1), IMAGES),
        (lambda x: x.mean(axis=(1, 3)), IMAGES), (lambda x: x[:, ::-1], IMAGES),
        (lambda x: x.sum(axis=1), ROWS),
    ],
)  # fmt: skip
def test_what_is_no_layer_is_none(function, x):
    assert layer_of(node_of(Function(function), x)) is None
