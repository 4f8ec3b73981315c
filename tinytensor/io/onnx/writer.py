"""From a model to ONNX, in an opset that runtimes have had since 2023."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tinytensor import __version__
from tinytensor.errors import DtypeError, require
from tinytensor.inference.calls import call_with
from tinytensor.inference.trace import results
from tinytensor.io.onnx.assemble import OUTPUT
from tinytensor.io.onnx.nodes import DTYPE, Nodes
from tinytensor.io.onnx.tensors import DTYPES
from tinytensor.io.onnx.trace_writer import OPSET, write_layer, write_trace
from tinytensor.io.traced import Constants, Input, examples_of, inputs_of, traced, written
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer
from tinytensor.layers.operator import Operator
from tinytensor.tensors import Tensor

__all__ = ["to_onnx", "write"]

IR_VERSION = 9
NUMBERS = {name: number for number, name in DTYPES.items()}


def to_onnx(model: Layer, shape: Any = None) -> Any:
    """Export a model as an ONNX `ModelProto`.

    Values are named as the layers are that compute them, constants as the parameters are. The number of
    samples may vary; other lengths too, where nothing in the file depends on them.

    Args:
        model: any layer whose forward can be traced, one of your own, too; or a Graph of operations.
        shape: of one sample, None for lengths that vary; of several inputs a list of shapes. It can be left
            out where the layers say it, as a first Linear does, and where it does not matter.

    Raises:
        DtypeError: the model is no layer.
        ShapeError: the shape is not a list of lengths, or has to be given.
        ArgumentError: a shape for each of several inputs has to be given.
        UnsupportedOp: a layer that cannot be traced, or that ONNX has nothing for; says which, and why.
        MissingExtra: the onnx package is not installed.
    """
    onnx, helper = require("onnx", "onnx"), require("onnx.helper", "onnx")
    if not isinstance(model, Layer):
        raise DtypeError(f"to_onnx: expected a model, got {model!r:.80}")
    forms = inputs_of("to_onnx", model, shape)
    graph, inputs = written("to_onnx", model, forms, lambda form: graph_of(model, form), Written.same)
    known = not any(None in each.lengths[1:] for each in inputs) and not isinstance(model, Graph | Operator)
    made = helper.make_graph(
        [
            helper.make_node(op, read, to, to[0], **attributes_of(given))
            for op, read, to, given in graph.nodes.nodes
        ],
        "tinytensor",
        [value_info(helper, each.name, each.dtype, each.lengths) for each in inputs],
        [
            value_info(helper, name, dtype, lengths if known else [None] * len(lengths))
            for name, dtype, lengths in graph.outputs
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.nodes.constants.items()],
    )
    return helper.make_model(
        made,
        producer_name="tinytensor",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


class Written(NamedTuple):
    """A model as nodes, and its outputs: name, dtype and lengths."""

    nodes: Nodes
    outputs: list[tuple[str, str, list[Any]]]

    def same(self, other: "Written") -> bool:
        """Whether the other one has the same nodes."""
        return self.nodes.same(other.nodes)


def graph_of(model: Layer, inputs: Sequence[Input]) -> Written:
    """The nodes of a model for samples of these lengths."""
    nodes, arrays = Nodes(Constants(model)), examples_of(inputs)
    names = [each.name for each in inputs]
    if isinstance(model, Graph | Operator):
        examples = results(call_with(model, *map(Tensor._wrap, arrays)))
        to = list(model.output_names) if isinstance(model, Graph) else output_names("", len(examples))
        found = write_layer(nodes, model, names, arrays, to)
        ends = [(each.dtype.name, each.shape) for each in examples]
    else:
        trace = traced("", model, arrays)
        last = trace.producer(trace.outputs[0])
        to = output_names(last.owner if last is not None else "", len(trace.outputs))
        start = {symbol.index: name for symbol, name in zip(trace.inputs, names, strict=True)}
        found = write_trace(nodes, model, trace, start, to)
        ends = [(each.dtype.name, (None, *each.sample)) for each in trace.outputs]
    computed = {name for _, _, defined, _ in nodes.nodes for name in defined}
    outputs: list[tuple[str, str, list[Any]]] = []
    for name, wanted, (dtype, lengths) in zip(found, to, ends, strict=True):
        if name not in computed or any(name == other for other, _, _ in outputs):
            free = wanted if wanted not in computed and wanted not in names else f"{wanted}:output"
            name = nodes.add("Identity", name, to=free)
        outputs.append((name, dtype, list(lengths)))
    return Written(nodes, outputs)


def output_names(layer: str, count: int) -> list[str]:
    """Names of results: that of the layer that computes the only one, if it has one."""
    if count == 1:
        return [layer if layer.isidentifier() else OUTPUT]
    return [f"{OUTPUT}_{position}" for position in range(count)]


def value_info(helper: Any, name: str, dtype: str, lengths: Sequence[int | None]) -> Any:
    """What is known of an input or an output."""
    axes = ["batch" if position == 0 and n is None else n for position, n in enumerate(lengths)]
    return helper.make_tensor_value_info(name, NUMBERS[dtype], axes)


def write(path: Path, model: Layer, shape: Any = None) -> None:
    """Write a model.

    Raises:
        UnsupportedOp: a layer that ONNX has nothing for.
        ShapeError: the shape of a sample has to be given.
        OSError: the disk does not take it.
    """
    path.write_bytes(to_onnx(model, shape).SerializeToString())


def attributes_of(given: dict[str, Any]) -> dict[str, Any]:
    """Attributes as ONNX has them: a dtype is a number."""
    others = {name: value for name, value in given.items() if name != DTYPE}
    return others | ({"to": NUMBERS[given[DTYPE]]} if DTYPE in given else {})
