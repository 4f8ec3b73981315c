"""Random nets of images: fused they have the bits of layer by layer, at any batch, of floats and of bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.test_plan import same_bits

ACTIVATIONS = [tt.relu, tt.sigmoid, tt.LeakyReLU(0.1), tt.Clip()]


class Residual(tt.Layer):
    """y = x + convolution(x), an activation between."""

    def __init__(self, channels, channels_last, seed):
        self.inner = tt.Conv2d(channels, channels, 3, padding="same", channels_last=channels_last, seed=seed)

    def forward(self, x):
        return tt.relu(x + self.inner(x))


class Squeeze(tt.Layer):
    """Squeeze and excite: each channel is scaled by a function of all channels' means."""

    def __init__(self, channels, seed):
        self.inner = tt.Linear(channels, channels, seed=seed)

    def forward(self, x):
        gate = tt.sigmoid(self.inner(tt.global_avg_pool2d(x)))
        return x * gate.reshape(x.shape[0], -1, 1, 1)


@st.composite
def nets(draw):
    """A net, and the shape of its samples."""
    last, dtype = draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))
    channels, height, width = draw(st.integers(1, 9)), draw(st.integers(3, 9)), draw(st.integers(3, 9))
    sample = (height, width, channels) if last else (channels, height, width)
    layers = []
    for _ in range(draw(st.integers(1, 5))):
        seed = draw(st.integers(0, 1000))
        kind = draw(
            st.sampled_from(["conv", "depthwise", "pool", "norm", "residual", "squeeze", "act", "transposed"])
        )
        if kind == "conv":
            outs = draw(st.integers(1, 18))
            layers.append(tt.Conv2d(
                channels, outs, draw(st.integers(1, 3)), draw(st.integers(1, 2)), padding=1,
                channels_last=last, seed=seed, dtype=dtype,
            ))  # fmt: skip
            channels = outs
        elif kind == "depthwise":
            layers.append(tt.Conv2d(
                channels, channels, 3, padding="same", groups=channels, channels_last=last, seed=seed,
                dtype=dtype,
            ))  # fmt: skip
        elif kind == "pool":
            pool = draw(st.sampled_from([tt.MaxPool2d, tt.AvgPool2d]))
            layers.append(pool(2, 1, padding=1, channels_last=last))
        elif kind == "norm":
            weight, bias, mean, var = tt.uniform((4, channels), seed=seed)
            layers.append(tt.BatchNorm(weight, bias, mean, var, axis=-1 if last else 1))
        elif kind == "residual":
            layers.append(Residual(channels, last, seed))
        elif kind == "squeeze" and not last:
            layers.append(Squeeze(channels, seed))
        elif kind == "transposed":
            outs = draw(st.integers(1, 5))
            layers.append(
                tt.ConvTranspose2d(channels, outs, 2, 1, channels_last=last, seed=seed, dtype=dtype)
            )
            channels = outs
        else:
            layers.append(draw(st.sampled_from(ACTIVATIONS)))
    end = draw(st.sampled_from(["none", "flatten", "pool"]))
    if end == "flatten":
        layers += [tt.Flatten(), tt.softmax]
    elif end == "pool":
        layers += [tt.GlobalAvgPool2d(channels_last=last), tt.Linear(channels, 3, seed=1)]
    return tt.Sequential(layers), sample


@given(nets(), st.integers(1, 20), st.integers(0, 2**31), st.sampled_from("fdB"))
def test_fused_is_layer_by_layer(net, n, seed, dtype):
    model, sample = net
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, *sample)) if dtype == "B" else rng.standard_normal((n, *sample)).round(1)
    x = x.astype(dtype)
    x[rng.random(x.shape) < 0.3] = 0
    expected = model(x.astype(np.float32) if dtype == "B" else x, fused=False)
    same_bits(model.predict(x), expected)
    same_bits(model.predict(x[: n // 2 + 1], threads=1), expected.numpy()[: n // 2 + 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.0])
def test_a_bad_number_stays_in_its_image(bad):
    model = tt.Sequential(
        tt.Conv2d(1, 8, 3, seed=0), tt.relu, tt.MaxPool2d(2), Residual(8, False, 1), tt.Flatten(),
        tt.Linear(8 * 36, 4, seed=2),
    )  # fmt: skip
    x = np.random.default_rng(3).standard_normal((30, 1, 14, 14)).astype(np.float32)
    clean = model.predict(x)
    x[11, 0, 5:9, 5] = bad
    dirty = model.predict(x)
    same_bits(dirty, model(x, fused=False))
    same_bits(np.delete(dirty, 11, 0), np.delete(clean, 11, 0))


def test_all_of_it_is_one_program():
    model = tt.Sequential(
        tt.Conv2d(3, 16, 3, padding=1, seed=0), tt.BatchNorm(16), tt.relu, Residual(16, False, 1),
        Squeeze(16, 2), tt.AvgPool2d(2), tt.Flatten(), tt.Linear(16 * 16, 10, seed=3), tt.softmax,
    )  # fmt: skip
    summary = model.summary((3, 8, 8))
    assert [row.fused for row in summary.rows] == [True] * 9
    assert summary.rows[3].shape == (16, 8, 8)
