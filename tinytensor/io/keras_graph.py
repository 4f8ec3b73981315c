"""How the layers of a functional model of Keras are wired: as a chain, or as calls with named values."""

from typing import Any, NamedTuple

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.config import shortened
from tinytensor.io.keras_source import Described, Part, plain

__all__ = ["MERGES", "OVER_ONNX", "Call", "merged", "straight", "wired"]

OVER_ONNX = "over ONNX: model.export(path, format='onnx'), then tt.load"
MERGES = {
    "Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Maximum": "Max", "Minimum": "Min", "Average": "Add",
    "Concatenate": "Concat",
}  # fmt: skip
Reference = tuple[str, int]  # the output of a call of a layer: its name, and which call


class Call(NamedTuple):
    """One call of a layer: the values that it reads, and the one that it defines."""

    layer: Described
    reads: list[str]
    value: str


def merged(layer: Described, count: int) -> list[Part]:
    """Operators that merge so many values, two at a time, the first two first.

    Raises:
        UnsupportedOp: fewer than two values, an axis that is none, or a difference of more than two.
    """
    operation, who = MERGES[layer.kind], f"{layer.kind} {shortened(layer.name)}"
    if count < 2 or (operation == "Sub" and count != 2):
        raise UnsupportedOp(f"{who}: expected two values to merge, got {count}")
    if operation == "Concat":
        axis = layer.config.get("axis", -1)
        if type(axis) is not int:
            raise UnsupportedOp(f"{who}: axis: expected an integer, got {shortened(axis)}")
        return plain("Operator", operation=operation, attributes={"axis": axis})
    found = plain("Operator", operation=operation) * (count - 1)
    return [*found, *plain("Rescale", scale=1 / count)] if layer.kind == "Average" else found


def straight(model: Described) -> list[Described] | None:
    """The layers of a functional model as they are computed, if it is a chain, else None."""
    before: dict[Any, tuple[Any, Described]] = {}
    for layer in model.layers or ():
        nodes = layer.inbound
        sources = (
            [first_call(each) for node in nodes for each in inputs(node)]
            if isinstance(nodes, list)
            else [None]
        )
        first = layer.kind == "InputLayer"
        if layer.name is None or len(sources) != (0 if first else 1) or None in sources:
            return None
        before[layer.name] = (sources[0] if sources else None, layer)
    order = []
    name = only(model.config.get("output_layers"))
    while name in before:
        name, layer = before.pop(name)
        order.append(layer)
    if before or name is not None or not order or only(model.config.get("input_layers")) != order[-1].name:
        return None
    return order[::-1]


def first_call(reference: Reference | None) -> str | None:
    """The name of a layer, if its first call is meant."""
    return reference[0] if reference is not None and reference[1] == 0 else None


def wired(model: Described) -> tuple[list[str], list[str], list[Call]]:
    """The names of the inputs and outputs of a functional model, and its calls as they can be computed.

    Raises:
        UnsupportedOp: a call takes more than the first outputs of other layers.
        ModelFormatError: a value that is never computed, or two layers of one name.
    """
    where = shortened(model.name)
    pending: list[tuple[Call, list[str]]] = []
    names: set[str] = set()
    for layer in model.layers or ():
        if layer.name is None or layer.name in names:
            raise ModelFormatError(f"{where}: expected names that differ, got {shortened(layer.name)}")
        names.add(layer.name)
        nodes = layer.inbound if isinstance(layer.inbound, list) else []
        for number, node in enumerate([[]] if layer.kind == "InputLayer" else nodes):
            references = inputs(node)
            if None in references or (
                layer.kind not in MERGES and layer.layers is None and len(references) > 1
            ):
                raise UnsupportedOp(
                    f"{where}: {shortened(layer.name)}: expected a layer that takes outputs of others and "
                    f"nothing else; others go {OVER_ONNX}"
                )
            reads = [value_of(each) for each in references if each is not None]
            pending.append((Call(layer, reads, value_of((layer.name, number))), reads))
    calls: list[Call] = []
    known: set[str] = set()
    while pending:
        ready = [call for call, reads in pending if known.issuperset(reads)]
        if not ready:
            name = shortened(pending[0][0].layer.name)
            raise ModelFormatError(f"{where}: {name} reads what is not computed")
        calls += ready
        known.update(call.value for call in ready)
        pending = [each for each in pending if each[0].value not in known]
    outputs = ends(model, "output_layers", known)
    return ends(model, "input_layers", known), outputs, needed(calls, outputs)


def needed(calls: list[Call], outputs: list[str]) -> list[Call]:
    """The calls that outputs depend on, and the inputs."""
    wanted = set(outputs)
    kept: list[Call] = []
    for call in reversed(calls):
        if call.value in wanted or call.layer.kind == "InputLayer":
            kept.append(call)
            wanted.update(call.reads)
    return kept[::-1]


def value_of(reference: Reference) -> str:
    """The name of a call's value: that of the layer, with the number of a further call."""
    return reference[0] if reference[1] == 0 else f"{reference[0]}:{reference[1]}"


def ends(model: Described, key: str, known: set[str]) -> list[str]:
    """The values that are the inputs or outputs of a model."""
    listed = model.config.get(key)
    several = [listed] if reference_of(listed) is not None else listed
    found = [reference_of(each) for each in several] if isinstance(several, list) else []
    values = [value_of(each) for each in found if each is not None]
    if not values or len(values) != len(found) or not known.issuperset(values):
        raise UnsupportedOp(
            f"{shortened(model.name)}: {key}: expected calls of layers, got {shortened(listed)}"
        )
    return values


def inputs(node: Any) -> list[Reference | None]:
    """The calls whose outputs a call of a layer takes; None for what is unusual."""
    if isinstance(node, list):  # before Keras 3: [["dense", 0, 0, {…}], …]
        return [
            reference_of(each[:3]) if isinstance(each, list) and not any(each[3:]) else None for each in node
        ]
    arguments, named = (node.get("args"), node.get("kwargs")) if isinstance(node, dict) else (None, None)
    if not isinstance(arguments, list) or not isinstance(named, dict) or any(named.values()):
        return [None]
    if len(arguments) == 1 and isinstance(arguments[0], list):
        arguments = arguments[0]
    return [
        reference_of(each["config"].get("keras_history")) if is_tensor(each) else None for each in arguments
    ]


def is_tensor(argument: Any) -> bool:
    """Whether this says which layer's output is meant."""
    return (
        isinstance(argument, dict)
        and argument.get("class_name") == "__keras_tensor__"
        and isinstance(argument.get("config"), dict)
    )


def reference_of(listed: Any) -> Reference | None:
    """The layer and the call in [name, call, 0]: the first output of a call."""
    if isinstance(listed, list) and len(listed) == 3 and isinstance(listed[0], str):
        name, call, output = listed
        return (name, call) if type(call) is int and call >= 0 and output == 0 else None
    return None


def only(reference: Any) -> str | None:
    """The name in [name, 0, 0], or in a list of one such list: the first output of the first call."""
    if isinstance(reference, list) and len(reference) == 1:
        reference = reference[0]
    return first_call(reference_of(reference))
