"""`tt.load_weights`: the weights of any file into a model that is there already."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.io.config import State
from tinytensor.io.fit import MAX_DEPTH, assignment, chosen, fingerprint, same, signatures
from tinytensor.io.formats import identify, located
from tinytensor.io.named import flat, grouped, under, without_counters
from tinytensor.kernels.boundary import Array
from tinytensor.layers.layer import Layer
from tinytensor.layers.state_dict import Skipped, load_state_dict, state_dict
from tinytensor.tensors import Tensor
from tinytensor.text import escaped

__all__ = ["load_weights", "read_state"]

Source = str | os.PathLike[str] | Mapping[str, Any]


def read_state(path: str | os.PathLike[str]) -> State:
    """The arrays in a model's file by name, float16 and bfloat16 as float32.

    A checkpoint's dicts and lists inside one another give dotted names; what is no array is left out.

    Raises:
        ModelFormatError: the file is no model, or damaged; says where.
        OSError: it cannot be read.
    """
    with located(path):
        module = identify(path).imported()
        if hasattr(module, "read_state"):
            return dict(module.read_state(Path(path)))
        return dict(module.read(Path(path))[1])


def load_weights(
    model: Layer, source: Source, strict: bool = True, *, key: str | None = None, prefix: str | None = None
) -> Skipped:
    """Put weights into a model: those of a file (safetensors, npz, `.pt`, pickle, any model) or of a dict.

    Names may be those of the model, have a prefix (`module.0.weight`), or be others (`fc1.weight`, `W1`) if
    shapes, and numbers in the names, leave one way to assign them. A weight called `weight` is (out, in), one
    called `kernel` (in, out); of other names (`W1`) the model's shapes decide, for all of the file at once. A
    bias may have the shape (1, n) or (n, 1). Where a checkpoint holds more, the weights of the one nested key
    or prefix that fits are taken; an array that is stored twice with equal values counts once.

    Args:
        model: gets the weights, all or, if anything is wrong, none.
        source: the file, whose content says which format it is; or arrays by name, dicts inside one another
            as in a checkpoint.
        strict: whether missing and unexpected names are an error; else they are passed over.
        key: where in a checkpoint the weights are (`"model_state_dict"`), dotted if it is deeper.
        prefix: what the names of the weights start with (`"actor"`).

    Returns:
        What was passed over: names that the model has and the source has not, and the other way round.

    Raises:
        ArgumentError: names every missing, unexpected and mis-shaped entry, or says what is open.
        ModelFormatError: the file is no model, or damaged; says where.
        DtypeError: the source is neither a path nor a dict.
        OSError: the file cannot be read.

    >>> import tempfile
    >>> import numpy as np
    >>> import tinytensor as tt
    >>> model = tt.Sequential(tt.Linear(2, 3), tt.relu, tt.Linear(3, 1, bias=False))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/w.npz", **{"hidden.weight": np.ones((3, 2)), "hidden.bias": np.zeros(3),
    ...                                    "out.weight": np.ones((1, 3))})
    ...     tt.load_weights(model, f"{folder}/w.npz")
    Skipped(missing=[], unexpected=[])
    >>> model([1.0, 2.0]).tolist()
    [9.0]
    """
    state, start = without_counters(arrays_of(source)), ".".join(filter(None, (key, prefix)))
    within = under(state, start)
    if not within:
        raise ArgumentError(
            f"load_weights: no array{f' under {start!r:.80}' if start else ''}; {listed(state)}"
        )
    parameters = state_dict(model)
    try:
        fit = chosen(state, parameters, start)
        if fit is None:
            return load_state_dict(model, nearest(within, parameters), strict)
        load_state_dict(model, fit.values)
    except ArgumentError as error:
        raise ArgumentError(escaped(f"load_weights: {error}{order_is_open(within, parameters)}")) from error
    taken = {fingerprint(state[name]): state[name] for name in fit.used}
    left = {name: fingerprint(array) for name, array in state.items() if name not in fit.used}
    copies = {
        name for name, key in left.items() if key in taken and same({"": state[name]}, {"": taken[key]})
    }
    return Skipped([], [name for name in left if name not in copies])


def arrays_of(source: Source) -> State:
    """The arrays of a file or of a dict.

    Raises:
        DtypeError: it is neither.
    """
    if isinstance(source, Mapping):
        return flat(source, array_of)
    if isinstance(source, str | os.PathLike):
        return read_state(source)
    hint = "; the model comes first" if isinstance(source, Layer) else ""
    raise DtypeError(f"load_weights: expected a path or a dict of arrays, got {type(source).__name__}{hint}")


def array_of(value: Any) -> Array | None:
    """An array of NumPy's, of ours, of PyTorch's, or of whatever turns into one."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Tensor):
        return value.numpy()
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        from tinytensor.io.torch import array

        return array(value)
    if hasattr(value, "__array__") and hasattr(value, "shape") and not isinstance(value, np.generic):
        return np.asarray(value)
    return None


def nearest(state: State, parameters: State) -> State:
    """The arrays under the prefix whose names are the model's most often, to say what does not fit."""
    candidates = [state]
    for _ in range(MAX_DEPTH):
        first = {name[: name.find(".") + 1] for name in candidates[-1]}
        if len(first) == 1 and "" not in first:
            candidates.append(under(candidates[-1], first.pop()))
    return max(candidates, key=lambda each: len(each.keys() & parameters.keys()))


def order_is_open(state: State, parameters: State) -> str:
    """A line that says so, if the layers have the model's shapes and the names do not say which is which."""
    theirs, ours = (signatures(each, grouped(each)) for each in (state, parameters))
    if sorted(theirs.values()) != sorted(ours.values()) or assignment(theirs, ours) is not None:
        return ""
    name, other = next(iter(parameters)), next(iter(state))
    return (
        "\n  the shapes fit, but the names do not say which layer is which; use the model's names: "
        f"tt.load_weights(model, {{{name!r}: arrays[{other!r}], …}}), arrays = tt.io.read_state(path)"
    )


def listed(state: State) -> str:
    """The names that there are, a few of them."""
    names = ", ".join(f"{name} {array.shape}" for name, array in list(state.items())[:8])
    return f"there are {names}{', …' if len(state) > 8 else ''}" if state else "it holds no arrays"
