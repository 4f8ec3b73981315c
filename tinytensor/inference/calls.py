"""One call of a layer's `forward`: what goes in, what may come out, and who is listening."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.inference.traceable import Traceable
from tinytensor.primitives.definition import Symbol
from tinytensor.tensors import Tensor

__all__ = [
    "call", "call_with", "current_path", "listening", "noted", "read_only", "recorded", "recount",
    "runs_foreign_code", "unheard",
]  # fmt: skip

OURS = "tinytensor"


class Recorder(threading.local):
    """The outputs of layers by name, while somebody in this thread wants them."""

    seen: dict[str, Tensor] | None = None
    path: list[tuple[Any, str, Counter[int]]]


recorder = Recorder()


def listening() -> bool:
    """Whether the outputs of layers are being recorded in this thread."""
    return recorder.seen is not None


@contextmanager
def recorded(model: Traceable) -> Iterator[dict[str, Tensor]]:
    """While it lasts, what every layer inside the model computes is put into a dict by its name."""
    former = recorder.seen, getattr(recorder, "path", [])
    recorder.seen, recorder.path = {}, [(model, "", Counter())]
    try:
        yield recorder.seen
    finally:
        recorder.seen, recorder.path = former


@contextmanager
def unheard() -> Iterator[None]:
    """While it lasts, nothing is recorded."""
    former, recorder.seen = recorder.seen, None
    try:
        yield
    finally:
        recorder.seen = former


def current_path() -> str:
    """The name of the layer whose forward is running, while layers are recorded."""
    return recorder.path[-1][1].rstrip(".")


def recount() -> None:
    """The layer whose forward is running is called again from the start."""
    recorder.path[-1][2].clear()


def call(layer: Traceable, x: Tensor) -> Tensor:
    """The layer's forward(x), checked; of a layer that is not ours, x is a read-only view."""
    theirs = runs_foreign_code(layer)
    if recorder.seen is not None:
        y = noted(layer, read_only(x) if theirs else x)
    else:
        y = layer.forward(x) if not theirs else guarded(layer, read_only(x))
    return y if type(y) is Tensor else result(layer, y)


def call_with(layer: Traceable, *x: Any) -> Any:
    """The layer's forward of one operand, or of several; a Tensor or a tuple of them."""
    if len(x) == 1 and type(x[0]) is Tensor:
        y = guarded(layer, read_only(x[0])) if runs_foreign_code(layer) else layer.forward(x[0])
    else:
        y = guarded(layer, *x)
    return y if type(y) is Tensor or isinstance(y, tuple) else result(layer, y)


def runs_foreign_code(layer: Traceable) -> bool:
    """Whether `forward` is not ours."""
    cls = type(layer)
    module = getattr(cls.forward, "__module__", None) or ""
    return module.partition(".")[0] != OURS or cls.__name__ == "Lambda" or "forward" in vars(layer)


def read_only(x: Tensor) -> Tensor:
    """The same Tensor over a view that cannot be written to."""
    if isinstance(x._array, Symbol):
        return x
    view = x._array.view()
    view.flags.writeable = False
    return Tensor._wrap(view)


def guarded(layer: Traceable, *x: Any) -> Any:
    """forward(*x); an attempt to write into x is said to be one."""
    try:
        return layer.forward(*x)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise ArgumentError(
            f"{layer!r}: forward changes the array of its input, which belongs to the caller; "
            "change a copy: x.numpy().copy()"
        ) from error


def noted(layer: Traceable, *x: Any) -> Any:
    """forward(*x), put into what is recorded if the layer is inside the one that is running."""
    parent, prefix, calls = recorder.path[-1]
    names = [name for name, child in parent.children().items() if child is layer]
    if not names:
        return guarded(layer, *x)
    arrays: list[Any] = [each._array for each in x if type(each) is Tensor]
    traced = next((each for each in arrays if isinstance(each, Symbol)), None)
    # a layer that stands in several places is called for one after the other
    path = prefix + names[min(calls[id(layer)], len(names) - 1)]
    calls[id(layer)] += 1
    recorder.path.append((layer, f"{path}.", Counter()))
    try:
        y = guarded(layer, *x) if traced is None else traced.tracer.call(layer, *x)
    finally:
        recorder.path.pop()
    if recorder.seen is not None and (type(y) is Tensor or isinstance(y, np.ndarray)):
        recorder.seen[path] = y if type(y) is Tensor else Tensor(y)
    return y


def result(layer: Traceable, y: Any) -> Tensor:
    """What forward returned as a Tensor."""
    if y is None:
        raise DtypeError(f"{layer!r}: forward returned None; did you forget the return?")
    if isinstance(y, tuple | list | dict | set):
        raise DtypeError(
            f"{layer!r}: forward returned a {type(y).__name__} of {len(y)}; expected one Tensor: choose one, "
            "or join them with tt.concatenate"
        )
    try:
        return Tensor(y)
    except (DtypeError, ShapeError) as error:
        raise DtypeError(f"{layer!r}: forward returned no Tensor: {error}") from error
