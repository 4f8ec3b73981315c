"""The measured work as ONNX models, made with ONNX's own helper."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.networks import EPS, Network

__all__ = ["network_model", "single"]

ACTIVATIONS = {"sigmoid": "Sigmoid", "relu": "Relu", "softmax": "Softmax"}
TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "uint8": TensorProto.UINT8}


def finished(nodes: list[Any], inputs: dict[str, Any], output: str, constants: dict[str, Any]) -> bytes:
    """A model of these nodes; inputs are arrays with the shape and dtype that will come."""
    dtype = "float64" if any(x.dtype == np.float64 for x in inputs.values()) else "float32"
    graph = helper.make_graph(
        nodes,
        "benchmark",
        [helper.make_tensor_value_info(name, TYPES[x.dtype.name], x.shape) for name, x in inputs.items()],
        [helper.make_tensor_value_info(output, TYPES[dtype], None)],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    return bytes(made.SerializeToString())


def network_model(network: Network, x: Any) -> bytes:
    """Gemm, normalization, activation, …; for raw pixels Cast and Mul before them."""
    nodes, constants, here = [], {}, "x"

    def add(operation: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{operation}{len(nodes)}"
        nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    if x.dtype == np.uint8:
        constants["scale"] = np.float32(1 / 255)
        here = add("Mul", [add("Cast", ["x"], to=TensorProto.FLOAT), "scale"])
    for i, layer in enumerate(network.layers()):
        before = here
        constants |= {f"w{i}": layer.weight, f"b{i}": layer.bias}
        here = add("Gemm", [here, f"w{i}", f"b{i}"], transB=1)
        if layer.norm:
            names = [f"{role}{i}" for role in ("gain", "shift", "mean", "variance")][: len(layer.norm)]
            constants |= dict(zip(names, layer.norm, strict=True))
            operation = {2: "LayerNormalization", 4: "BatchNormalization"}[len(names)]
            here = add(operation, [here, *names], epsilon=EPS)
        if layer.activation:
            here = add(ACTIVATIONS[layer.activation], [here])
        if layer.adds:
            here = add("Add", [before, here])
    return finished(nodes, {"x": x}, here, constants)


def single(operation: str, inputs: dict[str, Any], **attributes: Any) -> bytes:
    """One operation."""
    return finished([helper.make_node(operation, list(inputs), ["y"], **attributes)], inputs, "y", {})
