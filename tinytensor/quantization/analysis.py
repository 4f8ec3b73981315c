"""Which nodes of a trace have a form on bytes, what leads to what, and which calls of layers stay."""

import math
from collections.abc import Iterable

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.inference.plan import needed
from tinytensor.kernels.boundary import FLOATS
from tinytensor.layers.sequential import Sequential
from tinytensor.primitives.definition import Node, Symbol
from tinytensor.primitives.quantized import MOST_TERMS
from tinytensor.quantization.float_layers import layer_of
from tinytensor.quantization.recording import LayerCall, Recording

__all__ = ["ELEMENTWISE", "EVERYTHING", "SUMS", "Analysis", "bounds_of"]

SUMS = ("linear", "matmul", "convolve")
ELEMENTWISE = (
    "map", "add", "subtract", "multiply", "divide", "maximum", "minimum", "negative", "absolute", "prelu",
)  # fmt: skip
EVERYTHING = (-math.inf, math.inf)


class Analysis:
    """The nodes of a recording, who reads them, and which calls of layers stay in float32."""

    def __init__(self, recording: Recording, model: LayerCall, keep: Iterable[str]):
        self.recording, self.model, self.keep = recording, model, tuple(keep)
        used = {id(node) for node in needed(recording)}
        self.nodes = {i: node for i, node in enumerate(recording.nodes) if id(node) in used}
        self.ends = {each.index for each in recording.outputs}
        self.readers: dict[int, list[Node]] = {}
        for node in self.nodes.values():
            for index in {each.index for each in node.symbols}:
                self.readers.setdefault(index, []).append(node)
        self.position = {node.result.index: i for i, node in self.nodes.items()}
        self.kept: list[LayerCall] = []
        self.keep_calls(model)
        while (more := self.next_kept(model)) is not None:
            self.kept.append(more)

    def is_named(self, path: str) -> bool:
        """Whether the caller keeps the layer of that name, or one around it."""
        return any(path == each or path.startswith(f"{each}.") for each in self.keep)

    def keep_calls(self, call: LayerCall) -> None:
        """Keep the layers that the caller names; of a Sequential those in it."""
        for each in call.inner:
            if not self.is_named(each.path) or type(each.layer) is Sequential:
                self.keep_calls(each)
            else:
                self.kept.append(each)

    def call_at(self, position: int) -> LayerCall:
        """The innermost call that a node belongs to, or the outermost that is kept."""
        call = self.model
        while call not in self.kept_here(position):
            inner = next((each for each in call.inner if each.holds(position)), None)
            if inner is None:
                return call
            call = inner
        return call

    def kept_here(self, position: int) -> list[LayerCall]:
        """The calls that are kept and hold a node."""
        return [each for each in self.kept if each.holds(position)]

    def is_kept(self, node: Node) -> bool:
        """Whether a node is computed in float32 by its layer."""
        return bool(self.kept_here(self.position[node.result.index]))

    def next_kept(self, call: LayerCall) -> LayerCall | None:
        """The first call with a node of its own that has no form on bytes."""
        if call in self.kept:
            return None
        for each in call.inner:
            if (found := self.next_kept(each)) is not None:
                return found
        for position in call.direct():
            node = self.nodes.get(position)
            if node is None or (self.has_form(node) and (not call.inner or layer_of(node) is not None)):
                continue
            if call is self.model:
                raise UnsupportedOp(
                    f"quantize: {type(call.layer).__name__}.forward itself calls {node.primitive.name}, "
                    "which has no form on bytes; call it in a layer inside"
                )
            return call
        return None

    # Which nodes have a form on bytes

    def has_form(self, node: Node) -> bool:
        """Whether a node can be computed on bytes, or be folded into one that is."""
        name, dtype = node.primitive.name, node.result.dtype
        if dtype not in FLOATS or 0 in node.result.sample:
            return False
        if name in SUMS:
            return is_quantizable(node)
        if name == "batch_norm":
            return self.normalized_sum(node) is not None
        if name == "add" and len(node.symbols) == 2 and self.root_of(node) is None:
            a, b = node.symbols
            return a.ndim == b.ndim
        if name in ELEMENTWISE:
            return self.root_of(node) is not None
        if name in ("move", "pad"):
            return layer_of(node) is not None
        return name in ("pool", "cast") or is_spatial_mean(node)

    def root_of(self, node: Node) -> Symbol | None:
        """The one value that a node, with those before it, is an elementwise function of."""
        if node.primitive.name not in ELEMENTWISE or any(
            np.size(each) != 1 for each in node.operands if type(each) is not Symbol
        ):
            return None
        roots = {}
        for each in node.symbols:
            maker = self.maker(each)
            root = each if maker is None or self.is_kept(maker) else self.root_of(maker) or each
            roots[root.index] = root
        root = next(iter(roots.values()))
        return root if len(roots) == 1 and root.sample == node.result.sample else None

    def maker(self, symbol: Symbol) -> Node | None:
        """The node whose result a value is."""
        return self.nodes.get(self.position.get(symbol.index, -1))

    def normalized_sum(self, node: Node) -> Node | None:
        """The sum that a batch norm can be folded into."""
        maker = self.maker(node.operands[0])
        if maker is None or maker.primitive.name not in SUMS or not self.is_single(maker.result):
            return None
        axis = node.parameters["axis"] % maker.result.ndim
        first = maker.primitive.name == "convolve" and not maker.parameters["channels_last"]
        wanted = 1 if first else maker.result.ndim - 1
        return None if axis != wanted or self.is_kept(maker) or not is_quantizable(maker) else maker

    def padded_convolution(self, node: Node) -> Node | None:
        """The convolution on bytes that zeros put around images can be part of."""
        if node.primitive.name != "pad" or node.parameters["value"] != 0 or not self.is_single(node.result):
            return None
        (reader,) = self.readers[node.result.index]
        if reader.primitive.name != "convolve" or not is_quantizable(reader):
            return None
        channels = node.parameters["widths"][-1 if reader.parameters["channels_last"] else 0]
        return None if any(channels) or self.is_kept(reader) or self.is_kept(node) else reader

    def is_single(self, symbol: Symbol) -> bool:
        """Whether one node reads a value, and nobody else."""
        return len(self.readers.get(symbol.index, ())) == 1 and symbol.index not in self.ends


def is_quantizable(node: Node) -> bool:
    """Whether a product has constant weights whose sums fit an int32."""
    if node.primitive.name == "matmul":
        x, matrix = node.operands
        return (
            type(x) is Symbol
            and type(matrix) is not Symbol
            and matrix.ndim == 2
            and len(matrix) <= MOST_TERMS
        )
    terms = int(np.prod(node.operands[1].shape[1:], dtype=np.int64))
    return 0 < terms <= MOST_TERMS


def is_spatial_mean(node: Node) -> bool:
    """Whether it is the mean of each channel over the rows and columns of an image, in either order."""
    if node.primitive.name != "mean" or node.operands[0].ndim != 4:
        return False
    axis = node.parameters["axis"]
    axes = sorted(
        each % 4 for each in (axis if isinstance(axis, tuple | list) else (axis,)) if each is not None
    )
    return axes in ([1, 2], [2, 3])


def bounds_of(node: Node) -> tuple[float, float] | None:
    """The bounds of a function that is nothing but them: ReLU, ReLU6, max(x, 0) and the like."""
    from tinytensor import activations
    from tinytensor.operators.activations import Clip

    name = node.primitive.name
    if name == "map":
        function, arguments = node.parameters["function"], node.parameters["arguments"]
        if function is activations.ReLU.scalar:
            return 0.0, math.inf
        if function is activations.Identity.scalar:
            return EVERYTHING
        return (float(arguments[0]), float(arguments[1])) if function is Clip.scalar else None
    numbers = [each for each in node.operands if type(each) is not Symbol]
    if name not in ("maximum", "minimum") or len(numbers) != 1 or np.size(numbers[0]) != 1:
        return None
    bound = float(np.asarray(numbers[0]).item())
    return (bound, math.inf) if name == "maximum" else (-math.inf, bound)
