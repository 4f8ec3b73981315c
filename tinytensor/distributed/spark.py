"""Prediction on Spark DataFrames: a function of columns for `withColumn` and `select` (extra `spark`)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.distributed.carried import arrived, packed
from tinytensor.errors import ShapeError, require
from tinytensor.inference.results import results

__all__ = ["predict_udf"]

BATCH_ROWS = 1000


def predict_udf(model: Any, session: Any, shape: int | tuple[int, ...], batch_size: int = BATCH_ROWS) -> Any:
    """A function for Spark that gives the outputs for a column of samples, as a column of arrays.

    It is Spark's `predict_batch_udf`: a Python worker of an executor loads the model once. The model is
    broadcast, so it travels once to each executor. As many threads work on a batch as `spark.task.cpus` says.

    Args:
        model: any layer of one input and of outputs (n, k).
        session: the SparkSession, which broadcasts the model.
        shape: of one sample, or its length; the column holds it as a flat array of numbers.
        batch_size: most rows that are computed at a time.

    Raises:
        ShapeError: the samples do not fit the model, or its outputs are not (n, k).
        ArgumentError: the model cannot be pickled.
    """
    functions, types = require("pyspark.ml.functions", "spark"), require("pyspark.sql.types", "spark")
    sample = shape if isinstance(shape, tuple) else (shape,)
    found = results(model, [(sample, np.float32)])
    if len(found) != 1 or len(found[0].sample) != 1:
        raise ShapeError(f"predict_udf: expected outputs (n, k), got {[each.sample for each in found]}")
    broadcast = session.sparkContext.broadcast(packed(model))
    element = types.DoubleType() if found[0].dtype == np.float64 else types.FloatType()
    return functions.predict_batch_udf(
        loader(broadcast),
        return_type=types.ArrayType(element),
        batch_size=batch_size,
        input_tensor_shapes=[list(sample)],
    )


def loader(broadcast: Any) -> Callable[[], Callable[[Any], Any]]:
    """What a Python worker calls once: it loads the model and gives what predicts."""

    def load() -> Callable[[Any], Any]:
        model = arrived(broadcast.value).model
        context = require("pyspark", extra="spark").TaskContext.get()
        threads = max(1, context.cpus()) if context is not None else 1
        return lambda samples: model.predict(np.asarray(samples, np.float32), threads=threads)

    return load
