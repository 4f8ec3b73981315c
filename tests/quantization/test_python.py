"""Quantised models as Python files that need NumPy alone: the same bits, as sums are exact there, too."""

import runpy

import numpy as np
import pytest

import tinytensor as tt
from tests.quantization.networks import dense, images, normal


def program(model, path, shape):
    tt.io.save(model, path, shape)
    return runpy.run_path(str(path))["predict"]


@pytest.mark.parametrize("seed", range(8))
def test_dense_networks(seed, tmp_path):
    rng = np.random.default_rng(100 + seed)
    x = normal(rng, 40, 20)
    model = tt.Sequential(*[each for each in dense(rng) if each is not tt.softmax])
    found = tt.quantize(model, x)
    np.testing.assert_array_equal(program(found, tmp_path / "net.py", (20,))(x), found.predict(x))


@pytest.mark.parametrize("seed", range(8))
def test_networks_of_images(seed, tmp_path):
    rng = np.random.default_rng(100 + seed)
    model, sample = images(rng)
    x = normal(rng, 9, *sample)
    found = tt.quantize(model[:-1], x)
    np.testing.assert_array_equal(program(found, tmp_path / "net.py", sample)(x), found.predict(x))


def test_a_network_of_pixels(tmp_path):
    x, _ = tt.datasets.mnist("sample")
    found = tt.quantize(tt.models.mnist_mlp(), x)
    y = program(found, tmp_path / "net.py", (28, 28))(x)
    report = tt.verify(found, lambda batch: y, x)
    assert report.verdict in ("same", "close")
    assert np.array_equal(y.argmax(axis=1), found.predict(x).argmax(axis=1))


def test_layers_by_themselves(tmp_path):
    rng = np.random.default_rng(0)
    x = normal(rng, 4, 3, 7, 6)
    for i, layer in enumerate((
        tt.QuantizedAvgPool2d(3, 2, 1, True, False, input_scale=0.1, input_zero_point=9, output_scale=0.1),
        tt.QuantizedGlobalAvgPool2d(True, input_scale=0.1, input_zero_point=9),
        tt.MaxPool2d(3, 2, 1, ceil_mode=True),
        tt.Dequantize(0.1, 9),
    )):  # fmt: skip
        model = tt.Sequential(tt.Quantize(0.1, 9), layer)
        found = program(model, tmp_path / f"layer{i}.py", (3, 7, 6))
        np.testing.assert_array_equal(found(x), model.predict(x))
