"""Trained models that come with the package."""

from tinytensor.models.mnist import mnist_cnn, mnist_mlp

__all__ = ["mnist_cnn", "mnist_mlp"]
