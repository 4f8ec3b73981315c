"""Each primitive's rules agree: `result` tells the shape and dtype of `eager`, `lower` gives its bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.inference.plan import divide
from tinytensor.inference.trace import trace
from tinytensor.primitives import reductions
from tinytensor.tensor import Tensor

FUSED = {
    "add": lambda x: x + x.mean(axis=-1, keepdims=True),
    "subtract": lambda x: 1.0 - x,
    "divide": lambda x: x / 3.0,
    "maximum": lambda x: tt.maximum(x, 0.25),
    "minimum": lambda x: tt.minimum(x, -x),
    "negative": lambda x: -x,
    "absolute": lambda x: abs(x),
    "map": tt.tanh,
    "where": lambda x: tt.where(x > 0.0, x, 0.1 * x),
    "softmax": lambda x: tt.softmax(x, axis=-1),
    "log_softmax": lambda x: tt.log_softmax(x, axis=-1),
    "sum": lambda x: x.sum(axis=-1),
    "mean": lambda x: x.mean(axis=-1, keepdims=True),
    "max": lambda x: x.max(axis=-1),
    "min": lambda x: x.min(axis=-1, keepdims=True),
    "slice": lambda x: x[..., 1::2],
    "swapaxes": lambda x: x.swapaxes(-1, -1),
    "reshape": lambda x: x.reshape(x.shape[0], -1),
    "concatenate": lambda x: tt.concatenate([x, -x], axis=-1),
}
EAGER = {
    "power": lambda x: abs(x) ** 1.5,
    "comparison": lambda x: x > 0.25,
    "bitwise": lambda x: (x > 0.25) & (x < 0.75) | ~(x > 0.0),
    "argmax": lambda x: x.argmax(axis=-1),
    "prod": lambda x: x.prod(axis=-1),
    "var": lambda x: x.var(axis=-1, keepdims=True),
    "std": lambda x: x.std(axis=-1),
    "any": lambda x: (x > 0.25).any(axis=-1),
    "cast": lambda x: x.astype(np.float32 if x.dtype == np.float64 else np.float64),
}

samples = st.tuples(
    st.sampled_from((1, 2, 7, 125)),
    st.sampled_from(((6,), (1, 6), (3, 6))),
    st.sampled_from((np.float32, np.float64)),
    st.integers(0, 2**32 - 1),
)


def drawn(count, sample, dtype, seed):
    return np.random.default_rng(seed).standard_normal((count, *sample)).astype(dtype)


class Function(tt.Layer):
    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


class Constants(tt.Layer):
    """A product with a matrix, times a row."""

    def __init__(self, dtype):
        self.weight = tt.uniform((6, 5), seed=1, dtype=dtype)
        self.row = tt.uniform((5,), seed=2, dtype=dtype)

    def forward(self, x):
        return (x @ self.weight) * self.row


def check(layer, x):
    """The stages that compute a layer, after comparing what they give with what it gives."""
    model = tt.Sequential(layer)
    expected = layer(Tensor(x))
    found = trace(model, [x[:2].copy()])
    assert not found.reasons
    (output,) = found.outputs
    assert (output.sample, output.dtype) == (expected.shape[1:], expected.dtype)
    y = model.predict(x)
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y, expected.numpy())
    return [type(stage).__name__ for stage in divide(found)]


@pytest.mark.parametrize("name", FUSED)
@given(samples)
def test_rules_of_what_is_fused_agree(name, drawing):
    assert check(Function(FUSED[name]), drawn(*drawing)) in (["Program"], [])


@given(samples)
def test_rules_of_products_with_constants_agree(drawing):
    x = drawn(*drawing)
    assert check(Constants(x.dtype), x) == ["Program"]


@pytest.mark.parametrize("name", EAGER)
@given(samples)
def test_rules_of_what_runs_eagerly_agree(name, drawing):
    check(Function(EAGER[name]), drawn(*drawing))


class Operation(tt.Layer):
    """One of ONNX's operations, of samples and constants."""

    def __init__(self, name, *constants, **attributes):
        self.inner = tt.Operator(name, attributes)
        self.constants = [tt.Constant(np.array(each)) for each in constants]

    def forward(self, x):
        return self.inner.forward(x, *(each.value if each.value.size else None for each in self.constants))


IMAGES = {
    "convolve": tt.Conv2d(3, 4, 3, padding=1, stride=2, seed=1),
    "convolve_transposed": tt.ConvTranspose2d(3, 4, 3, stride=2, seed=1),
    "pool": tt.MaxPool2d(2),
    "mean pool": tt.AvgPool2d(3, stride=2),
    "pad": tt.Pad(((1, 2), (0, -1)), value=0.5),
    "resize, nearest": tt.Upsample(scale_factor=(2, 1.5)),
    "resize, bilinear": tt.Upsample((9, 4), mode="bilinear"),
    "resize, corners": tt.Upsample((3, 11), mode="bilinear", align_corners=True),
    "resample": Operation("Resize", [], np.float32([1, 1, 2, 0.75]), mode="linear"),
    "resample, cubic": Operation("Resize", [], [], [7, 5], axes=[2, 3], mode="cubic"),
    "local_response": Operation("LRN", size=3, alpha=0.5),
    "wide local_response": Operation("LRN", size=50, beta=1.5, bias=0.25),
    "padded channels": Operation("Pad", [0, 1, 0, 0, 0, 2, 0, 3], np.float32(1.5)),
    "wrapped": Operation("Pad", [0, 0, 1, 0, 0, 0, 0, 3], mode="wrap"),
}


@pytest.mark.parametrize("name", IMAGES)
@given(st.sampled_from((1, 2, 30)), st.sampled_from(((6, 6), (7, 9), (16, 5))), st.integers(0, 2**32 - 1))
def test_rules_of_windows_agree(name, count, size, seed):
    layer = IMAGES[name]
    x = drawn(count, (3, *size), np.float32, seed)
    found = trace(tt.Sequential(layer), [x[:2].copy()])
    expected = layer(x)
    assert (found.outputs[0].sample, found.outputs[0].dtype) == (expected.shape[1:], expected.dtype)
    assert [type(stage).__name__ for stage in divide(found)] == ["Program"]
    np.testing.assert_array_equal(tt.Sequential(layer).predict(x), expected.numpy())


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rules_of_windows_agree_inside_a_network(name, dtype):
    """What a convolution leaves has its channels last in the program, whatever the samples have."""
    layers = [
        tt.Conv2d(2, 3, 3, padding="same", seed=1, dtype=dtype), IMAGES[name],
        tt.relu, tt.Flatten(), tt.Lambda(lambda x: x * 2),
    ]  # fmt: skip
    model, x = tt.Sequential(*layers), drawn(7, (2, 8, 6), dtype, 3)
    assert [row.fused for row in model.summary((2, 8, 6)).rows] == [True] * 5
    np.testing.assert_array_equal(model.predict(x), model(x, fused=False).numpy())


@pytest.mark.parametrize("layer", [tt.Pad(2), tt.Upsample(scale_factor=2), IMAGES["wrapped"]], ids=repr)
def test_bytes_that_are_moved_stay_bytes(layer):
    model, x = tt.Sequential(tt.Quantize(0.1, 128), layer), drawn(5, (3, 6, 7), np.float32, 4)
    y = model.predict(x)
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(y, model(x, fused=False).numpy())
    found = trace(model, [x[:2].copy()])
    assert [type(stage).__name__ for stage in divide(found)] == ["Program"]


@pytest.mark.parametrize(
    "layer", [tt.Upsample((600, 600), mode="bilinear"), Operation("Resize", [], [], [600, 600], axes=[2, 3]),
              tt.Sequential(tt.Upsample((600, 600)), Operation("LRN", size=7))]
)  # fmt: skip
def test_large_images_are_resized_eagerly(layer):
    """A program would keep 8 bytes for each tap of a sample's elements."""
    model, x = tt.Sequential(layer), drawn(1, (3, 4, 5), np.float32, 5)
    found = trace(model, [x.copy()])
    assert "Program" not in [type(stage).__name__ for stage in divide(found)]
    np.testing.assert_array_equal(model.predict(x), layer(x).numpy())


def test_every_reduction_is_a_primitive():
    assert {getattr(reductions, name).name for name in reductions.__all__} == set(reductions.__all__)
