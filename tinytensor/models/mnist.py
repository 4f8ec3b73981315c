"""The chapter's network, trained to read handwritten digits."""

from pathlib import Path
from typing import cast

from tinytensor.io import load
from tinytensor.layers.sequential import Sequential

__all__ = ["mnist_mlp"]


def mnist_mlp() -> Sequential:
    """The chapter's 784-50-100-10 network with sigmoids and softmax: raw pixels in, ten probabilities out.

    It takes uint8 images (n, 28, 28) or rows (n, 784) with 0 for paper and 255 for ink, as
    `tt.datasets.mnist` gives them, and returns (n, 10) float32. Trained on MNIST's training images from
    number 5,848 on, so it has seen neither the test set nor the embedded sample; `benchmarks/train_mnist.py`
    trained it and names its figures.

    >>> import tinytensor as tt
    >>> images, labels = tt.datasets.mnist("sample")
    >>> model = tt.models.mnist_mlp()
    >>> model(images[:5]).argmax(axis=1).tolist()
    [0, 1, 2, 3, 4]
    """
    return cast(Sequential, load(Path(__file__).with_name("mnist_mlp.safetensors")))
