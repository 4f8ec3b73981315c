"""The trace of a model with the calls of layers that its primitives belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinytensor.errors import UnsupportedOp
from tinytensor.inference import calls
from tinytensor.inference.trace import CALL, Trace, results
from tinytensor.kernels.boundary import Array
from tinytensor.primitives.definition import Node, Symbol, Untraceable
from tinytensor.tensors import Tensor

__all__ = ["LayerCall", "Recording", "record"]


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of a layer inside a model."""

    path: str
    layer: Any
    given: tuple[Any, ...]  # Tensors of symbols or of constants, or None
    found: tuple[Any, ...]
    first: int  # of its nodes
    end: int
    inner: tuple["LayerCall", ...]

    def holds(self, position: int) -> bool:
        """Whether the node at a position belongs to it."""
        return self.first <= position < self.end

    def direct(self) -> list[int]:
        """The positions of the nodes that its own forward calls."""
        return [i for i in range(self.first, self.end) if not any(each.holds(i) for each in self.inner)]


class Recording(Trace):
    """A trace that notes calls of layers; a layer that is not ours is traced twice, and noted once."""

    def __init__(self, example: Sequence[Array]):
        super().__init__(example)
        self.layer_calls: list[LayerCall] = []

    def call(self, layer: Any, *x: Any) -> Any:
        """As `Trace.call`."""
        before, first, path = len(self.layer_calls), len(self.nodes), calls.current_path()
        y = super().call(layer, *x)
        inner = self.once(layer, before, self.nodes[first:])
        self.layer_calls.append(LayerCall(path, layer, x, results(y), first, len(self.nodes), inner))
        return y

    def once(self, layer: Any, before: int, nodes: list[Node]) -> tuple[LayerCall, ...]:
        """Take the calls inside a layer off the list: none of one that is opaque, one trace's of two."""
        inner = self.layer_calls[before:]
        del self.layer_calls[before:]
        if any(node.primitive is CALL and node.parameters["layer"] is layer for node in nodes):
            return ()
        twice = calls.runs_foreign_code(layer) and not self.foreign
        return tuple(inner[: len(inner) // 2] if twice else inner)


def record(model: Any, example: Sequence[Array]) -> tuple[Recording, LayerCall]:
    """The trace of a model for samples like those of the example, and the call of the model itself.

    Raises:
        UnsupportedOp: its forward cannot be traced.
        Exception: whatever forward raises for samples of this shape.
    """
    found = Recording(example)
    x = tuple(Tensor._wrap(each) for each in found.inputs)  # type: ignore[arg-type]
    try:
        with calls.recorded(model):
            y = found.checked(model, x) if calls.runs_foreign_code(model) else model.forward(*x)
        if found.refused is not None:
            raise Untraceable(found.refused)
        inner = found.once(model, 0, [])
        ends = results(y)
        if found.uses_length or not all(
            type(each) is Tensor and isinstance(each._array, Symbol) for each in ends
        ):
            raise Untraceable("forward depends on the number of samples, or returns what it does not compute")
    except Untraceable as error:
        raise UnsupportedOp(f"quantize: {type(model).__name__} cannot be traced: {error}") from error
    found.outputs = [each._array for each in ends]
    return found, LayerCall("", model, x, ends, 0, len(found.nodes), inner)
