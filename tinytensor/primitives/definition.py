"""`Primitive`: an operation with its rules; `Symbol`: what stands for an array while a `forward` is traced.

A Tensor's array is an array of NumPy or a symbol. A primitive that is called with arrays computes. Called
with a symbol it records itself in the symbol's trace and returns the symbol of its result, of which the shape
of one sample and the dtype are known. So the `forward` that computes is also the one that is traced.

Source of the idea: JAX's core, as built up in "Autodidax: JAX core from scratch".
"""

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

__all__ = ["Batch", "Node", "Primitive", "Result", "Symbol", "Tracer", "Untraceable"]

Shape = tuple[int, ...]


class Untraceable(Exception):
    """What `forward` does depends on numbers that are not there while it is traced, or mixes samples."""


class Result(NamedTuple):
    """What is known of a primitive's result: the shape of one sample, and the dtype."""

    sample: Shape
    dtype: np.dtype[Any]


class Tracer(Protocol):
    """What records primitives; see `tinytensor.inference.trace`."""

    batch: "Batch"
    measured: int | None  # the number of samples as a plain integer, if `len` gave it away

    def record(self, primitive: "Primitive", operands: Any, parameters: dict[str, Any]) -> "Symbol":
        """Note a call; the symbol of its result."""

    def refuse(self, reason: str) -> NoReturn:
        """Raise Untraceable, and remember that this happened."""

    def measure(self) -> int:
        """The number of samples for `len`, which takes a plain integer only."""

    def call(self, layer: Any, *x: Any) -> Any:
        """The result of a layer inside the one that is traced."""


class Batch(int):
    """The number of samples while a `forward` is traced: it may be a length of a new shape, and no more."""

    tracer: Tracer

    def refused(self, *others: Any) -> NoReturn:
        """Raise: a result would depend on how many samples there are."""
        self.tracer.refuse("forward computes with the number of samples")

    def __int__(self) -> int:
        return self.tracer.measure()

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        return True if type(other) is Batch else self.refused()

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __abs__ = __neg__ = __float__ = refused
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = refused
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = refused
    __array__ = bit_length = bit_count = __round__ = __trunc__ = __floor__ = __ceil__ = refused
    __pow__ = __rpow__ = __divmod__ = __rdivmod__ = __and__ = __or__ = refused


class Symbol:
    """An array that is not there yet; axis 0 counts samples, `sample` is the shape of one of them."""

    __slots__ = ("dtype", "index", "sample", "tracer")

    def __init__(self, tracer: Tracer, index: int, sample: Shape, dtype: np.dtype[Any]):
        self.tracer, self.index, self.sample, self.dtype = tracer, index, sample, dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes; the first one is a `Batch`."""
        return (self.tracer.batch, *self.sample)

    @property
    def ndim(self) -> int:
        """The number of axes, that of samples included."""
        return 1 + len(self.sample)

    def __getattr__(self, name: str) -> NoReturn:
        self.tracer.refuse(f"forward takes .{name} of an array that is not computed yet")

    def __array__(self, *arguments: Any, **named: Any) -> NoReturn:
        self.tracer.refuse("forward hands its input to NumPy")

    def __repr__(self) -> str:
        return f"Symbol({self.index}: {self.dtype}(n{''.join(f', {n}' for n in self.sample)}))"


class Primitive:
    """A name with rules.

    Args:
        name: how it is called in a trace and in `explain`.
        eager: computes it on arrays and Python numbers.
        result: the shape of a sample of its result and its dtype, from operands of which one at least is a
            symbol; may raise Untraceable, by `refuse` of the symbol's tracer.
        lower: writes the instructions that compute it for rows of a block, in the order of operations that
            `eager` has; None: it runs eagerly between two programs.
        fusable: whether `lower` can do it for this node; by default always.
        numpy: how it reads in plain NumPy, where that is one expression of its operands {0}, {1}, ….
        promotes: whether operands may be converted to the result's dtype first, which changes no bit of it.
    """

    def __init__(
        self,
        name: str,
        eager: Callable[..., Any],
        result: Callable[..., Result],
        lower: Callable[[Any, "Node"], None] | None = None,
        fusable: Callable[["Node"], bool] | None = None,
        numpy: str = "",
        promotes: bool = False,
    ):
        self.name, self.eager, self.result, self.lower = name, eager, result, lower
        self.fusable, self.numpy, self.promotes = fusable, numpy, promotes

    def __call__(self, *operands: Any, **parameters: Any) -> Any:
        """Compute arrays; of symbols, record the call."""
        for each in operands:
            if type(each) is Symbol:
                return each.tracer.record(self, operands, parameters)
        return self.eager(*operands, **parameters)

    def is_fusable(self, node: "Node") -> bool:
        """Whether a program can compute this node."""
        return self.lower is not None and (self.fusable is None or self.fusable(node))

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


class Node(NamedTuple):
    """One call of a primitive in a trace: its operands are symbols, arrays or Python numbers."""

    primitive: Primitive
    operands: tuple[Any, ...]
    parameters: dict[str, Any]
    result: Symbol
    owner: str  # the layer whose forward called it, by name as in state_dict

    @property
    def symbols(self) -> list[Symbol]:
        """The operands that are results of other nodes, or inputs."""
        return [each for each in self.operands if type(each) is Symbol]


def first_symbol(operands: tuple[Any, ...]) -> Symbol:
    """The first operand that is a symbol."""
    return next(each for each in operands if type(each) is Symbol)


def constant_sample(constant: Any, symbol: Symbol) -> Shape:
    """The shape of a constant beside samples: the same for each of them.

    Raises:
        Untraceable: it has a row for each sample.
    """
    shape: Shape = np.shape(constant)
    if len(shape) < symbol.ndim:
        return shape
    if len(shape) == symbol.ndim and shape[0] == 1:
        return shape[1:]
    symbol.tracer.refuse(f"an operand of shape {shape} does not fit samples of shape {symbol.sample}")
