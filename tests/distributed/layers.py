"""Layers that go wrong or take long, at module level so that workers can import them."""

import os
import time

import numpy as np

import tinytensor as tt


class Slow(tt.Layer):
    """x, after a while; it reads values, so that no trace leaves the wait out."""

    def __init__(self, seconds):
        self.seconds = seconds

    def forward(self, x):
        time.sleep(self.seconds)
        return tt.Tensor(x.numpy() + np.float32(0))


class Poisoned(tt.Layer):
    """x, but an error where a number is above the limit."""

    def __init__(self, limit):
        self.limit = limit

    def forward(self, x):
        if x.numpy().max() > self.limit:
            raise ValueError(f"found a number above {self.limit}")
        return tt.Tensor(x.numpy())


class Hungry(tt.Layer):
    """x, but where a number is above the limit, a GB is needed until the worker is killed for it."""

    def __init__(self, limit):
        self.limit = limit

    def forward(self, x):
        if x.numpy().max() > self.limit:
            held = [np.ones(25_000_000, np.uint8) for _ in range(40)]
            time.sleep(60)
            assert held
        return tt.Tensor(x.numpy())


class Counted(tt.Layer):
    """x; each time that one is unpickled, a line with the process is written to a file."""

    def __init__(self, file):
        self.file = str(file)

    def forward(self, x):
        return x * 2.0

    def __setstate__(self, state):
        super().__setstate__(state)
        with open(self.file, "a") as file:
            file.write(f"{os.getpid()}\n")


class Two(tt.Layer):
    """Two inputs, two outputs of different shapes."""

    def forward(self, a, b):
        return a + b, (a * b).sum(axis=1)
