"""`trace`: a `forward`, called once with symbols, as a list of primitives.

A layer that is not one of ours may do anything: read values, branch on them, draw random numbers. So it is
traced twice, with another number of samples, and both traces must be the same; and on a few rows of the first
batch the traced primitives must give the bits that its forward gives. If not, the layer is one node of the
trace, which calls its forward. What a forward may depend on is its input and its layer's attributes.
"""

import os
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from tinytensor.inference import calls
from tinytensor.inference.traceable import Traceable
from tinytensor.inference.watch import Watch
from tinytensor.kernels.boundary import Array
from tinytensor.kernels.scalar_source import same
from tinytensor.primitives.definition import Batch, Node, Primitive, Result, Symbol, Untraceable
from tinytensor.primitives.elementwise import cast
from tinytensor.tensors import Tensor

__all__ = ["Trace", "trace"]

NUMBERS = (1_000_003, 999_983)  # of samples, while a forward is traced
EXAMPLE_ROWS = 2  # of the first batch, on which a traced layer that is not ours must give the same bits
PACKAGE = os.path.dirname(os.path.dirname(__file__))


class Trace:
    """The primitives that a forward calls, and which layers called them.

    Args:
        example: for each input a few samples, with which layers that cannot be traced are run.
    """

    def __init__(self, example: Sequence[Array], numbers: tuple[int, int] = NUMBERS):
        self.numbers = numbers  # of samples, as if there were so many
        self.uses_length = False  # as a plain integer, of which a forward may make anything
        self.nodes: list[Node] = []
        self.example = list(example)
        self.inputs: list[Symbol] = []
        self.given = [each.dtype for each in example]  # the dtypes of the samples before they become Tensors
        self.outputs: list[Symbol] = []
        self.count = 0  # of symbols
        self.shapes: dict[str, Any] = {}  # what each layer returns, by its name
        self.reasons: dict[str, str] = {}  # why a layer is not traced, by its name
        self.watch = Watch()
        self.values: dict[int, Array] = {}
        self.refused: str | None = None
        self.foreign = 0  # how many layers that are not ours are being traced
        self.as_if(numbers[0])
        for each in self.example:
            symbol = self.symbol(Result(each.shape[1:], each.dtype))
            self.inputs.append(symbol)
            self.values[symbol.index] = each

    def as_if(self, samples: int) -> None:
        """Trace as if there were so many samples."""
        self.batch = Batch(samples)
        self.measured: int | None = None
        self.batch.tracer = self

    def symbol(self, result: Result) -> Symbol:
        """A new one."""
        self.count += 1
        return Symbol(self, self.count, *result)

    # What symbols call

    def measure(self) -> int:
        """The number of samples, as a plain integer."""
        self.measured, self.uses_length = int.__int__(self.batch), True
        return self.measured

    def refuse(self, reason: str) -> NoReturn:
        """Raise Untraceable; who catches it in a forward is refused all the same."""
        self.refused = self.refused or reason
        raise Untraceable(reason)

    def record(self, primitive: Primitive, operands: Any, parameters: dict[str, Any]) -> Symbol:
        """Note a call; the symbol of its result."""
        result = primitive.result(*operands, **parameters)
        if primitive.promotes:
            operands = tuple(
                cast(each, dtype=result.dtype)
                if isinstance(each, Symbol) and each.dtype != result.dtype and result.dtype.kind == "f"
                else each
                for each in operands
            )
        return self.append(primitive, tuple(operands), parameters, result)

    def append(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any], result: Result
    ) -> Symbol:
        """One more node."""
        symbol = self.symbol(result)
        self.nodes.append(Node(primitive, operands, parameters, symbol, calls.current_path()))
        return symbol

    def producer(self, symbol: Symbol) -> Node | None:
        """The node whose result a symbol is."""
        return next((node for node in reversed(self.nodes) if node.result is symbol), None)

    # Layers inside

    def call(self, layer: Traceable, *x: Any) -> Any:
        """What a layer inside returns: symbols from its forward, or from a node that calls it."""
        before, path = self.count, calls.current_path()
        mark = len(self.nodes)
        try:
            foreign = calls.runs_foreign_code(layer)
            if foreign and self.foreign:
                self.watch.add(layer, self.refuse)
            y = self.checked(layer, x) if foreign and not self.foreign else layer.forward(*x)
            if self.refused is None:
                return y
            reason = self.refused
        except Untraceable as error:
            reason = f"{error}{line_of(error)}"
        except Exception as error:
            reason = f"{type(error).__name__}: {error}{line_of(error)}"
        del self.nodes[mark:]
        self.refused = None
        if self.foreign:  # the outermost decides
            self.refuse(reason)
        self.forget(before)
        self.reasons[path] = reason
        return self.opaque(layer, x)

    def forget(self, before: int) -> None:
        """Drop values of symbols that are gone."""
        self.values = {index: value for index, value in self.values.items() if index <= before}

    def checked(self, layer: Traceable, x: tuple[Any, ...]) -> Any:
        """The result of a layer that is not ours, if two traces and its forward agree."""
        self.foreign += 1
        try:
            self.watch.add(layer, self.refuse)
            mark, before = len(self.nodes), self.count
            first = layer.forward(*x)
            nodes = self.nodes[mark:]
            self.restart(mark, before, self.numbers[1])
            second = layer.forward(*x)
            if self.refused is None and not agree(nodes, self.nodes[mark:], first, second):
                self.refuse("two calls of forward do different things")
            self.restart(mark, before, self.numbers[0])
            self.nodes.extend(nodes)
            self.count = before + len(nodes)
            if self.refused is None:
                self.compare(layer, x, first)
            return first
        finally:
            self.foreign -= 1
            self.as_if(self.numbers[0])

    def restart(self, mark: int, before: int, samples: int) -> None:
        """Go back to before a forward was called."""
        del self.nodes[mark:]
        calls.recount()
        self.count = before
        self.as_if(samples)

    def compare(self, layer: Traceable, x: tuple[Any, ...], y: Any) -> None:
        """Raise Untraceable unless forward gives the bits of the traced primitives for the example."""
        given = [self.example_of(each) for each in x]
        for rows in {len(self.example[0]), 1}:
            some = [calls.read_only(each[:rows]) if type(each) is Tensor else each for each in given]
            with calls.unheard():
                expected = layer.forward(*some)
            for symbol, value in zip(results(y), results(expected), strict=True):
                if type(symbol) is not Tensor or not isinstance(symbol._array, Symbol):
                    self.refuse("forward does not return what it computes of its input")
                found = self.value(symbol._array)[:rows]
                array = value._array if type(value) is Tensor else np.asarray(value)
                if not same_bits(found, array):
                    self.refuse("forward gives other numbers than the operations that it was seen to call")

    def opaque(self, layer: Traceable, x: tuple[Any, ...]) -> Any:
        """A node that calls a layer's forward; one for each of several results."""
        given = [self.example_of(each) for each in x]
        with calls.unheard():
            y = calls.call_with(layer, *given)
        operands = tuple(each._array if type(each) is Tensor else each for each in x)
        found = []
        for item, each in enumerate(results(y)):
            if type(each) is not Tensor or each.ndim == 0 or len(each) != len(self.example[0]):
                self.refuse(f"{layer!r:.80} does not return a row for each sample")
            symbol = self.append(
                CALL, operands, {"layer": layer, "item": item}, Result(each.shape[1:], each.dtype)
            )
            self.values[symbol.index] = each._array
            found.append(Tensor._wrap(symbol))  # type: ignore[arg-type]
        return tuple(found) if isinstance(y, tuple) else found[0]

    def example_of(self, x: Any) -> Any:
        """A Tensor of the example's values in place of a symbol, which cannot be written to."""
        if type(x) is not Tensor or not isinstance(x._array, Symbol):
            return x
        return calls.read_only(Tensor._wrap(self.value(x._array)))

    def value(self, symbol: Symbol) -> Array:
        """What a symbol is for the example."""
        wanted = [symbol]
        while wanted:
            here = wanted[-1]
            node = None if here.index in self.values else self.producer(here)
            if node is None:
                wanted.pop()
                continue
            missing = [each for each in node.symbols if each.index not in self.values]
            wanted.extend(missing)
            if not missing:
                operands = [
                    self.values[each.index] if isinstance(each, Symbol) else each for each in node.operands
                ]
                self.values[here.index] = np.asarray(node.primitive.eager(*operands, **node.parameters))
        return self.values[symbol.index]


def run_layer(*operands: Any, layer: Traceable, item: int) -> Array:
    """One of the results of a layer, of arrays."""
    y = calls.call_with(
        layer, *(Tensor._wrap(each) if type(each) is np.ndarray else each for each in operands)
    )
    array: Array = results(y)[item]._array
    return array


CALL = Primitive("call", run_layer, lambda *_, **parameters: NotImplemented)


def trace(model: Traceable, example: Sequence[Array]) -> Trace:
    """The trace of a model's forward for samples like those of the example.

    Raises:
        Untraceable: forward mixes samples, or does not return what it computes.
        Exception: whatever forward raises for samples of this shape.
    """
    found, y = traced(model, example)
    if found.measured is not None:  # the number of samples is used as a plain integer
        other, z = traced(model, example, NUMBERS[::-1])
        if not agree(found.nodes, other.nodes, y, z):
            raise Untraceable("the number of samples decides what forward does")
    for each in results(y):
        if type(each) is not Tensor or not isinstance(each._array, Symbol):
            raise Untraceable("forward does not return what it computes of its input")
        found.outputs.append(each._array)
    return found


def is_same_for(model: Traceable, found: Trace, count: int) -> bool:
    """Whether a trace as if there were so many samples is the same as the one that was found."""
    try:
        other, y = traced(model, found.example, (count, NUMBERS[0]))
    except Exception:  # forward raises it again
        return False
    ends = tuple(Tensor._wrap(each) for each in found.outputs)  # type: ignore[arg-type]
    return agree(found.nodes, other.nodes, ends, results(y))


def traced(
    model: Traceable, example: Sequence[Array], numbers: tuple[int, int] = NUMBERS
) -> tuple[Trace, Any]:
    """The trace, and what forward returns, as if there were so many samples."""
    found = Trace(example, numbers)
    with calls.recorded(model) as seen:
        x = [Tensor._wrap(each) for each in found.inputs]  # type: ignore[arg-type]
        y = found.checked(model, tuple(x)) if calls.runs_foreign_code(model) else model.forward(*x)
    if found.refused is not None:
        raise Untraceable(found.refused)
    found.shapes = {name: each._array for name, each in seen.items() if isinstance(each._array, Symbol)}
    return found, y


def results(y: Any) -> tuple[Any, ...]:
    """The results of a forward: one, or several."""
    return tuple(y) if isinstance(y, tuple) else (y,)


def agree(nodes: list[Node], others: list[Node], first: Any, second: Any) -> bool:
    """Whether two traces do the same, and return it."""
    if len(nodes) != len(others) or len(results(first)) != len(results(second)):
        return False
    pairs = zip(results(first), results(second), strict=True)
    ends = all(
        type(one) is type(other) is Tensor and same_operand(one._array, other._array) for one, other in pairs
    )
    return ends and all(map(same_node, nodes, others))


def same_node(node: Node, other: Node) -> bool:
    """Whether two calls are of one primitive with the same operands and parameters."""
    return (
        node.primitive is other.primitive
        and len(node.operands) == len(other.operands)
        and all(map(same_operand, node.operands, other.operands))
        and all(same_operand(value, other.parameters.get(name)) for name, value in deciding(node).items())
    )


def deciding(node: Node) -> dict[str, Any]:
    """The parameters that decide what a node computes; of a move that is its table."""
    return {"places": node.parameters["places"]} if node.primitive.name == "move" else node.parameters


def same_operand(one: Any, other: Any) -> bool:
    """Whether two operands are the same symbol, or have the same bits and may not change."""
    if isinstance(one, Symbol) or isinstance(other, Symbol):
        return type(one) is type(other) and one.index == other.index
    if type(one) is np.ndarray and type(other) is np.ndarray:
        shared = one.size > 0 and one.ctypes.data == other.ctypes.data and writable(one)
        return not shared and same_bits(one, other)
    if isinstance(one, np.dtype) and isinstance(other, np.dtype):
        return one == other
    return same(one, other)


def writable(array: Array) -> bool:
    """Whether somebody may write into the memory of an array, by itself or what it is a view of."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return True
        base = base.base
    return base is None or type(base) is not bytes


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays have the same dtype, shape and bits; one NaN is as good as another."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    numbers = ~(np.isnan(one) & np.isnan(other))
    signs = np.signbit(one) == np.signbit(other)
    return bool(np.all((one == other) & signs | ~numbers))


def line_of(error: BaseException) -> str:
    """Where in the user's code it happened, if there: file and line."""
    import traceback

    frames = [
        each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(PACKAGE)
    ]
    return f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
