"""`Sequential`: layers one after the other, in a list that behaves like one."""

import os
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import Any, final, overload

import numpy as np

from tinytensor.entries import Entry, entries, entry
from tinytensor.errors import ArgumentError, DtypeError, IndexingError
from tinytensor.kernels.boundary import FLOATS, Array, index
from tinytensor.layers import changes
from tinytensor.layers.calls import listening, recorded
from tinytensor.layers.lambda_ import Lambda
from tinytensor.layers.layer import Layer, refuse_cycle
from tinytensor.layers.located import check_rows, through
from tinytensor.plan import Plan, plan_of
from tinytensor.predict import predict, predict_batches
from tinytensor.profile import Profile, profile
from tinytensor.program import UINT8
from tinytensor.state_dict import Skipped, load_state_dict, state_dict
from tinytensor.stretch import KNOWN, nested_steps
from tinytensor.summary import Summary, summarize
from tinytensor.tensor import Tensor
from tinytensor.threads import MOST

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

    _plan: Plan | None = None

    def __init__(self, *layers: Any, **named: Layer):
        self._entries: tuple[Entry, ...] = ()
        self._replace(entries([*layers, named]))

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
            for position, (name, layer) in enumerate(self._entries)
        }

    def config(self) -> dict[str, Any]:
        """The layers: name, class and configuration of each."""
        return {
            "layers": [
                {"name": name, "class": type(layer).__name__, "config": layer.config()}
                for name, layer in self.children().items()
            ]
        }

    def __call__(self, x: Any, /, fused: bool = True) -> Tensor:
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
        return Tensor._wrap(self._run(x))

    def _run(self, x: Any, threads: int | None = None, out: Array | None = None) -> Array:
        """The outputs of a batch, through the plan."""
        return plan_of(self, self._layers).run(x, threads, out)

    def _layers(self) -> list[Layer]:
        if "forward" in vars(self):  # assigned to this very object
            return [Lambda(self.forward)]
        return [layer for _, layer in self._entries]

    def _member(self, name: str, value: Any) -> Any:
        return value if name == "_entries" else super()._member(name, value)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        progress: bool = False,
        threads: int | None = None,
        out: Array | None = None,
    ) -> Array:
        """The outputs for an array of samples, as an array; row i depends on sample i alone.

        The bits of a row depend neither on the batch, nor on threads, nor on how the samples lie in memory.
        Memory is needed for a few blocks of samples and for the outputs, so x may be a memory map.

        Args:
            x: (n, …), anything array-like, or an iterator of batches.
            batch_size: how many samples go through layers of your own at a time; all by default.
            progress: show a bar on the terminal (extra `cli`).
            threads: how many work on it; by default as many as `tt.set_num_threads` says.
            out: where to write the outputs, an array or a memory map of their shape and dtype.

        Raises:
            ArgumentError: batch_size or threads is no positive integer; out is read-only or part of x.
            ShapeError: the samples do not fit the first layer, or the outputs do not fit `out`.
            DtypeError: x is not real numbers, progress no bool, or the outputs have another dtype than `out`.

        >>> import tinytensor as tt
        >>> tt.Sequential(tt.relu).predict([[1.0, -1.0], [-2.0, 2.0]], batch_size=1)
        array([[1., 0.],
               [0., 2.]], dtype=float32)
        """
        # at batch 1 what follows this test would take as long as all layers
        plain = type(x) is np.ndarray and batch_size is None and out is None and progress is False
        if plain and (threads is None or (type(threads) is int and 1 <= threads <= MOST)):
            plan = self._plan
            y = plan.at_once(x, threads) if plan is not None and plan.count == changes.count else None
            if y is not None:
                return y
        return predict(self._run, x, batch_size, progress, threads, out)

    def predict_batches(
        self, batches: Any, batch_size: int | None = None, threads: int | None = None
    ) -> Iterator[Array]:
        """The outputs of one batch after the other, as each is asked for.

        Args:
            batches: an iterable of batches, or an array, which is cut into batches of `batch_size` (1000).

        Raises:
            ArgumentError: batch_size or threads is no positive integer.
            DtypeError: nothing that batches come out of.

        >>> import tinytensor as tt
        >>> [y.tolist() for y in tt.Sequential(tt.relu).predict_batches([[[1.0]], [[-1.0]]])]
        [[[1.0]], [[0.0]]]
        """
        return predict_batches(self._run, batches, batch_size, threads)

    def profile(self, x: Any, seconds: float = 0.5) -> Profile:
        """How long each step takes on one thread; printing the result shows a table.

        What is measured is what `predict` executes: each step adds the ticks of a counter to its own. Passes
        are repeated for so many seconds; the figures are means of one pass.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 50, seed=0), tt.sigmoid)
        >>> [row.name for row in model.profile(tt.ones((100, 784)), seconds=0).rows]
        ['0 Linear(in_features=784, out_features=50)', '1 Sigmoid()']
        """
        return profile(plan_of(self, self._layers), x, seconds)

    def outputs(self, x: Any, *which: str | int) -> dict[str | int, Tensor]:
        """What layers inside the model make of x, by name or index; without any named, all of them.

        A layer inside another is named `block.layer`, as in `state_dict`; it is seen if that calls it.

        Raises:
            ArgumentError: there is no such layer.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Rescale(2.0), ("act", tt.relu))
        >>> model.outputs([[1.0, -1.0]], 0, "act")
        {0: Tensor([[ 2., -2.]], shape=(1, 2), dtype=float32),
         'act': Tensor([[2., 0.]], shape=(1, 2), dtype=float32)}
        """
        paths = {each: self._path(each) for each in which}
        with recorded(self) as seen:
            self.forward(x if type(x) is Tensor else Tensor(x))
        silent = [path for path in paths.values() if path not in seen]
        if silent:
            raise ArgumentError(
                f"Sequential: {', '.join(silent)}: the layer around it does not call it as self.layer(x)"
            )
        return {each: seen[path] for each, path in (paths or {path: path for path in seen}).items()}

    def _path(self, key: str | int) -> str:
        """The name of a layer that is given by name or index."""
        if not isinstance(key, str):
            return list(self.children())[self._position(key)]
        known = dict(everything_in(self))
        if key not in known:
            raise ArgumentError(f"Sequential: no layer is named {key!r}; there are {', '.join(known)}")
        return key

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_plan"}  # it holds addresses

    # Parameters

    def state_dict(self) -> dict[str, Array]:
        """Every parameter as a read-only array, by name: `0.weight`, `block.1.bias`.

        >>> import tinytensor as tt
        >>> [(k, v.shape) for k, v in tt.Sequential(tt.Linear(3, 2)).state_dict().items()]
        [('0.weight', (2, 3)), ('0.bias', (2,))]
        """
        return state_dict(self)

    def load_state_dict(self, values: Mapping[str, Any], strict: bool = True) -> Skipped:
        """Replace the parameters by those of `values`, all or, if anything is wrong, none.

        Values are anything array-like of the parameter's shape and are converted to its dtype. With
        `strict=False` missing and unexpected names are passed over, and returned.

        Raises:
            ArgumentError: names every missing, unexpected, mis-shaped and non-float entry.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(2, 1, bias=False))
        >>> model.load_state_dict({"0.weight": [[3.0, 4.0]]})
        Skipped(missing=[], unexpected=[])
        >>> model([1.0, 1.0]).tolist()
        [7.0]
        """
        return load_state_dict(self, values, strict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file of the format that the name's ending asks for; see `tt.io.save`."""
        from tinytensor.io import save  # the container must not need the formats to be imported

        save(self, path)

    def summary(self, shape: int | tuple[int, ...] | None = None) -> Summary:
        """Every layer's output shape, parameters and bytes; printing it shows a table.

        Args:
            shape: of one sample, or its length; only needed where the first layer takes samples of any
                shape.

        >>> import tinytensor as tt
        >>> tt.Sequential(tt.Linear(784, 10), tt.softmax).summary().parameters
        7850
        """
        return summarize(self, shape)

    # As a sequence

    def _replace(self, new: list[Entry]) -> None:
        """Take these entries instead of the present ones, if they are right."""
        names = [str(i) if name is None else name for i, (name, _) in enumerate(new)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ArgumentError(f"Sequential: expected different names, got {', '.join(twice)} twice")
        present = {id(layer) for layer in self}
        for _, layer in new:
            if id(layer) not in present:
                refuse_cycle(self, layer)
        self._entries = tuple(new)
        changes.bump()

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
            part._replace(list(self._entries[key]))
            return part
        first, _, rest = key.partition(".") if isinstance(key, str) else (key, "", "")
        layer: Any = self._entries[self._position(first)][1]
        if rest and not isinstance(layer, Sequential):
            raise ArgumentError(f"Sequential: {first} is {layer!r} and has no layer {rest!r}")
        return layer[rest] if rest else layer

    def __setitem__(self, key: Any, value: Any) -> None:
        new = list(self._entries)
        if isinstance(key, slice):
            new[key] = members(value)
        else:
            position = self._position(key)
            name, layer = entry(value)
            new[position] = (name or new[position][0], layer)
        self._replace(new)

    def __delitem__(self, key: Any) -> None:
        new = list(self._entries)
        del new[key if isinstance(key, slice) else self._position(key)]
        self._replace(new)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Layer]:
        return (layer for _, layer in self._entries)

    def insert(self, index: int, value: Any) -> None:
        """Put a layer, or a pair (name, layer), before that position.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 10))
        >>> model.insert(0, ("scale", tt.Rescale(1 / 255)))
        >>> list(model.children())
        ['scale', '1']
        """
        new = list(self._entries)
        new.insert(index, entry(value))
        self._replace(new)

    def extend(self, values: Iterable[Any]) -> None:
        """Append layers, or pairs (name, layer), all or none.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 10))
        >>> model.extend([tt.relu, ("out", tt.Linear(10, 2))])
        >>> len(model)
        3
        """
        self._replace([*self._entries, *members(values)])

    def __add__(self, other: Iterable[Any]) -> "Sequential":
        whole = self[:]
        whole.extend(other)
        return whole

    def __repr__(self) -> str:
        lines = [repr(layer) if name is None else f"({name!r}, {layer!r})" for name, layer in self._entries]
        body = textwrap.indent("".join(f"{line},\n" for line in lines), "    ")
        return f"Sequential(\n{body})" if body else "Sequential()"


KNOWN[Sequential] = nested_steps


def everything_in(layer: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """All layers inside one, however deep, by name."""
    for name, child in layer.children().items():
        yield prefix + name, child
        yield from everything_in(child, f"{prefix}{name}.")


def members(values: Any) -> list[Entry]:
    """The entries of another Sequential, or of a list or dict."""
    if isinstance(values, Sequential):
        return list(values._entries)
    if not isinstance(values, Iterable):
        raise DtypeError(f"Sequential: expected a list of layers, got {values!r}; did you mean append?")
    return entries([values if isinstance(values, Mapping) else list(values)])
