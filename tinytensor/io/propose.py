"""The error for a file of weights alone: which network they may belong to, as code to complete.

A state dict holds weights by name (`0.weight`, `fc1.bias`) and says nothing of what has none: activations,
and which layer follows which. So no model is made of it.
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

import numpy as np

from tinytensor.errors import ArgumentError, ModelFormatError
from tinytensor.files import StrPath
from tinytensor.io.config import State
from tinytensor.io.fit import chosen, numbered
from tinytensor.io.named import grouped, natural, under, without_counters
from tinytensor.kernels.boundary import Array
from tinytensor.text import listed

__all__ = ["refuse"]

LISTED = 30  # arrays in a message
LAYERS = 100  # of a network that is proposed
NETWORKS = 4  # that are proposed
STEPS = 10_000  # of the search for an order
ACTIVATION = "activation"

LAST = "An activation after the last layer leaves no trace in a file; append it if the network has one."
EPS = "The eps of a normalization is not in the file either; its default here is 1e-5."


class Piece(NamedTuple):
    """A layer with weights: its name in the file, its code, and how many numbers go in and out."""

    layer: str
    code: str
    inputs: int
    outputs: int
    parameters: dict[str, tuple[int, ...]]


def refuse(state: State, path: StrPath, note: str = "") -> NoReturn:
    """Raise what says how to load these weights.

    Raises:
        ModelFormatError: always.
    """
    state = without_counters(state)
    if not state:
        raise ModelFormatError("holds no arrays")
    arrays = listed((f"{name} {array.shape} {array.dtype}" for name, array in state.items()), LISTED)
    proposed = list(networks(state, path))
    if proposed:
        advice = ["Write the network with its own activations and load the weights into it:", *proposed, LAST]
        if any("Norm(" in each for each in proposed):
            advice.append(EPS)
    else:
        advice = [
            "No chain of tinytensor's layers has these shapes. If a part of the arrays is one, write it as a "
            "tt.Sequential(…) and use tt.load_weights(model, path, prefix=…)."
        ]
    lines = [
        "holds weights only, not which activations are between them. Its arrays:",
        *(f"  {each}" for each in arrays),
        *advice,
    ]
    raise ModelFormatError("\n".join([*lines, *([note] if note else [])]))


def networks(state: State, path: StrPath) -> Iterator[str]:
    """The code for all of the arrays or, where they are no chain, for parts of them by their prefixes."""
    found = 0
    pending = [""]
    for _ in range(LAYERS):
        if not pending or found == NETWORKS:
            break
        prefix = pending.pop(0)
        part = under(state, prefix)
        code = proposal(part, prefix, state, path)
        if code:
            found += 1
            yield code
        else:
            inner = dict.fromkeys(name[: name.index(".") + 1] for name in part if "." in name)
            pending += [f"{prefix}{each}" for each in inner][:LAYERS]


def proposal(part: State, prefix: str, state: State, path: StrPath) -> str:
    """The code for these arrays, if they are those of a chain of layers."""
    groups = grouped(part)
    if not 0 < len(groups) <= LAYERS or (prefix and all(layer == "" for layer in groups)):
        return ""
    found: list[str] = []
    for turned in (False, True):
        pieces = [piece(layer, each, part, turned) for layer, each in groups.items()]
        chain = chained([each for each in pieces if each]) if all(pieces) else []
        if chain and any("Linear" in each.code for each in chain):
            found.append(code_of(chain, part, prefix, state, path))
    if len(found) == 2 and found[0] != found[1]:
        return f"{found[0]}\n  or, if the network keeps its weights as (in, out):\n{found[1]}"
    return found[0] if found else ""


def piece(layer: str, group: Mapping[str, tuple[str, str]], state: State, turned: bool) -> Piece | None:
    """The layer that has these parameters, if one layer only has."""
    shapes = {parameter: state[name].shape for parameter, (name, _) in group.items()}
    if any(state[name].dtype.kind != "f" for name, _ in group.values()) or 0 in sum(shapes.values(), ()):
        return None
    weight = shapes.get("weight", ())
    if len(weight) == 2 and shapes.keys() <= {"weight", "bias"}:
        layout = group["weight"][1]
        inputs, outputs = weight if layout == "in, out" or (turned and not layout) else weight[::-1]
        if shapes.get("bias", (outputs,)) not in ((outputs,), (1, outputs), (outputs, 1)):
            return None
        bias = "" if "bias" in shapes else ", bias=False"
        ours: dict[str, tuple[int, ...]] = {"weight": (outputs, inputs)} | (
            {"bias": (outputs,)} if "bias" in shapes else {}
        )
        return Piece(layer, f"tt.Linear({inputs}, {outputs}{bias})", inputs, outputs, ours)
    if len(weight) != 1 or set(shapes.values()) != {weight}:
        return None
    size = weight[0]
    codes = {
        ("bias", "running_mean", "running_var", "weight"): f"tt.BatchNorm(*tt.ones((4, {size})))",
        ("bias", "weight"): f"tt.LayerNorm(tt.ones({size}), tt.ones({size}))",
    }
    code = codes.get(tuple(sorted(shapes)))
    return Piece(layer, code, size, size, shapes) if code else None


def chained(pieces: list[Piece]) -> list[Piece]:
    """The pieces in an order in which each fits the one before, if there is one."""
    by_name = sorted(pieces, key=lambda each: natural(each.layer))
    ordered = numbered(each.layer for each in pieces)
    for order in [by_name] if ordered else [pieces, by_name]:
        if all(one.outputs == next_.inputs for one, next_ in itertools.pairwise(order)):
            return order
    if ordered:
        return []
    steps = iter(range(STEPS))

    def extended(chain: list[Piece], left: list[Piece]) -> list[Piece]:
        if not left:
            return chain
        fitting = [each for each in left if not chain or each.inputs == chain[-1].outputs]
        for each in sorted(fitting, key=lambda one: one.inputs != one.outputs or "Linear" in one.code):
            if next(steps, None) is None:
                return []
            found = extended([*chain, each], [other for other in left if other is not each])
            if found:
                return found
        return []

    return extended([], by_name)


def code_of(chain: list[Piece], part: State, prefix: str, state: State, path: StrPath) -> str:
    """The network and the call that loads its weights; `activation` stands where one is to be chosen."""
    gaps = missing_positions([each.layer for each in chain])
    items: list[str] = []
    ours: dict[str, Array] = {}
    names: dict[str, str] = {}  # of the model's layers in the file
    for before, each in zip([None, *chain], chain, strict=False):
        if before and (follows_gap(before, each) if gaps else "Linear" in each.code):
            items.append(ACTIVATION)
        ours |= {f"{len(items)}.{name}": empty(shape) for name, shape in each.parameters.items()}
        names[str(len(items))] = each.layer
        items.append(each.code)
    text = f"  model = tt.Sequential({', '.join(items)})\n  {call(ours, names, part, prefix, state, path)}"
    if gaps:
        where = ", ".join(map(str, gaps))
        text += f"\n  The numbers in the names leave out {where}: layers without weights stood there."
    return text


def follows_gap(before: Piece, each: Piece) -> bool:
    """Whether numbers between those of two layers are missing."""
    one, other = (int(piece.layer.rpartition(".")[2]) for piece in (before, each))
    return other > one + 1


def missing_positions(layers: list[str]) -> list[int]:
    """The numbers that are left out, if all names are one prefix and an increasing number.

    >>> missing_positions(["net.1", "net.3", "net.4"]), missing_positions(["1", "2"])
    ([0, 2], [])
    """
    parts = [layer.rpartition(".") for layer in layers]
    if len({first for first, _, _ in parts}) != 1 or not all(
        last.isdecimal() and len(last) < 20 for _, _, last in parts
    ):
        return []
    positions = [int(last) for _, _, last in parts]
    gapless = positions == list(range(positions[0], positions[0] + len(positions)))  # or no nn.Sequential
    if gapless or positions != sorted(set(positions)) or positions[-1] > 10 * LAYERS:
        return []
    return [each for each in range(positions[-1]) if each not in positions]


def empty(shape: tuple[int, ...]) -> Array:
    """An array of a shape that takes no memory."""
    return np.broadcast_to(np.float32(0), shape)


def call(ours: State, names: dict[str, str], part: State, prefix: str, state: State, path: StrPath) -> str:
    """The call that puts the arrays into the model: by the path alone, with a prefix, or name by name."""
    where = repr(os.fspath(path))
    names_of_part = {prefix + name for name in part}
    calls = {"": f"tt.load_weights(model, {where})"}
    if prefix:
        calls[prefix] = f"tt.load_weights(model, {where}, prefix={prefix.removesuffix('.')!r})"
    for each, code in calls.items():
        try:
            fit = chosen(state, ours, each)
        except ArgumentError:
            continue
        if fit and fit.used <= names_of_part:
            return code
    groups = grouped(part)
    entries = []
    for name, wanted in ours.items():
        layer, _, parameter = name.partition(".")
        theirs = groups[names[layer]][parameter][0]
        shape = part[theirs].shape
        change = "" if shape == wanted.shape else ".T" if shape == wanted.shape[::-1] else ".reshape(-1)"
        entries.append(f'"{name}": arrays[{prefix + theirs!r}]{change}')
    return (
        f"arrays = tt.io.read_state({where})  # transpose what the network keeps as (in, out)\n"
        f"  tt.load_weights(model, {{{', '.join(entries)}}})"
    )
