"""A model on its way between processes, which each of them unpickles once."""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any

from tinytensor.errors import ArgumentError, require

__all__ = ["Carried", "arrived", "packed"]

KEPT = 4  # models that a process of Dask's scheduler "processes" keeps


class Carried:
    """A model that is one node of a graph, and that workers of a cluster send to one another.

    A worker of a cluster keeps it as it keeps any result, so it travels once to each. The scheduler
    "processes" keeps nothing in its processes and would send the model with each task; instead it sends the
    name of a file, which each process reads once.
    """

    def __init__(self, model: Any):
        self.model = model
        self.file: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if in_a_cluster() or multiprocessing.parent_process() is not None:
            return Carried, (self.model,)
        if self.file is None:
            self.file = written(self)
        return from_file, (self.file,)


def in_a_cluster() -> bool:
    """Whether this process has a worker of `distributed`."""
    module = sys.modules.get("distributed.worker")
    return module is not None and bool(module.Worker._instances)


def written(carried: Carried) -> str:
    """The name of a file that only this user can read, and that goes with the model."""
    descriptor, name = tempfile.mkstemp(prefix="tinytensor-", suffix=".pickle")
    with os.fdopen(descriptor, "wb") as file:
        file.write(packed(carried.model))
    weakref.finalize(carried, remove, name)
    return name


def remove(name: str) -> None:
    """Remove a file that may be gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)


@lru_cache(maxsize=KEPT)
def from_file(name: str) -> Carried:
    """The model in a file that this user's process has written."""
    return arrived(Path(name).read_bytes())


def packed(model: Any) -> bytes:
    """A model, with the source of classes that workers cannot import, as bytes.

    Raises:
        ArgumentError: something in it cannot be pickled.
    """
    cloudpickle = require("cloudpickle", extra="dask")
    try:
        return bytes(cloudpickle.dumps(model))
    except Exception as error:  # of a user's layer, any
        raise ArgumentError(f"{type(model).__name__}: cannot be sent to workers: {error}") from error


def arrived(payload: bytes) -> Carried:
    """The model again."""
    return Carried(require("cloudpickle", extra="dask").loads(payload))
