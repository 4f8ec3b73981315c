"""`Layer`: the one abstract idea, a function from a Tensor to a Tensor."""

import copy
import inspect
import math
import pickle
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from tinytensor.errors import ArgumentError, DtypeError, ShapeError
from tinytensor.kernels.boundary import FLOATS, allowed_dtype
from tinytensor.layers import changes
from tinytensor.tensor import Tensor

__all__ = ["Layer"]

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
SHOWN_ELEMENTS = 8


class Layer(ABC):
    """y = forward(x).

    A subclass defines `forward` and, if it needs arguments, `__init__`; there is nothing to register and no
    `super().__init__()` to call. Attributes that are Tensors are its parameters, unless their names start
    with `_`; attributes that are layers, or lists of layers, are layers inside it. A parameter's array is
    read-only: it changes only by assignment, which keeps its shape.

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
        """forward(x), of anything array-like."""
        y = self.forward(x if type(x) is Tensor else Tensor(x))
        return y if type(y) is Tensor else Tensor(y)

    def children(self) -> dict[str, "Layer"]:
        """The layers directly inside this one, by name."""
        found: dict[str, Layer] = {}
        for name, value in public(self).items():
            if isinstance(value, Layer):
                found[name] = value
            elif isinstance(value, list | tuple):
                found |= {f"{name}.{i}": each for i, each in enumerate(value) if isinstance(each, Layer)}
        return found

    def parameters(self) -> dict[str, Tensor]:
        """Its Tensors by name, those of a layer inside it as `child.name`.

        >>> import tinytensor as tt
        >>> list(tt.Linear(3, 2).parameters())
        ['weight', 'bias']
        """
        own = {name: value for name, value in public(self).items() if type(value) is Tensor}
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
        wanted = allowed_dtype(dtype)
        if wanted not in FLOATS:
            raise DtypeError(f"astype: expected float32 or float64, got {wanted}")
        shared = {
            id(each): each.astype(wanted) if each.dtype in FLOATS else each
            for each in self.parameters().values()
        }
        try:
            return copy.deepcopy(self, shared)
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

    def __repr__(self) -> str:
        cls = type(self)
        try:
            config = self.config()
        except ArgumentError:
            return f"{cls.__name__}(…)"
        values = {name: getattr(self, name, config.get(name)) for name in inspect.signature(cls).parameters}
        return f"{cls.__name__}({code_of_arguments(cls, values)})"

    def __setattr__(self, name: str, value: Any) -> None:
        former = self.__dict__.get(name)
        if type(former) is Tensor and value is not None and not name.startswith("_"):
            value = successor(self, name, former, value)
        if type(value) is Tensor:
            value = frozen(value)
        elif isinstance(value, Layer):
            refuse_cycle(self, value)
        object.__setattr__(self, name, value)
        if not name.startswith("_"):
            changes.bump()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        changes.bump()

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():  # pickled arrays come back writable
            setattr(self, name, value)


def public(layer: Layer) -> dict[str, Any]:
    """The attributes whose names do not start with `_`."""
    return {name: value for name, value in vars(layer).items() if not name.startswith("_")}


def plain(value: Any) -> Any:
    """A constructor's argument as JSON holds it."""
    if isinstance(value, Layer):
        return {"class": type(value).__name__, "config": value.config()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def code_of_arguments(cls: type, arguments: dict[str, Any]) -> str:
    """The keyword arguments that differ from their defaults, as Python code."""
    defaults = {name: p.default for name, p in inspect.signature(cls).parameters.items()}
    return ", ".join(
        f"{name}={code(value)}"
        for name, value in arguments.items()
        if type(value) is Tensor or type(value) is not type(defaults.get(name)) or value != defaults[name]
    )


def code(value: Any) -> str:
    """An argument as Python code: a small Tensor as its numbers, a large one as zeros of its shape."""
    if type(value) is Tensor and value.size > SHOWN_ELEMENTS:
        return f"zeros({value.shape}, {value.dtype.name!r})"
    if type(value) is Tensor and value.dtype == np.float32:
        fewest_digits = value.numpy().astype(str)  # 0.7, not 0.699999988079071
        return code(fewest_digits.astype(float).tolist())
    if type(value) is Tensor:
        return f"Tensor({code(value.tolist())}, {value.dtype.name!r})"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, list | tuple):
        items = ", ".join(map(code, value))
        comma = "," if len(value) == 1 else ""
        return f"[{items}]" if isinstance(value, list) else f"({items}{comma})"
    return repr(value)


def frozen(tensor: Tensor) -> Tensor:
    """The Tensor over an array that nobody can write to; a copy unless it is one already."""
    base: Any = tensor._array
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if base is None or isinstance(base, bytes):
        return tensor
    array = tensor._array.copy()
    array.flags.writeable = False
    return Tensor._wrap(array)


def successor(layer: Layer, name: str, former: Tensor, value: Any) -> Tensor:
    """What replaces a parameter: anything array-like of the same shape."""
    tensor = value if type(value) is Tensor else Tensor(value)
    if tensor.shape != former.shape:
        hint = "; did you mean its .T?" if tensor.shape == former.shape[::-1] else ""
        raise ShapeError(
            f"{layer!r}.{name}: expected a Tensor of shape {former.shape}, got {tensor.shape}{hint}"
        )
    return tensor


def refuse_cycle(outer: Layer, inner: Layer) -> None:
    """Raise if `outer` lies somewhere in `inner`, or is it."""
    if inner is outer:
        raise ArgumentError(f"{type(outer).__name__}: a layer cannot contain itself")
    for child in inner.children().values():
        refuse_cycle(outer, child)
