"""From an ONNX model to a configuration and a state dict, and to the model."""

import os
import warnings
from pathlib import Path
from typing import Any

from tinytensor.errors import ArgumentError, DtypeError, ModelFormatError, ModelFormatWarning, require
from tinytensor.files import StrPath
from tinytensor.io.config import Config, State, build
from tinytensor.io.content import content_of
from tinytensor.io.formats import located
from tinytensor.io.onnx.assemble import assemble
from tinytensor.io.onnx.choose import choose_layers
from tinytensor.io.onnx.external import Files
from tinytensor.io.onnx.patterns import recognise
from tinytensor.io.onnx.program import Program, program_of
from tinytensor.io.onnx.quantized import put_layers_on_bytes
from tinytensor.io.onnx.semantics import modernize
from tinytensor.io.onnx.simplify import drop_unread, simplify
from tinytensor.io.onnx.tensors import DTYPES, EXTERNAL, HALVES, array_of
from tinytensor.io.onnx.wire import refuse_bombs
from tinytensor.layers.layer import Layer

__all__ = ["from_onnx", "inlined", "layers_of", "parts", "read"]

NO_FOLDER = "tt.from_onnx(path) reads it from the folder of the model"
NOT_ASKED = "tt.from_onnx(path, external_data=True) reads it"
SIZE_LIMIT = (2 << 30) - 1  # of a message of Protocol Buffers


def from_onnx(model: Any, external_data: bool = True, halves: str = "widen") -> Layer:
    """The model in an ONNX file, in bytes, or in a `ModelProto`.

    It is called with the graph's inputs in their order, as arrays or Tensors, and gives its outputs, one
    Tensor or a tuple of them. A chain of layers becomes a `Sequential`, anything else a `Graph`. Strings, as
    the labels of a classifier, become their positions in a list, and the dictionaries of ZipMap an array.

    Args:
        model: a path, the content of a file, or a `ModelProto`.
        external_data: whether weights may be read from other files, regular ones in the folder of the model.
        halves: "widen" computes float16 and bfloat16 in float32, "refuse" raises.

    Raises:
        UnsupportedOp: names every node that tinytensor does not compute, and what would help.
        ModelFormatError: it is no well-formed model, or wants a file that is not to be read; says where.
        ArgumentError: `halves` is neither.
        OSError: the file cannot be read.
        MissingExtra: the onnx package is not installed.

    Warns:
        ModelFormatWarning: something is not quite as the file says: halves, strings, dictionaries.
    """
    onnx = require("onnx", "onnx")
    if not isinstance(halves, str) or halves not in ("widen", "refuse"):
        raise ArgumentError(f"from_onnx: halves: expected 'widen' or 'refuse', got {halves!r:.80}")
    widen = halves == "widen"
    if isinstance(model, onnx.ModelProto | bytes):
        proto = parsed(model) if isinstance(model, bytes) else model
        config, state, notes = configured(proto, Files(None, NO_FOLDER), widen)
        source = ""
    elif isinstance(model, str | os.PathLike):
        with located(model):
            config, state, notes = of_file(model, external_data, widen)
        source = f"{os.fspath(model)}: "
    else:
        raise DtypeError(f"from_onnx: expected a path, bytes or a ModelProto, got {model!r:.80}")
    warn(notes, source, 3)
    return build(config, state)


def read(path: StrPath) -> tuple[Config, State]:
    """The configuration and the state dict of the model in a file, and in files beside it.

    Raises:
        UnsupportedOp: names every node that tinytensor does not compute.
        ModelFormatError: it is no well-formed model.
    """
    config, state, notes = of_file(path, True, True)
    warn(notes, f"{path}: ", 4)
    return config, state


def warn(notes: list[str], source: str, depth: int) -> None:
    """Say what is not quite as the file says."""
    for note in notes:
        warnings.warn(f"{source}{note}", ModelFormatWarning, stacklevel=depth)


def of_file(path: StrPath, external_data: bool, widen: bool) -> tuple[Config, State, list[str]]:
    """The configuration and the state dict of the model in a file, and what there is to say of it."""
    files = Files(Path(path).parent) if external_data else Files(None, NOT_ASKED)
    return configured(parsed(content_of(path, SIZE_LIMIT)), files, widen)


def parts(path: StrPath) -> dict[str, int]:
    """The files that a model's tensors lie in, by the names that it has for them, and how many tensors."""
    found: dict[str, int] = {}
    for tensor in parsed(content_of(path, SIZE_LIMIT)).graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                found[entry.value] = found.get(entry.value, 0) + 1
    return found


def inlined(path: StrPath) -> Any:
    """The `ModelProto` in a file, with the tensors that lie in files beside it."""
    model, files = parsed(content_of(path, SIZE_LIMIT)), Files(Path(path).parent)
    for tensor in model.graph.initializer:
        if tensor.data_location == EXTERNAL:
            array = array_of(tensor, f"initializer {tensor.name!r:.80}", files)
            needed = array.size * (2 if DTYPES[tensor.data_type] in HALVES else array.itemsize)
            content = files.bytes_of(tensor, tensor.name, needed)
            del tensor.external_data[:]
            tensor.data_location, tensor.raw_data = 0, content
    return model


def parsed(content: bytes) -> Any:
    """The ModelProto that bytes are."""
    onnx = require("onnx", "onnx")
    refuse_bombs(content, onnx.ModelProto.DESCRIPTOR)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # DecodeError, of a library that need not be named here
        raise ModelFormatError(f"no ONNX model: {error}") from error
    return model


def configured(model: Any, files: Files, widen: bool) -> tuple[Config, State, list[str]]:
    """The configuration and the state dict of a ModelProto, and what there is to say of it."""
    program = program_of(model, files, widen)
    modernize(program)
    drop_unread(program)
    return *layers_of(program), program.notes


def layers_of(program: Program) -> tuple[Config, State]:
    """The configuration and the state dict of a program in the newest form."""
    values = simplify(program, {"DequantizeLinear"})
    drop_unread(program)
    if put_layers_on_bytes(program, values):
        values = simplify(program)
        drop_unread(program)
    recognise(program, values)
    choose_layers(program, values)
    drop_unread(program)
    return assemble(program, values)
