"""The packaged models read exactly as many digits as their documentation says."""

from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tests.datasets.test_mnist import SHARED, needs_mnist
from tinytensor.models.pixels import of_raw_pixels

MODELS = pytest.mark.parametrize(
    ("model", "sample", "test"),
    [(tt.models.mnist_mlp, 986, 9_860), (tt.models.mnist_cnn, 996, 9_951)],
    ids=["mlp", "cnn"],
)


def right(model, images, labels):
    return (model().predict(images).argmax(axis=1) == labels).sum()


@MODELS
def test_the_embedded_sample(model, sample, test):
    assert right(model, *tt.datasets.mnist("sample")) == sample


@MODELS
@needs_mnist
def test_the_test_set(model, sample, test):
    assert right(model, *tt.datasets.mnist("test", SHARED)) == test


@MODELS
def test_flat_rows_are_read_as_images_are(model, sample, test):
    images, _ = tt.datasets.mnist("sample")
    net = model()
    assert np.array_equal(net(images[:5]).numpy(), net(images[:5].reshape(5, 784)).numpy())


def test_the_convolutional_network_is_small():
    path = Path(tt.models.__file__).with_name("mnist_cnn.safetensors")
    assert path.stat().st_size <= 300_000
    assert sum(value.size for value in tt.models.mnist_cnn().state_dict().values()) == 28_442


def test_a_model_of_digits_is_made_to_take_raw_pixels():
    linear, images = tt.Linear(784, 10, seed=0), np.full((2, 28, 28), 255, np.uint8)
    for model in (linear, tt.Sequential(linear)):
        pixels = of_raw_pixels(model)
        assert [type(layer) for layer in pixels] == [tt.Flatten, tt.Rescale, tt.Linear]
        assert np.array_equal(pixels(images).numpy(), linear(np.ones((2, 784), np.float32)).numpy())
    scaled = tt.Sequential(tt.Flatten(), tt.Rescale(2.0), linear)
    assert of_raw_pixels(scaled) is scaled
