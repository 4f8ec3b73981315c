"""Prediction with Ray Data: a class for `map_batches`, whose actors load the model once (extra `ray`)."""

from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, PartitionError, require
from tinytensor.inference.predict import input_names
from tinytensor.threads import checked

__all__ = ["Predictor"]


class Predictor:
    """A batch of columns in, the same columns and those of the outputs out; an actor keeps the model.

    `data.map_batches(Predictor, fn_constructor_args=[model], num_cpus=2, compute=ActorPoolStrategy(size=4))`
    makes four actors of two threads each. The rows have the bits of `model.predict`, whatever the batches.

    Args:
        model: any layer, or the path of a file that `tt.load` reads, which every actor sees.
        columns: those with the samples, one for each input of the model. By default those of the names of the
            inputs or, of a model with one input, the only column.
        output: the name of the column of outputs; of several outputs `output_0`, `output_1`, ….
        keep: whether the columns of the batch are kept beside the outputs.
        threads: how many threads work on a batch; by default `num_cpus` of the actor.

    Raises:
        ArgumentError: columns are missing, or it is not said which.
        PartitionError: a batch cannot be computed.

    >>> import numpy as np
    >>> import tinytensor as tt
    >>> predictor = tt.distributed.ray.Predictor(tt.Sequential(tt.relu), keep=False, threads=1)
    >>> predictor({"x": np.array([[-1.0, 2.0]], np.float32)})
    {'output': array([[0., 2.]], dtype=float32)}
    """

    def __init__(
        self,
        model: Any,
        columns: str | list[str] | None = None,
        output: str = "output",
        keep: bool = True,
        threads: int | None = None,
    ):
        if isinstance(model, str):
            from tinytensor.io import load

            model = load(model)
        self.model, self.output, self.keep = model, output, keep
        self.columns = [columns] if isinstance(columns, str) else columns
        self.threads = cpus_of_the_actor() if threads is None else checked("Predictor: threads", threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with its outputs."""
        names = self.columns or self.guess(batch)
        missing = [name for name in names if name not in batch]
        if missing:
            raise ArgumentError(
                f"Predictor: no column {', '.join(map(repr, missing))}; there are {', '.join(batch)}"
            )
        samples = tuple(as_array(batch[name]) for name in names)
        try:
            y = self.model.predict(samples[0] if len(samples) == 1 else samples, threads=self.threads)
        except Exception as error:  # whatever a user's layer raises
            raise PartitionError(
                f"a batch of {len(samples[0]):,} rows: {type(error).__name__}: {error}"
            ) from error
        several = isinstance(y, tuple)
        found = {f"{self.output}_{i}": each for i, each in enumerate(y)} if several else {self.output: y}
        return {**(batch if self.keep else {}), **found}

    def guess(self, batch: dict[str, Any]) -> list[str]:
        """The columns with the samples where none are named."""
        names = input_names(self.model)
        if len(names) == 1 and names[0] not in batch:
            if len(batch) != 1:
                raise ArgumentError(
                    f"Predictor: expected columns=… with one of {', '.join(batch)}, none was named"
                )
            return list(batch)
        return names


def as_array(column: Any) -> Any:
    """A column of arrays of one shape as one array; Ray gives what it takes for ragged as objects."""
    array = np.asarray(column)
    return np.stack(list(array)) if array.dtype == object and len(array) else array


def cpus_of_the_actor() -> int:
    """The `num_cpus` of the actor that this is, at least 1."""
    resources = require("ray", extra="ray").get_runtime_context().get_assigned_resources()
    return max(1, int(resources.get("CPU", 1)))
