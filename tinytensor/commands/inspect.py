"""Show what a model's file holds, without executing anything.

Format, layers, shapes, bytes, and what could not be imported. A file of weights alone is listed by their
names.
"""

import contextlib
import dataclasses
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import tinytensor as tt
from tinytensor.commands.arguments import command_of, json_option
from tinytensor.commands.tables import plain_table
from tinytensor.text import escaped

__all__ = ["command", "report", "table"]


@dataclasses.dataclass
class Findings:
    """What is known of a file; of a model its layers, else why it is none and which arrays there are."""

    path: str
    format: str
    bytes: int
    other_files: dict[str, int]
    notes: list[str]
    layers: Any = None
    refused: str | None = None
    arrays: Mapping[str, Any] | None = None


@command_of("inspect", __doc__)
@click.argument("file", metavar="FILE")
@json_option
def command(file: str, as_json: bool) -> None:
    """Print what is known of the file."""
    print(json.dumps(as_dict(findings(file))) if as_json else escaped(report(file)))


def findings(path: str) -> Findings:
    """What is known of a file."""
    from tinytensor.io.formats import identify

    format_ = identify(path)
    found = Findings(path, format_.name, os.path.getsize(path), {}, [])
    try:
        found.other_files = other_files(format_, path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", tt.ModelFormatWarning)
            model = tt.load(path)
        found.notes = [str(each.message).removeprefix(f"{path}: ") for each in caught]
        found.layers = table(model)
    except tt.ModelFormatError as error:
        found.refused = str(error).removeprefix(f"{path}: ")
        with contextlib.suppress(tt.ModelFormatError):  # the same that was said already
            found.arrays = tt.io.read_state(path)
    return found


def report(path: str) -> str:
    """What is known of a file, as text."""
    found = findings(path)
    lines = [f"{path}: {found.format}, {found.bytes:,} bytes"]
    lines += [f"weights in {name!r}: {n} tensors" for name, n in found.other_files.items()]
    lines += [*found.notes, ""]
    if found.refused is None:
        return "\n".join([*lines, str(found.layers)])
    lines.append(f"would not import: {found.refused}")
    if found.arrays is not None:
        lines += ["", *listed(found.arrays)]
    return "\n".join(lines)


def as_dict(found: Findings) -> dict[str, Any]:
    """The findings as JSON holds them."""
    arrays = None if found.arrays is None else [
        {"name": name, "shape": array.shape, "dtype": array.dtype.name, "bytes": array.nbytes}
        for name, array in found.arrays.items()
    ]  # fmt: skip
    layers = None if found.layers is None else [dataclasses.asdict(row) for row in found.layers.rows]
    return vars(found) | {"layers": layers, "arrays": arrays}


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
    return plain_table(cells, texts=4).splitlines() if cells else []
