"""`predict` and `predict_batches`: arrays, memory maps and streams of batches through a model."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, ShapeError, require
from tinytensor.kernels.boundary import Array, as_operand, length
from tinytensor.tensor import Tensor
from tinytensor.threads import checked

__all__ = ["predict", "predict_batches"]

Run = Callable[[Any, int | None, Array | None], Array]
DEFAULT_BATCH = 1000


def samples_of(x: Any) -> Any:
    """A Tensor, or an array that is read where it is."""
    if type(x) is Tensor:
        return x
    if type(x) in (np.ndarray, np.memmap):
        as_operand(x[:0] if x.ndim else x)  # refuses what is no number, without reading what is
        return x.view(np.ndarray)
    return as_operand(x)


def predict(
    run: Run, x: Any, batch_size: int | None, progress: bool, threads: int | None, out: Array | None
) -> Array:
    """See `Sequential.predict`; `run(samples, threads, out)` computes one batch."""
    size = None if batch_size is None else length("predict: batch_size", batch_size)
    if threads is not None:
        threads = checked("predict: threads", threads)
    if not isinstance(progress, bool | np.bool_):
        hint = "; for a function of your own, go through predict_batches" if callable(progress) else ""
        raise DtypeError(f"predict: progress: expected True or False, got {progress!r:.80}{hint}")
    if out is not None:
        check_out(out)
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


def predict_batches(run: Run, batches: Any, batch_size: int | None, threads: int | None) -> Iterator[Array]:
    """See `Sequential.predict_batches`."""
    size = length("predict_batches: batch_size", DEFAULT_BATCH if batch_size is None else batch_size)
    if threads is not None:
        threads = checked("predict_batches: threads", threads)
    if hasattr(batches, "shape"):
        samples = samples_of(batches)
        batches = (samples[start : start + size] for start in range(0, len(samples), size))
    elif not isinstance(batches, Iterable):
        raise DtypeError(f"predict_batches: expected an array or an iterable of batches, got {batches!r}")
    return (run(samples_of(batch), threads, None) for batch in batches)


def check_out(out: Any) -> None:
    """Raise unless `out` is an array that can be written to."""
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"predict: out: expected an array, got {type(out).__name__}")
    if not out.flags.writeable:
        raise ArgumentError("predict: out: expected a writable array, got a read-only one")


def overlap(x: Any, out: Array) -> bool:
    """Whether two arrays share memory, or may."""
    return np.may_share_memory(x.numpy() if type(x) is Tensor else x, out)


def placed(y: Array, out: Array | None, start: int = 0) -> Array:
    """The outputs, in `out` from `start` on if there is one, where they may lie already."""
    if out is None:
        return y
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
) -> Array:  # fmt: skip
    """The outputs of all batches in one array; each is written as soon as it is there."""
    found: list[Array] = []
    done = 0
    for batch in batches:
        y = predict(run, batch, size, False, threads, None)
        samples = len(batch) if hasattr(batch, "__len__") else len(y)
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
    return np.concatenate(found)


def watched(batches: Iterable[Any], progress: bool, total: int | None) -> Iterable[Any]:
    """The same, with a bar on the terminal if wanted."""
    if not progress:
        return batches
    track = require("rich.progress", extra="cli").track
    return track(batches, description="predicting", total=total)  # type: ignore[no-any-return]
