"""State dicts: every parameter of a layer by name, out as arrays and in again, all or nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ArgumentError, DtypeError, TinyTensorError
from tinytensor.inference import revision
from tinytensor.kernels.boundary import Array, as_operand
from tinytensor.layers.attributes import frozen, replaced
from tinytensor.tensors import Tensor
from tinytensor.text import listed

__all__ = ["Skipped", "load_state_dict", "state_dict"]


LISTED = 40  # problems in a message


class Skipped(NamedTuple):
    """What `load_state_dict(…, strict=False)` passed over."""

    missing: list[str]
    unexpected: list[str]


def state_dict(layer: Any) -> dict[str, Array]:
    """The parameters of a layer as read-only arrays by name."""
    with revision.lock:
        return {name: tensor.numpy() for name, tensor in layer.parameters().items()}


def load_state_dict(layer: Any, values: Mapping[str, Any], strict: bool = True) -> Skipped:
    """Replace the parameters of a layer by those of `values`, all or, if anything is wrong, none.

    Values are anything array-like of the parameter's shape and are converted to its dtype; NaN and
    infinities are values like others.

    Raises:
        ArgumentError: names every missing, unexpected, mis-shaped and non-float entry.
        DtypeError: `values` is no mapping.
    """
    if not isinstance(values, Mapping):
        raise DtypeError(f"load_state_dict: expected names and values, got {type(values).__name__}")
    parameters = layer.parameters()
    skipped = Skipped(
        [name for name in parameters if name not in values],
        [str(name) for name in values if name not in parameters],
    )
    replacements, problems = {}, []
    if not isinstance(strict, bool | np.bool_):
        raise DtypeError(f"load_state_dict: strict: expected True or False, got {strict!r:.80}")
    if strict:
        problems += [f"missing: {name} {parameters[name].shape}" for name in skipped.missing]
        shapes = {name: getattr(values[name], "shape", ()) for name in skipped.unexpected}
        problems += [f"unexpected: {name} {shape}" for name, shape in shapes.items()]
    for name in parameters.keys() & values.keys():
        try:
            replacements[name] = converted(values[name], parameters[name])
        except TinyTensorError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ArgumentError(
            f"{type(layer).__name__}: the state dict does not fit, nothing was loaded:"
            + "".join(f"\n  {problem}" for problem in listed(sorted(problems), LISTED))
        )
    with revision.lock:
        assign(layer, replacements)
    return skipped


def converted(value: Any, parameter: Tensor) -> Tensor:
    """A value that fits the parameter's shape, in its dtype and frozen."""
    array = as_operand(value)
    if array.dtype.kind != parameter.dtype.kind:
        raise ArgumentError(f"expected {parameter.dtype}, got {array.dtype}")
    if array.shape != parameter.shape:
        hint = "; did you mean its .T?" if array.shape == parameter.shape[::-1] else ""
        raise ArgumentError(f"expected shape {parameter.shape}, got {array.shape}{hint}")
    return frozen(Tensor(array, parameter.dtype))


def assign(layer: Any, values: Mapping[str, Tensor]) -> None:
    """Set the parameters of these dotted names."""
    children = layer.children()
    inner: dict[str, dict[str, Tensor]] = {}
    for name, tensor in values.items():
        parts = name.split(".")
        prefixes = (".".join(parts[:count]) for count in range(1, len(parts)))
        prefix = next((each for each in prefixes if each in children), None)
        if prefix is None and len(parts) > 1:
            setattr(layer, parts[0], replaced(getattr(layer, parts[0]), parts[1:], tensor))
        elif prefix is None:
            setattr(layer, name, tensor)
        else:
            inner.setdefault(prefix, {})[name[len(prefix) + 1 :]] = tensor
    for prefix, part in inner.items():
        assign(children[prefix], part)
