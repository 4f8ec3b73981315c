"""The trace that is written to a file: for which samples it is made, and which lengths may vary.

A trace knows the lengths of a sample. Where the caller does not say them and the layers do not either, the
model is written for two different lengths: if both files are the same, the length does not matter, and the
file says that it varies. If they differ, the caller has to say it.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinytensor.errors import ArgumentError, ShapeError, UnsupportedOp
from tinytensor.inference import calls
from tinytensor.inference.summary import leaf_layers
from tinytensor.inference.trace import EXAMPLE_ROWS, Trace, line_of, trace
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.boundary import index as integer
from tinytensor.layers.graph import Graph
from tinytensor.layers.int8 import FromInt8
from tinytensor.layers.layer import Layer
from tinytensor.layers.quantize import Quantize
from tinytensor.layers.quantized import Quantized
from tinytensor.layers.quantized_conv import QuantizedConv2d
from tinytensor.layers.reshape import Reshape
from tinytensor.primitives.definition import Untraceable
from tinytensor.tensors import Tensor

__all__ = ["Constants", "Examples", "Input", "examples_of", "inputs_of", "refused", "traced", "written"]

Lengths = list[int | None]
Written = TypeVar("Written")

FIRST_TRIED = (5, 6, 7)
MOST_TRIED = 256
LONGEST = 1 << 16  # of a parameter's axis that is tried as a length


class Input(NamedTuple):
    """An input of a model: its name, its dtype, and its lengths, of which the first counts samples."""

    name: str
    dtype: str
    lengths: Lengths


def inputs_of(who: str, model: Layer, shape: Any) -> list[list[Input]]:
    """What the inputs may be, the likeliest first, with None for a length that is not said.

    Raises:
        ShapeError: the shape is not the lengths of a sample.
        ArgumentError: there is none, and the model does not say it; or not one for each input.
    """
    names, dtype = names_of(model), dtype_of(model)
    if shape is None and isinstance(model, Graph) and model.signature:
        if any(lengths is None for _, lengths in model.signature):
            raise ArgumentError(f"{who}: expected the shape of a sample: {who}(model, shape=(…))")
        signature = zip(names, model.signature, strict=True)
        return [[Input(name, dtype, list(lengths)) for name, (dtype, lengths) in signature]]
    if not names:
        return [[]]
    if shape is None and len(names) == 1:
        return [[Input(names[0], dtype, [None, *lengths])] for lengths in samples_of(model)]
    shapes = [shape] if len(names) == 1 else shape
    if not isinstance(shapes, list | tuple) or len(shapes) != len(names):
        raise ArgumentError(f"{who}: expected a shape for each of {', '.join(names)}: shape=[(…), …]")
    dtypes = [stated for stated, _ in getattr(model, "signature", ())] or [dtype] * len(names)
    given = zip(names, dtypes, shapes, strict=True)
    return [[Input(name, stated, [None, *lengths_of(who, each)]) for name, stated, each in given]]


def lengths_of(who: str, shape: Any) -> Lengths:
    """The lengths of one sample that a caller gives, None for those that vary."""
    try:
        lengths = [None if each is None else integer(each) for each in shape]
    except TypeError:
        lengths = [0]
    if isinstance(shape, dict) or not all(each is None or 0 < each < 1 << 63 for each in lengths):
        raise ShapeError(
            f"{who}: shape: expected the lengths of one sample, as (784,) or (None, 784), got {shape!r:.80}"
        )
    return lengths


def names_of(model: Layer) -> list[str]:
    """The names of the inputs."""
    if isinstance(model, Graph):
        return list(model.input_names)
    parameters = inspect.signature(model.forward).parameters.values()
    names = [
        each.name for each in parameters if each.default is each.empty and each.kind < each.VAR_POSITIONAL
    ]
    return names if len(names) > 1 else ["input"]


def dtype_of(model: Layer) -> str:
    """The dtype of the first parameter of floats; of bytes, what the first layer on bytes takes."""
    first = next((layer for _, layer in leaf_layers(model)), None)
    if isinstance(first, FromInt8 | Quantized) and not isinstance(first, Quantize):
        return "int8" if isinstance(first, FromInt8) else "uint8"
    return next(
        (each.dtype.name for each in model.parameters().values() if each.dtype.kind == "f"), "float32"
    )


def samples_of(model: Layer) -> list[Lengths]:
    """The lengths of a sample, if the first layer with parameters says them; else one, two or three axes."""
    for _, layer in leaf_layers(model):
        if hasattr(layer, "in_features"):
            return [[layer.in_features]]
        if isinstance(layer, QuantizedConv2d):
            channels = layer.weight.shape[1] * layer.groups
            return [[None, None, channels] if layer.channels_last else [channels, None, None]]
        config = layer.config() if "in_channels" in inspect.signature(type(layer)).parameters else {}
        if "in_channels" in config:
            spatial: Lengths = [None] * (layer.weight.ndim - 2)
            channels = config["in_channels"]
            return [[*spatial, channels] if layer.channels_last else [channels, *spatial]]
        if isinstance(layer, Reshape):
            return [[None if -1 in layer.shape else math.prod(layer.shape)]]
        if layer.parameters():
            break
    return [[None], [None, None], [None, None, None]]


def written(
    who: str, model: Layer, forms: list[list[Input]], write: Callable[[list[Input]], Written],
    same: Callable[[Written, Written], bool],
) -> tuple[Written, list[Input]]:  # fmt: skip
    """What `write` makes of the model for one of these forms, and the form with what may vary as None.

    Raises:
        UnsupportedOp: a layer cannot be written.
        ShapeError: lengths decide what is written, and nothing says them.
        Exception: what the model raises of samples whose lengths are all given.
    """
    for form in forms:
        if all(None not in each.lengths[1:] for each in form):
            return write(form), form
        for size in sizes_of(model):
            made = tried(write, filled(form, [size]))
            if made is not None:
                break
        else:
            continue
        for other in others_of(size):
            again = tried(write, filled(form, other))
            if again is not None and same(made, again):
                return made, form
            if again is not None:
                break
        else:
            if len(form) == 1 and len(form[0].lengths) == 2:  # no other length fits
                return made, filled(form, [size])
        raise ShapeError(
            f"{who}: what is written depends on the lengths of a sample; say them: shape=(…), for example "
            f"shape={tuple(filled(form, [size])[0].lengths[1:])}"
        )
    raise ShapeError(
        f"{who}: expected the shape of a sample, as the layers take none that was tried; say it: shape=(…)"
    )


def sizes_of(model: Layer) -> Iterator[int]:
    """Lengths that may fit a model."""
    lengths = {n for each in model.parameters().values() for n in each.shape if n < LONGEST}
    yield from dict.fromkeys([*FIRST_TRIED, *sorted(lengths), *range(1, MOST_TRIED + 1)])


def others_of(size: int) -> Iterator[list[int]]:
    """Other lengths for the axes that are not said, in turn."""
    yield from ([size + 1], [size + 2], [size + 1, size], [size, size + 1], [size + 1, size + 2])
    yield from ([each] for each in FIRST_TRIED if each != size)


def filled(form: list[Input], sizes: Sequence[int]) -> list[Input]:
    """The inputs with these lengths in turn where none are said, but for the number of samples."""
    found, count = [], 0
    for each in form:
        lengths = each.lengths[:1]
        for n in each.lengths[1:]:
            lengths.append(sizes[count % len(sizes)] if n is None else n)
            count += n is None
        found.append(each._replace(lengths=lengths))
    return found


def tried(write: Callable[[list[Input]], Written], form: list[Input]) -> Written | None:
    """What is written for these lengths; None if they do not fit."""
    try:
        return write(form)
    except UnsupportedOp:
        raise
    except Exception:  # whatever a model raises of samples that do not fit
        return None


def examples_of(inputs: Sequence[Input]) -> list[Array]:
    """A few samples of zeros."""
    return [np.zeros([EXAMPLE_ROWS if n is None else n for n in each.lengths], each.dtype) for each in inputs]


def traced(who: str, model: Layer, arrays: Sequence[Array]) -> Trace:
    """The trace of a model.

    Raises:
        UnsupportedOp: it cannot be traced; says why, with file and line.
        Exception: what it raises of samples like these.
    """
    try:
        return trace(model, arrays)
    except Untraceable as error:
        calls.call_with(model, *map(Tensor._wrap, arrays))
        raise refused(who, model, f"{error}{line_of(error)}") from error


class Examples:
    """The values of a graph for a few samples, as far as it can be run: zeros may be no size that fits."""

    def __init__(self, model: Graph, arrays: Sequence[Array | None]):
        given = [None if each is None else Tensor._wrap(each) for each in arrays]
        self.values: dict[str, Any] = {"": None, **dict(zip(model.input_names, given, strict=True))}
        for layer, (read, defined) in zip(model.layers, model.wires, strict=True):
            operands = [self.values[name] for name in read]
            failed = next((each for each in operands if isinstance(each, Exception)), None)
            try:
                y = failed or layer.forward(*operands)
            except Exception as error:  # raised again if the value is needed
                y = error
            results = y if isinstance(y, tuple) else (y,) * (len(defined) if isinstance(y, Exception) else 1)
            self.values |= dict(zip(defined, results, strict=False))

    def of(self, name: str) -> Array | None:
        """One value; None for one that is left out."""
        found = self.values[name]
        if isinstance(found, Exception):
            raise found
        return None if found is None else np.asarray(found._array)


def refused(who: str, layer: Any, reason: str) -> UnsupportedOp:
    """The error for a layer that cannot be traced."""
    where = f"{who}: " if who else ""
    return UnsupportedOp(
        f"{where}{layer!r:.200}: it cannot be written, as its forward is not traceable: {reason}; "
        "write it with operations on Tensors (docs/plan.md says which)"
    )


class Constants:
    """The names of a model's parameters by the memory that they lie in."""

    def __init__(self, model: Layer):
        self.parameters = {name: each._array for name, each in model.parameters().items()}
        self.names = {memory_of(each): name for name, each in reversed(self.parameters.items())}

    def name(self, array: Array) -> str:
        """The name of the parameter that an array shows all of, in any shape and dtype; empty if of none."""
        found = self.names.get(memory_of(array), "")
        return found or next((name for name, each in self.parameters.items() if is_cast(array, each)), "")


def is_cast(array: Array, parameter: Array) -> bool:
    """Whether an array is a parameter in another float dtype."""
    alike = array.shape == parameter.shape and array.dtype != parameter.dtype
    return alike and array.dtype.kind == parameter.dtype.kind == "f" and array.ndim > 0 and bool(
        np.array_equal(array, parameter.astype(array.dtype), equal_nan=True)
    )  # fmt: skip


def memory_of(array: Array) -> tuple[int, int, str]:
    """Where an array lies, and what of."""
    return array.ctypes.data, array.size, array.dtype.str
