"""Show the layers of a model: shapes, multiply-adds, parameters."""

import dataclasses
import json
from typing import Any

import click

from tinytensor.commands.arguments import command_of, json_option, load_model, model_argument, shape
from tinytensor.commands.inspect import table
from tinytensor.commands.tables import on_a_terminal, show_table
from tinytensor.text import escaped

__all__ = ["command"]


@command_of("summary", __doc__)
@model_argument()
@click.option("--shape", "sample", metavar="N,N", type=shape, help="The shape of one sample, as 28,28.")
@json_option
def command(model: str, sample: tuple[int, ...] | None, as_json: bool) -> None:
    """Print the table."""
    network = load_model(model)
    found = network.summary(sample) if sample else table(network)
    if as_json:
        print(json.dumps(as_dict(found)))
    elif on_a_terminal():
        show(found)
    else:
        print(found)


def as_dict(summary: Any) -> dict[str, Any]:
    """The summary as JSON holds it."""
    sums = {name: getattr(summary, name) for name in ("multiply_adds", "parameters", "bytes", "float_bytes")}
    return dataclasses.asdict(summary) | sums


def show(summary: Any) -> None:
    """The table on a terminal."""
    cells = [[*row[:3], *row[4:]] for row in summary.cells]  # without "fused", as the columns are many
    show_table(cells, texts=3, total=True)
    for note in summary.notes:
        print(escaped(note))
