"""Datasets: the handwritten digits of MNIST."""

from tinytensor.datasets.mnist import mnist

__all__ = ["mnist"]
