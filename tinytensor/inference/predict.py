"""`predict` and `predict_batches`: arrays, memory maps and streams of batches through a model."""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, ShapeError, require
from tinytensor.inference.plan import plan_of
from tinytensor.kernels.boundary import Array, as_operand, length
from tinytensor.tensors import Tensor
from tinytensor.threads import checked

__all__ = ["given", "input_names", "predict", "predict_batches", "samples_of"]

Run = Callable[[Any, int | None, Array | None], Any]
DEFAULT_BATCH = 1000


def samples_of(x: Any) -> Any:
    """A Tensor, or an array that is read where it is."""
    if type(x) is Tensor:
        return x
    if type(x) in (np.ndarray, np.memmap):
        as_operand(x[:0] if x.ndim else x)  # refuses what is no number, without reading what is
        return x.view(np.ndarray)
    if isinstance(x, str | PathLike):
        raise DtypeError(
            f"predict: expected samples, got the path {os.fspath(x)!r}; load it, as np.load(path), or let "
            "tinytensor predict read it"
        )
    return as_operand(x)


def input_names(model: Any) -> list[str]:
    """The names of a model's inputs: those that it says, or of the parameters of its forward."""
    told = getattr(model, "input_names", None)
    if told is not None:
        return list(told)
    parameters = inspect.signature(model.forward).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in kinds and each.default is each.empty]


def given(model: Any, x: Any, take: Callable[[Any], Any]) -> list[Any]:
    """The inputs of a model from what a caller gives for x: one, or a tuple or dict of several.

    Raises:
        ArgumentError: as many are expected, or by other names.
    """
    if not isinstance(x, tuple | dict):
        return [take(x)]
    names = input_names(model)
    if isinstance(x, dict):
        if sorted(x) != sorted(names):
            raise ArgumentError(
                f"predict: expected inputs named {', '.join(names)}, got {', '.join(map(str, x))}"
            )
        return [take(x[name]) for name in names]
    if len(names) == 1:
        return [take(x)]
    if len(x) != len(names):
        raise ArgumentError(f"predict: expected {len(names)} inputs ({', '.join(names)}), got {len(x)}")
    return [take(each) for each in x]


def runner(model: Any) -> Run:
    """What computes one batch."""
    return lambda samples, threads, out: plan_of(model).run([samples], threads, out)


def predict(
    model: Any, x: Any, batch_size: int | None, progress: bool, threads: int | None, out: Array | None
) -> Any:
    """See `Model.predict`."""
    if is_lazy(x):
        return lazily(model, x, batch_size, progress, threads, out)
    size = None if batch_size is None else length("predict: batch_size", batch_size)
    if threads is not None:
        threads = checked("predict: threads", threads)
    check_progress("predict", progress)
    if out is not None:
        check_out(out)
    run = runner(model)
    if isinstance(x, tuple | dict):
        xs = given(model, x, samples_of)
        if len(xs) > 1:
            return of_several(model, xs, size, progress, threads, out)
        x = xs[0]
    if isinstance(x, Iterator):
        return gather(run, watched(x, progress, None), size, threads, out)
    samples = samples_of(x)
    if out is not None and overlap(samples, out):
        raise ArgumentError("predict: out shares memory with x; did you mean out=np.empty(…)?")
    if samples.ndim < 2 or (size is None and not progress):
        return placed(run(samples, threads, out), out)
    size = size or (DEFAULT_BATCH if progress else len(samples))
    starts = range(0, len(samples), size) or (0,)
    batches = (samples[start : start + size] for start in watched(starts, progress, len(starts)))
    return gather(run, batches, None, threads, out, len(samples))


def is_lazy(x: Any) -> bool:
    """Whether it is a Dask collection, or several."""
    if isinstance(x, tuple | dict):
        return any(map(is_lazy, x.values() if isinstance(x, dict) else x))
    return hasattr(x, "__dask_graph__")


def lazily(
    model: Any, x: Any, batch_size: int | None, progress: bool, threads: int | None, out: Array | None
) -> Any:
    """The outputs for Dask arrays or a DataFrame, of which nothing is computed."""
    from tinytensor.distributed.dask import predict  # a room that stands above this one

    if out is not None or progress:
        raise ArgumentError(
            "predict: out and progress: expected neither for a Dask collection, of which nothing is computed "
            "yet; write the result with its to_zarr or to_parquet, and Dask's dashboard shows the progress"
        )
    return predict(model, x, batch_size, 1 if threads is None else threads)


def of_several(
    model: Any, xs: list[Any], size: int | None, progress: bool, threads: int | None, out: Array | None
) -> Any:
    """The outputs for several inputs, batch by batch."""
    count = len(xs[0])
    if any(each.ndim < 1 or len(each) != count for each in xs):
        raise ShapeError(
            f"predict: expected as many samples of each input, got shapes {[each.shape for each in xs]}"
        )
    size = size or max(count, 1)
    starts = watched(range(0, count, size) or (0,), progress, None)
    found = [plan_of(model).run([each[start : start + size] for each in xs], threads) for start in starts]
    return placed(joined(found), out)


def joined(batches: list[Any]) -> Any:
    """The outputs of batches one after the other, each an array or a tuple of them."""
    if isinstance(batches[0], tuple):
        return tuple(np.concatenate(several) for several in zip(*batches, strict=True))
    return np.concatenate(batches) if len(batches) > 1 else batches[0]


def predict_batches(
    model: Any, batches: Any, batch_size: int | None, threads: int | None, progress: bool = False
) -> Iterator[Any]:
    """See `Model.predict_batches`."""
    size = length("predict_batches: batch_size", DEFAULT_BATCH if batch_size is None else batch_size)
    if threads is not None:
        threads = checked("predict_batches: threads", threads)
    check_progress("predict_batches", progress)
    if hasattr(batches, "shape"):
        samples = samples_of(batches)
        if samples.ndim == 0:
            raise ShapeError("predict_batches: expected samples along the first axis, got a single number")
        batches = (samples[start : start + size] for start in range(0, len(samples), size))
    elif not isinstance(batches, Iterable):
        raise DtypeError(f"predict_batches: expected an array or an iterable of batches, got {batches!r}")
    return (
        plan_of(model).run(given(model, batch, samples_of), threads)
        for batch in watched(batches, progress, None)
    )


def check_progress(who: str, progress: Any) -> None:
    """Raise unless `progress` is True or False."""
    if not isinstance(progress, bool | np.bool_):
        hint = "; for a function of your own, go through predict_batches" if callable(progress) else ""
        raise DtypeError(f"{who}: progress: expected True or False, got {progress!r:.80}{hint}")


def check_out(out: Any) -> None:
    """Raise unless `out` is an array that can be written to."""
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"predict: out: expected an array, got {type(out).__name__}")
    if not out.flags.writeable:
        raise ArgumentError("predict: out: expected a writable array, got a read-only one")


def overlap(x: Any, out: Array) -> bool:
    """Whether two arrays share memory, or may."""
    return np.may_share_memory(x.numpy() if type(x) is Tensor else x, out)


def placed(y: Any, out: Array | None) -> Any:
    """The outputs, in `out` if there is one, where they may lie already."""
    if out is None:
        return y
    if isinstance(y, tuple):
        raise ArgumentError(f"predict: out: the model has {len(y)} outputs; leave it out")
    if out.dtype != y.dtype:
        raise DtypeError(f"predict: out: expected {y.dtype}, got {out.dtype}")
    if out.shape != y.shape:
        raise ShapeError(f"predict: out: expected shape {y.shape}, got {out.shape}")
    if y is not out:
        out[...] = y
    return out


def gather(
    run: Run, batches: Iterable[Any], size: int | None, threads: int | None, out: Array | None,
    count: int | None = None,
) -> Any:  # fmt: skip
    """The outputs of all batches in one array, written as soon as they are there; of several, a tuple."""
    found: list[Any] = []
    done = 0
    for batch in batches:
        y = one_batch(run, batch, size, threads)
        samples = len(batch) if hasattr(batch, "__len__") else len(y)
        if isinstance(y, tuple):
            found.append(y)
            continue
        if y.ndim == 0 or len(y) != samples:
            raise ShapeError(
                f"predict: expected an output for each of {samples} samples, got shape {y.shape}"
            )
        if out is None and count is not None:
            out = np.empty((count, *y.shape[1:]), y.dtype)
        if out is None:
            found.append(y)
        else:
            if done + len(y) > len(out):
                raise ShapeError(f"predict: out: expected room for more than {len(out)} samples")
            placed(y, out[done : done + len(y)])
        done += len(y)
    if out is not None:
        return out if done == len(out) else out[:done]
    if not found:
        raise ArgumentError("predict: expected at least one batch, got none; their shape is not known")
    return joined(found)


def one_batch(run: Run, batch: Any, size: int | None, threads: int | None) -> Any:
    """The outputs for a batch that is given, in smaller ones if wanted."""
    samples = samples_of(batch)
    if samples.ndim < 2 or size is None:
        return run(samples, threads, None)
    starts = range(0, len(samples), size) or (0,)
    return gather(run, (samples[start : start + size] for start in starts), None, threads, None, len(samples))


def watched(batches: Iterable[Any], progress: bool, total: int | None) -> Iterable[Any]:
    """The same, with a bar on the terminal if wanted."""
    if not progress:
        return batches
    track = require("rich.progress", extra="cli").track
    return track(batches, description="predicting", total=total)  # type: ignore[no-any-return]
