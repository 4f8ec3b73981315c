"""`Activation`: a layer that is one scalar function, applied to every element."""

import importlib
import inspect
import numbers
from collections.abc import Callable
from functools import cache
from typing import Any, overload

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.kernels.elementwise import apply
from tinytensor.layers.layer import Layer
from tinytensor.tensor import Tensor

__all__ = ["Activation", "activation"]

ScalarFunction = Callable[..., Any]
MAX_PARAMETERS = 4


@cache
def parameter_names(scalar: ScalarFunction) -> tuple[str, ...]:
    """The names of everything that a scalar function takes after x."""
    return tuple(inspect.signature(scalar).parameters)[1:]


class Activation(Layer):
    """y = scalar(x, *parameters), elementwise, any shape, float32 or float64.

    Usually made by `@tt.activation`. A subclass defines `scalar`, a static method in plain Python, and sets
    the parameters that it takes after `x` as attributes of the same names.

    Raises:
        DtypeError: called on something that is not an array of real numbers.

    >>> import tinytensor as tt
    >>> class Shrink(tt.Activation):
    ...     def __init__(self, threshold=0.5):
    ...         self.threshold = threshold
    ...     @staticmethod
    ...     def scalar(x, threshold):
    ...         return x if abs(x) > threshold else 0
    >>> Shrink(1.0)([-2.0, 0.5, 3.0]).tolist()
    [-2.0, 0.0, 3.0]
    """

    scalar: ScalarFunction

    @property
    def name(self) -> str:
        """The function's own name, as `tt.activations.get` takes it."""
        return self.scalar.__name__

    @property
    def scalar_arguments(self) -> tuple[float, ...]:
        """What the scalar function takes after x."""
        return tuple([getattr(self, name) for name in parameter_names(self.scalar)])

    def forward(self, x: Tensor) -> Tensor:
        """scalar(x, *scalar_arguments) for every element; same shape."""
        return Tensor._wrap(apply(self.scalar, x._floating(), self.scalar_arguments))

    def __call__(self, x: Any = None, /, **changed: Any) -> Any:
        """f(x), f(x, parameter=…), or without x a copy of this activation with other parameters."""
        configured = type(self)(**{**self.config(), **changed}) if changed else self
        return configured if x is None else configured.forward(x if type(x) is Tensor else Tensor(x))


def real_number(who: str, name: str, value: Any) -> float:
    """The value as a float, or an error that names whose parameter it is."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise DtypeError(f"{who}({name}=…): expected a real number, got {value!r}")
    return float(value)


def activation_class(scalar: ScalarFunction, class_name: str) -> type[Activation]:
    """The class of activations whose parameters are the keyword parameters of `scalar`."""
    signature = inspect.signature(scalar)
    x, *parameters = signature.parameters.values()
    if len(parameters) > MAX_PARAMETERS or any(p.default is p.empty for p in parameters):
        raise ArgumentError(
            f"@tt.activation {scalar.__name__}{signature}: expected (x, a=…, b=…) with at most "
            f"{MAX_PARAMETERS} parameters after x, each with a default"
        )
    for parameter in parameters:
        real_number(class_name, parameter.name, parameter.default)

    def __init__(self: Activation, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        bound = constructor.bind(self, *args, **kwargs)
        bound.apply_defaults()
        for name, value in list(bound.arguments.items())[1:]:
            setattr(self, name, real_number(class_name, name, value))

    constructor = signature.replace(parameters=[x.replace(name="self", annotation=x.empty), *parameters])
    __init__.__signature__ = constructor  # type: ignore[attr-defined]

    def __reduce__(self: Activation) -> tuple[Any, ...]:  # noqa: N807
        return configured, (scalar.__module__, scalar.__qualname__, self.config())

    members = {
        "__init__": __init__,
        "__reduce__": __reduce__,
        "__doc__": scalar.__doc__,
        "__module__": scalar.__module__,
        "scalar": staticmethod(scalar),
    }
    return type(class_name, (Activation,), members)


def configured(module: str, name: str, parameters: dict[str, float]) -> Activation:
    """Find a decorated activation again, as pickle finds a function: by where it is defined."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return type(found)(**parameters)  # type: ignore[no-any-return]


@overload
def activation(function: ScalarFunction) -> Activation: ...
@overload
def activation(*, class_name: str) -> Callable[[ScalarFunction], Activation]: ...
def activation(function: ScalarFunction | None = None, *, class_name: str = "") -> Any:
    """Turn a scalar Python function into an activation: f(x, a=1.0) → elementwise, compiled, vectorised.

    The function takes `x` and up to four parameters with defaults, and is written with arithmetic,
    comparisons, `if` expressions, `abs`, and `exp expm1 log log1p tanh erf sqrt` from `math` (or `numpy`),
    which become branch-free, accurate versions. Number literals take the dtype of `x`; an exponent written
    as an integer literal stays one. It may call other activations and plain functions.

    The result is callable, `squareplus(x)`, `squareplus(x, b=1.0)`, and a layer: put it into a
    `Sequential` as it is, or with other parameters as `squareplus(b=1.0)`.

    Raises:
        ArgumentError: more than four parameters, or one without a default.
        DtypeError: a default that is not a real number.

    >>> import math
    >>> import tinytensor as tt
    >>> @tt.activation
    ... def squareplus(x, b=4.0):
    ...     return 0.5 * (x + math.sqrt(x * x + b))
    >>> squareplus([0.0, 1.5]).tolist()
    [1.0, 2.0]
    >>> squareplus(b=0.0)
    Squareplus(b=0.0)
    """
    if function is None:
        return lambda scalar: activation_class(scalar, class_name)()
    return activation_class(function, function.__name__.title().replace("_", ""))()
