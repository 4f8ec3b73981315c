"""The peers' adapters for quantised networks: a name, one batch of raw samples and threads make a `Made`.

Ours and LiteRT's read the same .tflite files of MLPerf Tiny. ONNX Runtime quantises the float32 network by
`quantize_static`: int8 weights by channel, uint8 activations. Its dense networks take bytes, as their first
QuantizeLinear is taken off; its networks of MLPerf Tiny begin otherwise and take float32. OpenVINO gets ONNX
Runtime's QDQ file. LiteRT's dense networks are made here from our scales.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinytensor as tt
from benchmarks import image_peers
from benchmarks.int8_networks import DENSE, calibration, file_of
from benchmarks.networks import Array, model
from benchmarks.peers import Peer, onnxruntime_session, openvino_model

__all__ = ["ADAPTERS", "PEERS", "Made"]


class Made(NamedTuple):
    """A network: raw samples as it takes them, its answers to these, and answers as float32."""

    convert: Callable[[Array], Array]
    run: Callable[[Array], Array]
    restore: Callable[[Array], Array] = lambda y: y


Adapter = Callable[[str, Array, int], Made]


def same(x: Array) -> Array:
    return x


def tinytensor(name: str, x: Array, threads: int) -> Made:
    tt.set_num_threads(threads)
    if name in DENSE:
        made = tt.quantize(model(DENSE[name], raw=True), calibration(name))
        return Made(same, made.predict)
    source, target = lite_details(name, x)
    loaded = tt.load(file_of(name))
    return Made(lambda raw: as_int8(raw, source), loaded.predict, lambda y: as_float(y, target))


def tinytensor_float(name: str, x: Array, threads: int) -> Made:
    tt.set_num_threads(threads)
    made = model(DENSE[name], raw=True) if name in DENSE else image_peers.model(name)
    return Made(same, made.predict)


# ONNX


def float_onnx(name: str, x: Array) -> bytes:
    """The network in float32, for numbers from 0 to 1 where it is dense."""
    from benchmarks.onnx_models import network_model

    if name in DENSE:
        return network_model(DENSE[name], np.zeros(x.shape, np.float32))
    return image_peers.onnx_file(name, len(x))


def numbers(name: str, raw: Array) -> Array:
    """Raw samples as numbers for the network in float32."""
    return raw.astype(np.float32) / np.float32(255) if name in DENSE else raw


def onnxruntime_float(name: str, x: Array, threads: int) -> Made:
    """Pixels are converted before the time is taken."""
    session = onnxruntime_session(float_onnx(name, x), threads)
    entry = session.get_inputs()[0].name
    return Made(lambda raw: numbers(name, raw), lambda given: session.run(None, {entry: given})[0])


def quantized_onnx(name: str, x: Array, form: str) -> tuple[Any, float, int]:
    """The network by `quantize_static`, without its first QuantizeLinear, of which scale and zero point."""
    import onnx
    from onnxruntime import quantization

    content = onnx.load_from_string(float_onnx(name, x))
    entry, count = content.graph.input[0].name, len(x)
    some = numbers(name, np.resize(calibration(name), (max(count, len(calibration(name))), *x.shape[1:])))
    batches = iter([some[i : i + count] for i in range(0, len(some) - count + 1, count)])

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Any:
            batch = next(batches, None)
            return None if batch is None else {entry: batch}

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(content, source)
        quantization.quantize_static(
            source, target, Reader(), quant_format=quantization.QuantFormat[form], per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        )  # fmt: skip
        made = onnx.load(target)
    return of_bytes(made, entry)


def of_bytes(made: Any, entry: str) -> tuple[Any, float, int]:
    """The network whose input is the bytes that its first QuantizeLinear made, if it begins with that."""
    from onnx import TensorProto, numpy_helper

    constants = {each.name: numpy_helper.to_array(each) for each in made.graph.initializer}
    first = next(each for each in made.graph.node if entry in each.input)
    if first.op_type != "QuantizeLinear":
        return made, 0.0, 0
    scale, zero = (constants[each] for each in first.input[1:3])
    made.graph.node.remove(first)
    for node in made.graph.node:
        node.input[:] = [entry if each == first.output[0] else each for each in node.input]
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    del made.graph.value_info[:]
    return made, float(scale), int(zero)


def to_bytes(name: str, scale: float, zero: int) -> Callable[[Array], Array]:
    """Raw samples as the bytes that the network takes, or as numbers where it takes those."""

    def convert(raw: Array) -> Array:
        if not scale:
            return numbers(name, raw)
        whole = np.rint(numbers(name, raw) / np.float32(scale)) + zero
        return np.ascontiguousarray(np.clip(whole, 0, 255).astype(np.uint8))

    return convert


def onnxruntime_int8(form: str) -> Adapter:
    def adapter(name: str, x: Array, threads: int) -> Made:
        made, scale, zero = quantized_onnx(name, x, form)
        session = onnxruntime_session(made.SerializeToString(), threads)
        entry = session.get_inputs()[0].name
        return Made(to_bytes(name, scale, zero), lambda given: session.run(None, {entry: given})[0])

    return adapter


def openvino(name: str, x: Array, threads: int) -> Made:
    made, scale, zero = quantized_onnx(name, x, "QDQ")
    compiled = openvino_model(made.SerializeToString(), threads)
    return Made(to_bytes(name, scale, zero), lambda given: compiled(given)[0])


# LiteRT


def interpreter_of(name: str, x: Array, threads: int) -> Any:
    """The interpreter of the network for one batch."""
    from ai_edge_litert.interpreter import Interpreter

    if name in DENSE:
        from benchmarks.int8_lite import dense_model

        content = dense_model(name, x)
    else:
        content = file_of(name).read_bytes()
    made = Interpreter(model_content=content, num_threads=threads)
    if name not in DENSE:
        made.resize_tensor_input(made.get_input_details()[0]["index"], [len(x), *x.shape[1:]])
    made.allocate_tensors()
    return made


def lite_details(name: str, x: Array) -> list[tuple[float, int]]:
    """Scale and zero point of the input and of the output in a .tflite file."""
    made = interpreter_of(name, x[:1], 1)
    return [each["quantization"] for each in (made.get_input_details()[0], made.get_output_details()[0])]


def as_int8(raw: Array, details: tuple[float, int]) -> Array:
    """Numbers as int8."""
    scale, zero = details
    return np.clip(np.rint(raw / np.float32(scale)) + zero, -128, 127).astype(np.int8)


def as_float(y: Array, details: tuple[float, int]) -> Array:
    """int8 as numbers."""
    scale, zero = details
    return (y.astype(np.float32) - zero) * np.float32(scale)


def litert(name: str, x: Array, threads: int) -> Made:
    made = interpreter_of(name, x, threads)
    (source,), (target,) = made.get_input_details(), made.get_output_details()

    def run(given: Array) -> Array:
        made.set_tensor(source["index"], given)
        made.invoke()
        return made.get_tensor(target["index"])  # type: ignore[no-any-return]

    def convert(raw: Array) -> Array:
        if name in DENSE:
            return (raw.astype(np.int16) - 128).astype(np.int8)
        return as_int8(raw, source["quantization"])

    return Made(convert, run, lambda y: as_float(y, target["quantization"]))


ADAPTERS: dict[str, Adapter] = {
    "tinytensor": tinytensor,
    "tinytensor float32": tinytensor_float,
    "ONNX Runtime float32": onnxruntime_float,
    "ONNX Runtime QDQ": onnxruntime_int8("QDQ"),
    "ONNX Runtime QOperator": onnxruntime_int8("QOperator"),
    "OpenVINO int8": openvino,
    "LiteRT int8": litert,
}

ONNX = ("onnx", "onnxruntime")
PEERS = [
    Peer("tinytensor", "tinytensor", "tinytensor-nn", None, "#d62728"),
    Peer("tinytensor float32", "tinytensor", "tinytensor-nn", None, "#e78a8b"),
    Peer("ONNX Runtime float32", "onnxruntime", "onnxruntime", None, "#8fd0c8", needs=ONNX),
    Peer("ONNX Runtime QDQ", "onnxruntime", "onnxruntime", None, "#2a9d8f", needs=ONNX),
    Peer("ONNX Runtime QOperator", "onnxruntime", "onnxruntime", None, "#1c6b61", needs=ONNX),
    Peer("OpenVINO int8", "openvino", "openvino", None, "#7b52ab", needs=ONNX),
    Peer("LiteRT int8", "ai_edge_litert", "ai-edge-litert", None, "#5b8c2a"),
]
