"""The suites by name, in the order in which `all` runs them."""

from benchmarks.suites import (
    coldstart,
    elementwise,
    images,
    int8,
    latency,
    matmul,
    memory,
    mnist,
    peak,
    scaling,
    threads,
)

__all__ = ["SUITES"]

SUITES = {
    "mnist": mnist.SUITE,
    "matmul": matmul.SUITE,
    "elementwise": elementwise.SUITE,
    "latency": latency.SUITE,
    "coldstart": coldstart.SUITE,
    "memory": memory.SUITE,
    "scaling": scaling.SUITE,
    "threads": threads.SUITE,
    "peak": peak.SUITE,
    "tiny": images.TINY,
    "cnn": images.CNN,
    "int8": int8.SUITE,
}
