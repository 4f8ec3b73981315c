"""A client of a Dask cluster: one that runs, or workers on this machine for as long as they are needed."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from tinytensor.errors import ArgumentError, require
from tinytensor.threads import available_cpus

__all__ = ["connected"]

LOCAL = re.compile(r"local(?:\[(\d{1,4})\])?")
# Dask starts a lost worker again, and looks once, this long after the loss, whether it runs. If it does not
# at that moment, as after a second loss, Dask never starts it again, even if it is the only one.
LOST_WORKER_TIMEOUT = {"distributed.deploy.lost-worker-timeout": "24h"}


@contextlib.contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A client of the scheduler at an address, or of workers of one thread: `local` or `local[N]`.

    A local scheduler, its workers and its dashboard listen on 127.0.0.1 only, and end with the block.

    Raises:
        ArgumentError: neither an address nor `local`, or nobody answers there.
    """
    distributed = require("distributed", extra="dask")
    found = LOCAL.fullmatch(scheduler)
    if found is None and "://" not in scheduler:
        raise ArgumentError(
            "expected the address of a Dask scheduler, as tcp://10.0.0.1:8786, or local[4], "
            f"got {scheduler!r:.80}"
        )
    with contextlib.ExitStack() as stack:
        where: Any = scheduler
        if found is not None:
            stack.enter_context(require("dask.config", extra="dask").set(LOST_WORKER_TIMEOUT))
            where = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=max(1, int(found[1] or available_cpus())),
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    silence_logs=50,
                )
            )
        try:
            client = stack.enter_context(distributed.Client(where, set_as_default=False))
        except (OSError, ValueError) as error:
            raise ArgumentError(f"{scheduler}: no Dask scheduler answers: {error}") from error
        yield client
