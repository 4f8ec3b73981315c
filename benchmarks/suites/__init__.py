"""The suites by name, in the order in which `all` runs them."""

from benchmarks.suites import mnist

__all__ = ["SUITES"]

SUITES = {"mnist": mnist.SUITE}
