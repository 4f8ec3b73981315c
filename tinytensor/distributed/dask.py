"""Prediction on Dask arrays and DataFrames, lazily; a block of samples is one task (extra `dask`)."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytensor.distributed.carried import Carried, arrived, packed
from tinytensor.errors import DtypeError, PartitionError, ShapeError, require
from tinytensor.inference.predict import given
from tinytensor.inference.results import results
from tinytensor.kernels.boundary import length
from tinytensor.primitives.definition import Result
from tinytensor.threads import checked

__all__ = ["predict"]

# labels of axes, as Dask's blockwise takes them: the first, and the others of inputs, one block each
ROWS, REST = ("n",), "rest"


def predict(model: Any, x: Any, batch_size: int | None = None, threads: int = 1) -> Any:
    """The outputs for a Dask array or DataFrame of samples, as one; nothing is computed.

    A block of samples gives a block of outputs; axes other than the first are made one block each. The rows
    have the bits that `model.predict` gives for them on one machine, whatever the blocks. The model is as it
    is now: later changes of it are not seen. It travels once to each worker.

    Args:
        model: any layer.
        x: an array (n, …), or a DataFrame whose columns are the features in their order. A model of several
            inputs takes a tuple of arrays, or a dict by name; one of several outputs gives a tuple.
        batch_size: how many samples go through layers of your own at a time; a block by default.
        threads: how many threads work on a block. One is right where Dask has a thread for each CPU.

    Returns:
        A Dask array (n, …). For a DataFrame, a DataFrame with the same index and the columns `y0`, `y1`, ….

    Raises:
        ShapeError: the samples do not fit the model, or inputs differ in their number of samples.
        DtypeError: x is neither, or has columns that are not of numbers.
        ArgumentError: the model cannot be pickled; batch_size or threads is no positive integer.
        PartitionError: when computed, if a block cannot be; it names the block and its rows.

    >>> import dask.array as da
    >>> import tinytensor as tt
    >>> x = da.ones((5, 784), chunks=(2, 784), dtype="float32")
    >>> y = tt.distributed.dask.predict(tt.Sequential(tt.Linear(784, 10, seed=0), tt.softmax), x)
    >>> y.shape, y.dtype, y.chunks
    ((5, 10), dtype('float32'), ((2, 2, 1), (10,)))
    """
    require("dask.array", extra="dask")
    options = {
        "batch_size": None if batch_size is None else length("predict: batch_size", batch_size),
        "threads": checked("predict: threads", threads),
    }
    if hasattr(type(x), "map_partitions"):
        return of_frame(model, x, options)
    return of_arrays(model, given(model, x, checked_array), options)


def checked_array(x: Any) -> Any:
    """A Dask array of samples, one block along every axis but the first."""
    if not hasattr(type(x), "map_blocks"):
        raise DtypeError(
            f"predict: expected a Dask array or DataFrame, got {type(x).__name__}; "
            "dask.array.from_array(x, chunks=…) makes one"
        )
    if x.ndim < 1 or any(math.isnan(each) for each in x.shape[1:]):
        raise ShapeError(f"predict: expected samples of a known shape, got an array of shape {x.shape}")
    return x.rechunk(dict.fromkeys(range(1, x.ndim), -1))


def node_of(model: Any) -> tuple[Any, str]:
    """The model as a node of a graph, and the digest of it."""
    delayed = require("dask", extra="dask").delayed
    payload = packed(model)
    digest = hashlib.sha256(payload).hexdigest()[:32]
    return delayed(arrived, pure=True)(payload, dask_key_name=f"model-{digest}"), digest


def of_arrays(model: Any, xs: Sequence[Any], options: dict[str, Any]) -> Any:
    """The outputs for the arrays of all inputs."""
    da, layers = require("dask.array", "dask"), require("dask.layers", "dask")
    rows = xs[0].chunks[:1]
    if any(not same_rows(each.chunks[:1], rows) for each in xs):
        raise ShapeError(
            "predict: expected the same blocks of samples of each input, got "
            f"{[each.chunks[0] for each in xs]}; rechunk them alike"
        )
    found = results(model, [(each.shape[1:], each.dtype) for each in xs])
    node, digest = node_of(model)
    name = f"predict-{require('dask.base', 'dask').tokenize(digest, [each.name for each in xs], options)}"
    operands: list[Any] = [layers.ArrayBlockIdDep(rows), ROWS, layers.ArraySliceDep(rows), ROWS]
    for each in xs:
        operands += [each, (*ROWS, *[REST] * (each.ndim - 1))]
    if len(found) == 1:
        return da.blockwise(
            block,
            axes_of(found[0]),
            *operands,
            carried=node,
            name=name,
            **options,
            **described(found[0], any(each.ndim > 1 for each in xs)),
        )
    together = da.blockwise(
        block, ROWS, *operands, carried=node, name=name, dtype=object, meta=np.empty(0, object),
        align_arrays=False, **options,
    )  # fmt: skip
    return tuple(
        da.blockwise(pick, axes_of(each), together, ROWS, number=number, **described(each, False))
        for number, each in enumerate(found)
    )


def same_rows(one: Any, other: Any) -> bool:
    """Whether two arrays are cut alike along their first axis, so far as that is known."""
    pairs = zip(one[0], other[0], strict=False)
    return len(one[0]) == len(other[0]) and all(a == b or math.isnan(a + b) for a, b in pairs)


def axes_of(result: Result) -> tuple[Any, ...]:
    """The labels of an output's axes; the second is the inputs', or Dask would not fuse what makes them."""
    return (*ROWS, REST, *(f"y{axis}" for axis in range(2, 1 + len(result.sample))))[: 1 + len(result.sample)]


def described(result: Result, cut_like_inputs: bool) -> dict[str, Any]:
    """What Dask is told of an output; whether REST is a label of the inputs, too."""
    sizes = dict(zip(axes_of(result)[1:], result.sample, strict=True))
    return {
        "adjust_chunks": {REST: sizes.pop(REST)} if cut_like_inputs and result.sample else {},
        "new_axes": sizes,
        "dtype": result.dtype,
        "meta": np.empty((0,) * (1 + len(result.sample)), result.dtype),
        "align_arrays": False,  # they are cut alike
    }


def block(
    number: tuple[int],
    rows: tuple[slice],
    *blocks: Any,
    carried: Carried,
    batch_size: int | None,
    threads: int,
) -> Any:
    """The outputs for one block of samples."""
    samples = tuple(map(alone, blocks))
    try:
        return carried.model.predict(
            samples[0] if len(samples) == 1 else samples, batch_size, threads=threads
        )
    except Exception as error:  # whatever a user's layer raises
        first, last = rows[0].start, rows[0].stop
        where = "" if math.isnan(last) else f", rows {first:,} to {last - 1:,}"
        raise PartitionError(f"block {number[0]}{where}: {type(error).__name__}: {error}") from error


def alone(block: Any) -> Any:
    """The block in the lists that stand for axes of one block."""
    while isinstance(block, list):
        (block,) = block
    return block


def pick(outputs: Any, number: int) -> Any:
    """One of several outputs."""
    return outputs[number]


def of_frame(model: Any, x: Any, options: dict[str, Any]) -> Any:
    """The outputs for the rows of a DataFrame."""
    pandas = require("pandas", "dask")
    for name, dtype in x.dtypes.items():
        if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
            raise DtypeError(
                f"predict: column {name!r}: expected numbers, got {dtype}; leave it out, "
                "or convert it with .astype('float32')"
            )
    common = np.result_type(*x.dtypes)
    found = results(model, [((len(x.columns),), common)])
    if len(found) != 1 or len(found[0].sample) != 1:
        shapes = ", ".join(str(("n", *each.sample)) for each in found)
        raise ShapeError(f"predict: expected outputs (n, columns) for a DataFrame, got {shapes}")
    (columns,), dtype = found[0]
    names = [f"y{number}" for number in range(columns)]
    meta = pandas.DataFrame(np.empty((0, columns), dtype), columns=names, index=x._meta.index)
    node, _ = node_of(model)
    return x.map_partitions(part, node, common, names, meta=meta, **options)


def part(
    frame: Any, carried: Carried, dtype: Any, names: list[str], batch_size: int | None, threads: int,
    partition_info: Any = None,
) -> Any:  # fmt: skip
    """The outputs for one partition of a DataFrame."""
    pandas = require("pandas", "dask")
    try:
        y = carried.model.predict(frame.to_numpy(dtype), batch_size, threads=threads)
    except Exception as error:  # whatever a user's layer raises
        number = "" if partition_info is None else f" {partition_info['number']}"
        ends = f", index {frame.index[0]} to {frame.index[-1]}" if len(frame) else ""
        raise PartitionError(f"partition{number}{ends}: {type(error).__name__}: {error}") from error
    return pandas.DataFrame(y, columns=names, index=frame.index)
