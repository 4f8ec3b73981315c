"""From an ONNX model to a configuration and a state dict, and to the model."""

import os
from pathlib import Path
from typing import Any

from tinytensor.errors import DtypeError, ModelFormatError, require
from tinytensor.io.config import Config, State, build
from tinytensor.io.content import content_of
from tinytensor.io.formats import located
from tinytensor.io.onnx.assemble import assemble
from tinytensor.io.onnx.choose import choose_layers
from tinytensor.io.onnx.patterns import recognise
from tinytensor.io.onnx.program import program_of
from tinytensor.io.onnx.semantics import modernize
from tinytensor.io.onnx.shapes import values_of
from tinytensor.io.onnx.simplify import drop_unread, simplify
from tinytensor.io.onnx.wire import refuse_bombs
from tinytensor.layers.layer import Layer

__all__ = ["from_onnx", "read"]

SIZE_LIMIT = (2 << 30) - 1  # of a message of Protocol Buffers


def from_onnx(model: Any, external_data: bool = False) -> Layer:
    """The model in an ONNX file, in bytes, or in a `ModelProto`.

    It is called with the graph's inputs in their order, as arrays or Tensors, and gives its outputs, one
    Tensor or a tuple of them. A chain of layers becomes a `Sequential`, anything else a `Graph`.

    Args:
        model: a path, the content of a file, or a `ModelProto`.
        external_data: whether weights may be read from other files in the folder of the model.

    Raises:
        UnsupportedOp: names every node that tinytensor does not compute, and what would help.
        ModelFormatError: it is no well-formed model, or wants another file; says where.
        OSError: the file cannot be read.
        MissingExtra: the onnx package is not installed.
    """
    onnx = require("onnx", "onnx")
    if isinstance(model, onnx.ModelProto):
        return build(*configured(model, None))
    if isinstance(model, bytes):
        return build(*configured(parsed(model), None))
    if not isinstance(model, str | os.PathLike):
        raise DtypeError(f"from_onnx: expected a path, bytes or a ModelProto, got {model!r:.80}")
    with located(model):
        path = Path(model)
        folder = path.parent if external_data else None
        return build(*configured(parsed(content_of(path, SIZE_LIMIT)), folder))


def read(path: Path) -> tuple[Config, State]:
    """The configuration and the state dict of the model in a file, without any other files.

    Raises:
        UnsupportedOp: names every node that tinytensor does not compute.
        ModelFormatError: it is no well-formed model.
    """
    return configured(parsed(content_of(path, SIZE_LIMIT)), None)


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


def configured(model: Any, folder: Path | None) -> tuple[Config, State]:
    """The configuration and the state dict of a ModelProto."""
    program = program_of(model, folder)
    modernize(program)
    simplify(program)
    drop_unread(program)
    values = values_of(program)
    recognise(program, values)
    choose_layers(program, values)
    drop_unread(program)
    return assemble(program, values)
