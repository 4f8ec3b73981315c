"""`tt.verify` of models on bytes."""

import numpy as np
import pytest

import tinytensor as tt


@pytest.fixture(scope="module")
def network():
    images, _ = tt.datasets.mnist("sample")
    model = tt.models.mnist_mlp()
    return model, tt.quantize(model, images), images


def test_a_file_gives_the_same(network, tmp_path):
    _, found, images = network
    found.save(tmp_path / "model.safetensors")
    report = tt.verify(found, tmp_path / "model.safetensors", images)
    assert report.verdict == "same"
    assert report.snr == float("inf")


def test_a_step_of_some_bytes_is_close(network):
    _, found, images = network

    def other(x):
        moved = x.astype(np.float32)
        moved[:, ::5] += 1
        return found.predict(moved)

    assert tt.verify(found, other, images).verdict == "close"


def test_the_model_in_float32_is_different_and_the_report_says_how_much(network):
    model, found, images = network
    report = tt.verify(found, model, images)
    y, z = model.predict(images).astype(float), found.predict(images).astype(float)
    assert report.agreeing == (y.argmax(1) == z.argmax(1)).sum()
    assert report.snr == pytest.approx(10 * np.log10((y**2).sum() / ((y - z) ** 2).sum()))


def test_bytes_may_be_one_step_off():
    model = tt.Sequential(tt.Quantize(0.5, 10))
    x = np.linspace(-3, 3, 50, dtype=np.float32)[None]
    y = model.predict(x)
    assert tt.verify(model, lambda given: y, x).verdict == "same"
    assert tt.verify(model, lambda given: y + np.uint8(1), x).verdict == "close"
    two = tt.verify(model, lambda given: y + np.uint8(2), x)
    assert two.verdict == "different"
    assert "signal to noise of the outputs" in str(two)
