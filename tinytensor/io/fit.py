"""Which arrays of a file are which parameters of a model: by names, else by shapes that leave one way."""

import itertools
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.io.config import State
from tinytensor.io.named import grouped, natural, start_of, under
from tinytensor.kernels.boundary import Array

__all__ = ["Fit", "assignment", "chosen", "fingerprint", "numbered", "same", "signatures"]

MAX_DEPTH = 16  # separators of a name at which a prefix may end
MAX_COPIES = 4  # how often a file may have each array
SEVERAL = 4  # choices in a message

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
Groups = Mapping[str, Mapping[str, tuple[str, str]]]


class Fit(NamedTuple):
    """Arrays by the model's names, and the names in the file of those that were used."""

    values: dict[str, Array]
    used: frozenset[str]


def chosen(state: State, parameters: State, prefix: str = "") -> Fit | None:
    """The arrays that fit a model, under the prefix or, if there is one way only, under one that fits.

    Raises:
        ArgumentError: there are several ways; says which.
    """
    within = under(state, prefix)
    whole = only(within, parameters) or only(without_copies(within, parameters), parameters)
    if whole:
        return renamed(whole, prefix)
    layers = sum("weight" in each for each in grouped(within).values())
    found: dict[str, Fit] = {}
    for each, inner in parts(within).items():
        if not len(parameters) <= len(inner) <= MAX_COPIES * len(parameters):
            continue
        if layers == 1 or len(grouped(inner)) > 1:  # who means one layer of several asks for it by its prefix
            fit = only(inner, parameters) or only(without_copies(inner, parameters), parameters)
            if fit and not any(same(fit.values, other.values) for other in found.values()):
                found[each] = renamed(renamed(fit, each), prefix)
        if len(found) > SEVERAL:
            break
    if len(found) > 1:
        choices = " or ".join(f"prefix={start_of(prefix) + each!r:.80}" for each in found)
        raise ArgumentError(f"several networks in the file have these shapes; choose one: {choices}")
    return next(iter(found.values()), None)


def renamed(fit: Fit, prefix: str) -> Fit:
    """The same with the names that they have in front of the prefix."""
    return Fit(fit.values, frozenset(start_of(prefix) + name for name in fit.used))


def parts(state: State) -> dict[str, dict[str, Array]]:
    """The arrays under each prefix that names have, which ends with a separator.

    >>> parts({"net.0.weight": 1, "net.0.bias": 2, "step": 3})
    {'net.': {'0.weight': 1, '0.bias': 2}, 'net.0.': {'weight': 1, 'bias': 2}}
    """
    found: dict[str, dict[str, Array]] = {}
    for name, array in state.items():
        for match in itertools.islice(re.finditer("[./]", name), MAX_DEPTH):
            found.setdefault(name[: match.end()], {})[name[match.end() :]] = array
    return found


def without_copies(state: State, parameters: State) -> State:
    """Without the layers whose arrays an earlier one has, too: a module that was registered twice."""
    if not len(parameters) < len(state) <= MAX_COPIES * len(parameters):
        return state
    kept: dict[str, Array] = {}
    seen: dict[tuple[tuple[str, int], ...], dict[str, Array]] = {}
    for group in grouped(state).values():
        arrays = {parameter: state[name] for parameter, (name, _) in group.items()}
        key = tuple((parameter, fingerprint(array)) for parameter, array in arrays.items())
        if key not in seen or not same(arrays, seen[key]):
            seen[key] = arrays
            kept |= {name: state[name] for name, _ in group.values()}
    return kept


def fingerprint(array: Array) -> int:
    """A number that equal arrays share and others hardly do."""
    return zlib.crc32(
        np.ascontiguousarray(array).data if array.size else b"",
        hash((array.shape, array.dtype.char)) & 0xFFFFFFFF,
    )


def same(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Whether all arrays have the same shapes and bits."""
    return one.keys() == other.keys() and all(
        array.shape == other[name].shape
        and array.dtype == other[name].dtype
        and array.tobytes() == other[name].tobytes()
        for name, array in one.items()
    )


def only(state: State, parameters: State) -> Fit | None:
    """The one way in which all of these arrays fit, if there is one.

    Raises:
        ArgumentError: they fit as they are and transposed, and the names do not say.
    """
    if len(state) != len(parameters):
        return None
    if state.keys() == parameters.keys() and all(
        state[name].shape == each.shape for name, each in parameters.items()
    ):
        return Fit(dict(state), frozenset(state))
    theirs, ours = grouped(state), grouped(parameters)
    weights = [state[name] for each in theirs.values() for name, layout in each.values() if not layout]
    is_open = any(each.ndim == 2 for each in weights)
    found = [
        fitted(state, theirs, parameters, ours, turned) for turned in ((False, True) if is_open else (False,))
    ]
    fits = [each for each in found if each is not None]
    if len(fits) == 2 and not same(*(each.values for each in fits)):
        raise ArgumentError(
            "the weights are square, so it is open whether they are (in, out) or (out, in); pass them by the "
            "model's names, transposed where needed: tt.load_weights(model, "
            f'{{"{next(iter(parameters))}": array.T, …}})'
        )
    return fits[0] if fits else None


def fitted(state: State, theirs: Groups, parameters: State, ours: Groups, turned: bool) -> Fit | None:
    """The arrays by the model's names, where shapes and numbers leave one way, in one layout of the file."""
    laid = {
        name: laid_out(state[name], parameter, layout, turned)
        for each in theirs.values()
        for parameter, (name, layout) in each.items()
    }
    assigned = assignment(signatures(laid, theirs), signatures(parameters, ours))
    if assigned is None:
        return None
    values = {
        ours[mine][parameter][0]: laid[name]
        for layer, mine in assigned.items()
        for parameter, (name, _) in theirs[layer].items()
    }
    return Fit(values, frozenset(state))


def laid_out(array: Array, parameter: str, layout: str, turned: bool) -> Array:
    """A weight as (out, in), a bias (1, n) or (n, 1) as (n,)."""
    if parameter == "weight" and array.ndim == 2 and (layout == "in, out" or (turned and not layout)):
        return array.T
    return array.reshape(-1) if parameter == "bias" and array.ndim == 2 and 1 in array.shape else array


def signatures(state: State, layers: Groups) -> dict[str, Shapes]:
    """What each layer's parameters are called and which shapes they have."""
    return {
        layer: tuple(sorted((parameter, state[name].shape) for parameter, (name, _) in each.items()))
        for layer, each in layers.items()
    }


def assignment(theirs: dict[str, Shapes], ours: dict[str, Shapes]) -> dict[str, str] | None:
    """Their layers to ours, if the shapes leave one way, or numbers in their names decide.

    >>> square = (("weight", (9, 9)),)
    >>> assignment({"fc2": square, "fc10": square}, {"0": square, "2": square})
    {'fc2': '0', 'fc10': '2'}
    >>> assignment({"query": square, "key": square}, {"0": square, "2": square})
    """
    found: dict[str, str] = {}
    for signature in {*theirs.values(), *ours.values()}:
        in_file, in_model = of(signature, theirs), of(signature, ours)
        if len(in_file) != len(in_model) or not numbered(in_file):
            return None
        found |= dict(zip(sorted(in_file, key=natural), in_model, strict=True))
    return found


def of(signature: Shapes, layers: dict[str, Shapes]) -> list[str]:
    """The layers of that signature, in their order."""
    return [layer for layer, each in layers.items() if each == signature]


def numbered(names: Iterable[str]) -> bool:
    """Whether the names differ in nothing but numbers."""
    return len({re.sub("[0-9]+", "#", name) for name in names}) <= 1
