"""`Sequential`: layers one after the other, in a list that behaves like one."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import Any, final, overload

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, IndexingError
from tinytensor.inference import revision
from tinytensor.inference.calls import listening
from tinytensor.inference.emitter import UINT8
from tinytensor.inference.plan import plan_of
from tinytensor.kernels.boundary import FLOATS, index
from tinytensor.layers.attributes import refuse_cycle
from tinytensor.layers.chain import check_rows, through
from tinytensor.layers.layer import Layer
from tinytensor.layers.named_layers import NamedLayer, named_layer, named_layers
from tinytensor.tensors import Tensor

__all__ = ["Sequential"]

READ_AS_THEY_ARE = (*FLOATS, UINT8)


@final
class Sequential(Layer, MutableSequence[Any]):
    """y = layer_n(… layer_2(layer_1(x))).

    Each argument is a layer, a pair (name, layer), or a list or dict of them; keywords name layers, too. A
    layer without a name is called by its position. It is a mutable sequence: `append insert pop extend`,
    `+`, indices, slices (which share the layers), `del`; names stand where indices do.

    Raises:
        DtypeError: something is no layer.
        ArgumentError: two layers of one name, or a model inside itself.

    >>> import tinytensor as tt
    >>> model = tt.Sequential(tt.Linear(784, 50, seed=0), tt.sigmoid, ("out", tt.Linear(50, 10, seed=1)))
    >>> model
    Sequential(
        Linear(in_features=784, out_features=50),
        Sigmoid(),
        ('out', Linear(in_features=50, out_features=10)),
    )
    >>> model(tt.zeros((3, 784))).shape
    (3, 10)
    >>> model["out"] is model[-1]
    True
    """

    def __init__(self, *layers: Any, **named: Layer):
        self._named: tuple[NamedLayer, ...] = ()
        self._replace(named_layers([*layers, named]))

    # As a layer

    def forward(self, x: Tensor) -> Tensor:
        """Layer by layer."""
        y, changed = through(enumerate(self), x)
        check_rows(x.shape, y.shape, changed)
        return y

    def children(self) -> dict[str, Layer]:
        """The layers by name."""
        return {
            str(position) if name is None else name: layer
            for position, (name, layer) in enumerate(self._named)
        }

    def config(self) -> dict[str, Any]:
        """The layers: name, class and configuration of each."""
        return {
            "layers": [
                {"name": name, "class": type(layer).__name__, "config": layer.config()}
                for name, layer in self.children().items()
            ]
        }

    def __call__(self, x: Any, /, *, fused: bool = True) -> Tensor:
        """The output for a batch; `fused=False` goes layer by layer, which gives the same bits.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 50, seed=0), tt.sigmoid)
        >>> x = tt.uniform((3, 784), seed=1)
        >>> bool((model(x) == model(x, fused=False)).all())
        True
        """
        if not fused or listening():
            return super().__call__(x)
        if type(x) is not Tensor and not (type(x) is np.ndarray and x.dtype in READ_AS_THEY_ARE):
            x = Tensor(x)
        return Tensor._wrap(plan_of(self).run([x]))

    def _member(self, name: str, value: Any) -> Any:
        return value if name == "_named" else super()._member(name, value)

    # As a sequence

    def _replace(self, new: list[NamedLayer]) -> None:
        """Take these layers instead of the present ones, if they are right."""
        names = [str(i) if name is None else name for i, (name, _) in enumerate(new)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ArgumentError(f"Sequential: expected different names, got {', '.join(twice)} twice")
        present = {id(layer) for layer in self}
        for _, layer in new:
            if id(layer) not in present:
                refuse_cycle(self, layer)
        self._named = tuple(new)
        revision.bump()

    def _position(self, key: Any) -> int:
        """Where the layer of that index or name is."""
        if isinstance(key, str):
            names = list(self.children())
            if key in names:
                return names.index(key)
            raise ArgumentError(f"Sequential: no layer is named {key!r}; there are {', '.join(names)}")
        try:
            position = index(key)
        except TypeError:
            raise DtypeError(f"Sequential: expected an index, a slice or a name, got {key!r}") from None
        if not -len(self) <= position < len(self):
            raise IndexingError(f"Sequential: index {key} is out of range for {len(self)} layers")
        return position % len(self)

    @overload
    def __getitem__(self, key: int | str) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> "Sequential": ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            part = Sequential()
            part._replace(list(self._named[key]))
            return part
        first, _, rest = key.partition(".") if isinstance(key, str) else (key, "", "")
        layer: Any = self._named[self._position(first)][1]
        if rest and not isinstance(layer, Sequential):
            raise ArgumentError(f"Sequential: {first} is {layer!r} and has no layer {rest!r}")
        return layer[rest] if rest else layer

    def __setitem__(self, key: Any, value: Any) -> None:
        new = list(self._named)
        if isinstance(key, slice):
            new[key] = members(value)
        else:
            position = self._position(key)
            name, layer = named_layer(value)
            new[position] = (name or new[position][0], layer)
        self._replace(new)

    def __delitem__(self, key: Any) -> None:
        new = list(self._named)
        del new[key if isinstance(key, slice) else self._position(key)]
        self._replace(new)

    def __len__(self) -> int:
        return len(self._named)

    def __iter__(self) -> Iterator[Layer]:
        return (layer for _, layer in self._named)

    def insert(self, index: int, value: Any) -> None:
        """Put a layer, or a pair (name, layer), before that position.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 10))
        >>> model.insert(0, ("scale", tt.Rescale(1 / 255)))
        >>> list(model.children())
        ['scale', '1']
        """
        new = list(self._named)
        new.insert(index, named_layer(value))
        self._replace(new)

    def __contains__(self, value: Any) -> bool:
        return any(each is value for each in self)

    def count(self, value: Any) -> int:
        """How often the layer stands there.

        >>> import tinytensor as tt
        >>> tt.Sequential(tt.relu, tt.Linear(3, 2), tt.relu).count(tt.relu)
        2
        """
        return sum(each is value for each in self)

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The first position of the layer, from `start` on, before `stop`.

        Raises:
            ArgumentError: it does not stand there.

        >>> import tinytensor as tt
        >>> tt.Sequential(tt.Linear(3, 2), tt.relu).index(tt.relu)
        1
        """
        try:
            places = range(*slice(start, stop).indices(len(self)))
        except TypeError as error:
            raise DtypeError(
                f"Sequential.index: expected integers, got {start!r:.80}, {stop!r:.80}"
            ) from error
        for position in places:
            if self[position] is value:
                return position
        raise ArgumentError(f"Sequential.index: expected one of its layers, got {value!r:.80}")

    def extend(self, values: Iterable[Any]) -> None:
        """Append layers, or pairs (name, layer), all or none.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 10))
        >>> model.extend([tt.relu, ("out", tt.Linear(10, 2))])
        >>> len(model)
        3
        """
        self._replace([*self._named, *members(values)])

    def __add__(self, other: Iterable[Any]) -> "Sequential":
        whole = self[:]
        whole.extend(other)
        return whole

    def __repr__(self) -> str:
        lines = [repr(layer) if name is None else f"({name!r}, {layer!r})" for name, layer in self._named]
        body = textwrap.indent("".join(f"{line},\n" for line in lines), "    ")
        return f"Sequential(\n{body})" if body else "Sequential()"


def members(values: Any) -> list[NamedLayer]:
    """The layers of another Sequential, or of a list or dict."""
    if isinstance(values, Sequential):
        return list(values._named)
    if not isinstance(values, Iterable) or getattr(values, "shape", None) == ():  # an array of no axes
        raise DtypeError(f"Sequential: expected a list of layers, got {values!r}; did you mean append?")
    return named_layers([values if isinstance(values, Mapping) else list(values)])
