"""Where real digits come from."""

from tinytensor.datasets.mnist import mnist

__all__ = ["mnist"]
