"""Which operations of samples and constants a trace takes, and which it refuses, with the reason."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.inference.trace import trace


class Constants(tt.Layer):
    """An operation on samples and constants."""

    def __init__(self, function, shape=()):
        self.function = function
        self.stack = tt.uniform((3, 6, 6), seed=3)
        self.matrix, self.vector = self.stack[0], self.stack[0, 0]
        self.ones = tt.ones(shape)

    def forward(self, x):
        return self.function(x, self)


def reasons(layer, x):
    """Why a trace of the layer fails, without the place."""
    return [said.partition(" (t")[0] for said in trace(tt.Sequential(layer), [x[:3].copy()]).reasons.values()]


@pytest.mark.parametrize(
    ("shape", "product", "reason"),
    [
        ((6,), lambda x, of: x @ of.vector, ""),
        ((3, 6), lambda x, of: x @ of.vector, ""),
        ((3, 6), lambda x, of: x @ of.matrix, ""),
        ((6, 6), lambda x, of: x @ x, ""),
        ((3, 6, 6), lambda x, of: x[:, :1] @ x[:, 0], "a product that mixes samples"),
        ((6, 6), lambda x, of: of.matrix @ x, "a product that mixes samples"),
        ((3, 6, 6), lambda x, of: x @ of.stack, "a product with a stack of matrices"),
    ],
)
def test_products(shape, product, reason):
    x = np.random.default_rng(4).standard_normal((6, *shape)).astype(np.float32)
    layer = Constants(product)
    assert reasons(layer, x) == ([reason] if reason else [])
    np.testing.assert_array_equal(tt.Sequential(layer).predict(x), product(tt.Tensor(x), layer).numpy())


@pytest.mark.parametrize("shape", [(), (5,), (4, 1), (4, 5), (1, 4, 5), (1, 1, 1)])
def test_constants_that_are_the_same_for_each_sample(shape):
    layer, x = Constants(lambda x, of: x + of.ones, shape), np.zeros((6, 4, 5), np.float32)
    assert reasons(layer, x) == []
    np.testing.assert_array_equal(tt.Sequential(layer).predict(x), x + 1)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 1, 1), (1, 1, 4, 5), (1, 3, 4, 5)])
def test_constants_with_a_row_for_each_sample(shape):
    layer, x = Constants(lambda x, of: (x + of.ones).reshape(x.shape), shape), np.zeros((3, 4, 5), np.float32)
    assert reasons(layer, x) == [f"an operand of shape {shape} does not fit samples of shape (4, 5)"]
