"""`Graph`: layers that are wired by names, for networks that are no chain."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from tinytensor.errors import ArgumentError, ShapeError, TinyTensorError
from tinytensor.inference.calls import listening, noted
from tinytensor.inference.plan import plan_of
from tinytensor.kernels.boundary import as_operand
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["Graph"]

Wire = tuple[tuple[str, ...], tuple[str, ...]]


@final
class Graph(Layer):
    """Layers in order, each a function from named values to named values: y = x + layer(x) and the like.

    Args:
        input_names: names for the arguments of a call, in order.
        output_names: names of the values that it returns.
        layers: the layers, in an order in which they can be computed.
        wires: for each layer the names that it reads and the names that it defines; "" is an argument that
            is left out.
        signature: for each input its dtype and its shape, as far as they are told: None for a length that
            varies, or for the whole shape. No input is checked against it; exporters write it down, and
            inputs of whole numbers stay whole.

    Raises:
        ArgumentError: a name is read before it is defined, or defined twice; an argument has another form.
        ShapeError: called with another number of arguments.

    >>> import tinytensor as tt
    >>> residual = tt.Graph(
    ...     input_names=["x"],
    ...     output_names=["y"],
    ...     layers=[tt.Linear(2, 2, weight=[[0, 1], [1, 0]]), tt.Operator("Add")],
    ...     wires=[(["x"], ["h"]), (["h", "x"], ["y"])],
    ... )
    >>> residual([[1.0, 5.0]]).tolist()
    [[6.0, 6.0]]
    """

    def __init__(
        self,
        input_names: Sequence[str],
        output_names: Sequence[str],
        layers: Sequence[Layer],
        wires: Sequence[Any],
        signature: Sequence[Any] = (),
    ):
        self.input_names, self.output_names = (
            names("input_names", input_names),
            names("output_names", output_names),
        )
        self.layers = listed("layers", layers)
        self.wires = checked(self.input_names, self.output_names, self.layers, listed("wires", wires))
        self.signature = tuple(map(told, listed("signature", signature)))

    def __call__(self, *x: Any, fused: bool = True) -> Any:
        """The outputs for the inputs, as Tensors: one, or a tuple of them.

        Arrays keep their dtype, integers included. `fused=False` goes layer by layer, which gives the same
        bits.
        """
        given = [each if type(each) is Tensor else Tensor._wrap(as_operand(each)) for each in x]
        if listening():
            return noted(self, *given)
        if not fused or not given or len(given) != len(self.input_names):
            return self.forward(*given)
        y = plan_of(self).run(given)
        return tuple(map(Tensor._wrap, y)) if isinstance(y, tuple) else Tensor._wrap(y)

    def forward(self, *x: Tensor) -> Any:
        """The same, of Tensors."""
        values = self.values(*x)
        found = tuple(values[name] for name in self.output_names)
        return found[0] if len(found) == 1 else found

    def values(self, *x: Tensor) -> dict[str, Tensor]:
        """Every value by name."""
        if len(x) != len(self.input_names):
            raise ShapeError(
                f"Graph: expected {len(self.input_names)} arguments "
                f"({', '.join(self.input_names)}), got {len(x)}"
            )
        values: dict[str, Any] = {"": None, **dict(zip(self.input_names, x, strict=True))}
        for layer, (read, defined) in zip(self.layers, self.wires, strict=True):
            y = evaluate(layer, [values[name] for name in read], defined)
            values.update(zip(defined, y if isinstance(y, tuple) else (y,), strict=False))
        del values[""]
        return values

    def children(self) -> dict[str, Layer]:
        """The layers by their positions, as `layers.0`."""
        return {f"layers.{position}": layer for position, layer in enumerate(self.layers)}

    def __repr__(self) -> str:
        layers = "".join(f"        {layer!r},\n" for layer in self.layers)
        wires = "".join(f"        {wire},\n" for wire in self.wires)
        return (
            f"Graph(\n    input_names={list(self.input_names)},\n"
            f"    output_names={list(self.output_names)},\n"
            f"    layers=[\n{layers}    ],\n    wires=[\n{wires}    ],\n"
            f"    signature={list(self.signature)},\n)"
        )


def fixed(value: Any) -> Any:
    """Lists as tuples, which do not change."""
    return tuple(map(fixed, value)) if isinstance(value, list | tuple) else value


def listed(who: str, value: Any) -> tuple[Any, ...]:
    """The items of a sequence, which text is not."""
    if not isinstance(value, list | tuple):
        raise ArgumentError(f"Graph: {who}: expected a list, got {value!r:.80}")
    return tuple(value)


def names(who: str, value: Any) -> tuple[str, ...]:
    """A sequence of names."""
    found = listed(who, value)
    for each in found:
        if not isinstance(each, str):
            raise ArgumentError(f"Graph: {who}: expected names, got {each!r:.80}")
    return found


def told(value: Any) -> Any:
    """An entry of a signature: the name of a dtype, and a shape or None."""
    entry = fixed(value)
    if not isinstance(entry, tuple) or len(entry) != 2 or not is_dtype(entry[0]):
        raise ArgumentError(
            f"Graph: signature: expected (dtype, shape) as ('float32', (None, 784)), got {value!r:.80}"
        )
    return entry


def is_dtype(value: Any) -> bool:
    """Whether it names a dtype of NumPy."""
    try:
        return isinstance(value, str) and np.dtype(value) is not None
    except TypeError:
        return False


def checked(
    inputs: Sequence[str], outputs: Sequence[str], layers: Sequence[Layer], wires: Sequence[Any]
) -> tuple[Wire, ...]:
    """The wires as tuples of names, if they fit."""
    if len(wires) != len(layers):
        raise ArgumentError(f"Graph: expected wires for {len(layers)} layers, got {len(wires)}")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ArgumentError(f"Graph: expected a layer, got {layer!r:.80}")
    known = {""}
    found: list[Wire] = []
    for name in inputs:
        define(known, name, "the inputs")
    for layer, wire in zip(layers, wires, strict=True):
        if len(pair := listed("wires", wire)) != 2:
            raise ArgumentError(f"Graph: wires: expected (names read, names defined), got {wire!r:.80}")
        read, defined = (names("wires", each) for each in pair)
        missing = [name for name in read if name not in known]
        if missing:
            raise ArgumentError(
                f"Graph: {layer!r:.80} reads {missing[0]!r:.80}, which is not defined before it"
            )
        for name in filter(None, defined):
            define(known, name, f"{layer!r:.80}")
        found.append((read, defined))
    missing = [name for name in outputs if name not in known or not name]
    if missing or not outputs:
        raise ArgumentError(f"Graph: expected outputs that are defined, got {missing!r:.80}")
    return tuple(found)


def define(known: set[str], name: str, who: str) -> None:
    """Note that a name is taken."""
    if not name or name in known:
        raise ArgumentError(f"Graph: {who}: expected a new name, got {name!r:.80}")
    known.add(name)


def evaluate(layer: Layer, values: list[Any], defined: tuple[str, ...]) -> Any:
    """layer(values); an error says where it happened."""
    try:
        return noted(layer, *values) if listening() else layer.forward(*values)
    except TinyTensorError as error:
        said = str(error)
        where = f"Graph {', '.join(defined)} = "
        error.args = (f"{where}{said}" if said.startswith(repr(layer)) else f"{where}{layer!r}: {said}",)
        raise
    except Exception as error:
        error.add_note(f"in Graph {', '.join(defined)} = {layer!r}")
        raise
