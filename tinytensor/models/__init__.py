"""Trained models that come with the package."""

from typing import TYPE_CHECKING

from tinytensor.elsewhere import of_package
from tinytensor.models.mnist import mnist_cnn, mnist_mlp

__all__ = ["mnist_cnn", "mnist_mlp"]

if not TYPE_CHECKING:
    __getattr__ = of_package(__name__)
