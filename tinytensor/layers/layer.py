"""`Layer`: the one abstract idea, a function from a Tensor to a Tensor."""

import inspect
import math
import os
import pickle
from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.inference import calls, revision
from tinytensor.inference.model import Model
from tinytensor.kernels.boundary import FLOATS, Array, allowed_dtype
from tinytensor.layers import attributes, replacement
from tinytensor.layers.state_dict import Skipped, load_state_dict, state_dict
from tinytensor.tensors import Tensor

__all__ = ["Layer"]

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
SHOWN_ELEMENTS = 8


class LayerType(ABCMeta):
    """The type of classes of layers: an attribute of a class that changes is a change of its layers."""

    def __setattr__(cls, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        revision.bump()

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        revision.bump()


class Layer(Model, metaclass=LayerType):
    """y = forward(x).

    A subclass defines `forward` and, if it needs arguments, `__init__`; there is nothing to register and no
    `super().__init__()` to call. Attributes that are Tensors are its parameters, attributes that are layers
    are layers inside it; both may stand in lists, tuples and dicts. A parameter is a copy that nobody can
    write to: it changes only by assignment, which keeps its shape.

    Assigning what `save` would lose is an error: a Tensor or a layer under a name with `_`, an array of
    floats, or a set of layers.

    >>> import tinytensor as tt
    >>> class Scale(tt.Layer):
    ...     def __init__(self, factor):
    ...         self.factor = tt.Tensor(factor)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> layer = Scale([1.0, 10.0])
    >>> layer([[2.0, 3.0]]).tolist()
    [[2.0, 30.0]]
    >>> layer.parameters()
    {'factor': Tensor([ 1., 10.], shape=(2,), dtype=float32)}
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The layer's output for a batch x."""

    def __call__(self, x: Any, /) -> Tensor:
        """forward(x), of anything array-like.

        Raises:
            DtypeError: forward returns something other than a Tensor or an array.
            ArgumentError: forward writes into the array of its input.
        """
        return calls.call(self, x if type(x) is Tensor else Tensor(x))

    def children(self) -> dict[str, "Layer"]:
        """The layers directly inside this one, by name; those in a list or dict as `name.key`."""
        return {name: each for name, each in attributes.listed(public(self)) if isinstance(each, Layer)}

    def parameters(self) -> dict[str, Tensor]:
        """Its Tensors by name, those of a layer inside it as `child.name`.

        >>> import tinytensor as tt
        >>> list(tt.Linear(3, 2).parameters())
        ['weight', 'bias']
        """
        own = {name: each for name, each in attributes.listed(public(self)) if type(each) is Tensor}
        for prefix, child in self.children().items():
            own |= {f"{prefix}.{name}": value for name, value in child.parameters().items()}
        return own

    def astype(self, dtype: DTypeLike) -> Self:
        """A copy whose float parameters have that dtype; parameters that have it already are shared.

        Raises:
            DtypeError: neither float32 nor float64.
            ArgumentError: an attribute cannot be copied.

        >>> import tinytensor as tt
        >>> tt.Linear(3, 2, dtype="float64").astype("float32")
        Linear(in_features=3, out_features=2)
        """
        from copy import deepcopy

        wanted = allowed_dtype(dtype)
        if wanted not in FLOATS:
            raise DtypeError(f"astype: expected float32 or float64, got {wanted}")
        shared = {
            id(each): each.astype(wanted) if each.dtype in FLOATS else each
            for each in self.parameters().values()
        }
        try:
            return deepcopy(self, shared)
        except (TypeError, pickle.PicklingError) as error:
            raise ArgumentError(f"{type(self).__name__}: cannot be copied: {error}") from error

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them, but for Tensors: those are parameters.

        They are looked up as attributes of the same names; a layer that keeps an argument elsewhere
        defines `config` itself.

        Raises:
            ArgumentError: there is no such attribute.

        >>> import tinytensor as tt
        >>> tt.LeakyReLU(0.2).config()
        {'negative_slope': 0.2}
        """
        parameters = inspect.signature(type(self)).parameters.values()
        lost = [p.name for p in parameters if p.kind not in BY_NAME or not hasattr(self, p.name)]
        if lost:
            raise ArgumentError(
                f"{type(self).__name__}: expected an attribute for each argument of __init__, found no "
                f"{', '.join(lost)}; set self.{lost[0]} = {lost[0]}, or define config()"
            )
        values = {p.name: getattr(self, p.name) for p in parameters}
        return {name: plain(value) for name, value in values.items() if type(value) is not Tensor}

    # Parameters by name

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

    def save(self, path: str | os.PathLike[str], shape: Any = None) -> None:
        """Write the model to a file of the format that the name's ending asks for; see `tt.io.save`."""
        from tinytensor.io import save  # the container must not need the formats to be imported

        save(self, path, shape)

    def __repr__(self) -> str:
        cls = type(self)
        try:
            config = self.config()
        except ArgumentError:
            return f"{cls.__name__}(…)"
        values = {name: getattr(self, name, config.get(name)) for name in inspect.signature(cls).parameters}
        return f"{cls.__name__}({code_of_arguments(cls, values)})"

    def __setattr__(self, name: str, value: Any) -> None:
        for each, kept in replacement.changes(self, name, value).items():
            object.__setattr__(self, each, self._member(each, kept))
        revision.bump()

    def __delattr__(self, name: str) -> None:
        if name in replacement.declared(type(self)):
            hint = "; None is no parameter" if replacement.declared(type(self))[name] else ""
            raise ArgumentError(f"{self!r}.{name}: cannot be deleted, but replaced{hint}")
        object.__delattr__(self, name)
        revision.bump()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_plan"}  # it holds addresses

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():  # pickled arrays come back writable
            setattr(self, name, value)

    def _member(self, name: str, value: Any) -> Any:
        """The value as it is kept: Tensors frozen; an error if `save` would lose it."""
        kind = type(value)
        if kind in attributes.PLAIN:
            return value
        if kind is Tensor and name[0] != "_":
            return attributes.frozen(value)
        return attributes.kept(self, name, value)


def public(layer: Layer) -> dict[str, Any]:
    """The attributes whose names do not start with `_`."""
    return {name: value for name, value in vars(layer).items() if not name.startswith("_")}


def plain(value: Any) -> Any:
    """A constructor's argument as JSON holds it; a Tensor in a list or dict as a mark that there is one."""
    if isinstance(value, Layer):
        return {"class": type(value).__name__, "config": value.config()}
    if type(value) is Tensor:
        return {"class": "Tensor", "config": {}}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return value


def code_of_arguments(cls: type, arguments: dict[str, Any]) -> str:
    """The keyword arguments that differ from their defaults, as Python code."""
    defaults = {name: p.default for name, p in inspect.signature(cls).parameters.items()}
    return ", ".join(
        f"{name}={code(value)}"
        for name, value in arguments.items()
        if type(value) is not type(defaults.get(name)) or not attributes.same(value, defaults[name])
    )


def code(value: Any) -> str:
    """An argument as Python code; of a large Tensor only the shape, `…(50, 784)`, which is none."""
    if type(value) is Tensor and value.size > SHOWN_ELEMENTS:
        return f"…{value.shape}"
    if type(value) is Tensor and value.dtype == np.float32:
        fewest_digits = value.numpy().astype(str)  # 0.7, not 0.699999988079071
        return code(fewest_digits.astype(float).tolist())
    if type(value) is Tensor:
        return f"Tensor({code(value.tolist())}, {value.dtype.name!r})"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, list | tuple):
        items = ", ".join(map(code_of_element, value))
        comma = "," if len(value) == 1 else ""
        return f"[{items}]" if isinstance(value, list) else f"({items}{comma})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{code(key)}: {code_of_element(each)}' for key, each in value.items())}}}"
    return repr(value)


def code_of_element(value: Any) -> str:
    """The same, in a list, where numbers alone would not be a Tensor."""
    of_numbers = type(value) is Tensor and value.dtype == np.float32 and value.size <= SHOWN_ELEMENTS
    return f"Tensor({code(value)})" if of_numbers else code(value)
