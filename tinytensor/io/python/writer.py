"""From a model to the text of a Python file: the functions it uses, one line for each layer, the weights."""

import ast
import base64
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from tinytensor import __version__
from tinytensor.errors import UnsupportedOp
from tinytensor.io.config import KNOWN
from tinytensor.io.python import images, layers, operators
from tinytensor.layers.activation import Activation
from tinytensor.layers.avg_pool import AvgPool1d, AvgPool2d
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.conv import Conv1d, Conv2d
from tinytensor.layers.conv_transpose import ConvTranspose2d
from tinytensor.layers.dropout import Dropout
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.global_pool import GlobalAvgPool2d, GlobalMaxPool2d
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer, code
from tinytensor.layers.layer_norm import LayerNorm
from tinytensor.layers.linear import Linear
from tinytensor.layers.max_pool import MaxPool1d, MaxPool2d
from tinytensor.layers.operator import Constant, Operator
from tinytensor.layers.perceptron import Perceptron
from tinytensor.layers.prelu import PReLU
from tinytensor.layers.rescale import Rescale
from tinytensor.layers.reshape import Reshape
from tinytensor.layers.sequential import Sequential
from tinytensor.layers.state_dict import state_dict
from tinytensor.operators import pads
from tinytensor.operators.table import NUMPY_MODULES
from tinytensor.tensor import Tensor

__all__ = ["write"]

CONVOLUTION = ("weight", "bias", "stride", "padding", "dilation", "groups", "channels_last")
TRANSPOSED = (
    "weight", "bias", "stride", "padding", "output_padding", "dilation", "groups", "channels_last",
)  # fmt: skip
LARGEST = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "channels_last")
MEANS = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "channels_last")

# Of each layer, the function that computes it and what the function takes after x.
ARGUMENTS: dict[type[Layer], tuple[str, tuple[str, ...]]] = {
    Linear: ("linear", ("weight", "bias")),
    Perceptron: ("perceptron", ("weights", "bias")),
    Rescale: ("rescale", ("scale", "offset")),
    BatchNorm: ("batch_norm", ("weight", "bias", "running_mean", "running_var", "eps", "axis")),
    LayerNorm: ("layer_norm", ("weight", "bias", "eps")),
    PReLU: ("prelu", ("weight",)),
    Flatten: ("flatten", ()),
    Reshape: ("reshape", ("shape",)),
    **dict.fromkeys((Conv1d, Conv2d), ("conv", CONVOLUTION)),
    ConvTranspose2d: ("conv_transpose", TRANSPOSED),
    **dict.fromkeys((MaxPool1d, MaxPool2d), ("max_pool", LARGEST)),
    **dict.fromkeys((AvgPool1d, AvgPool2d), ("avg_pool", MEANS)),
    GlobalAvgPool2d: ("global_avg_pool", ("keepdims", "channels_last")),
    GlobalMaxPool2d: ("global_max_pool", ("keepdims", "channels_last")),
}
MOVES = (Flatten, Reshape, Operator, Constant, Graph)  # take integers as they are
SEVERAL = (
    "Dropout",
    "DynamicQuantizeLinear",
    "LayerNormalization",
    "Split",
    "TopK",
)  # operations with several results

FUNCTIONS: dict[str, FunctionType] = {
    name: value
    for module in (layers, operators, images, pads, *NUMPY_MODULES)
    for name, value in vars(module).items()
    if isinstance(value, FunctionType) and value.__module__ == module.__name__
}

HEAD = '''"""A trained network as a program that needs nothing but NumPy, written by tinytensor {version}.

predict(x) gives the outputs for a batch of samples, anything array-like; on the command line:

    python this_file.py x.npy y.npy

{model}
"""

import base64
import math
import sys
from typing import Any

import numpy as np

'''
ARRAY = '''
def array(dtype: str, shape: Any, text: str) -> Any:
    """The array whose little-endian bytes the text is in base 64."""
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


'''
TAIL = """
if __name__ == "__main__":
    paths = sys.argv[1:]
    if not INPUTS <= len(paths) <= INPUTS + 1:
        sys.exit(f"usage: python {sys.argv[0]} {' '.join(['x.npy'] * INPUTS)} [y.npy]")
    y = predict(*(np.load(path, allow_pickle=False) for path in paths[:INPUTS]))
    if len(paths) > INPUTS:
        np.save(paths[INPUTS], y)
    else:
        print(y)
"""


def write(path: Path, model: Layer) -> None:
    """Write a model as a program.

    Raises:
        UnsupportedOp: a layer that is not one of tinytensor's own.
        OSError: the disk does not take it.
    """
    program = Program()
    inputs = program.predict(model)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        shown = repr(model).replace("\\", "\\\\").replace('"""', "…")
        file.write(HEAD.format(version=__version__, model=shown))
        file.writelines(f"\n{source}\n" for source in program.sources())
        file.write(ARRAY)
        file.write("\n\n".join("\n".join(lines) + "\n" for lines in program.functions))
        file.write("\n\nW = {\n")
        for name, values in state_dict(model).items():
            file.writelines(embedded(name, values))
        file.write(f"}}\nINPUTS = {inputs}\n\n{TAIL}")


def embedded(name: str, values: Any) -> Iterator[str]:
    """One array of the weights."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    yield f"    {name!r}: array({little.dtype.str!r}, {values.shape}, '''\n"
    yield base64.encodebytes(little.tobytes()).decode("ascii")
    yield "'''),\n"


@cache
def source(name: str) -> tuple[str, set[str]]:
    """The text of a function, and the functions beside it that it names."""
    text = inspect.getsource(FUNCTIONS[name])
    text = text[text.index("def ") :]  # without decorators
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return text, names & FUNCTIONS.keys()


class Program:
    """The functions of a program, as lines, and which functions of NumPy they use."""

    def __init__(self) -> None:
        self.functions: list[list[str]] = []
        self.used: set[str] = set()
        self.graphs = 0

    def predict(self, model: Layer) -> int:
        """The function of the whole model; returns how many arguments it takes."""
        lines = ["def predict(*inputs: Any) -> Any:"]
        lines += ['    """The outputs for a batch of samples."""', '    with np.errstate(all="ignore"):']
        self.use("given")
        if isinstance(model, Graph):
            lines += [f"        return {self.graph(model, '')}(*map(given, inputs))"]
            self.functions.append(lines)
            return len(model.input_names)
        lines += ["        (x,) = map(given, inputs)"]
        lines += [f"        {line}" for line in self.chain(model, "", "x", "x")]
        self.functions.append([*lines, "        return x"])
        return 1

    def use(self, name: str) -> str:
        """The name of a function, which the program will hold with all that it uses itself."""
        if name not in self.used:
            self.used.add(name)
            for other in source(name)[1]:
                self.use(other)
        return name

    def sources(self) -> Iterator[str]:
        """The source of the functions in use, in the order of their modules."""
        return (source(name)[0] for name in FUNCTIONS if name in self.used)

    def chain(self, model: Layer, prefix: str, x: str, to: str) -> Iterator[str]:
        """A line for each layer of a Sequential, and of those inside it."""
        floats = False
        for name, layer in leaves(model, prefix):
            if isinstance(layer, Dropout):
                continue
            if not floats and not isinstance(layer, (*MOVES, Rescale)):
                x = f"{self.use('floating')}({x})"
            shown = ascii(name.rstrip("."))[1:-1]  # a name from a file must not end the comment
            yield f"{to} = {self.expression(layer, name, [x])}  # {shown or type(layer).__name__}"
            floats = floats if isinstance(layer, Flatten | Reshape) else not isinstance(layer, MOVES)
            x = to
        if x != to:
            yield f"{to} = {x}"

    def expression(self, layer: Layer, name: str, inputs: list[str]) -> str:
        """The call that computes a layer."""
        kind = type(layer)
        if KNOWN.get(kind.__name__) is not kind:
            raise UnsupportedOp(
                f"{name.rstrip('.')}: {layer!r:.200}: only layers of tinytensor can be written as a program"
            )
        if isinstance(layer, Graph):
            return f"{self.graph(layer, name)}({', '.join(inputs)})"
        if isinstance(layer, Constant):
            return f"W[{name + 'value'!r}]"
        if isinstance(layer, Operator):
            given = [f"{key}={code(value)}" for key, value in layer.attributes.items()]
            call = f"{self.use(layer.operation)}({', '.join(inputs + given)})"
            return f"{call}[0]" if layer.operation in SEVERAL else call
        if isinstance(layer, Activation):
            given = [f"{key}={code(value)}" for key, value in layer.config().items()]
            return f"{self.use(layer.name)}({', '.join(inputs + given)})"
        if kind not in ARGUMENTS:
            raise UnsupportedOp(
                f"{name.rstrip('.')}: {layer!r:.200}: no program can be written for it; ONNX would help"
            )
        function, attributes = ARGUMENTS[kind]
        values = [(key, getattr(layer, key)) for key in attributes]
        given = [f"W[{name + key!r}]" if type(value) is Tensor else code(value) for key, value in values]
        return f"{self.use(function)}({', '.join(inputs + given)})"

    def graph(self, model: Graph, prefix: str) -> str:
        """A function for a graph, whose values are in a dict; its name."""
        self.graphs += 1
        name = f"graph_{self.graphs}"
        lines = [f"def {name}(*inputs: Any) -> Any:", '    """Layers that are wired by names."""']
        lines += [f"    v: Any = dict(zip({model.input_names}, inputs, strict=True))"]
        for position, (layer, (read, defined)) in enumerate(zip(model.layers, model.wires, strict=True)):
            inputs = [f"v[{each!r}]" if each else "None" for each in read]
            where, to = f"{prefix}layers.{position}.", [f"v[{each!r}]" if each else "_" for each in defined]
            if isinstance(layer, Operator) and layer.operation in SEVERAL:
                call = self.expression(layer, where, inputs).removesuffix("[0]")
                lines.append(f"    {', '.join(to)}, *_ = {call}")
            elif isinstance(layer, Operator | Constant | Graph):
                lines.append(f"    {', '.join(to)} = {self.expression(layer, where, inputs)}")
            else:
                lines += [f"    {line}" for line in self.chain(layer, where, inputs[0], to[0])]
        outputs = ", ".join(f"v[{each!r}]" for each in model.output_names)
        self.functions.append([*lines, f"    return {outputs}"])
        return name


def leaves(model: Layer, prefix: str) -> Iterator[tuple[str, Layer]]:
    """The layers of a Sequential and of those inside it, with what their parameters' names start with."""
    if not isinstance(model, Sequential):
        yield prefix, model
        return
    for name, layer in model.children().items():
        yield from leaves(layer, f"{prefix}{name}.")
