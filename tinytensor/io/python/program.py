"""`Program`: a model as functions of Python, a line for each primitive of its trace."""

import builtins
import keyword
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.inference.plan import needed
from tinytensor.inference.trace import Trace
from tinytensor.io.expressions import Expression
from tinytensor.io.python.library import FUNCTIONS, sources, used_by
from tinytensor.io.python.rules import expression
from tinytensor.io.python.scalars import source_of
from tinytensor.io.traced import Constants, Examples, refused, traced
from tinytensor.kernels.boundary import Array
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer, code
from tinytensor.layers.operator import Constant, Operator
from tinytensor.primitives.definition import Node, Symbol

__all__ = ["Program"]

# Operations with several results.
SEVERAL = ("Dropout", "DynamicQuantizeLinear", "LayerNormalization", "Split", "TopK")
CONVOLUTIONS = ("convolve", "convolve_transposed")
NAMES = ("x", "y", "z", "u", "v", "w")  # of values
TAKEN = {*FUNCTIONS, *NAMES, *keyword.kwlist, *dir(builtins)} | {
    "W", "INPUTS", "Any", "Array", "array", "np", "math", "base64", "sys", "values", "inputs", "predict",
}  # fmt: skip


class Program:
    """The functions of a program, as lines, the functions of the library that they use, and the constants."""

    def __init__(self, model: Layer, arrays: Sequence[Array]):
        self.functions: list[list[str]] = []
        self.used: set[str] = set()
        self.scalars: dict[Any, tuple[str, str]] = {}  # names and sources, by function and expression
        self.parameters = Constants(model)
        self.constants: dict[str, Array] = {name: each.numpy() for name, each in model.parameters().items()}
        self.graphs: dict[str, str] = {}  # names of functions, by where the graph stands
        lines = ["def predict(*inputs: Any) -> Any:"]
        lines += ['    """The outputs for a batch of samples."""', '    with np.errstate(all="ignore"):']
        if isinstance(model, Graph | Operator):
            line, _ = self.call(model, "", [f"*map({self.use('given')}, inputs)"], arrays)
            lines += [f"        return {line}"]
        else:
            lines += [f"        {line}" for line in self.body(model, arrays)]
        self.functions.append(lines)

    def same(self, other: "Program") -> bool:
        """Whether another one is the same text."""
        return (
            self.functions == other.functions
            and list(self.scalars.values()) == list(other.scalars.values())
            and self.constants.keys() == other.constants.keys()
            and all(
                np.array_equal(each, other.constants[name], equal_nan=True)
                for name, each in self.constants.items()
            )
        )

    # What rules write with

    def use(self, name: str) -> str:
        """The name of a function, which the file will hold with all that it uses itself."""
        self.used |= used_by(name)
        return name

    def scalar(self, function: Any, names: list[str], expression: Expression) -> str:
        """The name of a function that computes an expression."""
        key = (function, tuple(expression.evaluation.table), expression.key)
        if key not in self.scalars:
            name = base = function.__name__ if function.__name__.isidentifier() else "function"
            taken, count = TAKEN | {name for name, _ in self.scalars.values()}, 1
            while name in taken:
                count += 1
                name = f"{base}_{count}"
            source, used = source_of(name, names, expression, said(function))
            for each in used:
                self.use(each)
            self.scalars[key] = name, source
        return self.scalars[key][0]

    def constant(self, array: Array) -> str:
        """An array as code: a parameter by its name, another one by a number."""
        name = self.parameters.name(array)
        if name:
            whole = self.constants[name]
            if array.dtype != whole.dtype:
                return f"W[{name!r}].astype({array.dtype.name!r})"
            if array.shape == whole.shape and array.strides == whole.strides:
                return f"W[{name!r}]"
            if array.shape == whole.T.shape and array.strides == whole.T.strides:
                return f"W[{name!r}].T"
            if array.flags.c_contiguous:
                return f"W[{name!r}].reshape({array.shape})"
        name = f":{len(self.constants)}"
        self.constants[name] = array
        return f"W[{name!r}]"

    def sources(self) -> Iterator[str]:
        """The source of the functions in use."""
        yield from sources(self.used)
        yield from (source for _, source in self.scalars.values())

    # Layers

    def body(self, model: Layer, arrays: Sequence[Array]) -> list[str]:
        """The lines that compute a model; two sets where float32 and float64 take different ways."""
        single, double = (
            self.layer(Body(len(arrays)), model, "", NAMES, [each.astype(dtype) for each in arrays])
            for dtype in ("float32", "float64")
        )
        names = ", ".join(NAMES[: len(arrays)])
        lines = [f"{names if len(arrays) > 1 else f'({names},)'} = map({self.use('samples')}, inputs)"]
        if single != double:
            lines += [f"if np.result_type({names}) == np.float64:", *(f"    {line}" for line in double)]
        return [*lines, *single]

    def layer(
        self, body: "Body", layer: Layer, prefix: str, inputs: Sequence[str], arrays: Sequence[Any]
    ) -> list[str]:
        """Lines that compute a layer and return its results."""
        found = self.results(body, layer, prefix, inputs, arrays)
        return [*body.lines, f"return {', '.join(found)}"]

    def results(
        self, body: "Body", layer: Layer, prefix: str, inputs: Sequence[str], arrays: Sequence[Any]
    ) -> list[str]:
        """The results of a layer as code, after lines that compute them."""
        found = traced(prefix.rstrip("."), layer, [each for each in arrays if each is not None])
        codes = {symbol.index: name for symbol, name in zip(found.inputs, inputs, strict=False)}
        return self.trace(body, found, prefix, codes)

    def call(
        self, layer: Layer, prefix: str, inputs: Sequence[str], arrays: Sequence[Any]
    ) -> tuple[str, bool]:
        """The call that computes an operation or a graph of them, and whether it gives a tuple."""
        if isinstance(layer, Graph):
            name = self.graph(layer, prefix, arrays)
            return f"{name}({', '.join(inputs)})", len(layer.output_names) > 1
        assert isinstance(layer, Operator)
        given = [f"{key}={code(value)}" for key, value in layer.attributes.items()]
        name = self.use(layer.operation)
        several = layer.operation in SEVERAL or bool(layer.attributes.get("indices"))
        return f"{name}({', '.join([*inputs, *given])})", several

    def trace(self, body: "Body", found: Trace, prefix: str, codes: dict[int, str]) -> list[str]:
        """A line for each node."""
        nodes = needed(found)
        same: dict[int, int] = {}
        for node in nodes:
            if is_natural(nodes, node):
                source = node.symbols[0].index
                same[node.result.index] = same.get(source, source)
        nodes = [node for node in nodes if node.result.index not in same]
        ends = {each.index for each in found.outputs}
        last: dict[int, int] = {}
        for position, node in enumerate(nodes):
            last |= {same.get(each.index, each.index): position for each in node.symbols}
        for position, node in enumerate(nodes):
            codes |= {each.index: codes[same[each.index]] for each in node.symbols if each.index in same}
            operands = [self.operand(each, codes) for each in node.operands]
            if node.primitive.name in CONVOLUTIONS:  # their weights are converted as NumPy does it
                operands[1:] = [each.partition(".astype")[0] for each in operands[1:]]
            line = self.node(body, node, f"{prefix}{node.owner}.", operands, found)
            for index in {same.get(each.index, each.index) for each in node.symbols}:
                if last[index] == position and index not in ends:
                    body.free(codes[index])
            codes[node.result.index] = body.new()
            shown = ascii(f"{prefix}{node.owner}")[1:-1]  # a name from a file must not end the comment
            body.lines.append(f"{codes[node.result.index]} = {line}{f'  # {shown}' if shown else ''}")
        return [codes[each.index] for each in found.outputs]

    def operand(self, operand: Any, codes: dict[int, str]) -> str:
        """A value, a constant or a number as code."""
        if type(operand) is Symbol:
            return codes[operand.index]
        return self.constant(operand) if isinstance(operand, np.ndarray) else code(operand)

    def node(self, body: "Body", node: Node, where: str, operands: list[str], found: Trace) -> str:
        """The code of a node."""
        if node.primitive.name != "call":
            line = expression(self, node, operands)
            if line is None:
                raise UnsupportedOp(
                    f"{where.rstrip('.')}: NumPy has nothing for the primitive {node.primitive.name}"
                )
            return line
        layer, item = node.parameters["layer"], node.parameters["item"]
        if not isinstance(layer, Operator | Graph):
            reason = found.reasons.get(node.owner) or next(iter(found.reasons.values()), "it is a black box")
            raise refused(where.rstrip("."), layer, reason)
        arrays = [found.value(each) if type(each) is Symbol else each for each in node.operands]
        line, several = self.call(layer, where, operands, arrays)
        return f"{line}[{item}]" if several else line

    def graph(self, model: Graph, prefix: str, arrays: Sequence[Any]) -> str:
        """A function for a graph, whose values are in a dict; its name."""
        if prefix in self.graphs:
            return self.graphs[prefix]
        name = self.graphs[prefix] = f"graph_{len(self.graphs) + 1}"
        body = Body(0)
        examples = Examples(model, arrays)
        for position, (layer, (read, defined)) in enumerate(zip(model.layers, model.wires, strict=True)):
            where = f"{prefix}layers.{position}."
            inputs = [f"values[{each!a}]" if each else "None" for each in read]
            to = [f"values[{each!a}]" if each else "_" for each in defined]
            if isinstance(layer, Constant):
                body.lines.append(f"{to[0]} = {self.constant(layer.value.numpy())}")
            elif isinstance(layer, Operator | Graph):
                given = [examples.of(each) for each in read] if isinstance(layer, Graph) else []
                line, several = self.call(layer, where, inputs, given)
                body.lines.append(f"{', '.join(to)}, *_ = {line}" if several else f"{to[0]} = {line}")
            else:
                given = [examples.of(each) for each in read]
                for item, (source, array) in enumerate(zip(read, given, strict=True)):
                    if source in model.input_names and array is not None and array.dtype.kind == "f":
                        inputs[item] = f"{self.use('floating')}({inputs[item]})"
                found = self.results(body, layer, where, inputs, given)
                body.lines += [f"{one} = {each}" for one, each in zip(to, found, strict=True)]
            body.taken.clear()
        outputs = ", ".join(f"values[{each!a}]" for each in model.output_names)
        lines = [f"def {name}(*inputs: Any) -> Any:", '    """Layers that are wired by names."""']
        lines += [f"    values: Any = dict(zip({list(model.input_names)!a}, inputs, strict=True))"]
        self.functions.append([*lines, *(f"    {line}" for line in body.lines), f"    return {outputs}"])
        return name


class Body:
    """The lines of a function, and which names of values are free."""

    def __init__(self, inputs: int):
        self.lines: list[str] = []
        self.taken: list[str] = []
        for _ in range(inputs):
            self.new()

    def new(self) -> str:
        """A name that is free."""
        numbered = (f"{NAMES[0]}{number}" for number in range(1, len(self.taken) + 2))
        name = next(each for each in (*NAMES, *numbered) if each not in self.taken)
        self.taken.append(name)
        return name

    def free(self, name: str) -> None:
        """Nobody reads it any more."""
        if name in self.taken:
            self.taken.remove(name)


def said(function: Any) -> str:
    """The first line of a function's docstring, as it may stand in one."""
    lines = (function.__doc__ or "").strip().splitlines()
    return lines[0].replace("\\", "\\\\").replace('"', "'") if lines else ""


def is_natural(nodes: Sequence[Node], cast: Node) -> bool:
    """Whether a node converts a value to what NumPy converts it to by itself, wherever it is read."""
    if cast.primitive.name != "cast":
        return False
    readers = [node for node in nodes if any(each is cast.result for each in node.symbols)]
    for node in readers:
        kinds = [each if type(each) in (bool, int, float) else each.dtype
                 for each in node.operands if each is not None and each is not cast.result]  # fmt: skip
        promotes = node.primitive.promotes and node.primitive.name != "several"
        if not promotes or np.result_type(cast.symbols[0].dtype, *kinds) != cast.result.dtype:
            return False
    return bool(readers)
