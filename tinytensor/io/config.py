"""A model as a configuration and a state dict, and the model that they describe.

A configuration is what JSON can hold: `{"class": "Linear", "config": {"in_features": 3, …}}`. It names
classes; which classes that may be is decided here and by the caller, so no file brings code.
"""

import importlib
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tinytensor import contents
from tinytensor.errors import ArgumentError, ModelFormatError
from tinytensor.kernels.boundary import Array
from tinytensor.layers import drawn
from tinytensor.layers.activation import Activation
from tinytensor.layers.attributes import frozen
from tinytensor.layers.lambda_ import Lambda
from tinytensor.layers.layer import Layer, plain, public
from tinytensor.layers.sequential import Sequential
from tinytensor.layers.state_dict import assign
from tinytensor.lazy import places
from tinytensor.tensors import Tensor
from tinytensor.text import listed

__all__ = ["Config", "CustomObjects", "State", "build", "describe", "known_classes", "text_of"]

Config = dict[str, Any]
State = Mapping[str, Array]
Classes = Mapping[str, type[Layer]]
CustomObjects = Mapping[str, Any] | Iterable[Any] | None

MAX_DEPTH = 64
LAYERS = ("tinytensor.layers.", "tinytensor.activations", "tinytensor.operators.")
TENSOR = {"class": "Tensor", "config": {}}  # an element of a list or dict that is a parameter
LISTED = 20
MAKE_LAYERS = (Layer, Activation, Lambda)  # which hold a function, or are to be derived from


def known_class(name: str) -> type[Layer] | None:
    """The public class of layers that a file means by a name; its module is imported, and no other."""
    module = places(contents.__file__).get(name, "")
    if not module.startswith(LAYERS):
        return None
    found = getattr(importlib.import_module(module), name)
    is_layer = isinstance(found, type) and issubclass(found, Layer) and found not in MAKE_LAYERS
    return found if is_layer and found.__name__ == name else None


def known_classes() -> list[type[Layer]]:
    """Every public class of layers that a file may name."""
    found = map(known_class, places(contents.__file__))
    return [each for each in found if each is not None]


def describe(layer: Layer) -> Config:
    """The configuration of a layer, with everything inside it.

    Raises:
        ArgumentError: a layer cannot be described, is a custom one with the name of a known class, or is a
            Sequential with attributes: it keeps layers only.

    >>> import tinytensor as tt
    >>> describe(tt.Dropout(0.5))
    {'class': 'Dropout', 'config': {'p': 0.5}}
    """
    for each in everything_in(layer):
        name = type(each).__name__
        if (known_class(name) or type(each)) is not type(each):
            raise ArgumentError(f"{each!r}: the class {name} has the name of one of tinytensor's; rename it")
        if isinstance(each, Sequential) and public(each):
            raise ArgumentError(
                f"Sequential: expected layers only, found the attributes {', '.join(public(each))}; "
                "write a layer that keeps them"
            )
    return dict(plain(layer))


def text_of(layer: Layer) -> str:
    """The configuration of a layer as JSON.

    Raises:
        ArgumentError: a layer cannot be described, or its configuration holds something that JSON does not.
    """
    described = describe(layer)
    try:
        return json.dumps(described)
    except (TypeError, ValueError) as error:
        who = unwritten(layer)
        raise ArgumentError(f"{who}: expected numbers, strings, lists and dicts: {error}") from error


def unwritten(layer: Layer) -> str:
    """Which argument of which layer JSON cannot hold, as `Gate.function`."""
    for each in reversed(list(everything_in(layer))):  # a layer before those that hold it
        for name, value in each.config().items():
            try:
                json.dumps(value)
            except (TypeError, ValueError):
                return f"{type(each).__name__}.{name}"
    return "config"


def everything_in(layer: Layer, depth: int = 0) -> Iterator[Layer]:
    """The layer and all layers inside it."""
    if depth > MAX_DEPTH:
        raise ArgumentError(f"expected at most {MAX_DEPTH} layers inside one another")
    yield layer
    for child in layer.children().values():
        yield from everything_in(child, depth + 1)


def build(config: Any, state: State, custom_objects: CustomObjects = None) -> Layer:
    """The layer that a configuration and a state dict describe; nothing is initialised at random.

    Tensors whose names are arguments of a constructor are given to it, the others are set afterwards.

    Raises:
        ModelFormatError: an unknown class, arguments that a constructor refuses, and every parameter
            that is missing, unexpected or mis-shaped.

    >>> import numpy as np
    >>> build({"class": "Linear", "config": {"in_features": 1, "out_features": 1, "bias": False}},
    ...       {"weight": np.ones((1, 1), np.float32)})
    Linear(in_features=1, out_features=1, bias=False)
    """
    state = {name: frozen(Tensor._wrap(array)).numpy() for name, array in state.items()}  # copied once
    layer = build_layer(config, state, by_name(custom_objects), "model", 0)
    parameters = layer.parameters()
    problems = [f"missing: {name} {parameters[name].shape}" for name in parameters.keys() - state.keys()]
    problems += [f"unexpected: {name} {state[name].shape}" for name in state.keys() - parameters.keys()]
    for name in parameters.keys() & state.keys():
        expected, got = parameters[name], state[name]
        if expected.shape != got.shape or expected.dtype.kind != got.dtype.kind:
            problems.append(
                f"{name}: expected {expected.shape} {expected.dtype}, got {got.shape} {got.dtype}"
            )
    if problems:
        raise ModelFormatError(
            "the parameters are not those of the model:"
            + "".join(f"\n  {problem}" for problem in listed(sorted(problems), LISTED))
        )
    assign(layer, {name: Tensor(array, array.dtype) for name, array in state.items()})
    return layer


def by_name(custom_objects: CustomObjects) -> dict[str, type[Layer]]:
    """The caller's classes by name; an activation made by `@tt.activation` stands for its class.

    Raises:
        ArgumentError: something is no layer, or has the name of a class that is known.
    """
    if custom_objects is None:
        return {}
    if not isinstance(custom_objects, Mapping | list | tuple | set | frozenset | Iterator):
        one = class_of(custom_objects)
        hint = f"; did you mean custom_objects=[{one.__name__}]?" if issubclass(one, Layer) else ""
        raise ArgumentError(f"custom_objects: expected a list or dict, got {custom_objects!r:.80}{hint}")
    if not isinstance(custom_objects, Mapping):
        custom_objects = {class_of(each).__name__: each for each in custom_objects}
    for name, each in custom_objects.items():
        if not isinstance(name, str) or not issubclass(class_of(each), Layer):
            raise ArgumentError(
                f"custom_objects: expected layers and activations by name, got {name!r:.80}: {each!r:.80}"
            )
        if known_class(name):
            raise ArgumentError(f"custom_objects: {name} is a class that tinytensor knows; name it otherwise")
    return {name: class_of(each) for name, each in custom_objects.items()}


def class_of(layer: Any) -> type[Any]:
    """A class as it is, of anything else its own."""
    return layer if isinstance(layer, type) else type(layer)


def build_layer(config: Any, state: State, classes: Classes, where: str, depth: int) -> Layer:
    """One layer, with what is inside it."""
    if not is_description(config):
        raise ModelFormatError(f'{where}: expected {{"class": …, "config": {{…}}}}, got {shortened(config)}')
    if depth > MAX_DEPTH:
        raise ModelFormatError(f"{where}: expected at most {MAX_DEPTH} layers inside one another")
    name, arguments = config["class"], config["config"]
    cls = classes.get(name) or known_class(name)
    if cls is None:
        raise ModelFormatError(
            f"{where}: the class {shortened(name)} is not known; if it is yours, pass it: "
            "tt.load(path, custom_objects=[…])"
        )
    own, inner = grouped(state)
    where = f"{where} {name}"
    if cls is Sequential:
        return build_sequential(arguments, inner, classes, where, depth)
    if "initializer" in inspect.signature(cls).parameters:  # its weight is drawn if a file has none
        refuse_drawing(own, arguments, where)
    values = {
        key: build_argument(value, part_of(own, inner, key), classes, f"{where}.{key}", depth + 1)
        for key, value in arguments.items()
    }
    try:
        names = inspect.signature(cls).parameters
        given = {key: array for key, array in own.items() if key in names and values.get(key) is not False}
        values |= {key: Tensor(array, array.dtype) for key, array in given.items()}
        return cls(**values)
    except Exception as error:
        raise ModelFormatError(f"{where}: {type(error).__name__}: {error}") from error


def refuse_drawing(own: State, arguments: Config, where: str) -> None:
    """Raise if a layer would draw or convert its weight, which could be of any size."""
    if "weight" not in own:
        raise ModelFormatError(f"{where}: missing: weight")
    unknown = arguments.keys() & drawn.NOT_IN_FILES
    if unknown:
        raise ModelFormatError(f"{where}: no file has {', '.join(sorted(unknown))[:80]} as arguments")


def build_argument(value: Any, state: State, classes: Classes, where: str, depth: int) -> Any:
    """A constructor's argument: descriptions in it become layers, marks of Tensors those of the state."""
    if depth > MAX_DEPTH:
        raise ModelFormatError(f"{where}: expected at most {MAX_DEPTH} layers inside one another")
    if value == TENSOR:
        if state.keys() != {""}:
            raise ModelFormatError(f"{where}: missing: the Tensor")
        return Tensor(state[""], state[""].dtype)
    if is_description(value):
        return build_layer(value, state, classes, where, depth)
    if not isinstance(value, list | dict):
        return value
    own, inner = grouped(state)
    if isinstance(value, list):
        return [
            build_argument(each, part_of(own, inner, str(i)), classes, f"{where}[{i}]", depth + 1)
            for i, each in enumerate(value)
        ]
    return {
        key: build_argument(each, part_of(own, inner, key), classes, f"{where}[{shortened(key)}]", depth + 1)
        for key, each in value.items()
    }


def part_of(own: State, inner: Mapping[str, dict[str, Array]], key: str) -> dict[str, Array]:
    """The arrays whose names begin with a key, without it; one that is named so is named "" in it."""
    return inner.get(key, {}) | ({"": own[key]} if key in own else {})


def build_sequential(
    arguments: Config, inner: Mapping[str, State], classes: Classes, where: str, depth: int
) -> Sequential:
    """A Sequential: a layer whose name is its position has no name of its own."""
    described = arguments.get("layers")
    if not isinstance(described, list) or len(arguments) != 1:
        raise ModelFormatError(f'{where}: expected {{"layers": […]}}, got {shortened(arguments)}')
    pairs = []
    for position, each in enumerate(described):
        name = each.get("name") if isinstance(each, dict) else None
        here = f"{where}[{position}]"
        if not isinstance(name, str):
            raise ModelFormatError(f"{here}: expected a layer with a name, got {shortened(each)}")
        config = {key: value for key, value in each.items() if key != "name"}
        layer = build_layer(config, inner.get(name, {}), classes, here, depth + 1)
        pairs.append(layer if name == str(position) else (name, layer))
    try:
        return Sequential(*pairs)
    except ArgumentError as error:
        raise ModelFormatError(f"{where}: {error}") from error


def is_description(value: Any) -> bool:
    """Whether this says which layer to build."""
    return (
        isinstance(value, dict)
        and value.keys() == {"class", "config"}
        and isinstance(value["class"], str)
        and isinstance(value["config"], dict)
    )


def grouped(state: State) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
    """The arrays of a layer itself, and those of the layers inside it by the first part of their names."""
    own: dict[str, Array] = {}
    inner: dict[str, dict[str, Array]] = {}
    for name, array in state.items():
        first, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(first, {})[rest] = array
        else:
            own[name] = array
    return own, inner


def shortened(value: Any) -> str:
    """A value for an error message, of bounded length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
