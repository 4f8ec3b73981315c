"""Two networks, trained to read handwritten digits: the chapter's and a convolutional one."""

from pathlib import Path
from typing import cast

from tinytensor.io.formats import load
from tinytensor.layers.sequential import Sequential

__all__ = ["mnist_cnn", "mnist_mlp"]


def mnist_mlp() -> Sequential:
    """The chapter's 784-50-100-10 network with sigmoids and softmax: raw pixels in, ten probabilities out.

    It takes uint8 images (n, 28, 28) or rows (n, 784) with 0 for paper and 255 for ink, as
    `tt.datasets.mnist` gives them, and returns (n, 10) float32. Trained on MNIST's training images from
    number 5,848 on, so it has seen neither the test set nor the embedded sample; `benchmarks/train_mnist.py`
    trained it.

    >>> import tinytensor as tt
    >>> images, labels = tt.datasets.mnist("sample")
    >>> model = tt.models.mnist_mlp()
    >>> model(images[:5]).argmax(axis=1).tolist()
    [0, 1, 2, 3, 4]
    """
    return cast(Sequential, load(Path(__file__).with_name("mnist_mlp.safetensors")))


def mnist_cnn() -> Sequential:
    """A convolutional network: raw pixels in, ten probabilities out.

    Convolutions of 16 (5×5, stride 2), 16, 32 and 64 channels (3×3), each with ReLU, a 2×2 max pooling before
    the last of them, one linear layer, softmax: 28,442 parameters and 659,200 multiply-adds a digit. It reads
    9,951 of the 10,000 test digits. Input, output and training images are those of `mnist_mlp`;
    `benchmarks/train_cnn.py` trained it and folded its batch norms into the convolutions.

    >>> import tinytensor as tt
    >>> images, labels = tt.datasets.mnist("sample")
    >>> model = tt.models.mnist_cnn()
    >>> model(images[:5]).argmax(axis=1).tolist()
    [0, 1, 2, 3, 4]
    """
    return cast(Sequential, load(Path(__file__).with_name("mnist_cnn.safetensors")))
