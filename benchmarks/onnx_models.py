"""The measured work as ONNX models, made with ONNX's own helper."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.networks import Network

__all__ = ["network_model", "single"]

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
    """Gemm, activation, …, Softmax; for raw pixels Cast and Mul before them."""
    nodes, constants, here = [], {}, "x"
    if x.dtype == np.uint8:
        constants["scale"] = np.float32(1 / 255)
        nodes += [
            helper.make_node("Cast", ["x"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
        ]
        here = "scaled"
    last = len(network.sizes) - 2
    for i, (weight, bias) in enumerate(network.layers()):
        constants |= {f"w{i}": weight, f"b{i}": bias}
        nodes.append(helper.make_node("Gemm", [here, f"w{i}", f"b{i}"], [f"a{i}"], transB=1))
        here = f"z{i}"
        operation = "Softmax" if i == last else {"sigmoid": "Sigmoid", "relu": "Relu"}[network.hidden]
        nodes.append(helper.make_node(operation, [f"a{i}"], [here]))
    return finished(nodes, {"x": x}, here, constants)


def single(operation: str, inputs: dict[str, Any], **attributes: Any) -> bytes:
    """One operation."""
    return finished([helper.make_node(operation, list(inputs), ["y"], **attributes)], inputs, "y", {})
