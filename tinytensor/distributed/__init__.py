"""Prediction on many machines, with the engines that run there: one module for each, and `score`.

The engines are imported when they are used (extras `dask`, `ray` and `spark`).
"""

from tinytensor.distributed import dask, ray, spark
from tinytensor.distributed.job import score

__all__ = ["dask", "ray", "score", "spark"]
