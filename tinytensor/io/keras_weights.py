"""Where the weights of each layer are in a file of Keras: by position in `.keras` files, by name in `.h5`.

Sources: `saving_lib` of Keras 2.13 to 3.15, and `legacy_h5_format` of Keras 3, which reads files of Keras 1
and 2.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tinytensor.errors import ModelFormatError
from tinytensor.io.hdf5 import Arrays
from tinytensor.io.keras_source import Described

__all__ = ["ByName", "ByPosition", "Weights", "snake_case"]

# A model's layers in the file: Keras 2.13 and 2.14 used the second name.
FOLDERS = ("layers", "_layer_checkpoint_dependencies")
KERAS_1 = {"W", "b", "gamma", "beta", "running_mean", "running_std", "alphas"}


class Weights(Protocol):
    """The weights of a model or of a layer."""

    @property
    def arrays(self) -> Arrays:
        """The file."""

    def of(self, layers: Sequence[Described]) -> list["Weights"]:
        """Those of each layer of a model."""

    def paths(self, inner: str) -> list[str]:
        """Where a layer's arrays are, or those of what is inside it by that name."""


class ByPosition(NamedTuple):
    """In a `.keras` file: each class counts its layers, from `dense` to `dense_1` and so on."""

    arrays: Arrays
    path: str = ""
    missing: str = ""  # what to say if the weights are needed

    def of(self, layers: Sequence[Described]) -> list[Weights]:
        """Of each class the groups in the order of their numbers; Keras 2.13 left out every second number."""
        if self.missing:
            raise ModelFormatError(self.missing)
        kinds = [snake_case(layer.kind) for layer in layers]
        found: dict[str, list[tuple[int, str]]] = {kind: [] for kind in kinds}
        for folder in FOLDERS:
            where = f"{self.path}/{folder}".lstrip("/")
            for name in self.arrays.inside(where):
                kind, number = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", name, re.DOTALL).groups()  # type: ignore[union-attr]
                if kind in found:
                    found[kind].append((int(number or 0), f"{where}/{name}"))
        for each in found.values():
            each.sort()
        counts, used = Counter(kinds), Counter[str]()
        result: list[Weights] = []
        for kind in kinds:
            paths = found[kind]
            if len(paths) == counts[kind]:
                result.append(ByPosition(self.arrays, paths[used[kind]][1]))
            else:
                said = f"{self.path}/layers/{kind}: expected {counts[kind]} groups, got {len(paths)}"
                result.append(ByPosition(self.arrays, "", said.lstrip("/")))
            used[kind] += 1
        return result

    def paths(self, inner: str) -> list[str]:
        """The datasets 0, 1, 2, … of the group `vars`."""
        if self.missing:
            raise ModelFormatError(self.missing)
        path = "/".join(filter(None, (self.path, inner, "vars")))
        return [f"{path}/{i}" for i in range(self.arrays.count(path))]


class ByName(NamedTuple):
    """In a `.h5` file: a group for each layer of the model, by its name, that lists its weights.

    The layers of a model inside are found by the names of the weights: `dense_2/kernel:0`, in Keras 1
    `dense_2_W`.
    """

    arrays: Arrays
    path: str
    names: list[str] | None = None  # None at the top

    def of(self, layers: Sequence[Described]) -> list[Weights]:
        """By name; a Sequential inside another had none until Keras 2.2.2, so its place counts."""
        if self.names is not None:
            return [
                ByName(self.arrays, self.path, [name for name in self.names if owns(layer, name)])
                for layer in layers
            ]
        listed = self.arrays.strings(self.path, "layer_names")
        stored = [layer for layer in layers if layer.kind != "InputLayer"]
        places = dict(zip(map(id, stored), listed, strict=False)) if len(stored) == len(listed) else {}
        known = set(listed)
        return [self.one(layer.name or places.get(id(layer)), known) for layer in layers]

    def one(self, name: str | None, listed: set[str]) -> "ByName":
        """The weights of a layer at the top."""
        path = f"{self.path}/{name}"
        return ByName(self.arrays, path, self.arrays.strings(path, "weight_names") if name in listed else [])

    def paths(self, inner: str) -> list[str]:
        """As the group lists them."""
        return [] if inner else [f"{self.path}/{name}" for name in self.names or ()]


def owns(layer: Described, weight: str) -> bool:
    """Whether a weight has the name of a layer, or of one inside it."""
    if layer.layers is not None:
        return any(owns(each, weight) for each in layer.layers)
    if "/" in weight:
        return weight.split("/")[-2] == layer.name
    return weight.partition(":")[0].removeprefix(f"{layer.name}_") in KERAS_1


def snake_case(name: str) -> str:
    """A class's name in the words of the file.

    >>> snake_case("PReLU"), snake_case("BatchNormalization")
    ('p_re_lu', 'batch_normalization')
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
