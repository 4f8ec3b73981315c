"""A model in a worker process: it is made there, as a server does, or comes with the fork."""

from functools import cache
from typing import Any

import tinytensor as tt

__all__ = ["predict"]


@cache
def model() -> tt.Sequential:
    return tt.Sequential(
        tt.Linear(64, 80, seed=0), tt.relu, tt.Linear(80, 40, seed=1), tt.tanh,
        tt.Linear(40, 10, seed=2), tt.softmax,
    )  # fmt: skip


def predict(x: Any, threads: int) -> Any:
    """The outputs."""
    return model().predict(x, threads=threads)
