"""`Activation`: a layer that is one scalar function, applied to every element."""

import importlib
import inspect
import numbers
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self, overload

from tinytensor.errors import ArgumentError, DtypeError
from tinytensor.inference.calls import call
from tinytensor.kernels import boundary
from tinytensor.layers.layer import Layer
from tinytensor.primitives.elementwise import map_scalar
from tinytensor.tensors import Tensor

__all__ = ["Activation", "activation", "whole_number"]

ScalarFunction = Callable[..., Any]
MAX_PARAMETERS = 4
NO_ARGUMENT = object()


class Activation(Layer):
    """y = scalar(x, *parameters), elementwise, any shape, float32 or float64.

    Usually made by `@tt.activation`. A subclass defines `scalar`, a static method in plain Python, and sets
    the parameters that it takes after `x` as attributes of the same names.

    Raises:
        ArgumentError: `scalar` is not static, takes other things than x and up to four parameters, or
            does what Numba cannot compile; the latter shows on the first call.
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
    _names: tuple[str, ...] = ()

    if TYPE_CHECKING:  # each class made by @tt.activation takes its own parameters

        def __init__(self, *parameters: Any, **named: Any) -> None: ...

    def __init_subclass__(cls) -> None:
        scalar = vars(cls).get("scalar")
        if scalar is not None:
            if not isinstance(scalar, staticmethod):
                raise ArgumentError(
                    f"{cls.__name__}.scalar: expected a static method; did you forget @staticmethod?"
                )
            cls._names = tuple(scalar_parameters(f"{cls.__name__}.scalar", scalar.__func__))

    @property
    def name(self) -> str:
        """The function's own name, as `tt.activations.get` takes it."""
        return self.scalar.__name__

    @property
    def scalar_arguments(self) -> tuple[float, ...]:
        """What the scalar function takes after x."""
        return tuple([getattr(self, name) for name in self._names])

    def forward(self, x: Tensor) -> Tensor:
        """scalar(x, *scalar_arguments) for every element; same shape."""
        if not hasattr(self, "scalar"):
            raise ArgumentError(f"{type(self).__name__}: expected a static method `scalar` of numbers")
        arguments = self.scalar_arguments if self._names else ()
        return Tensor._wrap(map_scalar(x._floating(), function=self.scalar, arguments=arguments))

    @overload  # without x it is another activation
    def __call__(self, /, **changed: Any) -> Self: ...
    @overload
    def __call__(self, x: Any, /, *positional: Any, **changed: Any) -> Tensor: ...
    def __call__(self, x: Any = NO_ARGUMENT, /, *positional: Any, **changed: Any) -> Any:
        """f(x), f(x, parameter), f(x, parameter=…), or without x a copy with other parameters.

        Raises:
            ArgumentError: more parameters than there are, or one given twice.
        """
        if type(x) is Tensor and not (positional or changed):
            return call(self, x)
        if positional:
            changed = self._by_name(positional, changed)
        configured = type(self)(**{**self.config(), **changed}) if changed else self
        return configured if x is NO_ARGUMENT else call(configured, x if type(x) is Tensor else Tensor(x))

    def _by_name(self, positional: tuple[Any, ...], changed: dict[str, Any]) -> dict[str, Any]:
        """The parameters of a call, all of them by name."""
        names = list(self.config())
        given = dict(zip(names, positional, strict=False))
        if len(positional) > len(names) or given.keys() & changed.keys():
            got = ", ".join([*map(repr, positional), *(f"{key}={value!r}" for key, value in changed.items())])
            raise ArgumentError(f"{self.name}: expected {', '.join(['x', *names])}, got x and {got}")
        return given | changed

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._names and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
            raise DtypeError(f"{type(self).__name__}({name}=…): expected a real number, got {value!r}")
        super().__setattr__(name, value)


def scalar_parameters(who: str, scalar: ScalarFunction) -> dict[str, inspect.Parameter]:
    """The parameters of a scalar function after x, or an error that says what is wrong with them."""
    if not isinstance(scalar, FunctionType):
        raise ArgumentError(f"{who}: expected a Python function, got {scalar!r}; wrap it in one")
    signature = inspect.signature(scalar)
    everything = list(signature.parameters.values())
    positional = all(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in everything)
    if not 1 <= len(everything) <= 1 + MAX_PARAMETERS or not positional:
        raise ArgumentError(
            f"{who}{signature}: expected x and up to {MAX_PARAMETERS} parameters, (x, a=…, b=…)"
        )
    parameters = {parameter.name: parameter for parameter in everything[1:]}
    for name in parameters:
        if hasattr(Activation, name):
            raise ArgumentError(f"{who}{signature}: every activation has a {name!r}; rename the parameter")
    return parameters


def real_number(who: str, name: str, value: Any) -> float:
    """The value as a float, or an error that names whose parameter it is."""
    return boundary.real_number(f"{who}({name}=…)", value)


def whole_number(who: str, name: str, value: Any) -> int:
    """The value as an integer, or an error that names whose argument it is."""
    try:
        return boundary.index(value)
    except TypeError:
        raise ArgumentError(f"{who}: {name}: expected an integer, got {value!r:.80}") from None


def activation_class(scalar: ScalarFunction, class_name: str) -> type[Activation]:
    """The class of activations whose parameters are the keyword parameters of `scalar`."""
    who = f"@tt.activation {getattr(scalar, '__name__', '')}"
    parameters = scalar_parameters(who, scalar)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty:
            raise ArgumentError(f"{who}{inspect.signature(scalar)}: expected a default for {name}")
        real_number(class_name, name, parameter.default)
    signature = inspect.Signature(list(parameters.values()))

    def __init__(self: Activation, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{class_name}{signature}: {error}") from error
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            setattr(self, name, real_number(class_name, name, value))

    self_and = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *parameters.values()]
    __init__.__signature__ = signature.replace(parameters=self_and)  # type: ignore[attr-defined]

    def __reduce__(self: Activation) -> tuple[Any, ...]:  # noqa: N807
        where = scalar.__module__, scalar.__qualname__
        try:
            found = type(defined(*where))
        except (ImportError, AttributeError):
            found = None
        if found is not type(self):
            raise pickle.PicklingError(f"{self!r}: it is not found as {'.'.join(map(str, where))}")
        return configured, (*where, self.config())

    def __copy__(self: Activation, memo: Any = None) -> Activation:  # noqa: N807
        return type(self)(**self.config())

    members = {
        "__init__": __init__,
        "__reduce__": __reduce__,
        "__copy__": __copy__,
        "__deepcopy__": __copy__,
        "__doc__": scalar.__doc__,
        "__module__": scalar.__module__,
        "scalar": staticmethod(scalar),
    }
    return type(class_name, (Activation,), members)


def defined(module: str, name: str) -> Any:
    """What is defined there, as pickle finds a function."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def configured(module: str, name: str, parameters: dict[str, float]) -> Activation:
    """Find a decorated activation again and give it its parameters."""
    return type(defined(module, name))(**parameters)  # type: ignore[no-any-return]


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
        ArgumentError: no Python function, a lambda, no x, more than four parameters, or one without a
            default. On the first call: the function calls itself, prints, does what Numba cannot compile, or
            returns no number.
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
    name = getattr(function, "__name__", "").title().replace("_", "")
    if name and not name.isidentifier():
        raise ArgumentError(
            f"@tt.activation: {function.__name__} is no name for an activation; define it with def"
        )
    return activation_class(function, name)()
