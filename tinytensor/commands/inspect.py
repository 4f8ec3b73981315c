"""Say what a model's file holds: format, layers, shapes, bytes, and what would not import.

Nothing in the file is executed. A file of weights alone is listed by their names.
"""

import argparse
import contextlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tinytensor as tt
from tinytensor.text import escaped

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tinytensor inspect`."""
    parser.add_argument("file", metavar="FILE", help="the model")


def run(args: argparse.Namespace) -> None:
    """Print what is known of the file."""
    print(escaped(report(args.file)))


def report(path: str) -> str:
    """What is known of a file, as text."""
    from tinytensor.io.formats import identify

    format_ = identify(path)
    lines = [f"{path}: {format_.name}, {os.path.getsize(path):,} bytes"]
    try:
        lines += [f"weights in {name!r}: {n} tensors" for name, n in other_files(format_, path).items()]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", tt.ModelFormatWarning)
            model = tt.load(path)
        lines += [str(each.message).removeprefix(f"{path}: ") for each in caught]
        lines += ["", str(table(model))]
    except tt.ModelFormatError as error:
        lines += ["", f"would not import: {str(error).removeprefix(f'{path}: ')}"]
        with contextlib.suppress(tt.ModelFormatError):  # the same that was said already
            lines += ["", *listed(tt.io.read_state(path))]
    return "\n".join(lines)


def other_files(format_: Any, path: str) -> dict[str, int]:
    """The files beside a model that it reads, and how many tensors lie in each."""
    if format_.name != "ONNX":
        return {}
    from tinytensor.io.onnx.reader import parts

    return parts(Path(path))


def table(model: Any) -> Any:
    """The layers of a model; those of a graph by the values that they define."""
    from tinytensor.inference.summary import Summary, row

    if isinstance(model, tt.Sequential):
        return model.summary()
    if isinstance(model, tt.Graph):
        names = [", ".join(filter(None, defined)) for _, defined in model.wires]
        layers = zip(names, model.layers, strict=True)
        return Summary(tuple(row(name, layer) for name, layer in layers))
    return tt.Sequential(model).summary()


def listed(state: Mapping[str, Any]) -> list[str]:
    """A line for each array."""
    cells = [
        (name, str(array.shape), array.dtype.name, f"{array.nbytes:,} bytes") for name, array in state.items()
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)] if cells else []
    return ["  ".join(cell.ljust(n) for cell, n in zip(each, widths, strict=True)).rstrip() for each in cells]
