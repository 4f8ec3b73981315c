"""What a product's tiles compute after the sums: the bits of layer by layer, whatever follows."""

import numpy as np
import pytest

import tinytensor as tt
from tests import naive
from tests.strategies import FLOATS
from tinytensor.inference.plan import plan_of
from tinytensor.operators.activations import clip


def batch_norm(rng, channels, dtype):
    """A batch norm of random numbers."""
    return tt.BatchNorm(*rng.uniform(0.5, 2, (4, channels)).astype(dtype))


def check(model, x, instructions):
    """As layer by layer; one program, of so many instructions."""
    naive.same(model.predict(x), model(x, fused=False).numpy())
    (form,) = plan_of(model).forms.values()
    assert len(form.only.owners) == instructions


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [3, 8, 17, 20, 40, 70])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_batch_norm_and_an_activation_after_a_convolution(dtype, channels, depthwise):
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((3, channels, 7, 6)).astype(dtype)
    groups = channels if depthwise else 1
    conv = tt.Conv2d(channels, channels, 3, padding=1, groups=groups, dtype=dtype, seed=0)
    instructions = 2 + (depthwise or channels >= 40)  # channels first to channels last, and back
    for followers in (
        [],
        [tt.relu],
        [clip(low=-0.5, high=0.25)],
        [batch_norm(rng, channels, dtype)],
        [batch_norm(rng, channels, dtype), tt.relu],
    ):
        check(tt.Sequential(conv, *followers), x, instructions)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("outputs", [3, 8, 16, 30, 32, 64, 80])
@pytest.mark.parametrize("size", [(6, 6), (7, 6), (12, 15)])
def test_a_maximum_of_two_by_two_pixels_after_a_convolution(dtype, outputs, size):
    rng = np.random.default_rng(outputs)
    x = rng.standard_normal((3, 2, *size)).astype(dtype)
    x[1, 1, 2, 1], x[2, 0, 1, 1] = np.nan, -np.inf
    conv = tt.Conv2d(2, outputs, 3, dtype=dtype, seed=0)
    for followers in ([], [tt.relu], [batch_norm(rng, outputs, dtype), clip(low=-0.5, high=0.25)]):
        model = tt.Sequential(conv, *followers, tt.MaxPool2d(2))
        check(model, x, 2)  # and to channels first
        for threads in (2, 3):
            naive.same(model.predict(x[:1], threads=threads), model.predict(x)[:1])
    last = tt.Conv2d(2, outputs, 3, channels_last=True, dtype=dtype, seed=0)
    model = tt.Sequential(last, tt.relu, tt.MaxPool2d(2, channels_last=True))
    check(model, np.ascontiguousarray(x.transpose(0, 2, 3, 1)), 1)


@pytest.mark.parametrize("padding", [0, 1])
def test_other_windows_of_a_maximum_are_an_instruction_of_their_own(padding):
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 3)).astype(np.float32)
    conv = tt.Conv2d(3, 8, 3, padding=padding, channels_last=True, seed=0)
    check(tt.Sequential(conv, tt.MaxPool2d(2, channels_last=True)), x, 1 + padding)
    check(tt.Sequential(conv, tt.MaxPool2d(3, channels_last=True)), x, 2)
    check(tt.Sequential(conv, tt.MaxPool2d(2, 1, channels_last=True)), x, 2)
    check(tt.Sequential(conv, tt.MaxPool2d(2, padding=1, channels_last=True)), x, 2)
    check(tt.Sequential(conv, tt.AvgPool2d(2, channels_last=True)), x, 2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_no_tile_can_go_on_with(dtype):
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 12)).astype(dtype)
    conv = tt.Conv2d(12, 12, 3, channels_last=True, dtype=dtype, seed=0)
    check(tt.Sequential(conv, tt.relu, tt.relu), x, 2)
    check(tt.Sequential(conv, tt.tanh, tt.relu), x, 3)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sum_of_two_branches_is_bounded_after_it_is_summed(dtype):
    class Residual(tt.Layer):
        def __init__(self):
            self.left = tt.Conv2d(8, 8, 3, padding=1, dtype=dtype, seed=0)
            self.right = tt.Conv2d(8, 8, 1, dtype=dtype, seed=1)
            self.norm = batch_norm(np.random.default_rng(1), 8, dtype)

        def forward(self, x):
            left, right = self.left(x), self.right(x)
            return tt.relu(self.norm(left) + right) + right

    model = Residual()
    x = np.random.default_rng(2).standard_normal((4, 8, 6, 5)).astype(dtype)
    naive.same(model.predict(x), model.forward(tt.Tensor(x)).numpy())


@pytest.mark.parametrize("dtype", FLOATS)
def test_no_numbers_pass_bounds(dtype):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, -1, 1], dtype).reshape(1, 6, 1, 1)
    conv = tt.Conv2d(6, 6, 1, groups=6, dtype=dtype, seed=0)
    conv.weight, conv.bias = np.ones((6, 1, 1, 1), dtype), np.zeros(6, dtype)
    y = tt.Sequential(conv, tt.relu).predict(x).ravel()
    naive.same(y, np.array([np.nan, np.inf, 0, 0, 0, 1], dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("outputs", [1, 3, 16, 17, 20, 40, 70, 300])
@pytest.mark.parametrize("inputs", [5, 40, 5000])
def test_a_batch_norm_and_an_activation_after_a_linear_layer(dtype, outputs, inputs):
    rng = np.random.default_rng(outputs)
    x = rng.standard_normal((9, inputs)).astype(dtype)
    x[3, 1], x[4, 2] = np.nan, np.inf
    linear = tt.Linear(inputs, outputs, dtype=dtype, seed=0)
    for followers in (
        [tt.relu],
        [batch_norm(rng, outputs, dtype)],
        [batch_norm(rng, outputs, dtype), clip(low=0, high=1)],
    ):
        model = tt.Sequential(linear, *followers)
        check(model, x, 1)
        naive.same(model.predict(x[:1]), model.predict(x)[:1])


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_batch_norm_of_a_sequence(dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 300, 12)).astype(dtype)
    linear = tt.Linear(12, 20, dtype=dtype, seed=0)
    model = tt.Sequential(linear, tt.BatchNorm(*rng.uniform(0.5, 2, (4, 20)).astype(dtype), axis=-1), tt.relu)
    check(model, x, 1)
    for threads in (2, 3):
        naive.same(model.predict(x[:1], threads=threads), model.predict(x)[:1])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("outputs", [8, 17, 64, 80])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (20, 31)])
def test_one_by_one_convolutions_are_products_of_pixels(dtype, outputs, size):
    rng = np.random.default_rng(outputs)
    x = np.maximum(rng.standard_normal((3, *size, 24)), 0).astype(dtype)
    x[..., 3:20] = 0  # so many that they are skipped
    x[1, 0, 0, 0], x[2, 0, 0, 4] = np.nan, -0.0
    conv = tt.Conv2d(24, outputs, 1, channels_last=True, dtype=dtype, seed=0)
    norm = tt.BatchNorm(*rng.uniform(0.5, 2, (4, outputs)).astype(dtype), axis=-1)
    for followers in ([], [norm], [norm, tt.relu]):
        model = tt.Sequential(conv, *followers)
        check(model, x, 1)
        for threads in (2, 3):
            naive.same(model.predict(x[:1], threads=threads), model.predict(x)[:1])
    infinite = conv.weight.numpy().copy()
    infinite[0, 5] = np.inf
    conv.weight = infinite
    check(tt.Sequential(conv), x, 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shift", [0.0, -0.0, 1.0])
def test_no_sum_is_minus_zero_before_a_batch_norm(dtype, shift):
    tiny = np.finfo(dtype).smallest_normal
    mean, beta = np.array([0.0, -0.0, 1.0, -1.0], dtype), np.full(4, shift, dtype)
    norm = tt.BatchNorm(np.ones(4, dtype), beta, mean, np.ones(4, dtype), eps=0)
    x = np.full((2, 4), tiny, dtype)
    linear = tt.Linear.of(-tiny * np.eye(4, dtype=dtype), np.zeros(4, dtype))
    check(tt.Sequential(linear, norm), x, 1)
    conv = tt.Conv2d(4, 4, 1, groups=4, bias=np.zeros(4, dtype), weight=np.full((4, 1, 1, 1), -tiny, dtype))
    naive.same(
        tt.Sequential(conv, norm).predict(x.reshape(2, 4, 1, 1)).reshape(2, 4),
        tt.Sequential(linear, norm).predict(x),
    )
