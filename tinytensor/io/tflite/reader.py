"""From a TFLite file to a configuration and a state dict, and to the model."""

import os
import warnings
from pathlib import Path

from tinytensor.errors import DtypeError, ModelFormatError, ModelFormatWarning, ShapeError, UnsupportedOp
from tinytensor.files import StrPath
from tinytensor.io.config import Config, State, build
from tinytensor.io.content import content_of
from tinytensor.io.formats import located
from tinytensor.io.onnx.reader import layers_of
from tinytensor.io.tflite.model import Model, Operation, model_of
from tinytensor.io.tflite.operations import OPERATIONS
from tinytensor.io.tflite.steps import Steps
from tinytensor.layers.layer import Layer
from tinytensor.text import listed

__all__ = ["load", "read"]

SIZE_LIMIT = (2 << 30) - 1  # of offsets
SHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")  # whose further operands only say the shape of the result
LISTED = 20


def load(path: str | os.PathLike[str]) -> Layer:
    """The model in a TFLite file, float32 or quantised.

    It is called with the file's inputs in their order, in the file's dtypes: of a quantised model often int8,
    (byte - zero_point) · scale. Its outputs are those of the file. Images have their channels last. A model
    that was converted for a batch of 1 takes any batch.

    Args:
        path: the file.

    Raises:
        UnsupportedOp: names every operator that tinytensor does not compute.
        ModelFormatError: it is no well-formed model; says where.
        DtypeError: no path.
        OSError: the file cannot be read.
        MissingExtra: the tflite package is not installed.

    Warns:
        ModelFormatWarning: something is not quite as the file says: weights of 8 bits in a model of float32.
    """
    if not isinstance(path, str | os.PathLike):
        raise DtypeError(f"tflite.load: expected a path, got {path!r:.80}")
    with located(path):
        return build(*read(Path(path)))


def read(path: StrPath) -> tuple[Config, State]:
    """The configuration and the state dict of the model in a file.

    Raises:
        UnsupportedOp: names every operator that tinytensor does not compute.
        ModelFormatError: it is no well-formed model.
    """
    steps = steps_of(model_of(content_of(path, SIZE_LIMIT)))
    found = layers_of(steps.program)
    for note in steps.program.notes:
        warnings.warn(f"{path}: {note}", ModelFormatWarning, stacklevel=4)
    return found


def steps_of(model: Model) -> Steps:
    """The steps of a model's operators."""
    steps = Steps(model)
    problems: dict[str, list[int]] = {}
    for position, operation in needed(model):
        steps.operation = operation
        try:
            if operation.name not in OPERATIONS:
                raise UnsupportedOp("not computed by tinytensor; docs/formats.md lists what is")
            OPERATIONS[operation.name](steps)
        except UnsupportedOp as error:
            problems.setdefault(f"{operation.name}: {error}", []).append(position)
        except (ShapeError, ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise ModelFormatError(f"operator {position} ({operation.name}): {error}") from error
    if problems:
        lines = [
            f"operator {', '.join(listed(map(str, places), LISTED))}: {problem}"
            for problem, places in problems.items()
        ]
        raise UnsupportedOp("\n  ".join(listed(lines, LISTED)))
    return steps


def needed(model: Model) -> list[tuple[int, Operation]]:
    """The operators that an output depends on, in their order, with their positions."""
    wanted, found = set(model.outputs), []
    for position, operation in reversed(list(enumerate(model.operations))):
        if wanted.isdisjoint(operation.outputs):
            continue
        read = operation.inputs[:1] if operation.name in SHAPES else operation.inputs
        wanted.update(read)
        found.append((position, operation))
    return found[::-1]
